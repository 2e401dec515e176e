//! From one stream to parts, which get their names together with their signed list.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use manifests::digest::{Hasher, Sha256};
use manifests::json::canonical;
use manifests::limits::PARTS_MAX;
use manifests::parts::{
    PARTS_TYPE, Part, PartsDocument, PartsError, check_name, document_name, key_in, number_in,
    part_name, signature_name, verify_parts,
};
use manifests::reader::ReadError;
use manifests::signature::KeyId;
use manifests::trust::TrustRoot;

use super::{CarryError, PartSize, Passed, pass};
use crate::archive::{ArchiveError, Nothing};
use crate::event::Observer;
use crate::keys::Signers;
use crate::output::{self, Closed, OutputError, Pending, directory_of};

/// Cuts what is written to it into parts of one size.
#[derive(Debug)]
pub struct PartsWriter {
    /// The name of the whole file; the parts are named after it.
    out: PathBuf,
    size: u64,
    done: Vec<(Closed, Part)>,
    current: Option<Growing>,
    whole: Hasher,
    refused: Option<CarryError>,
}

/// The part that is being written.
#[derive(Debug)]
struct Growing {
    file: Pending,
    hasher: Hasher,
    number: u32,
    size: u64,
}

/// Complete parts with their signed list, none of which has its name yet.
#[derive(Debug)]
#[must_use]
pub struct PendingParts {
    out: PathBuf,
    parts: Vec<(Closed, Part)>,
    document: PartsDocument,
    list: Pending,
    signatures: Vec<(KeyId, Pending)>,
}

