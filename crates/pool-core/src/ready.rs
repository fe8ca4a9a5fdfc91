//! For tests, which include this file: registers the process for its barrier before the harness starts threads, as a
//! careful program's `main` does. Without it, the first pools of a test would be without thread caches for some
//! milliseconds.

#[cfg(all(target_os = "linux", not(any(miri, pool_loom))))]
#[used]
// SAFETY: this section has pointers to functions that the loader calls before `main`.
#[unsafe(link_section = ".init_array")]
static READY: extern "C" fn() = {
    extern "C" fn ready() {
        pool_gate::register();
    }
    ready
};
