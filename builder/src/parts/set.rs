//! A split bundle where it lies: the signed list first, then each part as it is read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use manifests::digest::{Hasher, Sha256};
use manifests::limits::{PARTS_DOCUMENT_MAX_BYTES, SIGNATURE_MAX_BYTES, SIGNATURES_MAX};
use manifests::parts::{
    PARTS_SUFFIX, Part, PartsDocument, PartsError, VerifiedParts, key_in, verify_parts,
};
use manifests::signature::{QuorumError, Signature};
use manifests::trust::{TrustRoot, VerifyError};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{BadPart, CarryError, PartFault};
use crate::interrupt;
use crate::output::directory_of;

/// A verified list of parts and the directories where they may be.
#[derive(Debug, Clone)]
pub struct PartsSet {
    verified: VerifiedParts,
    directories: Vec<PathBuf>,
}

impl PartsSet {
    /// Reads the signatures and the document, and verifies it before it is parsed. Parts are looked
    /// for in `more`, then beside the document.
    pub fn open(path: &Path, more: &[PathBuf], roots: &[TrustRoot]) -> Result<Self, CarryError> {
        let unreadable = |source| CarryError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let refused = |source| CarryError::Document {
            path: path.to_owned(),
            source,
        };
        let bytes = read_small(path, PARTS_DOCUMENT_MAX_BYTES).map_err(unreadable)?;
        let signatures = signatures_beside(path)?;
        let verified = verify_parts(&bytes, &signatures, roots).map_err(refused)?;
        let mut directories = more.to_vec();
        directories.push(directory_of(path).to_owned());
        Ok(Self {
            verified,
            directories,
        })
    }

    /// Returns the verified list.
    #[must_use]
    pub const fn verified(&self) -> &VerifiedParts {
        &self.verified
    }

    /// Returns the list.
    #[must_use]
    pub const fn document(&self) -> &PartsDocument {
        self.verified.document()
    }

    /// Returns the place of each part: the first directory that has its name counts.
    #[must_use]
    pub fn located(&self) -> Vec<(Part, PathBuf)> {
        locate(self.document(), &self.directories)
    }

    /// Returns a reader over the parts in order.
    #[must_use]
    pub fn reader(&self) -> PartsReader {
        PartsReader::new(self.located())
    }
}

fn locate(document: &PartsDocument, directories: &[PathBuf]) -> Vec<(Part, PathBuf)> {
    let place = |part: &Part| {
        let name = document.part_name(part);
        let mut places = directories.iter().map(|dir| dir.join(&name));
        let found = places.find(|path| path.symlink_metadata().is_ok());
        let beside = directories.last().map(|dir| dir.join(&name));
        (part.clone(), found.or(beside).unwrap_or_default())
    };
    document.parts.iter().map(place).collect()
}

/// A list of parts that nobody may have signed: enough to sign it, never to believe it.
#[derive(Debug)]
pub(crate) struct UnsignedList {
    pub(crate) bytes: Vec<u8>,
    pub(crate) document: PartsDocument,
    pub(crate) signatures: Vec<Signature>,
}

impl UnsignedList {
    /// Reads the document and its signatures.
    pub(super) fn open(path: &Path) -> Result<Self, CarryError> {
        let bytes = read_small(path, PARTS_DOCUMENT_MAX_BYTES).map_err(|source| {
            let path = path.to_owned();
            CarryError::Unreadable { path, source }
        })?;
        let signatures = signatures_beside(path)?;
        let document = PartsDocument::parse_unverified(&bytes).map_err(|source| {
            let path = path.to_owned();
            CarryError::Document { path, source }
        })?;
        Ok(Self {
            bytes,
            document,
            signatures,
        })
    }

    /// Returns a reader over the parts in `more`, then beside the document.
    pub(super) fn reader(&self, path: &Path, more: &[PathBuf]) -> PartsReader {
        let directories = [more, &[directory_of(path).to_owned()]].concat();
        PartsReader::new(locate(&self.document, &directories))
    }
}

