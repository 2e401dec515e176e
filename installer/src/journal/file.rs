//! The journal on disk: one JSON object per line, appended and synced.

use std::path::{Path, PathBuf};

use manifests::digest::Sha256;

use super::reading::{Origin, line_of, read_records};
use super::{Disk, DiskFile, Phase, Record};
use crate::journal::lock::RunLock;
use crate::journal::step::Step;
use crate::layout::Layout;
use crate::secure_fs::{self, FsError, at};

/// The largest journal that is read, because it is kept in memory whole.
const MAX_BYTES: u64 = 64 << 20;

/// Disk space reserved for a journal before the first effect; a run writes about 20 KiB.
const RESERVED_BYTES: u64 = 1024 * 1024;

/// An open journal. It borrows the lock, so a journal cannot exist without it.
#[derive(Debug)]
pub struct Journal<'lock> {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    run: u64,
    plan: Sha256,
    seq: u64,
    sum: String,
    /// Bytes of complete records.
    length: u64,
    /// Whether more bytes may follow them: a failed record that could not be removed.
    is_torn: bool,
    _lock: &'lock RunLock,
}

/// A journal that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// A line is damaged and is not a torn last line.
    #[error("the journal {} is damaged at line {line}: {reason}", path.display())]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// This installer does not know a record.
    #[error(
        "the journal {} was continued by a newer installer: this one does not know line {line}: \
         {reason}", path.display()
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is unknown.
        reason: String,
    },
}

impl<'lock> Journal<'lock> {
    /// Starts the journal of a new run.
    pub fn create(
        lock: &'lock RunLock,
        disk: &dyn Disk,
        layout: &Layout,
        run: u64,
        plan: Sha256,
    ) -> Result<Self, JournalError> {
        let path = layout.run(run).journal();
        let mut file = disk.open(secure_fs::create_new(&path, 0o600)?);
        let made = file
            .reserve(&path, RESERVED_BYTES)
            .and_then(|()| secure_fs::sync_parent(&path));
        if let Err(error) = made {
            // A leftover journal would make a run look open that never began.
            secure_fs::remove_if_present(&path)?;
            return Err(error.into());
        }
        Ok(Self {
            file,
            path,
            run,
            plan,
            seq: 0,
            sum: String::new(),
            length: 0,
            is_torn: false,
            _lock: lock,
        })
    }

    /// Continues the journal of an unfinished run. A torn last line is removed first.
    pub fn reopen(
        lock: &'lock RunLock,
        disk: &dyn Disk,
        layout: &Layout,
        run: u64,
        plan: Sha256,
    ) -> Result<(Self, Vec<Record>), JournalError> {
        let path = layout.run(run).journal();
        let bytes = bytes(&path)?;
        let records = parse(&path, &bytes)?;
        let mut file = disk.open(secure_fs::open_lock(&path)?);
        let end = bytes.iter().rposition(|&byte| byte == b'\n');
        let whole = end.map_or(0, |end| end as u64 + 1);
        file.cut(whole).map_err(at("cut the torn line of", &path))?;
        file.sync().map_err(at("sync", &path))?;
        let last = records.last();
        let seq = last.map_or(0, |record| record.seq);
        let sum = last.map_or_else(String::new, |record| record.sum.clone());
        Ok((
            Self {
                file,
                path,
                run,
                plan,
                seq,
                sum,
                length: whole,
                is_torn: false,
                _lock: lock,
            },
            records,
        ))
    }

    /// Appends a record and syncs it: after success it survives a power cut.
    pub fn append(
        &mut self,
        step: &Step,
        phase: Phase,
        at_secs: u64,
        note: &str,
    ) -> Result<(), JournalError> {
        let mut record = Record {
            seq: self.seq + 1,
            run: self.run,
            plan: self.plan,
            step: step.clone(),
            phase,
            at: at_secs,
            note: note.to_owned(),
            sum: String::new(),
        };
        record.sum = record.checksum(&self.sum);
        let line = line_of(&record);
        self.cut()?;
        self.is_torn = true;
        self.file
            .append(line.as_bytes())
            .and_then(|()| self.file.sync())
            .map_err(at("write", &self.path))
            // Remove what reached the disk, so that the next record follows a complete one.
            .inspect_err(|_| drop(self.cut()))?;
        self.is_torn = false;
        self.length += line.len() as u64;
        self.seq = record.seq;
        self.sum = record.sum;
        Ok(())
    }

