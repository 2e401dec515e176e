//! What stands before the listed entries: the manifest, the signatures over it and the chain of root
//! documents, all of it as bytes.

use std::io::Read;

use super::{Entries, ReadError};
use crate::bundle::BundleManifest;
use crate::bundle_path::BundlePath;
use crate::format::{HeaderClaim, MANIFEST_PATH, Section};
use crate::limits::{MANIFEST_MAX_BYTES, SIGNATURE_MAX_BYTES, SIGNATURES_MAX};
use crate::signature::Signature;
use crate::trust::{CarriedTrust, RootFile, TrustRoot, VerifiedManifest, verify_manifest};

/// The first entries of a bundle. Nothing of them is believed.
#[derive(Debug)]
pub struct Front {
    /// The exact bytes of `manifest.json`.
    pub manifest: Vec<u8>,
    /// The signatures, unverified.
    pub signatures: Vec<Signature>,
    /// The carried chain of root documents.
    pub chain: CarriedTrust,
    headers: Vec<HeaderClaim>,
    /// The header of the entry after them.
    pub next: Option<HeaderClaim>,
}

impl Front {
    /// Reads all of it, and the header of the entry after it.
    pub fn read<R: Read>(entries: &mut Entries<R>) -> Result<Self, ReadError> {
        let mut front = Self::read_signed(entries)?;
        while let Some(claim) = front.take_next(Section::Trust)? {
            let document = |reason: &str| unusable(&claim, reason.to_owned());
            let file = RootFile::parse(claim.path.file_name());
            let file =
                file.ok_or_else(|| document("it is neither root.N.json nor root.N.<key id>.sig"))?;
            let bytes = entries.bytes(file.limit())?;
            let added = front.chain.add(file, bytes);
            added.map_err(|error| document(&error.to_string()))?;
            front.next = entries.advance()?;
        }
        Ok(front)
    }

    /// Reads the manifest and the signatures only.
    pub fn read_signed<R: Read>(entries: &mut Entries<R>) -> Result<Self, ReadError> {
        let first = entries.advance()?;
        let belongs = "`manifest.json`";
        let claim = first.ok_or_else(|| ends_before(belongs))?;
        if claim.path.as_str() != MANIFEST_PATH {
            return Err(ReadError::Order {
                expected: belongs.to_owned(),
                found: claim.path,
            });
        }
        let manifest = entries.bytes(MANIFEST_MAX_BYTES)?;
        let mut front = Self {
            manifest,
            signatures: Vec::new(),
            chain: CarriedTrust::default(),
            headers: vec![claim],
            next: entries.advance()?,
        };
        while let Some(claim) = front.take_next(Section::Signatures)? {
            if front.signatures.len() == SIGNATURES_MAX {
                let reason = format!("more than {SIGNATURES_MAX} signatures");
                return Err(ReadError::Damaged(reason));
            }
            // Only one name stands for a key: `KEY.sig.sig` is not a key's.
            let name = claim.path.file_name();
            let key_id = name.strip_suffix(".sig").unwrap_or(name).parse();
            let key_id = key_id.map_err(|error| unusable(&claim, format!("{error}")))?;
            let signature = Signature::new(key_id, entries.bytes(SIGNATURE_MAX_BYTES)?);
            let signature = signature.map_err(|error| unusable(&claim, error.to_string()))?;
            front.signatures.push(signature);
            front.next = entries.advance()?;
        }
        Ok(front)
    }

    /// Takes the header that was read last, if it is one of this section: names rise in each.
    fn take_next(&mut self, section: Section) -> Result<Option<HeaderClaim>, ReadError> {
        let is_next = |claim: &mut HeaderClaim| Section::of(&claim.path) == Some(section);
        let Some(claim) = self.next.take_if(is_next) else {
            return Ok(None);
        };
        let last = self.headers.last().map(|last| &last.path);
        let last = last.filter(|path| Section::of(path) == Some(section));
        check_rising(last, &claim.path)?;
        self.headers.push(claim.clone());
        Ok(Some(claim))
    }

    /// Verifies the bytes of the manifest, then parses them.
    pub fn verify(&self, roots: &[TrustRoot]) -> Result<VerifiedManifest, ReadError> {
        Ok(verify_manifest(&self.manifest, &self.signatures, roots)?)
    }

    /// Parses the manifest without believing it.
    pub fn parse_unverified(&self) -> Result<BundleManifest, ReadError> {
        BundleManifest::parse(&self.manifest).map_err(ReadError::Manifest)
    }

    /// Checks that every header read so far has the manifest's time, and that no byte of the chain is
    /// free.
    pub fn check(&self, manifest: &BundleManifest) -> Result<(), ReadError> {
        let mut headers = self.headers.iter();
        match headers.find(|claim| claim.mtime != manifest.timestamp) {
            Some(claim) => Err(ReadError::HeaderMismatch(claim.path.clone())),
            None => self
                .chain
                .check()
                .map(drop)
                .map_err(ReadError::CarriedRoots),
        }
    }
}

fn unusable(claim: &HeaderClaim, reason: String) -> ReadError {
    let path = claim.path.clone();
    ReadError::Document { path, reason }
}

pub(super) fn ends_before(expected: &str) -> ReadError {
    ReadError::Damaged(format!("it ends where {expected} belongs"))
}

fn check_rising(last: Option<&BundlePath>, path: &BundlePath) -> Result<(), ReadError> {
    match last {
        Some(last) if last >= path => Err(ReadError::Order {
            expected: format!("a name after `{last}`"),
            found: path.clone(),
        }),
        _ => Ok(()),
    }
}
