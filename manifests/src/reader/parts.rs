//! A split bundle where it lies, also on read-only media: its signed list is verified first, then its
//! parts are one stream, each compared with its digest as its last byte passes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::ReadError;
use crate::digest::{Hasher, Sha256};
use crate::limits::{PARTS_DOCUMENT_MAX_BYTES, SIGNATURE_MAX_BYTES, SIGNATURES_MAX};
use crate::parts::{
    PARTS_SUFFIX, Part, PartsDocument, PartsError, VerifiedParts, key_in, verify_parts,
};
use crate::signature::{QuorumError, Signature};
use crate::trust::{TrustRoot, VerifyError};

/// Where the files of a split bundle lie: the program brings the calls to its system.
pub trait Medium {
    /// An open file.
    type File: Read;

    /// Opens a regular file and returns its size; never waits for a pipe.
    fn open(&self, path: &Path, links: Links) -> Result<(Self::File, u64), PartFault>;
    /// Returns the names in a directory.
    fn names(&self, directory: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>>;
    /// Whether anything has this name.
    fn has(&self, path: &Path) -> bool;
}

/// Whether a name may be that of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The operator named the file; what counts are the bytes of the one that is opened.
    Followed,
    /// A link is not a regular file.
    Refused,
}

/// A part that differs from the signed list.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct BadPart {
    /// Its number, from 1.
    pub number: u32,
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
    #[error("it is not a regular file")]
    NotAFile,
    /// Too long or too short.
    #[error("it has {found} bytes, the signed list gives {expected}")]
    Size {
        /// As signed.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// Other bytes.
    #[error("its SHA-256 is {found}, the signed list gives {expected}")]
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

/// A verified list of parts and the directories where they may be.
#[derive(Debug, Clone)]
pub struct PartsSet<M> {
    medium: M,
    path: PathBuf,
    verified: VerifiedParts,
    directories: Vec<PathBuf>,
}

impl<M: Medium + Clone> PartsSet<M> {
    /// Verifies the list before it is parsed. Parts are looked for in `more`, then beside the list.
    pub fn open(
        medium: M,
        path: &Path,
        more: &[PathBuf],
        roots: &[TrustRoot],
    ) -> Result<Self, ReadError> {
        let (bytes, signatures) = read_list(&medium, path)?;
        let verified =
            verify_parts(&bytes, &signatures, roots).map_err(|fault| refused(path, fault))?;
        Ok(Self {
            medium,
            path: path.to_owned(),
            verified,
            directories: directories(path, more),
        })
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

    /// Returns the place of each part: the first directory that has its name counts.
    #[must_use]
    pub fn located(&self) -> Vec<(Part, PathBuf)> {
        locate(&self.medium, self.document(), &self.directories)
    }

    /// Returns a reader over the parts in order.
    #[must_use]
    pub fn reader(&self) -> PartsReader<M> {
        PartsReader::new(self.medium.clone(), self.located())
    }

    /// Checks that every part is there with its size. If one is not, every part is hashed, so that all
    /// the bad ones are named at once, to be copied again together.
    pub fn check_presence(&self) -> Result<(), ReadError> {
        let is_there = |(part, path): &(Part, PathBuf)| open_part(&self.medium, part, path).is_ok();
        if self.located().iter().all(is_there) {
            return Ok(());
        }
        self.reader().finish()
    }
}

/// A list of parts with unverified signatures: enough to sign it, never to believe it.
#[derive(Debug)]
pub struct UnsignedList {
    /// The exact bytes of the list.
    pub bytes: Vec<u8>,
    /// Their content.
    pub document: PartsDocument,
    /// The signatures, unverified.
    pub signatures: Vec<Signature>,
}

impl UnsignedList {
    /// Reads the list and its signatures.
    pub fn open<M: Medium>(medium: &M, path: &Path) -> Result<Self, ReadError> {
        let (bytes, signatures) = read_list(medium, path)?;
        let document =
            PartsDocument::parse_unverified(&bytes).map_err(|fault| refused(path, fault))?;
        Ok(Self {
            bytes,
            document,
            signatures,
        })
    }

    /// Returns a reader over the parts in `more`, then beside the list.
    pub fn reader<M: Medium>(&self, medium: M, path: &Path, more: &[PathBuf]) -> PartsReader<M> {
        let files = locate(&medium, &self.document, &directories(path, more));
        PartsReader::new(medium, files)
    }
}

fn directories(path: &Path, more: &[PathBuf]) -> Vec<PathBuf> {
    [more, &[directory_of(path).to_owned()]].concat()
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn locate<M: Medium>(
    medium: &M,
    document: &PartsDocument,
    directories: &[PathBuf],
) -> Vec<(Part, PathBuf)> {
    let place = |part: &Part| {
        let name = document.part_name(part);
        let mut places = directories.iter().map(|dir| dir.join(&name));
        let found = places.find(|path| medium.has(path));
        let beside = || directories.last().map(|dir| dir.join(&name));
        (part.clone(), found.or_else(beside).unwrap_or_default())
    };
    document.parts.iter().map(place).collect()
}

/// Reads a list and `NAME.parts.<key id>.sig` of every key, by name.
fn read_list<M: Medium>(medium: &M, path: &Path) -> Result<(Vec<u8>, Vec<Signature>), ReadError> {
    let bytes = read_small(medium, path, PARTS_DOCUMENT_MAX_BYTES)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bundle = name.strip_suffix(PARTS_SUFFIX).unwrap_or(&name);
    let directory = directory_of(path);
    let unreadable = |error| unreadable(directory, PartFault::Unreadable(error));
    let mut keys = Vec::new();
    for name in medium.names(directory).map_err(unreadable)? {
        let name = name.map_err(unreadable)?;
        keys.extend(key_in(bundle, &name).map(|key| (key, directory.join(&name))));
        if keys.len() > SIGNATURES_MAX {
            let many = VerifyError::Quorum(QuorumError::TooMany);
            return Err(refused(path, PartsError::Untrusted(many)));
        }
    }
    keys.sort();
    let mut signatures = Vec::new();
    for (key, signature) in keys {
        let signature = Signature::new(key, read_small(medium, &signature, SIGNATURE_MAX_BYTES)?);
        let odd = |error: crate::signature::KeyError| PartsError::Inconsistent(error.to_string());
        signatures.push(signature.map_err(|error| refused(path, odd(error)))?);
    }
    Ok((bytes, signatures))
}

fn refused(path: &Path, fault: PartsError) -> ReadError {
    let path = path.to_owned();
    ReadError::PartsList { path, fault }
}

fn unreadable(path: &Path, fault: PartFault) -> ReadError {
    let path = path.to_owned();
    ReadError::Unreadable { path, fault }
}

/// Reads one byte more than the bound at most: its own reader refuses that.
fn read_small<M: Medium>(medium: &M, path: &Path, max: u64) -> Result<Vec<u8>, ReadError> {
    let opened = medium.open(path, Links::Followed);
    let (file, _) = opened.map_err(|fault| unreadable(path, fault))?;
    let mut bytes = Vec::new();
    match file.take(max + 1).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(unreadable(path, PartFault::Unreadable(error))),
    }
}

/// Opens a part: a regular file of the listed size, and nothing that a link or a pipe leads to.
fn open_part<M: Medium>(medium: &M, part: &Part, path: &Path) -> Result<M::File, PartFault> {
    let (file, found) = medium.open(path, Links::Refused)?;
    let expected = part.size;
    if found == expected {
        Ok(file)
    } else {
        Err(PartFault::Size { expected, found })
    }
}

/// The parts as one stream. Each is compared with its digest when its last byte was read; a bad one ends
/// the stream and is remembered. Only one is open at a time: there may be more of them than descriptors.
#[derive(Debug)]
pub struct PartsReader<M: Medium> {
    medium: M,
    files: Vec<(Part, PathBuf)>,
    next: usize,
    current: Option<Current<M::File>>,
    bad: Vec<BadPart>,
}

#[derive(Debug)]
struct Current<F> {
    file: F,
    hasher: Hasher,
    left: u64,
}

impl<M: Medium> PartsReader<M> {
    /// Reads these files.
    pub const fn new(medium: M, files: Vec<(Part, PathBuf)>) -> Self {
        Self {
            medium,
            files,
            next: 0,
            current: None,
            bad: Vec::new(),
        }
    }

    /// Reads what the stream's reader left, so that one pass finds every bad part.
    pub fn finish(self) -> Result<(), ReadError> {
        self.finish_with(&mut |_| ())
    }

    /// Does the same, and reports how many bytes each step read.
    pub fn finish_with(mut self, each: &mut dyn FnMut(usize)) -> Result<(), ReadError> {
        let mut buffer = vec![0; 128 * 1024];
        while self.next < self.files.len() {
            // A bad part is remembered, and the stream goes on with the part after it.
            each(self.read(&mut buffer).unwrap_or(0));
        }
        if self.bad.is_empty() {
            return Ok(());
        }
        Err(ReadError::Parts {
            bad: self.bad,
            of: self.files.len(),
        })
    }

    fn refuse(&mut self, fault: PartFault) -> io::Error {
        let refusal = io::Error::other(fault.to_string());
        if let Some((part, path)) = self.files.get(self.next) {
            self.bad.push(BadPart {
                number: part.number,
                path: path.clone(),
                fault,
            });
        }
        self.next += 1;
        self.current = None;
        refusal
    }

    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, PartFault> {
        let Some((part, path)) = self.files.get(self.next) else {
            return Ok(0);
        };
        let mut current = match self.current.take() {
            Some(current) => current,
            None => Current {
                file: open_part(&self.medium, part, path)?,
                hasher: Hasher::default(),
                left: part.size,
            },
        };
        let wanted = usize::try_from(current.left).map_or(buffer.len(), |n| n.min(buffer.len()));
        let taken = loop {
            match current.file.read(&mut buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                taken => break taken.map_err(PartFault::Unreadable)?,
            }
        };
        if taken == 0 {
            return Err(PartFault::Size {
                expected: part.size,
                found: part.size - current.left,
            });
        }
        current.hasher.update(&buffer[..taken]);
        current.left -= taken as u64;
        if current.left > 0 {
            self.current = Some(current);
            return Ok(taken);
        }
        let (expected, found) = (part.sha256, current.hasher.finish());
        if expected != found {
            return Err(PartFault::Digest { expected, found });
        }
        self.next += 1;
        Ok(taken)
    }
}

impl<M: Medium> Read for PartsReader<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.step(buffer).map_err(|fault| self.refuse(fault))
    }
}
