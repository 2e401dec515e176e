//! From an untrusted file to verified metadata. The steps are numbered as in
//! docs/bundle-format.md, section "Reading".

use std::collections::BTreeMap;
use std::io::sink;

use manifests::bundle::{BundleManifest, Entry};
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::format::{HeaderClaim, MANIFEST_PATH, Section, header_for};
use manifests::limits::{MANIFEST_MAX_BYTES, SIGNATURE_MAX_BYTES, SIGNATURES_MAX};
use manifests::package_files::PackageFiles;
use manifests::product::ProductManifest;
use manifests::signature::{KeyId, Signature};
use manifests::trust::{CarriedTrust, RootFile, TrustRoot, VerifiedManifest, verify_manifest};

use super::archive::blame;
use super::metadata::MetadataReader;
use super::{BundleError, PartsSet, UntrustedBundle};
use crate::trust::Learned;

/// Manifest, product and file lists of a bundle whose signature was verified.
///
/// Only [`OpenBundle::verify`] makes one:
///
/// ```compile_fail
/// fn forge() -> installer::bundle::VerifiedMetadata {
///     Default::default()
/// }
/// ```
/// ```compile_fail
/// fn copy(one: &installer::bundle::VerifiedMetadata) -> installer::bundle::VerifiedMetadata {
///     one.clone()
/// }
/// ```
#[derive(Debug)]
pub struct VerifiedMetadata {
    verified: VerifiedManifest,
    learned: Learned,
    product: ProductManifest,
    files: BTreeMap<Sha256, PackageFiles>,
    vendor_keys: Vec<Vec<u8>>,
}

/// A bundle whose metadata are verified and whose payload is still to be read.
#[derive(Debug)]
pub struct OpenBundle {
    archive: UntrustedBundle,
    metadata: VerifiedMetadata,
    /// Index of the next listed entry.
    next: usize,
    /// Its header was read already.
    pending: Option<HeaderClaim>,
}

impl VerifiedMetadata {
    /// Returns the signed manifest.
    #[must_use]
    pub fn manifest(&self) -> &BundleManifest {
        self.verified.manifest()
    }

    /// Returns the manifest with its signers.
    #[must_use]
    pub const fn verified(&self) -> &VerifiedManifest {
        &self.verified
    }

    /// Returns the enrolled roots with what the bundle's chain of root documents adds to them.
    #[must_use]
    pub const fn learned(&self) -> &Learned {
        &self.learned
    }

    /// Returns the product manifest.
    #[must_use]
    pub const fn product(&self) -> &ProductManifest {
        &self.product
    }

    /// Returns what the header of an RPM of the bundle says.
    #[must_use]
    pub fn files(&self, rpm: &Sha256) -> Option<&PackageFiles> {
        self.files.get(rpm)
    }

    /// Returns the vendor's package keys, armored.
    #[must_use]
    pub fn vendor_keys(&self) -> &[Vec<u8>] {
        &self.vendor_keys
    }
}

impl OpenBundle {
    /// Verifies everything before the first package.
    pub fn verify(archive: UntrustedBundle, roots: &[TrustRoot]) -> Result<Self, BundleError> {
        let parts = archive.parts().cloned();
        Self::read(archive, roots)
            .and_then(|open| open.check_identity(parts.as_ref()))
            .map_err(|error| blame(parts.as_ref(), error))
    }

    /// The parts and their list were signed for one bundle, and this must be it.
    fn check_identity(self, parts: Option<&PartsSet>) -> Result<Self, BundleError> {
        let digest = self.metadata.verified.digest();
        match parts {
            Some(set) if set.document().manifest_sha256 != *digest => Err(BundleError::OtherBundle),
            _ => Ok(self),
        }
    }

