//! Every capacity that can be asked for: what one gets, and what the refusals say.
#![cfg(all(feature = "alloc", not(pool_loom)))]

use pool_dequeue::{CapacityError, MAX_CAPACITY, bounded, try_bounded};

/// Fills a ring, finds it full, and empties it again.
fn holds_its_capacity(asked: usize) {
    let (mut producer, consumer) = try_bounded::<usize>(asked).unwrap();
    let capacity = producer.capacity();
    assert_eq!(capacity, asked.next_power_of_two(), "asked for {asked}");
    assert_eq!(consumer.capacity(), capacity);
    assert_eq!(producer.push_head_batch(0..), capacity);
    assert_eq!(producer.len(), capacity);
    assert!(producer.push_head(0).is_err());
    for number in 0..capacity {
        assert_eq!(consumer.pop_tail(), Some(number));
    }
    assert_eq!(consumer.pop_tail(), None);
}

#[test]
fn around_the_powers_of_two() {
    let asked = [
        1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 127, 128, 129, 1000, 1024,
    ];
    // Minutes under Miri beyond this.
    let most = MAX_CAPACITY.min(if cfg!(miri) { 129 } else { MAX_CAPACITY });
    for asked in asked.into_iter().filter(|asked| *asked <= most) {
        holds_its_capacity(asked);
    }
}

#[test]
fn zero_is_refused() {
    let error = try_bounded::<u8>(0).unwrap_err();
    assert_eq!(error, CapacityError::Zero);
    assert_eq!(
        error.to_string(),
        "the capacity of a ring must be at least 1, given was 0"
    );
}

#[test]
fn too_much_is_refused() {
    for given in [MAX_CAPACITY + 1, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        let error = try_bounded::<()>(given).unwrap_err();
        let max = MAX_CAPACITY;
        assert_eq!(error, CapacityError::TooLarge { given, max });
        assert_eq!(
            error.to_string(),
            format!("the capacity of a ring must be at most {max}, given was {given}")
        );
    }
}

/// The largest ring works. Its slots are zeroed by the system as they are touched, so a gibibyte of them
/// costs a few pages.
#[test]
#[cfg_attr(miri, ignore = "Miri really writes the zeroes")]
#[cfg(target_pointer_width = "64")]
fn the_maximum() {
    // Just below the power of two, so that it is rounded up to the maximum.
    for asked in [MAX_CAPACITY - 1, MAX_CAPACITY] {
        if asked.next_power_of_two() != MAX_CAPACITY {
            continue; // indices of 3 bits: the maximum is 2
        }
        let (mut producer, consumer) = try_bounded::<()>(asked).unwrap();
        assert_eq!(producer.capacity(), MAX_CAPACITY);
        for _ in 0..3 {
            producer.push_head(()).ok();
        }
        assert_eq!(consumer.len(), 3.min(MAX_CAPACITY));
        assert_eq!(consumer.pop_tail(), Some(()));
        assert_eq!(producer.pop_head(), Some(()));
    }
}

/// More than the address space, and more than the machine: refused, not aborted.
#[test]
#[cfg(target_pointer_width = "64")]
fn no_room() {
    // The size overflows.
    let error = try_bounded::<[u64; 1 << 32]>(MAX_CAPACITY);
    if MAX_CAPACITY < 1 << 28 {
        return; // narrow indices: nothing that overflows can be asked for
    }
    let slots = MAX_CAPACITY;
    let error = error.unwrap_err();
    assert_eq!(error, CapacityError::OutOfMemory { slots });
    assert_eq!(
        error.to_string(),
        format!("the allocator had no room for a ring of {slots} slots")
    );

    // The size does not overflow, but no machine has it. (Miri would end the run.)
    if !cfg!(miri) {
        let error = try_bounded::<[u64; 1 << 26]>(MAX_CAPACITY - 1).unwrap_err();
        assert_eq!(error, CapacityError::OutOfMemory { slots });
    }
}

#[test]
#[should_panic(expected = "the capacity of a ring must be at least 1, given was 0")]
fn bounded_panics_with_the_reason() {
    let _ = bounded::<u8>(0);
}

/// The panic points at the caller.
#[test]
fn bounded_blames_its_caller() {
    let line = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (seen, before) = (line.clone(), std::panic::take_hook());
    let me = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == me {
            *seen.lock().unwrap() = info.location().map(|at| at.file().to_owned());
        } else {
            before(info);
        }
    }));
    assert!(std::panic::catch_unwind(|| bounded::<u8>(usize::MAX)).is_err());
    drop(std::panic::take_hook());
    let file = line.lock().unwrap().take().unwrap();
    assert!(file.ends_with("capacity.rs"), "blamed {file}");
}
