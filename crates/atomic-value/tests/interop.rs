//! Values in code that expects serde's or arc-swap's traits.

#![cfg(all(not(pool_loom), any(feature = "serde", feature = "arc-swap")))]

#[cfg(feature = "serde")]
mod with_serde {
    use atomic_value::{AnyValue, AtomicValue, NonEmptyValue};

    #[test]
    fn the_current_value_is_written() {
        let value = AtomicValue::empty();
        assert_eq!(serde_json::to_string(&value).unwrap(), "null");
        value.store([1, 2]);
        assert_eq!(serde_json::to_string(&value).unwrap(), "[1,2]");
        assert_eq!(serde_json::to_string(&value.load()).unwrap(), "[1,2]");
        let lazy: NonEmptyValue<u8> = NonEmptyValue::lazy(|| 3);
        assert_eq!(serde_json::to_string(&lazy).unwrap(), "3");
        let any = AnyValue::new(4);
        assert_eq!(
            serde_json::to_string(&any.load::<i32>().unwrap()).unwrap(),
            "4"
        );
    }

    #[test]
    fn what_was_written_is_read() {
        let value: AtomicValue<Vec<u8>> = serde_json::from_str("[1,2]").unwrap();
        assert_eq!(*value.load().unwrap(), [1, 2]);
        let empty: AtomicValue<u8> = serde_json::from_str("null").unwrap();
        assert!(empty.is_empty());
        let full: NonEmptyValue<u8> = serde_json::from_str("3").unwrap();
        assert_eq!(*full.load(), 3);
        assert!(serde_json::from_str::<NonEmptyValue<u8>>("null").is_err());
        assert!(serde_json::from_str::<AtomicValue<u8>>("\"text\"").is_err());
    }
}

#[cfg(feature = "arc-swap")]
mod with_arc_swap {
    use std::ops::Deref;
    use std::sync::Arc;

    use arc_swap::access::{Access, DynAccess, Map};
    use arc_swap::{ArcSwap, ArcSwapOption, cache};
    use atomic_value::{AtomicValue, NonEmptyValue};

    fn number<T: Copy>(access: impl Access<T>) -> T {
        *access.load()
    }

    fn arc(access: &impl Access<Arc<u8>>) -> Arc<u8> {
        Arc::clone(&access.load())
    }

    fn option(access: &dyn DynAccess<Option<Arc<u8>>>) -> Option<u8> {
        access.load().as_deref().copied()
    }

    fn cached(access: &mut impl cache::Access<u8>) -> u8 {
        *access.load()
    }

    #[test]
    fn a_value_is_an_access() {
        let full = Arc::new(NonEmptyValue::new(1_u8));
        assert_eq!((number(&full), number(Arc::clone(&full))), (1, 1));
        assert!(Arc::ptr_eq(&arc(&full), &full.load_arc()));
        let any: Box<dyn DynAccess<u8> + Send + Sync> = Box::new(Arc::clone(&full));
        assert_eq!(number(any), 1);
        let value = AtomicValue::empty();
        assert_eq!(option(&value), None);
        value.store(2);
        assert_eq!(option(&value), Some(2));
    }

    #[test]
    fn a_reader_is_an_access() {
        let full = Arc::new(NonEmptyValue::new(1_u8));
        let (mut reader, mut owned) = (full.reader(), full.reader_owned());
        assert_eq!((number(reader.clone()), number(owned.clone())), (1, 1));
        full.store(2);
        assert_eq!((number(reader.clone()), number(owned.clone())), (2, 2));
        assert_eq!((cached(&mut reader), cached(&mut owned)), (2, 2));
        let value = Arc::new(AtomicValue::new(3));
        assert_eq!(option(&value.reader()), Some(3));
        assert_eq!(option(&value.reader_owned()), Some(3));
    }

    #[test]
    fn a_part_is_an_access() {
        let pair = NonEmptyValue::new((1_u8, "two"));
        let first = pair.reader().map(|pair| &pair.0);
        let guard = Access::<u8>::load(&first);
        pair.store((3, "four"));
        assert_eq!((*guard.deref(), number(first.clone())), (1, 3));
        assert_eq!(cached(&mut first.clone()), 3);
        assert_eq!(
            number(Map::new(&pair, |pair: &(u8, &'static str)| &pair.1)),
            "four"
        );
    }

    /// The object moves, and nothing else holds it.
    #[test]
    fn conversions_keep_the_object() {
        let one = Arc::new(1);
        let value = NonEmptyValue::from(ArcSwap::from(Arc::clone(&one)));
        let back = ArcSwap::from(value);
        assert!(Arc::ptr_eq(&back.load(), &one));
        assert!(Arc::ptr_eq(&back.into_inner(), &one));
        let value = AtomicValue::from(ArcSwapOption::from(Some(Arc::clone(&one))));
        let guard = value.load();
        let back = ArcSwapOption::from(value);
        assert!(Arc::ptr_eq(back.load().as_ref().unwrap(), &one));
        drop((guard, back));
        assert!(AtomicValue::<u8>::from(ArcSwapOption::const_empty()).is_empty());
        assert_eq!(Arc::strong_count(&one), 1);
        let lazy: NonEmptyValue<u8> = NonEmptyValue::lazy(|| 5);
        assert_eq!(**ArcSwap::from(lazy).load(), 5);
    }
}
