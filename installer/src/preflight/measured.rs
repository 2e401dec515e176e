//! What earlier runs on this host measured of a store: how large its dump is beside what the server
//! keeps, and how long the dump takes. Pure.

use crate::history::PastRun;
use crate::history::report::DumpReport;
use crate::plan::PlannedStore;
use crate::stores::StoreLook;

/// Data change between two dumps, and with them how well they are compressed.
const MARGIN: (u64, u64) = (3, 2);
const LEAST: u64 = 1 << 20;

/// A dump of the same store that an earlier run made and measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    /// The run.
    pub(super) run: u64,
    bytes: u64,
    raw_bytes: Option<u64>,
    seconds: Option<u64>,
}

/// Finds the newest measured dump of a store.
pub(super) fn of(past: &[PastRun], store: &PlannedStore) -> Option<Measured> {
    let measured = |run: &PastRun| {
        let data = run.report.as_ref()?.data.iter();
        let dump = data
            .filter(|data| data.endpoint == store.endpoint)
            .find_map(|data| data.dump.clone())?;
        let DumpReport {
            bytes,
            raw_bytes,
            seconds,
            ..
        } = dump;
        Some(Measured {
            run: run.id,
            bytes,
            raw_bytes: raw_bytes.filter(|raw| *raw > 0),
            seconds,
        })
    };
    past.iter().rev().find_map(measured)
}

/// Returns how many bytes a dump may take: by the measured ratio, by the last dump where the server
/// reports no size, or else as the engine expects.
pub(super) fn dump_bytes(last: Option<Measured>, look: &StoreLook) -> u64 {
    let expected = last.and_then(|last| match (look.raw_bytes, last.raw_bytes) {
        (Some(raw), Some(then)) => Some(scaled(last.bytes, raw, then)),
        (None, _) => Some(last.bytes),
        (Some(_), None) => None,
    });
    let (times, of) = MARGIN;
    expected.map_or(look.bytes, |expected| {
        (expected / of).saturating_mul(times).saturating_add(LEAST)
    })
}

/// Returns how long a dump takes, seconds.
pub(super) fn dump_secs(last: Measured, raw_bytes: u64) -> Option<u64> {
    Some(scaled(last.seconds?, raw_bytes, last.raw_bytes?).max(1))
}

fn scaled(value: u64, by: u64, of: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(of.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_dump_counts_and_without_one_the_engine_does() {
        let look = StoreLook {
            bytes: 125 << 30,
            raw_bytes: Some(100 << 30),
            ..StoreLook::default()
        };
        assert_eq!(dump_bytes(None, &look), 125 << 30);
        let measured = Measured {
            run: 3,
            bytes: 10 << 30,
            raw_bytes: Some(50 << 30),
            seconds: Some(600),
        };
        // A fifth of it, with a margin.
        assert_eq!(dump_bytes(Some(measured), &look), (30 << 30) + LEAST);
        assert_eq!(dump_secs(measured, 100 << 30), Some(1200));
        let unknown = StoreLook {
            bytes: 7,
            ..StoreLook::default()
        };
        assert_eq!(dump_bytes(None, &unknown), 7);
        assert_eq!(dump_bytes(Some(measured), &unknown), (15 << 30) + LEAST);
        assert_eq!(scaled(u64::MAX, u64::MAX, 1), u64::MAX);
    }
}