fn file_name(out: &Path) -> String {
    let name = out.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Checks before any work that a file of this name and size can be split.
pub fn check_size(out: &Path, bytes: u64, size: PartSize) -> Result<(), CarryError> {
    check_name(&file_name(out)).map_err(CarryError::Request)?;
    if bytes.div_ceil(size.bytes()) > PARTS_MAX as u64 {
        return Err(too_many());
    }
    Ok(())
}

fn too_many() -> CarryError {
    CarryError::Request(format!("it would have more than {PARTS_MAX} parts"))
}

impl PartsWriter {
    /// Starts a split of the file that would be `out`.
    pub fn begin(out: &Path, size: PartSize) -> Result<Self, CarryError> {
        check_name(&file_name(out)).map_err(CarryError::Request)?;
        Ok(Self {
            out: out.to_owned(),
            size: size.bytes(),
            done: Vec::new(),
            current: None,
            whole: Hasher::default(),
            refused: None,
        })
    }

    /// Returns why writing failed: this writer's own reason, if it has one.
    #[must_use]
    pub fn explain(&mut self, error: ArchiveError) -> CarryError {
        self.refused.take().unwrap_or(CarryError::Archive(error))
    }

    fn refuse(&mut self, error: CarryError) -> io::Error {
        self.refused = Some(error);
        io::Error::other("the part cannot be written")
    }

    fn start(&self) -> Result<Growing, CarryError> {
        let number = u32::try_from(self.done.len() + 1).map_err(|_| too_many())?;
        if number as usize > PARTS_MAX {
            return Err(too_many());
        }
        let name = part_name(&file_name(&self.out), number);
        Ok(Growing {
            file: Pending::begin(&self.out.with_file_name(name), 0o644)?,
            hasher: Hasher::default(),
            number,
            size: 0,
        })
    }

    fn close(&mut self) -> Result<(), OutputError> {
        if let Some(grown) = self.current.take() {
            let part = Part {
                number: grown.number,
                size: grown.size,
                sha256: grown.hasher.finish(),
            };
            self.done.push((grown.file.close()?, part));
        }
        Ok(())
    }

    /// Signs the list of what was written.
    pub fn finish(
        mut self,
        product: &str,
        manifest_sha256: Sha256,
        signers: &Signers,
    ) -> Result<PendingParts, CarryError> {
        self.close()?;
        let document = PartsDocument {
            document: PARTS_TYPE.to_owned(),
            bundle: file_name(&self.out),
            product: product.to_owned(),
            size: self.done.iter().map(|(_, part)| part.size).sum(),
            sha256: self.whole.finish(),
            manifest_sha256,
            parts: self.done.iter().map(|(_, part)| part.clone()).collect(),
        };
        document.check().map_err(CarryError::Request)?;
        let (list, signatures) = signed_list(&self.out, &document, signers)?;
        Ok(PendingParts {
            list,
            signatures,
            out: self.out,
            parts: self.done,
            document,
        })
    }
}

/// Signs a list, and checks that a host would take it once it has all signatures it needs.
fn signed_list(
    out: &Path,
    document: &PartsDocument,
    signers: &Signers,
) -> Result<(Pending, Vec<(KeyId, Pending)>), CarryError> {
    let bundle = &document.bundle;
    let list = out.with_file_name(document_name(bundle));
    let refused = |fault| {
        let path = list.clone();
        CarryError::from(ReadError::PartsList { path, fault })
    };
    let bytes = canonical(document).map_err(|e| refused(PartsError::Json(e)))?;
    let signatures = signers.sign(&bytes)?;
    if signers.are_enough() {
        let roots = std::slice::from_ref(signers.root());
        verify_parts(&bytes, &signatures, roots).map_err(refused)?;
    }
    let mut pending = Vec::new();
    for signature in &signatures {
        let key = signature.key_id();
        let beside = out.with_file_name(signature_name(bundle, key));
        let file = Pending::with_bytes(&beside, signature.as_bytes(), 0o644)?;
        pending.push((key.clone(), file));
    }
    Ok((Pending::with_bytes(&list, &bytes, 0o644)?, pending))
}

impl Write for PartsWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.current.is_none() {
            match self.start() {
                Ok(part) => self.current = Some(part),
                Err(error) => return Err(self.refuse(error)),
            }
        }
        // A write that is interrupted is tried again on the same part.
        let Some(part) = self.current.as_mut() else {
            return Ok(0);
        };
        let room = usize::try_from(self.size - part.size);
        let room = room.map_or(bytes.len(), |room| room.min(bytes.len()));
        let taken = part.file.file_mut().write(&bytes[..room])?;
        part.hasher.update(&bytes[..taken]);
        part.size += taken as u64;
        self.whole.update(&bytes[..taken]);
        if part.size == self.size {
            self.close().map_err(|error| self.refuse(error.into()))?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PendingParts {
    /// Returns the list.
    #[must_use]
    pub const fn document(&self) -> &PartsDocument {
        &self.document
    }

    /// Returns where the parts are until they get their names.
    #[must_use]
    pub fn temporary(&self) -> Vec<(Part, PathBuf)> {
        let place = |(pending, part): &(Closed, Part)| {
            let path = pending.temporary_path().to_owned();
            (part.clone(), path)
        };
        self.parts.iter().map(place).collect()
    }

    /// Gives every file its name, the list last: what is there without it is no split bundle. Parts
    /// and signatures that an earlier split of the same name left are removed. Returns the list's
    /// path, then the signatures' and the parts'.
    pub fn commit(self) -> Result<Vec<PathBuf>, OutputError> {
        let bundle = file_name(&self.out);
        let at = |name: String| self.out.with_file_name(name);
        let list = at(document_name(&bundle));
        output::remove(&list)?;
        let mut files = vec![list];
        let keys = self.signatures.iter().map(|(key, _)| key);
        files.extend(keys.map(|key| at(signature_name(&bundle, key))));
        for (pending, part) in self.parts {
            files.push(at(part_name(&bundle, part.number)));
            pending.commit()?;
        }
        for (path, kind) in leftovers(&self.out)? {
            let stale = match kind {
                Kind::Part(number) => number as usize > self.document.parts.len(),
                Kind::Signature(key) => !self.signatures.iter().any(|(own, _)| *own == key),
            };
            if stale {
                output::remove(&path)?;
            }
        }
        for (_, signature) in self.signatures {
            signature.commit()?;
        }
        self.list.commit()?;
        Ok(files)
    }
}

enum Kind {
    Part(u32),
    Signature(KeyId),
}

/// Finds what splits of this name left.
fn leftovers(out: &Path) -> Result<Vec<(PathBuf, Kind)>, OutputError> {
    let (bundle, directory) = (file_name(out), directory_of(out));
    let failed = |source| OutputError {
        path: directory.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = number_in(&bundle, &name)
            .map(Kind::Part)
            .or_else(|| key_in(&bundle, &name).map(Kind::Signature));
        found.extend(kind.map(|kind| (entry.path(), kind)));
    }
    Ok(found)
}

/// Removes the split bundle of this name, list first: a whole one takes its place.
pub fn remove_set(out: &Path) -> Result<(), OutputError> {
    if check_name(&file_name(out)).is_err() {
        return Ok(());
    }
    output::remove(&out.with_file_name(document_name(&file_name(out))))?;
    for (path, _) in leftovers(out)? {
        output::remove(&path)?;
    }
    Ok(())
}

/// Splits a bundle, whole or in parts already, after verifying it. `out` is the name of the whole file.
pub fn split(
    from: (&Path, &[PathBuf]),
    roots: &[TrustRoot],
    out: &Path,
    size: PartSize,
    signers: &Signers,
    observer: &dyn Observer,
) -> Result<(Passed, Vec<PathBuf>), CarryError> {
    let (path, parts_dirs) = from;
    let mut writer = PartsWriter::begin(out, size)?;
    let passed = pass(path, parts_dirs, roots, &mut writer, &mut Nothing, observer);
    let passed = passed.map_err(|error| match error {
        CarryError::Archive(error) => writer.explain(error),
        other => other,
    })?;
    let manifest = &passed.verified.manifest;
    let product = &manifest.manifest().product;
    let pending = writer.finish(product, *manifest.digest(), signers)?;
    Ok((passed, pending.commit()?))
}
