//! Work on two threads: the lab's machines have two cores.

use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow};

const HANDS: usize = 2;

/// Calls `work` for every item; the first failure ends the rest.
pub(crate) fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let queue = Mutex::new(items.iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let hand = || -> Result<()> {
        while let Some(item) = next() {
            if let Err(error) = work(item) {
                while next().is_some() {}
                return Err(error);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(hand)).collect();
        hands
            .into_iter()
            .try_for_each(|hand| hand.join().map_err(|_| anyhow!("a thread died"))?)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::for_each;

    #[test]
    fn every_item_once_and_failures_surface() {
        let sum = AtomicUsize::new(0);
        for_each(&[1, 2, 3, 4, 5], |&item| {
            sum.fetch_add(item, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 15);
        assert!(for_each(&[1, 2], |_| anyhow::bail!("no")).is_err());
    }
}
