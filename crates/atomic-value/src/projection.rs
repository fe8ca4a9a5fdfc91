//! Readers of a part of a value.

use std::fmt;

use crate::reader::{OwnedReader, Reader};

/// A reader of a part of a value, made by [`Reader::map`], [`OwnedReader::map`] or
/// [`NonEmptyReader::map`](crate::NonEmptyReader::map).
///
/// `load` costs what that of the reader costs, and a call of the closure, which should do no more than name the part.
#[derive(Clone)]
pub struct Projection<R, F> {
    pub(crate) reader: R,
    pub(crate) project: F,
}

impl<R, F> Projection<R, F> {
    pub(crate) fn new(reader: R, project: F) -> Self {
        Self { reader, project }
    }

    /// The reader of the whole.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<T, F> Projection<Reader<'_, T>, F> {
    /// The part of what is stored now, or `None` if the value is empty. See [`Reader::load`].
    #[inline]
    pub fn load<U: ?Sized>(&mut self) -> Option<&U>
    where
        F: Fn(&T) -> &U,
    {
        self.reader.load().map(&self.project)
    }

    /// Lets go of the value that it loaded last, until the next load.
    pub fn release(&mut self) {
        self.reader.release();
    }
}

impl<T, F> Projection<OwnedReader<T>, F> {
    /// The part of what is stored now, or `None` if the value is empty. See [`Reader::load`].
    #[inline]
    pub fn load<U: ?Sized>(&mut self) -> Option<&U>
    where
        F: Fn(&T) -> &U,
    {
        self.reader.load().map(&self.project)
    }

    /// Lets go of the value that it loaded last, until the next load.
    pub fn release(&mut self) {
        self.reader.release();
    }
}

impl<R: fmt::Debug, F> fmt::Debug for Projection<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Projection").field(&self.reader).finish()
    }
}
