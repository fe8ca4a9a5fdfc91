//! `FlushProcessWriteBuffers`: always there, and nobody registers.

use crate::barrier::{Refused, Status};
use crate::sync::{Ordering, compiler_fence, fence};

// Safe to call: the signature is as the system documents it: no arguments, no result, and it may be called at any time.
#[link(name = "kernel32")]
unsafe extern "system" {
    /// "Flushes the write queue of each processor that is running a thread of the current process."
    safe fn FlushProcessWriteBuffers();
}

#[inline(always)]
pub(crate) fn works() -> bool {
    true
}

pub(crate) fn register() -> bool {
    true
}

pub(crate) fn status() -> Status {
    Status::Ready
}

#[inline(always)]
pub(crate) fn light() {
    // ORDERING: SeqCst for the compiler only, pairs with the fences in `heavy`. The processor's part is done by the call
    // between them, which makes this thread run a full fence somewhere between two of its instructions.
    compiler_fence(Ordering::SeqCst);
}

pub(crate) fn heavy() -> Result<(), Refused> {
    // ORDERING: SeqCst, pairs with the compiler fence in `light`; it keeps the compiler, and this processor, from moving our
    // own accesses across the call.
    fence(Ordering::SeqCst);
    FlushProcessWriteBuffers();
    // ORDERING: SeqCst, for what follows the call; pairs with `light`, too.
    fence(Ordering::SeqCst);
    Ok(())
}
