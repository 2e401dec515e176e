//! When a line about something that moves is worth printing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use manifests::size::Size;

/// A further share that is worth a line.
const STEP_PERCENT: u64 = 10;
/// No more than one line in this time about one thing.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// A line after this time, however little arrived.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What is shown at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) done: u64,
    pub(super) total: u64,
    /// Bytes in a second, since the beginning.
    pub(super) speed: u64,
}

/// One transfer or pass.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) name: String,
    total: u64,
    done: u64,
    shown_percent: u64,
    shown_at: Duration,
    began: Duration,
}

impl Pace {
    pub(super) fn begin(name: &str, total: u64, now: Duration) -> Self {
        Self {
            name: name.to_owned(),
            total,
            done: 0,
            shown_percent: 0,
            shown_at: now,
            began: now,
        }
    }

    pub(super) fn restart(&mut self) {
        self.done = 0;
        self.shown_percent = 0;
    }

    /// Counts bytes; returns a step if one is due.
    pub(super) fn advance(&mut self, bytes: u64, now: Duration) -> Option<Step> {
        self.done += bytes;
        let percent = percent(self.done, self.total);
        let since = now.saturating_sub(self.shown_at);
        let is_step = percent >= self.shown_percent + STEP_PERCENT && since >= PAUSE_MIN;
        if !is_step && since < PAUSE_MAX {
            return None;
        }
        self.shown_percent = percent - percent % STEP_PERCENT;
        self.shown_at = now;
        let millis = u64::try_from(now.saturating_sub(self.began).as_millis()).unwrap_or(u64::MAX);
        Some(Step {
            done: self.done,
            total: self.total,
            speed: self.done.saturating_mul(1000) / millis.max(1),
        })
    }
}

impl Step {
    /// Describes it for a person: share, bytes, speed and time left.
    pub(super) fn words(&self) -> String {
        let Self { done, total, speed } = *self;
        let mut words = String::new();
        // Writing to a string cannot fail.
        if total > 0 {
            let _ = write!(words, "{} %, ", percent(done, total));
        }
        let _ = write!(words, "{}", Size(done));
        if total > 0 {
            let _ = write!(words, " of {}", Size(total));
        }
        let _ = write!(words, ", {}/s", Size(speed));
        if speed > 0 && total > done {
            let _ = write!(words, ", {} s left", (total - done).div_ceil(speed));
        }
        words
    }
}

fn percent(done: u64, total: u64) -> u64 {
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    if total == 0 {
        return 0;
    }
    u64::try_from(percent).unwrap_or(100).min(100)
}

/// The downloads and the one pass that are under way.
#[derive(Debug)]
pub(super) struct Moving {
    start: Instant,
    pub(super) downloads: BTreeMap<usize, Pace>,
    pub(super) pass: Option<Pace>,
}

impl Default for Moving {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            downloads: BTreeMap::new(),
            pass: None,
        }
    }
}

impl Moving {
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_line_comes_at_each_tenth_but_not_twice_in_a_second() {
        let mut pace = Pace::begin("x", 100, at(0));
        assert_eq!(pace.advance(50, at(10)), None, "too soon");
        let step = pace.advance(10, at(2000)).unwrap();
        assert_eq!((step.done, step.total, step.speed), (60, 100, 30));
        assert_eq!(pace.advance(9, at(3500)), None, "no further tenth");
        assert!(pace.advance(1, at(3600)).is_some());
        pace.restart();
        assert_eq!(pace.advance(5, at(4700)), None);
    }

    #[test]
    fn a_slow_one_is_shown_after_ten_seconds() {
        let mut pace = Pace::begin("x", 1_000_000, at(0));
        assert_eq!(pace.advance(1, at(9000)), None);
        assert!(pace.advance(1, at(10_000)).is_some());
        let mut unknown = Pace::begin("x", 0, at(0));
        assert_eq!(unknown.advance(1 << 40, at(5000)), None);
        let step = unknown.advance(0, at(10_000)).unwrap();
        assert!(!step.words().contains('%'), "{}", step.words());
    }

    #[test]
    fn a_step_shows_share_bytes_speed_and_time_left() {
        let step = Step {
            done: 1 << 20,
            total: 4 << 20,
            speed: 1 << 20,
        };
        assert_eq!(
            step.words(),
            "25 %, 1.00 MiB of 4.00 MiB, 1.00 MiB/s, 3 s left"
        );
        let over = Step {
            done: 5,
            total: 4,
            speed: 0,
        };
        assert!(over.words().starts_with("100 %"), "{}", over.words());
    }
}