fn read_small(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads `NAME.parts.<key id>.sig` of every key, by name.
fn signatures_beside(path: &Path) -> Result<Vec<Signature>, CarryError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bundle = name.strip_suffix(PARTS_SUFFIX).unwrap_or(&name);
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| CarryError::Unreadable { path, source }
    };
    let directory = directory_of(path);
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(at(directory))? {
        let entry = entry.map_err(at(directory))?;
        if let Some(key) = key_in(bundle, &entry.file_name().to_string_lossy()) {
            keys.push((key, entry.path()));
        }
    }
    keys.sort();
    let refused = |source| CarryError::Document {
        path: path.to_owned(),
        source,
    };
    if keys.len() > SIGNATURES_MAX {
        let many = VerifyError::Quorum(QuorumError::TooMany);
        return Err(refused(PartsError::Untrusted(many)));
    }
    let mut signatures = Vec::new();
    for (key, path) in keys {
        let bytes = read_small(&path, SIGNATURE_MAX_BYTES).map_err(at(&path))?;
        let signature = Signature::new(key, bytes);
        signatures.push(signature.map_err(|e| refused(PartsError::Inconsistent(e.to_string())))?);
    }
    Ok(signatures)
}

/// Opens a part: a regular file of the listed size, and nothing that a link or a pipe leads to.
pub(super) fn open_part(part: &Part, path: &Path) -> Result<File, PartFault> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|source| match Errno::from_io_error(&source) {
            Some(Errno::NOENT) => PartFault::Missing,
            // What O_NOFOLLOW says to a link, and a socket or a device without driver to an open.
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

/// The parts as one stream. Each is compared with its digest when its last byte was read; a bad one
/// ends the stream and is remembered.
#[derive(Debug)]
pub struct PartsReader {
    files: Vec<(Part, PathBuf)>,
    next: usize,
    current: Option<Current>,
    bad: Vec<BadPart>,
}

#[derive(Debug)]
struct Current {
    file: File,
    hasher: Hasher,
    left: u64,
}

impl PartsReader {
    pub(crate) const fn new(files: Vec<(Part, PathBuf)>) -> Self {
        Self {
            files,
            next: 0,
            current: None,
            bad: Vec::new(),
        }
    }

    /// Reads what the stream's reader left, so that one pass finds every bad part.
    pub fn finish(self) -> Result<(), CarryError> {
        self.finish_with(&mut |_| ())
    }

    /// Does the same and tells how many bytes each step read.
    pub(super) fn finish_with(mut self, each: &mut dyn FnMut(usize)) -> Result<(), CarryError> {
        let mut buffer = vec![0; 256 * 1024];
        while self.next < self.files.len() {
            interrupt::check()?;
            // A bad part is remembered, and the stream goes on with the part after it.
            each(self.read(&mut buffer).unwrap_or(0));
        }
        if self.bad.is_empty() {
            return Ok(());
        }
        Err(CarryError::Bad {
            bad: self.bad,
            of: self.files.len(),
        })
    }

    fn refuse(&mut self, fault: PartFault) -> io::Error {
        if let Some((part, path)) = self.files.get(self.next) {
            self.bad.push(BadPart {
                number: part.number,
                path: path.clone(),
                fault,
            });
        }
        self.next += 1;
        self.current = None;
        io::Error::other("a part is bad")
    }

    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, PartFault> {
        let Some((part, path)) = self.files.get(self.next) else {
            return Ok(0);
        };
        let mut current = match self.current.take() {
            Some(current) => current,
            None => Current {
                file: open_part(part, path)?,
                hasher: Hasher::default(),
                left: part.size,
            },
        };
        let wanted = usize::try_from(current.left).map_or(buffer.len(), |n| n.min(buffer.len()));
        let taken = current.file.read(&mut buffer[..wanted]);
        let taken = taken.map_err(PartFault::Unreadable)?;
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
        let (expected, found): (Sha256, Sha256) = (part.sha256, current.hasher.finish());
        if expected != found {
            return Err(PartFault::Digest { expected, found });
        }
        self.next += 1;
        Ok(taken)
    }
}

impl Read for PartsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.step(buffer).map_err(|fault| self.refuse(fault))
    }
}