    /// Removes a failed record. If that fails, it is tried again before the next record or when the
    /// journal is opened again.
    fn cut(&mut self) -> Result<(), JournalError> {
        if self.is_torn {
            self.file
                .cut(self.length)
                .map_err(at("cut a failed record of", &self.path))?;
            self.is_torn = false;
        }
        Ok(())
    }
}

/// Reads the journal at `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, JournalError> {
    parse(path, &bytes(path)?)
}

/// Reads a journal within a limit: a run of a hundred steps writes some tens of KiB.
fn bytes(path: &Path) -> Result<Vec<u8>, JournalError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = secure_fs::open_read(path)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(at("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        let too_large = std::io::ErrorKind::FileTooLarge;
        return Err(FsError::new("read", path, too_large.into()).into());
    }
    Ok(bytes)
}

/// Reads the bytes of the journal at `path`.
fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Record>, JournalError> {
    read_records(bytes).map_err(|damage| {
        let (path, line, reason) = (path.to_owned(), damage.line, damage.reason);
        match damage.origin {
            Origin::Damage => JournalError::Corrupt { path, line, reason },
            Origin::NewerInstaller => JournalError::Newer { path, line, reason },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::HostDisk;
    use crate::journal::step::GroupStep;

    fn journal_with_three_records(layout: &Layout) -> PathBuf {
        let lock = RunLock::take(layout).unwrap();
        secure_fs::ensure_dir(&layout.run(1), 0o700).unwrap();
        let mut journal =
            Journal::create(&lock, &HostDisk, layout, 1, Sha256::of(b"plan")).unwrap();
        for phase in [Phase::Intent, Phase::Done] {
            journal.append(&Step::Backup, phase, 5, "note").unwrap();
        }
        journal
            .append(
                &Step::Group(GroupStep::Hold, "a".to_owned()),
                Phase::Intent,
                6,
                "",
            )
            .unwrap();
        layout.run(1).journal()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is the power cut here")]
    fn a_torn_last_line_is_cut_and_any_other_damage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let path = journal_with_three_records(&layout);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(read(&path).unwrap().len(), 3);
        let start_of_last = whole[..whole.len() - 1]
            .iter()
            .rposition(|b| *b == b'\n')
            .unwrap()
            + 1;
        for cut in start_of_last..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path).unwrap().len(), 2, "cut at {cut}");
        }
        for at in 0..start_of_last {
            let mut bad = whole.clone();
            bad[at] ^= 0x02;
            std::fs::write(&path, &bad).unwrap();
            assert!(read(&path).is_err(), "byte {at}");
        }
    }

    /// Such lines were once accepted, and the next record was then written in the wrong place.
    #[test]
    fn a_line_in_another_form_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = journal_with_three_records(&Layout::new(dir.path()));
        let whole = std::fs::read_to_string(&path).unwrap();
        assert_eq!(read_records(whole.as_bytes()).unwrap().len(), 3);
        for (from, to) in [
            ("\n{", "\n\n{"),
            ("\n{", "\n {"),
            ("\"note\"", "\"not\\u0065\""),
        ] {
            let other = whole.replacen(from, to, 1);
            assert_ne!(other, whole);
            assert!(read_records(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is the power cut here")]
    fn a_reopened_journal_continues_the_chain() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let path = journal_with_three_records(&layout);
        let mut torn = std::fs::read(&path).unwrap();
        torn.truncate(torn.len() - 4);
        std::fs::write(&path, &torn).unwrap();
        let lock = RunLock::take(&layout).unwrap();
        let (mut journal, records) =
            Journal::reopen(&lock, &HostDisk, &layout, 1, Sha256::of(b"plan")).unwrap();
        assert_eq!(records.len(), 2);
        journal.append(&Step::Commit, Phase::Intent, 7, "").unwrap();
        let records = read(&path).unwrap();
        assert_eq!(records.iter().map(|r| r.seq).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