    fn read(mut archive: UntrustedBundle, roots: &[TrustRoot]) -> Result<Self, BundleError> {
        // 1. The first entry is the manifest: bounded, and only bytes so far.
        let claim = archive.next_header()?;
        let claim = expect(claim, "`manifest.json`", |c| {
            c.path.as_str() == MANIFEST_PATH
        })?;
        let manifest_bytes = archive.read_body(&claim, MANIFEST_MAX_BYTES)?;
        // 2. Signatures follow.
        let (signatures, mut times, pending) = read_signatures(&mut archive)?;
        // 3. So does the chain of root documents. It is followed from the enrolled roots only.
        let (chain, pending) = read_trust(&mut archive, pending, &mut times)?;
        let learned = Learned::from(&chain, roots);
        // 4. Verify these bytes, then parse them.
        let verified = verify_manifest(&manifest_bytes, &signatures, learned.roots())?;
        let manifest = verified.manifest();
        check_installer(manifest)?;
        // 5. The headers read so far carry the manifest's time, and no byte of the chain is free.
        if times
            .into_iter()
            .chain([claim.mtime])
            .any(|mtime| mtime != manifest.timestamp)
        {
            return Err(BundleError::HeaderMismatch(claim.path));
        }
        chain.check().map_err(BundleError::CarriedRoots)?;
        // 6. Product manifest, keys and file lists.
        let mut reader = MetadataReader {
            archive,
            pending,
            next: 0,
        };
        let (product, vendor_keys, files) = reader.read(manifest)?;
        let MetadataReader {
            archive,
            pending,
            next,
        } = reader;
        let metadata = VerifiedMetadata {
            verified,
            learned,
            product,
            files,
            vendor_keys,
        };
        Ok(Self {
            archive,
            metadata,
            next,
            pending,
        })
    }

    /// Returns the verified metadata.
    #[must_use]
    pub const fn metadata(&self) -> &VerifiedMetadata {
        &self.metadata
    }

    /// Verifies the payload without keeping any of it.
    pub fn verify_payload(mut self) -> Result<VerifiedMetadata, BundleError> {
        let read = self.skip_payload();
        read.map_err(|error| blame(self.archive.parts(), error))?;
        Ok(self.metadata)
    }

    fn skip_payload(&mut self) -> Result<(), BundleError> {
        while let Some(entry) = self.next_payload()? {
            self.copy_payload(&entry, &mut sink())?;
        }
        Ok(())
    }

    /// Names the parts whose bytes led to an error.
    pub(super) fn blamed(&self, error: BundleError) -> BundleError {
        blame(self.archive.parts(), error)
    }

    /// Moves to the next listed entry, or checks that the archive ends after the last one.
    pub(super) fn next_payload(&mut self) -> Result<Option<Entry>, BundleError> {
        let claim = match self.pending.take() {
            Some(claim) => Some(claim),
            None => self.archive.next_header()?,
        };
        let manifest = self.metadata.manifest();
        let entry = manifest.entries.get(self.next).cloned();
        self.next += 1;
        check_listed(claim, entry, manifest.timestamp)
    }

    /// Copies the entry that [`Self::next_payload`] moved to, and compares its digest.
    pub(super) fn copy_payload(
        &mut self,
        entry: &Entry,
        into: &mut dyn std::io::Write,
    ) -> Result<(), BundleError> {
        let found = self.archive.copy_body(entry.size, into)?;
        check_digest(entry, found)
    }

    pub(super) fn into_metadata(self) -> VerifiedMetadata {
        self.metadata
    }
}

fn expect(
    claim: Option<HeaderClaim>,
    expected: &str,
    fits: impl Fn(&HeaderClaim) -> bool,
) -> Result<HeaderClaim, BundleError> {
    match claim {
        Some(claim) if fits(&claim) => Ok(claim),
        Some(claim) => Err(BundleError::Order {
            expected: expected.to_owned(),
            found: claim.path,
        }),
        None => Err(BundleError::Damaged(format!(
            "it ends where {expected} belongs"
        ))),
    }
}

type SignaturesRead = (Vec<Signature>, Vec<u64>, Option<HeaderClaim>);

