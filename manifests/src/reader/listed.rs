//! The listed entries: those that are read into memory and parsed, then the payload.

use std::cell::Cell;
use std::fmt;
use std::io::Read;

use super::front::ends_before;
use super::{Entries, ReadError, Visitor};
use crate::bundle::{BundleManifest, Entry, limit_of};
use crate::contents::{read_package_files, read_product};
use crate::digest::Sha256;
use crate::format::{HeaderClaim, Section};
use crate::limits::PACKAGE_FILES_VALUES_MAX;
use crate::package_files::PackageFiles;
use crate::product::ProductManifest;

/// A listed entry that is read whole.
#[derive(Debug)]
pub enum Document {
    /// `product.json`.
    Product(Box<ProductManifest>),
    /// One of the vendor's package keys, armored.
    Key(Vec<u8>),
    /// The contents of an RPM, by its header. Every RPM of the manifest has one, under its own name.
    Files(PackageFiles),
}

/// The listed entries that were not read yet. [`read_documents`] makes one.
pub struct Payload<R: Read> {
    entries: Entries<R>,
    /// The header that was read last.
    pending: Option<HeaderClaim>,
    /// Index of the next listed entry.
    next: usize,
}

impl<R: Read> fmt::Debug for Payload<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Reads the listed entries before the first package, of which `next` is the first header, and shows them
/// to a visitor. Each is compared with its digest before it is parsed.
pub fn read_documents<R: Read, V: Visitor + ?Sized>(
    entries: Entries<R>,
    next: Option<HeaderClaim>,
    manifest: &BundleManifest,
    visitor: &mut V,
) -> Result<Payload<R>, V::Error> {
    let mut payload = Payload {
        entries,
        pending: next,
        next: 0,
    };
    let values = Cell::new(PACKAGE_FILES_VALUES_MAX);
    let is_document = |entry: &&Entry| Section::of(&entry.path) < Some(Section::Packages);
    for _ in manifest.entries.iter().take_while(is_document) {
        let Some(entry) = payload.advance(manifest)? else {
            break;
        };
        let section = Section::of(&entry.path);
        if !matches!(
            section,
            Some(Section::Product | Section::Keys | Section::Files)
        ) {
            payload.show(entry, visitor)?;
            continue;
        }
        let bytes = payload.entries.bytes(section.map_or(0, limit_of))?;
        check_digest(entry, Sha256::of(&bytes))?;
        visitor.begin(entry)?;
        visitor.data(&bytes)?;
        let document = match section {
            Some(Section::Product) => {
                let product = read_product(&bytes, entry, manifest).map_err(ReadError::from)?;
                Document::Product(Box::new(product))
            }
            Some(Section::Keys) => Document::Key(bytes),
            _ => {
                let list = read_package_files(&bytes, entry, manifest, &values);
                Document::Files(list.map_err(ReadError::from)?)
            }
        };
        visitor.document(document)?;
        visitor.end(entry)?;
    }
    Ok(payload)
}

impl<R: Read> Payload<R> {
    /// Moves to the next listed entry, or checks that the archive ends after the last one.
    pub fn advance<'m>(
        &mut self,
        manifest: &'m BundleManifest,
    ) -> Result<Option<&'m Entry>, ReadError> {
        let claim = match self.pending.take() {
            Some(claim) => Some(claim),
            None => self.entries.advance()?,
        };
        let entry = manifest.entries.get(self.next);
        self.next += 1;
        check_listed(claim, entry, manifest.timestamp)
    }

    /// Passes on the bytes of the entry that [`Self::advance`] moved to, and compares their digest.
    pub fn copy<E: From<ReadError>>(
        &mut self,
        entry: &Entry,
        each: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let found = self.entries.copy(each)?;
        Ok(check_digest(entry, found)?)
    }

    /// Shows the entry that [`Self::advance`] moved to.
    pub(super) fn show<V: Visitor + ?Sized>(
        &mut self,
        entry: &Entry,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        visitor.begin(entry)?;
        self.copy(entry, &mut |piece| visitor.data(piece))?;
        visitor.end(entry)
    }
}

fn check_listed<'m>(
    claim: Option<HeaderClaim>,
    entry: Option<&'m Entry>,
    timestamp: u64,
) -> Result<Option<&'m Entry>, ReadError> {
    let (claim, entry) = match (claim, entry) {
        (None, None) => return Ok(None),
        (None, Some(entry)) => return Err(ends_before(&format!("`{}`", entry.path))),
        (Some(claim), entry) => (claim, entry),
    };
    let Some(entry) = entry.filter(|entry| entry.path == claim.path) else {
        return Err(ReadError::Order {
            expected: entry.map_or("the end".to_owned(), |entry| format!("`{}`", entry.path)),
            found: claim.path,
        });
    };
    // A claim is read from the one header that its path, size and time can have.
    if claim.size == entry.size && claim.mtime == timestamp {
        Ok(Some(entry))
    } else {
        Err(ReadError::HeaderMismatch(claim.path))
    }
}

fn check_digest(entry: &Entry, found: Sha256) -> Result<(), ReadError> {
    if found == entry.sha256 {
        return Ok(());
    }
    Err(ReadError::Digest {
        path: entry.path.clone(),
        expected: entry.sha256,
        found,
    })
}
