//! The verdict over a whole bundle. The numbers follow docs/bundle-format.md.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;

use manifests::bundle::{BundleManifest, Entry, limit_of};
use manifests::bundle_path::BundlePath;
use manifests::contents::{check_lists, read_package_files, read_product};
use manifests::digest::Sha256;
use manifests::format::{HeaderClaim, Section};
use manifests::limits::PACKAGE_FILES_VALUES_MAX;
use manifests::nevra::Nevra;
use manifests::trust::{CarriedTrust, RootFile, TrustRoot, VerifiedManifest, verify_manifest};

use super::ArchiveError;
use super::read::{Entries, RawManifest, check_rising, read_manifest};

/// A bundle whose every byte was read and is as its signed manifest says.
#[derive(Debug)]
pub struct Verified {
    /// The manifest, with digest and signers.
    pub manifest: VerifiedManifest,
    /// The sum of all listed entries.
    pub total_bytes: u64,
}

/// A bundle that is whole and as its own manifest says, whoever signed it: enough to sign it, never to
/// believe it.
#[derive(Debug)]
pub struct Checked {
    /// The manifest.
    pub manifest: BundleManifest,
    /// Its bytes and the signatures over them, as they say.
    pub raw: RawManifest,
    /// The carried chain of root documents, whole.
    pub chain: CarriedTrust,
    /// Its files by name.
    pub trust: BTreeMap<String, Vec<u8>>,
    /// The sum of all listed entries.
    pub total_bytes: u64,
}

