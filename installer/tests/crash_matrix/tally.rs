//! Cases, run on all processors and counted.

use std::fmt;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::verdict::End;

/// How the cases of a series ended.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) unchanged: usize,
    /// Cases that left the same host as another case: judged once.
    pub(crate) alike: usize,
    pub(crate) failures: Vec<String>,
    pub(crate) time: Duration,
}

impl Tally {
    pub(crate) fn cases(&self) -> usize {
        self.done + self.unchanged + self.failures.len()
    }

    pub(crate) fn count(&mut self, case: &str, verdict: Result<End, String>) {
        match verdict {
            Ok(End::Done) => self.done += 1,
            Ok(End::Unchanged) => self.unchanged += 1,
            Err(why) => self.failures.push(format!("{case}: {why}")),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.done += other.done;
        self.unchanged += other.unchanged;
        self.alike += other.alike;
        self.time += other.time;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:6} cases: {:5} done, {:6} unchanged, {:4} neither; {:6} more alike; {:5.1} s",
            self.cases(),
            self.done,
            self.unchanged,
            self.failures.len(),
            self.alike,
            self.time.as_secs_f64()
        )
    }
}

/// Runs a case for each item, on as many threads as there are processors.
pub(crate) fn each<T: Sync, const N: usize>(
    items: &[T],
    case: impl Fn(usize, &T, &mut [Tally; N]) + Sync,
) -> [Tally; N] {
    let tallies = || std::array::from_fn(|_| Tally::default());
    let started = Instant::now();
    let (next, total): (_, Mutex<[Tally; N]>) = (AtomicUsize::new(0), Mutex::new(tallies()));
    let work = || {
        let mut own = tallies();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            case(at, item, &mut own);
        }
        let mut total = total.lock().expect("no case panics");
        total
            .iter_mut()
            .zip(own)
            .for_each(|(total, own)| total.add(own));
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let mut total = total.into_inner().expect("no case panics");
    for tally in &mut total {
        tally.failures.sort();
    }
    // Counted once, for the whole series.
    total[0].time = started.elapsed();
    total
}
