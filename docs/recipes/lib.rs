//! The recipes, so that every Rust block in them is compiled and run by `cargo test --doc -p recipes`.
//!
//! A package of its own, and not a default member, because they need more than the rest of the workspace does.

#[cfg(doctest)]
mod recipes {
    #[doc = include_str!("config-reload.md")]
    struct ConfigReload;
    #[doc = include_str!("firmware.md")]
    struct Firmware;
    #[doc = include_str!("hyper.md")]
    struct Hyper;
    #[doc = include_str!("mutex-vec.md")]
    struct MutexVec;
    #[doc = include_str!("rayon.md")]
    struct Rayon;
    #[doc = include_str!("regex-automata.md")]
    struct RegexAutomata;
    #[doc = include_str!("thread-local.md")]
    struct ThreadLocal;
    #[doc = include_str!("tokio.md")]
    struct Tokio;
}
