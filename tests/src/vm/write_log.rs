//! What a disk keeps when its power is cut.
//!
//! qemu's `blklogwrites` records every write and every flush in the order in which it takes them.
//! What was written before the last flush is on the disk. What came after was in the disk's
//! volatile cache: a seed decides for each piece whether it reached the disk, independently of the
//! others.
//!
//! The log of an undisturbed run holds every power cut that could have befallen it. At any moment
//! the disk holds its first content and the writes that the log had by then.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::sweep::Chance;

/// The first eight bytes of every log; the format is that of the kernel's dm-log-writes.
const MAGIC: u64 = 0x006a_7366_7773_6872;
const HEAD_BYTES: u64 = 32;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;
/// What a disk writes whole or not at all.
const PIECE: u64 = 4096;
/// In which sector numbers count.
const SECTOR: u64 = 512;

/// What became of the writes before a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fate {
    /// Bytes that a flush had made safe.
    pub safe: u64,
    /// Bytes that were in the disk's cache when the power went.
    pub volatile: u64,
    /// How many of those are lost.
    pub lost: u64,
    /// How many flushes there were.
    pub flushes: u64,
}

/// A write: where on the disk, and where in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    to: u64,
    from: u64,
    bytes: u64,
}

/// An entry of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Write(Write),
    Flush,
}

/// A log of writes that was closed by a cut.
#[derive(Debug)]
pub(super) struct WriteLog {
    file: File,
    entries: Vec<Entry>,
}

impl WriteLog {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let entries = read(&file)?;
        Ok(Self { file, entries })
    }

    /// Forgets all but so many thousandths of the entries. A cut that would find nothing in the
    /// disk's cache comes at the next write: it has something to lose, however quick the machine
    /// was to flush.
    pub(super) fn cut_short(&mut self, permille: u64) {
        let kept = self.entries.len() as u64 * permille / 1000;
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        let (before, after) = self.entries.split_at(kept.min(self.entries.len()));
        let is_clean = before.last().is_none_or(|entry| *entry == Entry::Flush);
        let next_write = after
            .iter()
            .position(|entry| matches!(entry, Entry::Write(_)));
        let more = next_write.map_or(0, |at| at + 1);
        let kept = before.len() + if is_clean { more } else { 0 };
        self.entries.truncate(kept);
    }

    /// Turns `disk`, as it was when the log began, into its state after the cut. Of every hundred
    /// pieces in the cache, `lost_percent` are lost.
    pub(super) fn settle(
        &self,
        disk: &Path,
        lost_percent: u64,
        chance: &mut Chance,
    ) -> Result<Fate> {
        let disk = OpenOptions::new().write(true).open(disk)?;
        settle(self, &disk, lost_percent, chance)
    }
}

fn settle(log: &WriteLog, disk: &File, lost_percent: u64, chance: &mut Chance) -> Result<Fate> {
    let last_flush = log.entries.iter().rposition(|entry| *entry == Entry::Flush);
    let (safe, volatile) = log.entries.split_at(last_flush.unwrap_or(0));
    let mut fate = Fate::default();
    for write in writes(safe) {
        copy(&log.file, disk, write)?;
        fate.safe += write.bytes;
    }
    for piece in writes(volatile).flat_map(pieces) {
        fate.volatile += piece.bytes;
        if chance.below(100) < lost_percent {
            fate.lost += piece.bytes;
        } else {
            copy(&log.file, disk, piece)?;
        }
    }
    let flushes = log.entries.iter().filter(|entry| **entry == Entry::Flush);
    fate.flushes = flushes.count() as u64;
    Ok(fate)
}

fn writes(entries: &[Entry]) -> impl Iterator<Item = Write> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Write(write) => Some(*write),
        Entry::Flush => None,
    })
}

fn read(file: &File) -> Result<Vec<Entry>> {
    let length = file.metadata()?.len();
    let mut entries = Vec::new();
    // A machine that wrote nothing has no log yet.
    if length < HEAD_BYTES {
        return Ok(entries);
    }
    let head = numbers(file, 0)?;
    ensure!(head[0] == MAGIC, "this is not a log of writes");
    let unit = head[3] & 0xffff_ffff;
    ensure!(
        unit.is_power_of_two() && unit >= SECTOR,
        "the log counts in units of {unit} bytes"
    );
    let mut at = unit;
    while at + HEAD_BYTES <= length {
        let [sector, sectors, flags, _] = numbers(file, at)?;
        let is_flush = flags & FLUSH != 0;
        if sectors == 0 && !is_flush {
            // The power went while this one was on its way to the log.
            break;
        }
        let from = at + unit;
        let bytes = if flags & DISCARD != 0 {
            0
        } else {
            sectors * SECTOR
        };
        if from + bytes > length.max(from) {
            break;
        }
        if is_flush {
            entries.push(Entry::Flush);
        }
        if bytes > 0 {
            let to = sector * SECTOR;
            entries.push(Entry::Write(Write { to, from, bytes }));
        }
        at = from + bytes.next_multiple_of(unit);
    }
    Ok(entries)
}

fn numbers(file: &File, at: u64) -> Result<[u64; 4]> {
    let mut bytes = [0; 32];
    file.read_exact_at(&mut bytes, at)?;
    let (words, _) = bytes.as_chunks::<8>();
    Ok([0, 1, 2, 3].map(|word| u64::from_le_bytes(words[word])))
}

