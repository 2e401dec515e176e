//! One bundle, read once and verified, as far as a comparison needs it.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use manifests::bundle::{BundleManifest, Entry};
use manifests::digest::Sha256;
use manifests::format::Section;
use manifests::package_files::PackageFiles;
use manifests::reader::{Document, Visitor};
use manifests::trust::{TrustRoot, VerifiedManifest};
use rpm::PackageMetadata;

use super::package::LogEntry;
use crate::archive::ArchiveError;
use crate::event::Observer;
use crate::parts::{self, CarryError};

/// A longer header is not kept, and its change log not shown.
const HEADER_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Lead, signature header, header: where an RPM's payload begins.
const LEAD_BYTES: usize = 96;
const INTRO_BYTES: usize = 16;
const INDEX_BYTES: usize = 16;

/// A verified bundle.
#[derive(Debug)]
pub struct Side {
    verified: VerifiedManifest,
    files: BTreeMap<Sha256, PackageFiles>,
    logs: BTreeMap<Sha256, Vec<LogEntry>>,
}

impl Side {
    /// Reads a bundle, whole or in parts, to its end.
    pub fn read(
        path: &Path,
        parts_dirs: &[PathBuf],
        roots: &[TrustRoot],
        observer: &dyn Observer,
    ) -> Result<Self, CarryError> {
        let mut gather = Gather::default();
        let passed = parts::pass(
            path,
            parts_dirs,
            roots,
            &mut std::io::sink(),
            &mut gather,
            observer,
        )?;
        Ok(Self {
            verified: passed.verified.manifest,
            files: gather.files,
            logs: gather.logs,
        })
    }

    /// Returns the manifest with its signers.
    #[must_use]
    pub const fn verified(&self) -> &VerifiedManifest {
        &self.verified
    }

    /// Returns the manifest.
    #[must_use]
    pub const fn manifest(&self) -> &BundleManifest {
        self.verified.manifest()
    }

    /// Returns the files, dependencies and scriptlets of an RPM's header.
    #[must_use]
    pub fn files(&self, rpm: &Sha256) -> Option<&PackageFiles> {
        self.files.get(rpm)
    }

    /// Returns an RPM's change log, newest entry first as rpm keeps it.
    #[must_use]
    pub fn log(&self, rpm: &Sha256) -> &[LogEntry] {
        self.logs.get(rpm).map_or(&[], Vec::as_slice)
    }
}

/// Keeps file lists whole, and of each RPM no more than its header.
#[derive(Default)]
struct Gather {
    bytes: Vec<u8>,
    files: BTreeMap<Sha256, PackageFiles>,
    logs: BTreeMap<Sha256, Vec<LogEntry>>,
    is_package: bool,
}

impl Visitor for Gather {
    type Error = ArchiveError;

    fn begin(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        self.bytes.clear();
        self.is_package = Section::of(&entry.path) == Some(Section::Packages);
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut left = bytes;
        while self.is_package && !left.is_empty() {
            // The bytes just read may reveal how much more belongs to the header.
            let wanted = header_end(&self.bytes).saturating_sub(self.bytes.len());
            if wanted == 0 {
                break;
            }
            let (now, later) = left.split_at(left.len().min(wanted));
            self.bytes.extend_from_slice(now);
            left = later;
        }
        Ok(())
    }

    fn document(&mut self, document: Document) -> Result<(), ArchiveError> {
        if let Document::Files(list) = document {
            self.files.insert(list.rpm, list);
        }
        Ok(())
    }

    fn end(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        if self.is_package {
            self.logs.insert(entry.sha256, change_log(&self.bytes));
        }
        Ok(())
    }
}

/// Returns how many bytes of an RPM are needed: up to the payload, as far as that is known yet.
fn header_end(bytes: &[u8]) -> usize {
    let Some(signature) = structure_bytes(bytes, LEAD_BYTES) else {
        return LEAD_BYTES + INTRO_BYTES;
    };
    let start = LEAD_BYTES + signature.next_multiple_of(8);
    match structure_bytes(bytes, start) {
        Some(header) => (start + header).min(HEADER_MAX_BYTES),
        None => (start + INTRO_BYTES).min(HEADER_MAX_BYTES),
    }
}

/// Returns the size of the header structure that starts at `at`, if its introduction is there.
fn structure_bytes(bytes: &[u8], at: usize) -> Option<usize> {
    let intro = bytes.get(at..at + INTRO_BYTES)?;
    let number = |from: usize| {
        let four: [u8; 4] = intro.get(from..from + 4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(four)).ok()
    };
    let (entries, store) = (number(8)?, number(12)?);
    let index = entries.min(HEADER_MAX_BYTES) * INDEX_BYTES;
    Some(INTRO_BYTES + index + store.min(HEADER_MAX_BYTES))
}

/// A package without a change log, or with a header that cannot be read, has none.
fn change_log(bytes: &[u8]) -> Vec<LogEntry> {
    let metadata = PackageMetadata::parse(&mut Cursor::new(bytes));
    let entries = metadata.and_then(|metadata| metadata.get_changelog_entries());
    let entry = |entry: rpm::ChangelogEntry| LogEntry {
        time: entry.timestamp,
        author: entry.name,
        text: entry.description,
    };
    entries.unwrap_or_default().into_iter().map(entry).collect()
}
