//! Rings and deques: one owner's end, and an end for thieves.

pub mod contenders;
pub mod packed;
pub mod work;

/// A queue with an owner who adds, and others who take.
pub trait Ring: 'static {
    /// As in the tables.
    const NAME: &'static str;

    /// Whether the owner takes the newest value first.
    const LIFO: bool;

    /// The end of the one who adds.
    type Owner: Send;

    /// The end of those who only take.
    type Thief: Send;

    /// A queue for at least so many values.
    fn new(capacity: usize) -> (Self::Owner, Self::Thief);

    /// Another end for taking.
    fn another(thief: &Self::Thief) -> Self::Thief;

    /// Adds a value, or says that it does not fit.
    fn push(owner: &mut Self::Owner, value: u64) -> bool;

    /// Takes a value at the owner's end.
    fn pop(owner: &mut Self::Owner) -> Option<u64>;

    /// Takes a value at the other end; an attempt that was lost to somebody else may find nothing.
    fn steal(thief: &mut Self::Thief) -> Option<u64>;
}

/// A queue that takes several values at once.
pub trait Batches: Ring {
    /// Adds values until one does not fit, and says how many did.
    fn push_batch(owner: &mut Self::Owner, values: impl ExactSizeIterator<Item = u64>) -> usize {
        values.take_while(|value| Self::push(owner, *value)).count()
    }

    /// Takes up to `max` of the oldest values, hands each to `take`, and says how many.
    fn steal_batch(thief: &mut Self::Thief, max: usize, take: impl FnMut(u64)) -> usize;
}