/// A write in the pieces in which the disk takes it.
fn pieces(write: Write) -> impl Iterator<Item = Write> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let left = write.bytes - done;
        let to = write.to + done;
        let bytes = left.min(PIECE - to % PIECE);
        let from = write.from + done;
        done += bytes;
        (bytes > 0).then_some(Write { to, from, bytes })
    })
}

fn copy(log: &File, disk: &File, write: Write) -> Result<()> {
    let mut bytes = vec![0; usize::try_from(write.bytes)?];
    log.read_exact_at(&mut bytes, write.from)?;
    Ok(disk.write_all_at(&bytes, write.to)?)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write real files")]
mod tests {
    use super::*;

    fn entry(log: &mut Vec<u8>, sector: u64, flags: u64, data: &[u8]) {
        let mut head = vec![0; 512];
        let numbers = [sector, data.len() as u64 / SECTOR, flags, 0];
        for (at, number) in numbers.iter().enumerate() {
            head[at * 8..at * 8 + 8].copy_from_slice(&number.to_le_bytes());
        }
        log.extend(head);
        log.extend(data);
    }

    fn log(entries: &[(u64, u64, Vec<u8>)]) -> Vec<u8> {
        let mut log = vec![0; 512];
        log[..8].copy_from_slice(&MAGIC.to_le_bytes());
        log[24..28].copy_from_slice(&512_u32.to_le_bytes());
        for (sector, flags, data) in entries {
            entry(&mut log, *sector, *flags, data);
        }
        log
    }

    fn settled(log: &[u8], lost_percent: u64) -> (Fate, Vec<u8>) {
        settled_until(log, 1000, lost_percent)
    }

    fn settled_until(log: &[u8], permille: u64, lost_percent: u64) -> (Fate, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let [log_file, disk] = ["log", "disk"].map(|name| directory.path().join(name));
        std::fs::write(&log_file, log).unwrap();
        std::fs::write(&disk, vec![0; 32 << 10]).unwrap();
        let mut log = WriteLog::open(&log_file).unwrap();
        log.cut_short(permille);
        let fate = log
            .settle(&disk, lost_percent, &mut Chance::from_seed(1))
            .unwrap();
        (fate, std::fs::read(&disk).unwrap())
    }

    #[test]
    fn what_was_flushed_stays_and_the_rest_may_go() {
        let log = log(&[
            (0, 0, vec![1; 1024]),
            (0, FLUSH, Vec::new()),
            (2, 0, vec![2; 512]),
            (8, 0, vec![3; 8192]),
        ]);
        let (fate, disk) = settled(&log, 100);
        assert_eq!((fate.safe, fate.flushes), (1024, 1));
        assert_eq!((fate.volatile, fate.lost), (8704, 8704));
        assert!(disk[..1024].iter().all(|byte| *byte == 1));
        assert!(disk[1024..].iter().all(|byte| *byte == 0));
        let (fate, disk) = settled(&log, 0);
        assert_eq!(fate.lost, 0);
        assert_eq!((disk[1024], disk[4096], disk[12287]), (2, 3, 3));
    }

    #[test]
    fn pieces_are_lost_one_by_one() {
        let log = log(&[(1, 0, vec![3; 16 << 10])]);
        let (fate, disk) = settled(&log, 50);
        assert_eq!(fate.volatile, 16 << 10);
        assert!(fate.lost > 0 && fate.lost < fate.volatile, "{fate:?}");
        let left: u64 = disk.iter().map(|byte| u64::from(*byte / 3)).sum();
        assert_eq!(left, fate.volatile - fate.lost);
    }

    #[test]
    fn a_log_holds_every_earlier_cut() {
        let log = log(&[
            (0, 0, vec![1; 512]),
            (0, FLUSH, Vec::new()),
            (1, 0, vec![2; 512]),
            (0, FLUSH, Vec::new()),
        ]);
        let (fate, disk) = settled_until(&log, 750, 100);
        assert_eq!((fate.safe, fate.lost, fate.flushes), (512, 512, 1));
        assert_eq!((disk[0], disk[512]), (1, 0));
        let (fate, _) = settled_until(&log, 250, 100);
        assert_eq!((fate.safe, fate.lost), (0, 512));
    }

    #[test]
    fn a_cut_after_a_flush_waits_for_the_next_write() {
        let log = log(&[
            (0, 0, vec![1; 512]),
            (0, FLUSH, Vec::new()),
            (0, FLUSH, Vec::new()),
            (1, 0, vec![2; 512]),
        ]);
        for permille in [500, 750, 1000] {
            let (fate, _) = settled_until(&log, permille, 100);
            assert_eq!((fate.safe, fate.lost, fate.flushes), (512, 512, 2));
        }
        // At the end of the log there may be no other write.
        let flushed = [(0, 0, vec![1; 512]), (0, FLUSH, Vec::new())];
        let (fate, _) = settled_until(&self::log(&flushed), 1000, 100);
        assert_eq!((fate.safe, fate.lost), (512, 0));
    }

    #[test]
    fn a_torn_end_of_the_log_is_ignored() {
        let whole = log(&[(0, FLUSH, Vec::new()), (0, 0, vec![1; 4096])]);
        let (fate, _) = settled(&whole[..whole.len() - 1], 0);
        assert_eq!(fate.volatile, 0);
        let mut hole = log(&[]);
        hole.extend(vec![0; 4096]);
        assert_eq!(settled(&hole, 0).0, Fate::default());
    }
}
