//! Writing bad or missing parts again, from the bundle or another copy of its parts.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use manifests::digest::Hasher;
use manifests::parts::{PARTS_SUFFIX, Part};
use manifests::reader::{BadPart, Links, Medium as _, PartFault, ReadError};
use manifests::trust::TrustRoot;

use super::{CarryError, Disk, PartsSet};
use crate::archive::ArchiveError;
use crate::event::{Counted, Observer};
use crate::interrupt;
use crate::output::{Closed, Pending, directory_of};

/// What a repair found and did.
#[derive(Debug)]
pub struct Repaired {
    /// The parts that were bad, and how.
    pub bad: Vec<BadPart>,
    /// Where each of them is now.
    pub written: Vec<PathBuf>,
    /// How many parts there are.
    pub of: usize,
}

/// Finds every bad part and writes exactly those, beside the list or into `out`. They get their names
/// when all of them are right.
pub fn repair(
    document: &Path,
    parts_dirs: &[PathBuf],
    roots: &[TrustRoot],
    from: &Path,
    out: Option<&Path>,
    observer: &dyn Observer,
) -> Result<Repaired, CarryError> {
    let set = PartsSet::open(Disk, document, parts_dirs, roots)?;
    let of = set.document().parts.len();
    let bad = find_bad(&set, observer)?;
    let mut source = Source::open(from, roots)?;
    let directory = out.unwrap_or_else(|| directory_of(document));
    let (mut pending, mut written) = (Vec::new(), Vec::new());
    for fault in &bad {
        let part = set.document().parts.iter();
        let Some(part) = part.clone().find(|part| part.number == fault.number) else {
            continue;
        };
        let path = directory.join(set.document().part_name(part));
        pending.push(rewrite(&set, part, &mut source, from, &path)?);
        written.push(path);
    }
    for file in pending {
        file.commit()?;
    }
    Ok(Repaired { bad, written, of })
}

fn find_bad(set: &PartsSet, observer: &dyn Observer) -> Result<Vec<BadPart>, CarryError> {
    let document = set.document();
    let (name, size) = (&document.bundle, document.size);
    let passed = Counted::begin((), "checking", name, size, observer);
    let finished = set
        .reader()
        .finish_with(&mut |bytes| passed.advanced(bytes));
    interrupt::check()?;
    match finished {
        Ok(()) => Ok(Vec::new()),
        Err(ReadError::Parts { bad, .. }) => Ok(bad),
        Err(error) => Err(error.into()),
    }
}

fn rewrite(
    set: &PartsSet,
    part: &Part,
    source: &mut Source,
    from: &Path,
    path: &Path,
) -> Result<Closed, CarryError> {
    let no_cure = |fault| CarryError::NoCure {
        path: from.to_owned(),
        number: part.number,
        fault,
    };
    let full = set.document().parts.first().map_or(0, |first| first.size);
    let offset = full * u64::from(part.number - 1);
    let mut pending = Pending::begin(path, 0o644)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 * 1024];
    let mut done: u64 = 0;
    while done < part.size {
        interrupt::check()?;
        let wanted =
            usize::try_from(part.size - done).map_or(buffer.len(), |n| n.min(buffer.len()));
        let taken = source.read_at(offset + done, &mut buffer[..wanted]);
        let taken = taken.map_err(|source| no_cure(PartFault::Unreadable(source)))?;
        if taken == 0 {
            return Err(no_cure(PartFault::Size {
                expected: part.size,
                found: done,
            }));
        }
        hasher.update(&buffer[..taken]);
        let written = pending.file_mut().write_all(&buffer[..taken]);
        written.map_err(ArchiveError::Write)?;
        done += taken as u64;
    }
    let (expected, found) = (part.sha256, hasher.finish());
    if expected == found {
        Ok(pending.close()?)
    } else {
        Err(no_cure(PartFault::Digest { expected, found }))
    }
}

/// Bytes by their place in the whole file. They are believed only by the digest of what they become.
enum Source {
    Whole(File),
    Parts(Vec<(Part, PathBuf)>),
}

impl Source {
    fn open(path: &Path, roots: &[TrustRoot]) -> Result<Self, CarryError> {
        if path.to_string_lossy().ends_with(PARTS_SUFFIX) {
            return Ok(Self::Parts(
                PartsSet::open(Disk, path, &[], roots)?.located(),
            ));
        }
        let unreadable = |source| CarryError::Unreadable {
            path: path.to_owned(),
            source,
        };
        File::open(path).map(Self::Whole).map_err(unreadable)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let parts = match self {
            Self::Whole(file) => {
                file.seek(SeekFrom::Start(offset))?;
                return file.read(buffer);
            }
            Self::Parts(parts) => parts,
        };
        let mut start = 0;
        for (part, path) in parts {
            if offset < start + part.size {
                let opened = Disk.open(path, Links::Refused).map_err(io::Error::other);
                let (mut file, found) = opened?;
                if found != part.size {
                    return Err(io::Error::other(PartFault::Size {
                        expected: part.size,
                        found,
                    }));
                }
                file.seek(SeekFrom::Start(offset - start))?;
                return file.read(buffer);
            }
            start += part.size;
        }
        Ok(0)
    }
}
