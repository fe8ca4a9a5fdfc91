//! Feature `serde`: a value is written and read as what it holds.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::any::AnyGuard;
use crate::backend::Guard;
use crate::nonempty::NonEmptyValue;
use crate::value::AtomicValue;

/// As an `Option` of the version that is current when this is called.
impl<T: Serialize> Serialize for AtomicValue<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.load().as_deref().serialize(to)
    }
}

/// As an `Option`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for AtomicValue<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Option::deserialize(from)?;
        Ok(value.map_or_else(Self::empty, Self::new))
    }
}

/// As the version that is current when this is called. Makes a first value if there is none.
impl<T: Serialize, F: Fn() -> T> Serialize for NonEmptyValue<T, F> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.load().serialize(to)
    }
}

/// As a `T`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for NonEmptyValue<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Self::new)
    }
}

/// As the value that it shows.
impl<T: Serialize> Serialize for Guard<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(to)
    }
}

/// As the value that it shows.
impl<T: Serialize> Serialize for AnyGuard<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(to)
    }
}
