//! How large the next ring becomes, and when a ring is judged too large.

use pool_dequeue::MAX_CAPACITY;

use crate::raw::FIRST_CAPACITY;

/// Rings of a chain without a bound of its own double up to this.
pub(crate) const GREATEST: usize = MAX_CAPACITY;

/// A blocked ring smaller than this is followed by one of twice its size, any other by one of the same.
const BLOCKED_DOUBLES_BELOW: usize = 64;

/// A ring is judged too big or not after this many times its capacity in pushes …
const LAPS_PER_JUDGEMENT: usize = 2;
/// … and no sooner than this, so that what shrinking and growing again cost is spread thin.
const MIN_PUSHES_PER_JUDGEMENT: usize = 1024;

/// How many slots of `size` bytes a ring of so many bytes has: a power of two.
pub(crate) const fn slots_in(bytes: usize, size: usize) -> usize {
    let slots = bytes / size;
    if slots >= GREATEST {
        return GREATEST;
    }
    match slots.checked_ilog2() {
        Some(bits) => 1 << bits,
        None => 1,
    }
}

/// The capacity of a ring that `values` fill to a half at most, if rings become so large.
pub(crate) fn fit(values: usize, greatest: usize) -> usize {
    values
        .saturating_mul(2)
        .min(MAX_CAPACITY)
        .next_power_of_two()
        .max(FIRST_CAPACITY)
        .min(greatest)
}

/// The capacity of the ring behind one that refused a value; `single` if that one is the only ring, `sparse` if most
/// slots of all are empty. Rings stop doubling at `greatest`.
pub(crate) fn next_capacity(
    capacity: usize,
    len: usize,
    single: bool,
    sparse: bool,
    greatest: usize,
) -> usize {
    // A ring that is far from full and still refuses a value is blocked: a consumer was stopped between
    // claiming a slot and moving the value out. What is needed is another ring, not a bigger one, or a
    // sleeping thief would make the chain grow with the time that it sleeps.
    let blocked = len < capacity / 2;
    if blocked && single && capacity >= BLOCKED_DOUBLES_BELOW.min(greatest) {
        capacity
    } else if capacity >= greatest && !sparse {
        greatest
    } else {
        capacity.saturating_mul(2).min(MAX_CAPACITY)
    }
}

pub(crate) fn pushes_per_judgement(capacity: usize) -> usize {
    capacity
        .saturating_mul(LAPS_PER_JUDGEMENT)
        .max(MIN_PUSHES_PER_JUDGEMENT)
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::*;

    #[test]
    fn blocked_rings_are_followed_by_their_like() {
        for (capacity, len, single, next) in [
            // Full.
            (8, 8, true, 16),
            (64, 64, true, 128),
            // Blocked, and small.
            (32, 0, true, 64),
            // Blocked.
            (64, 31, true, 64),
            (128, 0, true, 128),
            (64, 32, true, 128),
            // Blocked for longer than a ring.
            (64, 0, false, 128),
            (MAX_CAPACITY, MAX_CAPACITY, false, MAX_CAPACITY),
        ] {
            if next > MAX_CAPACITY {
                // With narrow indices.
                continue;
            }
            let found = next_capacity(capacity, len, single, !single, MAX_CAPACITY);
            assert_eq!(found, next, "{capacity}, {len}, {single}");
        }
    }

    #[test]
    fn rings_stop_doubling_at_the_bound() {
        for (capacity, len, single, sparse, next) in [
            (2, 2, true, false, 4),
            (4, 4, true, false, 4),
            (4, 4, false, false, 4),
            // Blocked.
            (4, 1, true, false, 4),
            // Empty rings pile up.
            (4, 4, false, true, 8),
            (8, 8, false, true, 16),
            // They are gone.
            (8, 8, false, false, 4),
        ] {
            if next > MAX_CAPACITY {
                continue;
            }
            let found = next_capacity(capacity, len, single, sparse, 4);
            assert_eq!(found, next, "{capacity}, {len}, {single}, {sparse}");
        }
    }

    #[test]
    fn a_bound_in_bytes_is_at_least_a_slot() {
        for (bytes, size, slots) in [
            (0, 16, 1),
            (1024, 4096, 1),
            (1024, 1024, 1),
            (1024, 16, 64),
            (1024, 24, 32),
            (usize::MAX, 1, GREATEST),
        ] {
            assert_eq!(
                slots_in(bytes, size),
                slots.min(GREATEST),
                "{bytes}, {size}"
            );
        }
    }

    #[test]
    fn rings_that_fit_are_filled_to_a_half_at_most() {
        for (values, capacity) in [
            (0, FIRST_CAPACITY),
            (FIRST_CAPACITY / 2, FIRST_CAPACITY),
            (FIRST_CAPACITY / 2 + 1, 2 * FIRST_CAPACITY),
            (64, 128),
            (65, 256),
            (usize::MAX, MAX_CAPACITY),
        ] {
            if capacity <= MAX_CAPACITY {
                assert_eq!(fit(values, MAX_CAPACITY), capacity, "{values}");
            }
        }
        assert_eq!(fit(1000, FIRST_CAPACITY / 2), FIRST_CAPACITY / 2);
        for (capacity, pushes) in [
            (8, 1024),
            (512, 1024),
            (1024, 2048),
            (usize::MAX, usize::MAX),
        ] {
            assert_eq!(pushes_per_judgement(capacity), pushes);
        }
    }
}
