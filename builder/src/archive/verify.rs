//! The verdict over a whole bundle. The numbers follow docs/bundle-format.md.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;

use manifests::bundle::{BundleManifest, Entry};
use manifests::bundle_path::BundlePath;
use manifests::contents::{check_lists, limit_of, read_package_files, read_product};
use manifests::digest::Sha256;
use manifests::format::{HeaderClaim, Section};
use manifests::limits::{
    PACKAGE_FILES_VALUES_MAX, SIGNATURE_MAX_BYTES, TRUST_DOCUMENT_MAX_BYTES, TRUST_ENTRIES_MAX,
};
use manifests::nevra::Nevra;
use manifests::signature::{KeyId, PublicKey, Signature, verify_quorum};
use manifests::trust::{TrustRoot, VerifiedManifest, verify_manifest};

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
/// 2. `manifest.json`, then the signatures; a trusted quorum signed exactly those bytes.
/// 3. Carried root documents are whole and signed by their own keys. They prove nothing.
/// 4. Exactly the listed entries, in their order, with their sizes, times and digests.
/// 5. The product manifest and the file lists are usable, and are this manifest's.
/// 6. The end marker, the end of the frame and the end of the file.
pub fn verify_with(
    input: impl Read,
    roots: &[TrustRoot],
    visitor: &mut dyn Visitor,
) -> Result<Verified, ArchiveError> {
    let mut entries = Entries::open(input)?;
    let raw = read_manifest(&mut entries)?;
    let manifest = verify_manifest(&raw.bytes, &raw.signatures, roots)?;
    if raw.mtime != manifest.manifest().timestamp {
        let first = raw.next.map(|claim| ArchiveError::Time(claim.path));
        return Err(first.unwrap_or(ArchiveError::Excess("the manifest has another time")));
    }
    visitor.manifest(&raw, &manifest)?;
    let next = read_trust(&mut entries, raw.next, raw.mtime, visitor)?;
    let total_bytes = read_listed(&mut entries, next, manifest.manifest(), visitor)?;
    entries.finish()?;
    Ok(Verified {
        manifest,
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

#[derive(Default)]
struct CarriedRoot {
    document: Option<Vec<u8>>,
    signatures: Vec<Signature>,
}

/// Reads `trust/`: `root.N.json` and `root.N.<key id>.sig`. Whether a host believes a root is not
/// decided here, but a damaged one is refused.
fn read_trust<R: Read>(
    entries: &mut Entries<R>,
    mut next: Option<HeaderClaim>,
    time: u64,
    visitor: &mut dyn Visitor,
) -> Result<Option<HeaderClaim>, ArchiveError> {
    let mut roots: BTreeMap<u64, CarriedRoot> = BTreeMap::new();
    let mut count = 0;
    let mut last: Option<BundlePath> = None;
    while let Some(claim) = next
        .as_ref()
        .filter(|claim| Section::of(&claim.path) == Some(Section::Trust))
    {
        count += 1;
        if count > TRUST_ENTRIES_MAX {
            return Err(ArchiveError::TooMany("trust documents"));
        }
        if claim.mtime != time {
            return Err(ArchiveError::Time(claim.path.clone()));
        }
        check_rising(last.as_ref(), &claim.path)?;
        last = Some(claim.path.clone());
        let refuse = || ArchiveError::Order {
            found: claim.path.to_string(),
            expected: "trust/root.N.json or trust/root.N.<key id>.sig".to_owned(),
        };
        let (version, key_id) = trust_name(claim.path.file_name()).ok_or_else(refuse)?;
        let limit = key_id
            .as_ref()
            .map_or(TRUST_DOCUMENT_MAX_BYTES, |_| SIGNATURE_MAX_BYTES);
        let bytes = entries.bytes(limit)?;
        visitor.trust(&claim.path, &bytes)?;
        let root = roots.entry(version).or_default();
        match key_id {
            None if root.document.is_some() => return Err(refuse()),
            None => root.document = Some(bytes),
            Some(key_id) => {
                let signature = Signature::new(key_id, bytes);
                root.signatures.push(signature.map_err(|_| refuse())?);
            }
        }
        next = entries.advance()?;
    }
    for root in roots.values() {
        check_root(root)?;
    }
    Ok(next)
}

fn trust_name(name: &str) -> Option<(u64, Option<KeyId>)> {
    let rest = name.strip_prefix("root.")?;
    let (version, rest) = rest.split_once('.')?;
    let version = version.parse().ok()?;
    match rest.strip_suffix(".sig") {
        Some(key_id) => Some((version, Some(key_id.parse().ok()?))),
        None if rest == "json" => Some((version, None)),
        None => None,
    }
}

fn check_root(carried: &CarriedRoot) -> Result<(), ArchiveError> {
    let bytes = carried.document.as_deref().unwrap_or_default();
    let root = TrustRoot::parse(bytes).map_err(ArchiveError::CarriedRoot)?;
    let document = root.document();
    let keys: Vec<PublicKey> = document
        .keys
        .iter()
        .filter(|key| document.root.keys.contains(&key.id))
        .filter_map(|key| PublicKey::from_pem(key.algorithm, &key.public).ok())
        .collect();
    verify_quorum(bytes, &carried.signatures, &keys, document.root.threshold)
        .map(|_| ())
        .map_err(ArchiveError::CarriedRootSignature)
}
