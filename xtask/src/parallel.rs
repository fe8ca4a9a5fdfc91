//! Work on as many threads as there are processors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Works through `items` on as many threads as there are processors, telling of each as it is done. The results
/// are in the order of the items.
pub(crate) fn parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(usize, &T) -> R + Sync,
    mut done: impl FnMut(&T, &R),
) -> Vec<R> {
    let workers = thread::available_parallelism()
        .map_or(2, usize::from)
        .min(items.len());
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for worker in 0..workers {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    if sender.send((index, work(worker, item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (index, result) in receiver {
            done(&items[index], &result);
            results[index] = Some(result);
        }
    });
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_keep_their_order() {
        let items: Vec<u64> = (0..20).collect();
        let mut seen = 0;
        let results = parallel(
            &items,
            |_, item| {
                thread::sleep(Duration::from_micros(20 - item));
                item * 2
            },
            |item, result| {
                assert_eq!(item * 2, *result);
                seen += 1;
            },
        );
        assert_eq!(seen, 20);
        assert_eq!(
            results,
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        assert!(parallel(&[] as &[u64], |_, _| (), |_, _| ()).is_empty());
    }
}
