//! A split bundle where it lies, also on read-only media: its signed list is verified first, then
//! its parts are one stream, each compared with its digest as its last byte passes.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use manifests::digest::{Hasher, Sha256};
use manifests::limits::{PARTS_DOCUMENT_MAX_BYTES, SIGNATURE_MAX_BYTES, SIGNATURES_MAX};
use manifests::parts::{PARTS_SUFFIX, Part, PartsDocument, PartsError, VerifiedParts, key_in};
use manifests::signature::{QuorumError, Signature};
use manifests::trust::{TrustRoot, VerifyError};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::BundleError;
use crate::secure_fs::{FsError, at};

/// A part that is not what the signed list says.
#[derive(Debug)]
pub struct BadPart {
    /// Where it was looked for.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: PartFault,
}

/// What is wrong with a part.
#[derive(Debug, thiserror::Error)]
pub enum PartFault {
    /// Not there.
    #[error("it is missing")]
    Missing,
    /// A link, a directory, a device or a pipe.
    #[error("it is not a regular file (links are not followed)")]
    NotAFile,
    /// Too long or too short.
    #[error("it has {found} bytes, the signed list says {expected}")]
    Size {
        /// As signed.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// Other bytes.
    #[error("its SHA-256 is {found}, the signed list says {expected}")]
    Digest {
        /// As signed.
        expected: Sha256,
        /// As read.
        found: Sha256,
    },
    /// The medium does not give it.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
}

impl fmt::Display for BadPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

/// A verified list of parts, all of which are there with their sizes. A path is not enough to make
/// one:
///
/// ```compile_fail
/// fn forge(path: std::path::PathBuf) -> installer::bundle::PartsSet {
///     path.into()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct PartsSet {
    path: PathBuf,
    verified: VerifiedParts,
    directories: Vec<PathBuf>,
}

impl PartsSet {
    /// Whether a file name is that of a list of parts.
    #[must_use]
    pub fn is_list(path: &Path) -> bool {
        path.to_string_lossy().ends_with(PARTS_SUFFIX)
    }

    /// Verifies the list, then parses it, then looks for every part: in `more`, then beside the list.
    pub fn open(path: &Path, more: &[PathBuf], roots: &[TrustRoot]) -> Result<Self, BundleError> {
        let bytes = read_small(path, PARTS_DOCUMENT_MAX_BYTES)?;
        let signatures = signatures_beside(path)?;
        let verified = manifests::parts::verify_parts(&bytes, &signatures, roots);
        let mut directories = more.to_vec();
        directories.push(directory_of(path).to_owned());
        let set = Self {
            path: path.to_owned(),
            verified: verified.map_err(BundleError::PartsList)?,
            directories,
        };
        let complete = set.refuse(|part, path| open_part(part, path).map(|_| ()));
        match complete {
            Ok(()) => Ok(set),
            // Somebody has to copy parts again: all the bad ones are named at once.
            Err(some) => Err(set.check().err().unwrap_or(some)),
        }
    }

    /// Returns the list's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the list.
    #[must_use]
    pub const fn document(&self) -> &PartsDocument {
        self.verified.document()
    }

    /// Hashes every part, and names each bad one.
    pub fn check(&self) -> Result<(), BundleError> {
        self.refuse(|part, path| {
            let mut current = Current::begin(part, path)?;
            let mut buffer = vec![0_u8; 128 * 1024];
            while current.left > 0 {
                current.step(part, &mut buffer)?;
            }
            current.end(part)
        })
    }

    pub(super) fn reader(&self) -> PartsReader {
        PartsReader {
            files: self.located(),
            next: 0,
            current: None,
        }
    }

    fn refuse(
        &self,
        check: impl Fn(&Part, &Path) -> Result<(), PartFault>,
    ) -> Result<(), BundleError> {
        let mut bad = Vec::new();
        for (part, path) in self.located() {
            if let Err(fault) = check(&part, &path) {
                bad.push(BadPart { path, fault });
            }
        }
        if bad.is_empty() {
            return Ok(());
        }
        let of = self.document().parts.len();
        Err(BundleError::Parts { bad, of })
    }