/// Reads `signatures/`, in ascending order, and the header of the entry after it.
fn read_signatures(archive: &mut UntrustedBundle) -> Result<SignaturesRead, BundleError> {
    let (mut signatures, mut times) = (Vec::new(), Vec::new());
    let mut last: Option<BundlePath> = None;
    loop {
        let claim = archive.next_header()?;
        let Some(claim) = claim
            .clone()
            .filter(|c| Section::of(&c.path) == Some(Section::Signatures))
        else {
            return Ok((signatures, times, claim));
        };
        check_rising(last.as_ref(), &claim.path)?;
        if signatures.len() == SIGNATURES_MAX {
            return Err(BundleError::Damaged(format!(
                "more than {SIGNATURES_MAX} signatures"
            )));
        }
        let document = |reason: String| BundleError::Document {
            path: claim.path.clone(),
            reason,
        };
        let stem = claim.path.file_name().trim_end_matches(".sig");
        let key_id: KeyId = stem.parse().map_err(|error| document(format!("{error}")))?;
        let bytes = archive.read_body(&claim, SIGNATURE_MAX_BYTES)?;
        let signature =
            Signature::new(key_id, bytes).map_err(|error| document(error.to_string()))?;
        signatures.push(signature);
        times.push(claim.mtime);
        last = Some(claim.path);
    }
}

fn check_rising(last: Option<&BundlePath>, path: &BundlePath) -> Result<(), BundleError> {
    match last {
        Some(last) if last >= path => {
            let expected = format!("a name after `{last}`");
            Err(BundleError::Order {
                expected,
                found: path.clone(),
            })
        }
        _ => Ok(()),
    }
}

fn check_installer(manifest: &BundleManifest) -> Result<(), BundleError> {
    let own = crate::version();
    let needed = manifest.minimum_installer.clone();
    if needed > own {
        Err(BundleError::InstallerTooOld { needed, own })
    } else {
        Ok(())
    }
}

/// Reads `trust/` as bytes, and the header of the entry after it.
fn read_trust(
    archive: &mut UntrustedBundle,
    mut claim: Option<HeaderClaim>,
    times: &mut Vec<u64>,
) -> Result<(CarriedTrust, Option<HeaderClaim>), BundleError> {
    let mut chain = CarriedTrust::default();
    let mut last: Option<BundlePath> = None;
    while let Some(trust) = claim.take_if(|c| Section::of(&c.path) == Some(Section::Trust)) {
        check_rising(last.as_ref(), &trust.path)?;
        times.push(trust.mtime);
        let document = |reason: &str| BundleError::Document {
            path: trust.path.clone(),
            reason: reason.to_owned(),
        };
        let file = RootFile::parse(trust.path.file_name())
            .ok_or_else(|| document("it is neither root.N.json nor root.N.<key id>.sig"))?;
        let bytes = archive.read_body(&trust, file.limit())?;
        chain
            .add(file, bytes)
            .map_err(|error| document(&error.to_string()))?;
        last = Some(trust.path);
        claim = archive.next_header()?;
    }
    Ok((chain, claim))
}

pub(super) fn check_listed(
    claim: Option<HeaderClaim>,
    entry: Option<Entry>,
    timestamp: u64,
) -> Result<Option<Entry>, BundleError> {
    match (claim, entry) {
        (None, None) => Ok(None),
        (Some(claim), Some(entry)) if claim.path == entry.path => {
            let expected = header_for(&entry.path, entry.size, timestamp);
            let found = header_for(&claim.path, claim.size, claim.mtime);
            if expected.is_ok() && expected == found {
                return Ok(Some(entry));
            }
            Err(BundleError::HeaderMismatch(entry.path))
        }
        (Some(claim), Some(entry)) => Err(BundleError::Order {
            expected: format!("`{}`", entry.path),
            found: claim.path,
        }),
        (Some(claim), None) => Err(BundleError::Order {
            expected: "the end".to_owned(),
            found: claim.path,
        }),
        (None, Some(entry)) => Err(BundleError::Damaged(format!(
            "it ends where `{}` belongs",
            entry.path
        ))),
    }
}

pub(super) fn check_digest(entry: &Entry, found: Sha256) -> Result<(), BundleError> {
    if found == entry.sha256 {
        return Ok(());
    }
    Err(BundleError::Digest {
        path: entry.path.clone(),
        expected: entry.sha256,
        found,
    })
}
