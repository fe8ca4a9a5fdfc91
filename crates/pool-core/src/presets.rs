//! What the usual growable things have in common, so that a pool of them needs no hook of its own.

use core::hash::{BuildHasher, Hash};
use core::mem::size_of;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::ffi::OsString;

use crate::policy::{Builder, Recycle};
use crate::usage::Usage;

/// Something growable that can be emptied and keeps its memory.
///
/// Implemented for the standard library's collections and strings, and with the feature `bytes` for `BytesMut`.
pub trait Reusable {
    /// Removes what is in it. May panic when an element's destructor does.
    fn clear(&mut self);

    /// How many elements are in it.
    fn used(&self) -> usize;

    /// How many there is room for; of those that do not keep their memory when they are cleared, how many are in it.
    fn capacity(&self) -> usize;

    /// About how many bytes of memory it holds besides itself, leaving out what its elements hold.
    fn bytes(&self) -> usize;
}

/// Given the method that says what they have room for: those that have none lose their memory when they are cleared, and
/// hold as much as is in them.
macro_rules! reusable {
    ($room:ident: $([$($generics:tt)*] $type:ty, $element:ty;)*) => {$(
        impl<$($generics)*> Reusable for $type {
            fn clear(&mut self) {
                self.clear();
            }

            fn used(&self) -> usize {
                self.len()
            }

            fn capacity(&self) -> usize {
                self.$room()
            }

            fn bytes(&self) -> usize {
                self.$room().saturating_mul(size_of::<$element>())
            }
        }
    )*};
}

reusable! {
    capacity:
    [T] Vec<T>, T;
    [] String, u8;
    [] OsString, u8;
    [T] VecDeque<T>, T;
    [T: Ord] BinaryHeap<T>, T;
    [K: Eq + Hash, V, S: BuildHasher] HashMap<K, V, S>, (K, V, u8);
    [K: Eq + Hash, S: BuildHasher] HashSet<K, S>, (K, u8);
}

reusable! {
    len:
    [K: Ord, V] BTreeMap<K, V>, (K, V);
    [K: Ord] BTreeSet<K>, K;
}

#[cfg(feature = "bytes")]
reusable! {
    capacity:
    [] bytes::BytesMut, u8;
}

impl<T: Reusable + ?Sized> Reusable for Box<T> {
    fn clear(&mut self) {
        (**self).clear();
    }

    fn used(&self) -> usize {
        (**self).used()
    }

    fn capacity(&self) -> usize {
        (**self).capacity()
    }

    fn bytes(&self) -> usize {
        (**self).bytes()
    }
}

impl<T: Reusable, F> Builder<T, F> {
    /// A [`recycle`](Self::recycle) hook for growable things: empties what comes back, and keeps it if it has room for no
    /// more than `max_capacity` elements (bytes, of a string or buffer).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use pool_core::Pool;
    ///
    /// let maps = Pool::builder(HashMap::<u32, String>::new)
    ///     .clear_up_to(1000)
    ///     .build();
    /// maps.get().insert(1, String::from("one"));
    /// assert!(maps.get().is_empty());
    /// ```
    pub fn clear_up_to(self, max_capacity: usize) -> Self {
        self.recycle(move |item| {
            // What goes is not worth clearing.
            if item.capacity() > max_capacity {
                return Recycle::Discard;
            }
            item.clear();
            Recycle::Keep
        })
    }

    /// Lets items go whose memory is not used: when items of about its size have come back less than a quarter full more
    /// than `uses` times in a row, the next one that does is dropped. For growable things; see
    /// [`discard_underused`](Self::discard_underused) for others.
    pub fn shed_underused(self, uses: usize) -> Self {
        self.usage(|item| Usage {
            used: item.used(),
            capacity: item.capacity(),
        })
        .discard_underused(uses)
    }

    /// The most bytes of memory that the items in the pool may hold, as [`Reusable::bytes`] counts them. For growable
    /// things; see [`max_weight`](Self::max_weight) for others.
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.weight(|item| item.bytes()).max_weight(bytes)
    }
}
