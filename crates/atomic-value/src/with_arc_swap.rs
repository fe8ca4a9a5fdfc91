//! Feature `arc-swap`: values and readers for code that takes arc-swap's `Access`, and conversions both ways.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::access::Access;
use arc_swap::strategy::Strategy;
use arc_swap::{ArcSwapAny, cache};

use crate::backend::Guard;
use crate::nonempty::{NonEmptyReader, NonEmptyValue};
use crate::projection::Projection;
use crate::reader::{OwnedReader, Reader};
use crate::value::AtomicValue;

/// What `Access<Option<Arc<T>>>` of an [`AtomicValue`] gives: counted, as by [`AtomicValue::load_arc`].
#[derive(Debug)]
pub struct ArcAccess<T>(Option<Arc<T>>);

impl<T> Deref for ArcAccess<T> {
    type Target = Option<Arc<T>>;

    fn deref(&self) -> &Option<Arc<T>> {
        &self.0
    }
}

/// What `Access<Arc<T>>` of a [`NonEmptyValue`] gives: a [`Guard`] that shows its `Arc`.
pub struct GuardAccess<T>(Guard<T>);

impl<T> Deref for GuardAccess<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        Guard::as_arc(&self.0)
    }
}

impl<T: fmt::Debug> fmt::Debug for GuardAccess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GuardAccess").field(&self.0).finish()
    }
}

/// What `Access` of a [`Projection`] gives: a [`Guard`] that shows a part of its value.
pub struct PartAccess<T, P> {
    guard: Guard<T>,
    project: P,
}

impl<T, U: ?Sized, P: Fn(&T) -> &U> Deref for PartAccess<T, P> {
    type Target = U;

    fn deref(&self) -> &U {
        (self.project)(&self.guard)
    }
}

impl<T: fmt::Debug, P> fmt::Debug for PartAccess<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartAccess").field(&self.guard).finish()
    }
}

impl<T> Access<Option<Arc<T>>> for AtomicValue<T> {
    type Guard = ArcAccess<T>;

    fn load(&self) -> ArcAccess<T> {
        ArcAccess(self.load_arc())
    }
}

/// Loads from the source: the reader's memory needs `&mut`, which `Access` does not have.
impl<T> Access<Option<Arc<T>>> for Reader<'_, T> {
    type Guard = ArcAccess<T>;

    fn load(&self) -> ArcAccess<T> {
        ArcAccess(self.source().load_arc())
    }
}

/// Loads from the source: the reader's memory needs `&mut`, which `Access` does not have.
impl<T> Access<Option<Arc<T>>> for OwnedReader<T> {
    type Guard = ArcAccess<T>;

    fn load(&self) -> ArcAccess<T> {
        ArcAccess(self.source().load_arc())
    }
}

impl<T, F: Fn() -> T> Access<T> for NonEmptyValue<T, F> {
    type Guard = Guard<T>;

    fn load(&self) -> Guard<T> {
        self.load()
    }
}

impl<T, F: Fn() -> T> Access<Arc<T>> for NonEmptyValue<T, F> {
    type Guard = GuardAccess<T>;

    fn load(&self) -> GuardAccess<T> {
        GuardAccess(self.load())
    }
}

/// Loads from the source: the reader's memory needs `&mut`, which this `Access` does not have. That of `arc_swap::cache`
/// has it.
impl<S, T, F> Access<T> for NonEmptyReader<S, T>
where
    S: Deref<Target = NonEmptyValue<T, F>>,
    F: Fn() -> T,
{
    type Guard = Guard<T>;

    fn load(&self) -> Guard<T> {
        NonEmptyValue::load(self.source())
    }
}

/// Loads from the source, as [`NonEmptyReader`] does.
impl<S, T, F, P, U> Access<U> for Projection<NonEmptyReader<S, T>, P>
where
    S: Deref<Target = NonEmptyValue<T, F>>,
    F: Fn() -> T,
    P: Fn(&T) -> &U + Clone,
{
    type Guard = PartAccess<T, P>;

    fn load(&self) -> PartAccess<T, P> {
        PartAccess {
            guard: NonEmptyValue::load(self.reader.source()),
            project: self.project.clone(),
        }
    }
}

impl<S, T, F> cache::Access<T> for NonEmptyReader<S, T>
where
    S: Deref<Target = NonEmptyValue<T, F>>,
    F: Fn() -> T,
{
    fn load(&mut self) -> &T {
        self.load()
    }
}

impl<S, T, F, P, U> cache::Access<U> for Projection<NonEmptyReader<S, T>, P>
where
    S: Deref<Target = NonEmptyValue<T, F>>,
    F: Fn() -> T,
    P: Fn(&T) -> &U,
{
    fn load(&mut self) -> &U {
        self.load()
    }
}

/// Moves the current value, and no copy of it.
impl<T, S: Strategy<Option<Arc<T>>>> From<ArcSwapAny<Option<Arc<T>>, S>> for AtomicValue<T> {
    fn from(value: ArcSwapAny<Option<Arc<T>>, S>) -> Self {
        Self::from(value.into_inner())
    }
}

/// Moves the current value, and no copy of it.
impl<T, S: Strategy<Arc<T>>> From<ArcSwapAny<Arc<T>, S>> for NonEmptyValue<T> {
    fn from(value: ArcSwapAny<Arc<T>, S>) -> Self {
        Self::from(value.into_inner())
    }
}

/// Moves the current value, and no copy of it.
impl<T, S: Strategy<Option<Arc<T>>> + Default> From<AtomicValue<T>>
    for ArcSwapAny<Option<Arc<T>>, S>
{
    fn from(value: AtomicValue<T>) -> Self {
        Self::from(value.into_inner())
    }
}

/// Moves the current value, and no copy of it. Makes a first value if there is none.
impl<T, F: Fn() -> T, S: Strategy<Arc<T>> + Default> From<NonEmptyValue<T, F>>
    for ArcSwapAny<Arc<T>, S>
{
    fn from(value: NonEmptyValue<T, F>) -> Self {
        Self::from(value.into_inner())
    }
}