/// Is shown the entries of a bundle while it is verified. Until [`verify_with`] returns, what it
/// was shown may still turn out to be no bundle.
pub trait Visitor {
    /// The manifest is signed by a trusted quorum; everything else follows.
    fn manifest(&mut self, _: &RawManifest, _: &VerifiedManifest) -> Result<(), ArchiveError> {
        Ok(())
    }
    /// A document under `trust/`.
    fn trust(&mut self, _: &BundlePath, _: &[u8]) -> Result<(), ArchiveError> {
        Ok(())
    }
    /// A listed entry begins.
    fn begin(&mut self, _: &Entry) -> Result<(), ArchiveError> {
        Ok(())
    }
    /// The entry's next bytes.
    fn data(&mut self, _: &[u8]) -> Result<(), ArchiveError> {
        Ok(())
    }
    /// The entry has its listed digest.
    fn end(&mut self, _: &Entry) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// Looks at nothing.
struct Nobody;

impl Visitor for Nobody {}

/// Reads a bundle from its first byte to its last.
pub fn verify(input: impl Read, roots: &[TrustRoot]) -> Result<Verified, ArchiveError> {
    verify_with(input, roots, &mut Nobody)
}

/// Does the same and shows every entry to a visitor.
///
/// 1. One zstd frame whose header keeps the bounds.
/// 2. `manifest.json`, the signatures and the carried chain of root documents, as bytes. The chain is
///    followed from the trusted roots; a quorum of the newest signed exactly the manifest's bytes.
/// 3. The chain is whole, and every signature in it good.
/// 4. Exactly the listed entries, in their order, with their sizes, times and digests.
/// 5. The product manifest and the file lists are usable, and are this manifest's.
/// 6. The end marker, the end of the frame and the end of the file.
pub fn verify_with(
    input: impl Read,
    roots: &[TrustRoot],
    visitor: &mut dyn Visitor,
) -> Result<Verified, ArchiveError> {
    let mut entries = Entries::open(input)?;
    let mut raw = read_manifest(&mut entries)?;
    let trust = read_trust(&mut entries, &mut raw.next, raw.mtime)?;
    let newest: Vec<TrustRoot> = roots
        .iter()
        .map(|root| trust.chain.follow(root).0)
        .collect();
    let manifest = verify_manifest(&raw.bytes, &raw.signatures, &newest)?;
    if raw.mtime != manifest.manifest().timestamp {
        let first = raw.next.map(|claim| ArchiveError::Time(claim.path));
        return Err(first.unwrap_or(ArchiveError::Excess("the manifest has another time")));
    }
    trust.chain.check()?;
    visitor.manifest(&raw, &manifest)?;
    for (path, bytes) in &trust.files {
        visitor.trust(path, bytes)?;
    }
    let next = raw.next;
    let total_bytes = read_listed(&mut entries, next, manifest.manifest(), visitor)?;
    entries.finish()?;
    Ok(Verified {
        manifest,
        total_bytes,
    })
}

/// Checks everything but who signed, in the same order.
pub fn check(input: impl Read) -> Result<Checked, ArchiveError> {
    check_with(input, &mut Nobody)
}

/// Does the same and shows the listed entries to a visitor.
pub(super) fn check_with(
    input: impl Read,
    visitor: &mut dyn Visitor,
) -> Result<Checked, ArchiveError> {
    let mut entries = Entries::open(input)?;
    let mut raw = read_manifest(&mut entries)?;
    let trust = read_trust(&mut entries, &mut raw.next, raw.mtime)?;
    let manifest = raw.parse_unverified()?;
    if raw.mtime != manifest.timestamp {
        return Err(ArchiveError::Excess("the manifest has another time"));
    }
    trust.chain.check()?;
    let next = raw.next.take();
    let total_bytes = read_listed(&mut entries, next, &manifest, visitor)?;
    entries.finish()?;
    let named = |(path, bytes): (BundlePath, Vec<u8>)| (path.file_name().to_owned(), bytes);
    Ok(Checked {
        manifest,
        raw,
        chain: trust.chain,
        trust: trust.files.into_iter().map(named).collect(),
        total_bytes,
    })
}

fn read_listed<R: Read>(
    entries: &mut Entries<R>,
    mut next: Option<HeaderClaim>,
    manifest: &BundleManifest,
    visitor: &mut dyn Visitor,
) -> Result<u64, ArchiveError> {
    let mut total: u64 = 0;
    let mut lists: BTreeMap<Sha256, Nevra> = BTreeMap::new();
    let values = Cell::new(PACKAGE_FILES_VALUES_MAX);
    for entry in &manifest.entries {
        let claim = next.ok_or_else(|| ArchiveError::Order {
            found: "the end".to_owned(),
            expected: format!("`{}`", entry.path),
        })?;
        check_claim(&claim, entry, manifest.timestamp)?;
        visitor.begin(entry)?;
        match Section::of(&entry.path) {
            Some(Section::Product) => {
                let bytes = document(entries, entry)?;
                read_product(&bytes, entry, manifest)?;
                visitor.data(&bytes)?;
            }
            Some(Section::Files) => {
                // One at a time: only the identity is kept.
                let bytes = document(entries, entry)?;
                let list = read_package_files(&bytes, entry, &values)?;
                lists.insert(list.rpm, list.nevra);
                visitor.data(&bytes)?;
            }
            _ => check_digest(entry, entries.pass(&mut |piece| visitor.data(piece))?)?,
        }
        visitor.end(entry)?;
        total = total.saturating_add(entry.size);
        next = entries.advance()?;
    }
    check_lists(manifest, |rpm| lists.get(rpm))?;
    match next {
        None => Ok(total),
        Some(claim) => Err(ArchiveError::Order {
            found: claim.path.to_string(),
            expected: "the end".to_owned(),
        }),
    }
}

fn check_claim(claim: &HeaderClaim, entry: &Entry, time: u64) -> Result<(), ArchiveError> {
    if claim.path != entry.path {
        return Err(ArchiveError::Order {
            found: claim.path.to_string(),
            expected: format!("`{}`", entry.path),
        });
    }
    if claim.size != entry.size {
        return Err(ArchiveError::Size(entry.path.clone()));
    }
    if claim.mtime != time {
        return Err(ArchiveError::Time(entry.path.clone()));
    }
    Ok(())
}

/// Reads an entry that is parsed: only after its bytes are known to be the listed ones.
fn document<R: Read>(entries: &mut Entries<R>, entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
    let limit = Section::of(&entry.path).map_or(0, limit_of);
    let bytes = entries.bytes(limit)?;
    check_digest(entry, Sha256::of(&bytes))?;
    Ok(bytes)
}

fn check_digest(entry: &Entry, found: Sha256) -> Result<(), ArchiveError> {
    if found == entry.sha256 {
        Ok(())
    } else {
        Err(ArchiveError::Digest(entry.path.clone()))
    }
}

/// `trust/`: the entries as they came, and the chain they are.
#[derive(Default)]
struct TrustRead {
    files: Vec<(BundlePath, Vec<u8>)>,
    chain: CarriedTrust,
}

/// Reads `trust/` as bytes. What of it is believed is decided by the trusted roots.
fn read_trust<R: Read>(
    entries: &mut Entries<R>,
    next: &mut Option<HeaderClaim>,
    time: u64,
) -> Result<TrustRead, ArchiveError> {
    let mut read = TrustRead::default();
    while let Some(claim) = next.take_if(|claim| Section::of(&claim.path) == Some(Section::Trust)) {
        if claim.mtime != time {
            return Err(ArchiveError::Time(claim.path));
        }
        check_rising(read.files.last().map(|(path, _)| path), &claim.path)?;
        let file = RootFile::parse(claim.path.file_name()).ok_or_else(|| ArchiveError::Order {
            found: claim.path.to_string(),
            expected: "trust/root.N.json or trust/root.N.<key id>.sig".to_owned(),
        })?;
        let bytes = entries.bytes(file.limit())?;
        read.chain.add(file, bytes.clone())?;
        read.files.push((claim.path, bytes));
        *next = entries.advance()?;
    }
    Ok(read)
}
