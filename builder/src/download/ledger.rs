//! Which bytes of a file are there, which are on their way, and which are still to be fetched. Pure data.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

/// The books of one file.
#[derive(Debug)]
pub(super) struct Ledger {
    size: u64,
    /// Sorted, apart from each other, none empty.
    done: Vec<Range<u64>>,
    gaps: VecDeque<Range<u64>>,
    active: BTreeMap<usize, Active>,
    next: usize,
}

#[derive(Debug)]
struct Active {
    rest: Range<u64>,
    moved: Instant,
}

/// A span that one connection is to fetch; it may lose its end to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) id: usize,
    pub(super) span: Range<u64>,
}

/// What a connection without work gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Something to fetch.
    Work(Claim),
    /// Others are still at it, and may yet fail.
    Wait,
    /// Everything is there.
    Nothing,
}

/// How work is dealt out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    /// The most of a gap that one connection gets.
    pub(super) most: u64,
    /// The least that is worth a connection.
    pub(super) least: u64,
    /// A connection that did not move for so long loses what it has.
    pub(super) stale: Duration,
}

impl Ledger {
    /// Starts with some of the bytes there; spans that make no sense are left out.
    pub(super) fn new(size: u64, done: &[(u64, u64)]) -> Self {
        let mut ledger = Self {
            size,
            done: Vec::new(),
            gaps: VecDeque::new(),
            active: BTreeMap::new(),
            next: 0,
        };
        for &(first, end) in done {
            if first < end && end <= size {
                ledger.add(first..end);
            }
        }
        let mut at = 0;
        for span in &ledger.done {
            if span.start > at {
                ledger.gaps.push_back(at..span.start);
            }
            at = span.end;
        }
        if at < size {
            ledger.gaps.push_back(at..size);
        }
        ledger
    }

    /// Returns the spans that are there.
    pub(super) fn done(&self) -> Vec<(u64, u64)> {
        self.done
            .iter()
            .map(|span| (span.start, span.end))
            .collect()
    }

    /// Returns how many bytes are there.
    pub(super) fn done_bytes(&self) -> u64 {
        self.done.iter().map(|span| span.end - span.start).sum()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.done_bytes() == self.size
    }

    /// Gives out a gap, half of what the slowest connection has before it, or all that a stuck one
    /// has.
    pub(super) fn claim(&mut self, shares: Shares, now: Instant) -> Next {
        if let Some(gap) = self.gaps.pop_front() {
            let end = gap.end.min(gap.start.saturating_add(shares.most));
            if end < gap.end {
                self.gaps.push_front(end..gap.end);
            }
            return self.start(gap.start..end, now);
        }
        let left = |active: &Active| active.rest.end - active.rest.start;
        let stuck = |active: &&mut Active| now.duration_since(active.moved) > shares.stale;
        if let Some(active) = self.active.values_mut().filter(|a| left(a) > 0).find(stuck) {
            let span = active.rest.clone();
            active.rest.end = span.start;
            return self.start(span, now);
        }
        let largest = self.active.values_mut().max_by_key(|active| left(active));
        if let Some(active) = largest.filter(|active| left(active) >= shares.least * 4) {
            let middle = active.rest.end - left(active) / 2;
            let span = middle..active.rest.end;
            active.rest.end = middle;
            return self.start(span, now);
        }
        if self.is_complete() {
            Next::Nothing
        } else {
            Next::Wait
        }
    }

    fn start(&mut self, span: Range<u64>, now: Instant) -> Next {
        let id = self.next;
        self.next += 1;
        let rest = span.clone();
        self.active.insert(id, Active { rest, moved: now });
        Next::Work(Claim { id, span })
    }

    /// Notes that so many bytes of a claim are there; returns how many of them still were its own
    /// and whether anything is left of it.
    pub(super) fn advance(&mut self, id: usize, bytes: u64, now: Instant) -> (u64, bool) {
        let Some(active) = self.active.get_mut(&id) else {
            return (0, false);
        };
        let taken = bytes.min(active.rest.end - active.rest.start);
        let span = active.rest.start..active.rest.start + taken;
        active.rest.start = span.end;
        active.moved = now;
        let more = !active.rest.is_empty();
        if taken > 0 {
            self.add(span);
        }
        (taken, more)
    }

    /// Gives back what a claim still has.
    pub(super) fn release(&mut self, id: usize) {
        if let Some(active) = self.active.remove(&id).filter(|a| !a.rest.is_empty()) {
            self.gaps.push_front(active.rest);
        }
    }

    fn add(&mut self, mut span: Range<u64>) {
        let touches = |other: &Range<u64>| other.start <= span.end && span.start <= other.end;
        let merged: Vec<Range<u64>> = self.done.iter().filter(|o| touches(o)).cloned().collect();
        self.done.retain(|other| !merged.contains(other));
        for other in merged {
            span = span.start.min(other.start)..span.end.max(other.end);
        }
        let at = self.done.partition_point(|other| other.start < span.start);
        self.done.insert(at, span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: Shares = Shares {
        most: 40,
        least: 5,
        stale: Duration::from_secs(1),
    };

    fn work(ledger: &mut Ledger, now: Instant) -> Claim {
        match ledger.claim(SHARES, now) {
            Next::Work(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn gaps_are_dealt_out_then_slow_ones_are_split_then_stuck_ones_are_taken_over() {
        let now = Instant::now();
        let mut ledger = Ledger::new(100, &[(0, 10), (200, 300), (90, 100), (95, 100)]);
        let (a, b) = (work(&mut ledger, now), work(&mut ledger, now));
        assert_eq!((a.span.clone(), b.span.clone()), (10..50, 50..90));
        assert_eq!(ledger.advance(a.id, 30, now), (30, true));
        let c = work(&mut ledger, now);
        assert_eq!(c.span, 70..90);
        // What arrives beyond the split is not counted twice.
        assert_eq!(ledger.advance(b.id, 30, now), (20, false));
        assert_eq!(
            ledger.claim(SHARES, now),
            Next::Work(Claim {
                id: 3,
                span: 80..90
            })
        );
        let later = now + Duration::from_secs(2);
        assert_eq!(ledger.advance(c.id, 5, later), (5, true));
        assert_eq!(work(&mut ledger, later).span, 40..50);
        assert_eq!(ledger.advance(a.id, 10, later), (0, false));
        assert_eq!(work(&mut ledger, later).span, 80..90);
        assert_eq!(ledger.claim(SHARES, later), Next::Wait);
        assert_eq!(ledger.done_bytes(), 75);
    }

    #[test]
    fn what_is_given_back_is_given_out_again_until_all_is_there() {
        let now = Instant::now();
        let mut ledger = Ledger::new(100, &[]);
        let mut rounds = 0;
        while let Next::Work(claim) = ledger.claim(SHARES, now) {
            rounds += 1;
            let some = if rounds % 2 == 0 { 100 } else { 7 };
            ledger.advance(claim.id, some, now);
            ledger.release(claim.id);
        }
        assert!(ledger.is_complete());
        assert_eq!(ledger.done(), [(0, 100)]);
        assert_eq!(ledger.claim(SHARES, now), Next::Nothing);
        assert_eq!(Ledger::new(0, &[]).claim(SHARES, now), Next::Nothing);
    }
}
