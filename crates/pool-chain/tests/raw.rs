//! The raw chain: one producer at a time, named by the caller.

use pool_chain::raw::Chain;

#[test]
fn smoke() {
    let chain = Chain::new();
    assert_eq!(chain.pop_tail(), None);
    for value in 0..100 {
        // SAFETY: this thread is the only producer.
        unsafe { chain.push_head(value) }.unwrap();
    }
    assert_eq!(chain.len(), 100);
    assert_eq!(chain.pop_tail(), Some(0));
    // SAFETY: as above.
    assert_eq!(unsafe { chain.pop_head() }, Some(99));
    // SAFETY: as above.
    assert!(unsafe { chain.detach() }.eq(1..99));
    assert!(chain.is_empty());
    assert_eq!(chain.rings(), 0);
    let mut values = 0..1000;
    // SAFETY: as above.
    assert_eq!(unsafe { chain.push_head_batch(&mut values) }, 1000);
    let mut taken = Vec::new();
    // SAFETY: as above.
    let count = unsafe { chain.pop_head_batch(900, |value| taken.push(value)) };
    assert_eq!(count, 900);
    assert!(taken.iter().copied().eq((100..1000).rev()));
    let stolen = chain.pop_tail_batch(1000, |value| taken.push(value));
    assert_eq!((stolen, taken[900]), (4, 0));
}
