//! One pass over a bundle, whole or in parts: verified, shown to a visitor, copied if wanted.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use manifests::digest::{Hasher, Sha256};
use manifests::parts::{PARTS_SUFFIX, PartsDocument, is_part};
use manifests::reader::{ReadError, UnsignedList, Verified, Visitor};
use manifests::trust::TrustRoot;

use super::{CarryError, Disk, PartsReader, PartsSet};
use crate::archive::{self, ArchiveError, Nothing};
use crate::event::{Counted, Observer};
use crate::interrupt;

const WHAT: &str = "verifying";

/// A bundle that was read to its end and is whole.
#[derive(Debug)]
pub struct Passed {
    /// The verdict over its contents.
    pub verified: Verified,
    /// The digest of the whole file.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
    /// How many parts it lies in, if it is split.
    pub parts: Option<usize>,
}

/// Reads and verifies a bundle file, or the parts that a `NAME.parts.json` lists. What `copy` and the
/// visitor got is worth something only if this returns well.
pub fn pass(
    path: &Path,
    parts_dirs: &[PathBuf],
    roots: &[TrustRoot],
    copy: &mut dyn Write,
    visitor: &mut dyn Visitor<Error = ArchiveError>,
    observer: &dyn Observer,
) -> Result<Passed, CarryError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if is_part(&name) {
        return Err(CarryError::IsPart(path.to_owned()));
    }
    if name.ends_with(PARTS_SUFFIX) {
        let set = PartsSet::open(Disk, path, parts_dirs, roots)?;
        return pass_parts(set.document(), set.reader(), roots, copy, visitor, observer);
    }
    let open = |source| ArchiveError::Open {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(open)?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let file = Counted::begin(file, WHAT, &name, bytes, observer);
    let mut tee = Tee::new(file, copy);
    let verified = archive::verify_with(&mut tee, roots, visitor);
    tee.written()?;
    Ok(Passed {
        verified: verified?,
        sha256: tee.hasher.finish(),
        bytes: tee.bytes,
        parts: None,
    })
}

fn pass_parts(
    document: &PartsDocument,
    mut reader: PartsReader,
    roots: &[TrustRoot],
    copy: &mut dyn Write,
    visitor: &mut dyn Visitor<Error = ArchiveError>,
    observer: &dyn Observer,
) -> Result<Passed, CarryError> {
    let counted = Counted::begin(&mut reader, WHAT, &document.bundle, document.size, observer);
    let mut tee = Tee::new(counted, copy);
    let verified = archive::verify_with(&mut tee, roots, visitor);
    tee.written()?;
    let (sha256, bytes) = (tee.hasher.clone().finish(), tee.bytes);
    drop(tee);
    interrupt::check()?;
    // A bad part explains whatever else is wrong.
    let finished = reader.finish();
    interrupt::check()?;
    finished?;
    let verified = verified?;
    if sha256 != document.sha256 || *verified.manifest.digest() != document.manifest_sha256 {
        return Err(ReadError::OtherBundle.into());
    }
    Ok(Passed {
        verified,
        sha256,
        bytes,
        parts: Some(document.parts.len()),
    })
}

/// Reads the parts of a list that may lack signatures; the bundle in them must be verified.
pub(crate) fn pass_unsigned(
    path: &Path,
    parts_dirs: &[PathBuf],
    roots: &[TrustRoot],
    observer: &dyn Observer,
) -> Result<(UnsignedList, Passed), CarryError> {
    let list = UnsignedList::open(&Disk, path)?;
    let (reader, document) = (list.reader(Disk, path, parts_dirs), &list.document);
    let (copy, visitor) = (&mut io::sink(), &mut Nothing);
    let passed = pass_parts(document, reader, roots, copy, visitor, observer)?;
    Ok((list, passed))
}

/// Hashes, counts and copies what passes.
struct Tee<'a, R> {
    input: R,
    copy: &'a mut dyn Write,
    hasher: Hasher,
    bytes: u64,
    failed: Option<io::Error>,
}

impl<'a, R: Read> Tee<'a, R> {
    fn new(input: R, copy: &'a mut dyn Write) -> Self {
        Self {
            input,
            copy,
            hasher: Hasher::default(),
            bytes: 0,
            failed: None,
        }
    }

    /// Fails if the copy could not be written: that is why the reading ended.
    fn written(&mut self) -> Result<(), ArchiveError> {
        self.failed
            .take()
            .map_or(Ok(()), |error| Err(ArchiveError::Write(error)))
    }
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.input.read(buffer)?;
        self.hasher.update(&buffer[..taken]);
        self.bytes += taken as u64;
        if let Err(error) = self.copy.write_all(&buffer[..taken]) {
            self.failed = Some(error);
            return Err(io::Error::other("the copy cannot be written"));
        }
        Ok(taken)
    }
}
