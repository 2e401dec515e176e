//! The journal's disk behind the gate: each write may be torn, each effect may fail.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;

use installer::journal::{Disk, DiskFile};
use installer::secure_fs::FsError;

use super::FakeHost;
use super::gate::Gate;

struct FakeDiskFile {
    file: File,
    gate: Rc<Gate>,
}

impl fmt::Debug for FakeDiskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeDiskFile").finish_non_exhaustive()
    }
}

impl FakeDiskFile {
    fn effect(
        &mut self,
        what: &str,
        effect: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.gate.moment("before", what);
        if let Some(fault) = self.gate.store_call_fails() {
            return Err(fault.error.to_io());
        }
        effect(self)?;
        self.gate.moment("after", what);
        Ok(())
    }
}

impl DiskFile for FakeDiskFile {
    fn reserve(&mut self, path: &Path, _bytes: u64) -> Result<(), FsError> {
        // Real space would only take time: the disk of the test is memory.
        self.effect("journal: reserve", |_| Ok(()))
            .map_err(|error| FsError::new("reserve space for", path, error))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gate.journal_goes_on();
        self.gate.moment("before", "journal: write");
        self.gate.writes();
        let fault = self.gate.store_call_fails();
        let (first, second) = bytes.split_at(bytes.len() / 2);
        if fault.is_none_or(|fault| fault.is_short) {
            DiskFile::append(&mut self.file, first)?;
            self.gate.moment("within", "journal: write");
        }
        if let Some(fault) = fault {
            return Err(fault.error.to_io());
        }
        DiskFile::append(&mut self.file, second)?;
        self.gate.moment("after", "journal: write");
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.effect("journal: sync", |store| store.file.sync())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.effect("journal: cut", |store| store.file.cut(length))
    }
}

impl Disk for FakeHost {
    fn open(&self, file: File) -> Box<dyn DiskFile> {
        let gate = Rc::clone(&self.gate);
        Box::new(FakeDiskFile { file, gate })
    }
}