    /// The first directory that has a part's name counts.
    fn located(&self) -> Vec<(Part, PathBuf)> {
        let document = self.document();
        let place = |part: &Part| {
            let name = document.part_name(part);
            let mut places = self.directories.iter().map(|dir| dir.join(&name));
            let found = places.find(|path| path.symlink_metadata().is_ok());
            let beside = || directory_of(&self.path).join(&name);
            (part.clone(), found.unwrap_or_else(beside))
        };
        document.parts.iter().map(place).collect()
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The operator may name a link; what counts are the bytes of this one regular file.
fn read_small(path: &Path, max: u64) -> Result<Vec<u8>, FsError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(at("open", path))?;
    if !file.metadata().map_err(at("look at", path))?.is_file() {
        return Err(at("read", path)(io::Error::other(
            "it is not a regular file",
        )));
    }
    let mut bytes = Vec::new();
    file.take(max + 1)
        .read_to_end(&mut bytes)
        .map_err(at("read", path))?;
    Ok(bytes)
}

/// Reads `NAME.parts.<key id>.sig` of every key, by name.
fn signatures_beside(path: &Path) -> Result<Vec<Signature>, BundleError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bundle = name.strip_suffix(PARTS_SUFFIX).unwrap_or(&name);
    let directory = directory_of(path);
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(at("list", directory))? {
        let entry = entry.map_err(at("list", directory))?;
        if let Some(key) = key_in(bundle, &entry.file_name().to_string_lossy()) {
            keys.push((key, entry.path()));
        }
        if keys.len() > SIGNATURES_MAX {
            let many = VerifyError::Quorum(QuorumError::TooMany);
            return Err(BundleError::PartsList(PartsError::Untrusted(many)));
        }
    }
    keys.sort();
    let read = |(key, path): (_, PathBuf)| {
        let bytes = read_small(&path, SIGNATURE_MAX_BYTES)?;
        let odd = |error: manifests::signature::KeyError| {
            BundleError::PartsList(PartsError::Inconsistent(error.to_string()))
        };
        Signature::new(key, bytes).map_err(odd)
    };
    keys.into_iter().map(read).collect()
}

/// Opens a part: a regular file of the listed size, and nothing that a link or a pipe leads to.
fn open_part(part: &Part, path: &Path) -> Result<File, PartFault> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|source| match Errno::from_io_error(&source) {
            Some(Errno::NOENT) => PartFault::Missing,
            // What a link, and a socket or a device without driver, answer to such an open.
            Some(Errno::LOOP | Errno::NXIO) => PartFault::NotAFile,
            _ => PartFault::Unreadable(source),
        })?;
    let metadata = file.metadata().map_err(PartFault::Unreadable)?;
    if !metadata.is_file() {
        return Err(PartFault::NotAFile);
    }
    if metadata.len() != part.size {
        return Err(PartFault::Size {
            expected: part.size,
            found: metadata.len(),
        });
    }
    Ok(file)
}

/// The parts in order. Only one is open at a time: there may be more of them than descriptors.
#[derive(Debug)]
pub(super) struct PartsReader {
    files: Vec<(Part, PathBuf)>,
    next: usize,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    hasher: Hasher,
    left: u64,
}

impl Current {
    fn begin(part: &Part, path: &Path) -> Result<Self, PartFault> {
        Ok(Self {
            file: open_part(part, path)?,
            hasher: Hasher::default(),
            left: part.size,
        })
    }

    fn step(&mut self, part: &Part, buffer: &mut [u8]) -> Result<usize, PartFault> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |n| n.min(buffer.len()));
        let taken = self.file.read(&mut buffer[..wanted]);
        let taken = taken.map_err(PartFault::Unreadable)?;
        if taken == 0 {
            return Err(PartFault::Size {
                expected: part.size,
                found: part.size - self.left,
            });
        }
        self.hasher.update(&buffer[..taken]);
        self.left -= taken as u64;
        Ok(taken)
    }

    fn end(self, part: &Part) -> Result<(), PartFault> {
        let (expected, found) = (part.sha256, self.hasher.finish());
        if expected == found {
            return Ok(());
        }
        Err(PartFault::Digest { expected, found })
    }
}

impl PartsReader {
    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, PartFault> {
        let Some((part, path)) = self.files.get(self.next) else {
            return Ok(0);
        };
        let mut current = match self.current.take() {
            Some(current) => current,
            None => Current::begin(part, path)?,
        };
        let taken = current.step(part, buffer)?;
        if current.left > 0 {
            self.current = Some(current);
            return Ok(taken);
        }
        current.end(part)?;
        self.next += 1;
        Ok(taken)
    }
}

impl Read for PartsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.step(buffer).map_err(io::Error::other)
    }
}

#[cfg(test)]
#[path = "parts/tests.rs"]
mod tests;
