//! The cache: files named by their SHA-256, hashed again whenever they are used.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use manifests::digest::{Hasher as Sha256Hasher, Sha256};

use super::{ReceivedFile, Wanted};
use crate::checksum::{Algorithm, Checksum, Hasher};
use crate::output::{self, OutputError, Pending, Resumable};

/// A directory of `<sha256>.rpm`. `<algorithm>-<checksum>.sha256` leads from a weak checksum of
/// the metadata to the file, and `<algorithm>-<checksum>.part` is one that is not whole yet, with a note of
/// what is there; nothing in it is believed.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Opens the cache, making its directory and removing what earlier builds left unfinished for
    /// too long.
    pub fn open(directory: &Path) -> Result<Self, OutputError> {
        output::make_private_directory(directory)?;
        output::tidy(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Returns where a file of that digest is or would be.
    pub(super) fn path_of(&self, sha256: &Sha256) -> PathBuf {
        self.directory.join(format!("{sha256}.rpm"))
    }

    fn stem(&self, wanted: &Wanted) -> PathBuf {
        let checksum = &wanted.package.checksum;
        let (algorithm, hex) = (checksum.algorithm(), checksum.hex());
        self.directory.join(format!("{algorithm}-{hex}"))
    }

    fn alias(&self, wanted: &Wanted) -> PathBuf {
        self.stem(wanted).with_extension("sha256")
    }

    /// Returns the file if it is there and still is what it must be.
    pub(super) fn find(&self, wanted: &Wanted) -> Option<ReceivedFile> {
        let sha256 = match wanted.locked {
            Some(sha256) => sha256,
            None => std::fs::read_to_string(self.alias(wanted))
                .ok()?
                .trim()
                .parse()
                .ok()?,
        };
        let path = self.path_of(&sha256);
        let mut file = File::open(&path).ok()?;
        let mut both = Digests::new(wanted);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                taken => both.update(&buffer[..taken]),
            }
            // A cached file that grew is not worth reading to its end.
            if both.size > wanted.package.size {
                return None;
            }
        }
        let (found, checksum, size) = both.finish();
        let same =
            found == sha256 && checksum == wanted.package.checksum && size == wanted.package.size;
        same.then_some(ReceivedFile { path, sha256 })
    }

    /// Opens what there is of a file that is not whole; nothing while another build fetches it.
    pub(super) fn unfinished(&self, wanted: &Wanted) -> Result<Option<Resumable>, OutputError> {
        Resumable::open(&self.stem(wanted))
    }

    /// Names a complete file by its digest.
    pub(super) fn keep(
        &self,
        unfinished: Resumable,
        wanted: &Wanted,
        sha256: &Sha256,
    ) -> Result<PathBuf, OutputError> {
        let path = self.path_of(sha256);
        unfinished.finish(&path)?;
        let note = format!("{sha256}\n");
        Pending::with_bytes(&self.alias(wanted), note.as_bytes(), 0o600)?.commit_unsynced()?;
        Ok(path)
    }
}

/// SHA-256 and the metadata's checksum, computed together.
pub(super) struct Digests {
    sha256: Sha256Hasher,
    /// Where the metadata's checksum is not a SHA-256 too: no byte is hashed twice for one digest.
    other: Option<Hasher>,
    pub(super) size: u64,
}

impl Digests {
    pub(super) fn new(wanted: &Wanted) -> Self {
        let algorithm = wanted.package.checksum.algorithm();
        Self {
            sha256: Sha256Hasher::default(),
            other: (algorithm != Algorithm::Sha256).then(|| Hasher::new(algorithm)),
            size: 0,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(other) = &mut self.other {
            other.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> (Sha256, Checksum, u64) {
        let sha256 = self.sha256.finish();
        let checksum = self.other.map_or_else(|| sha256.into(), Hasher::finish);
        (sha256, checksum, self.size)
    }
}
