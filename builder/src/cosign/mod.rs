//! Adding signatures to a bundle that is there: it is checked to its last byte, shown, signed, and
//! written again as a build with all those keys would have written it.

mod parts;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use manifests::digest::Sha256;
use manifests::limits::SIGNATURES_MAX;
use manifests::reader::{Checked, ReadError};
use manifests::signature::{KeyId, QuorumError, Signature};
use manifests::trust::{TrustRoot, VerifyError};

use crate::archive::{self, ArchiveError};
use crate::assemble::front;
use crate::event::{Counted, Observer};
use crate::explain::Error;
use crate::keys::{Signer, check_release};
use crate::output::Pending;

pub use parts::{OfferedParts, examine_parts, sign_parts};

/// A whole bundle, and under which root document it is signed.
#[derive(Debug)]
pub struct Offered {
    checked: Checked,
    signatures: Standing,
    digest: Sha256,
}

/// The signatures over a document, held against a root.
#[derive(Debug)]
pub struct Standing {
    root: TrustRoot,
    kept: Vec<Signature>,
    foreign: Vec<KeyId>,
    is_own: bool,
}

impl Standing {
    /// Takes valid signatures by release keys. One by another key does not count. One that does not
    /// match is a damaged file.
    fn of(
        bytes: &[u8],
        signatures: &[Signature],
        root: TrustRoot,
        product: &str,
    ) -> Result<Self, VerifyError> {
        if !root.covers(product) {
            return Err(VerifyError::Scope {
                product: product.to_owned(),
                allowed: root.document().release.products.join(", "),
            });
        }
        let (mut kept, mut foreign) = (Vec::new(), Vec::new());
        for signature in signatures {
            let id = signature.key_id();
            let key = root.release_keys().iter().find(|key| key.id() == id);
            match key.map(|key| key.accepts(bytes, signature.as_bytes())) {
                Some(true) => kept.push(signature.clone()),
                Some(false) => return Err(VerifyError::Quorum(QuorumError::Mismatch(id.clone()))),
                None => foreign.push(id.clone()),
            }
        }
        Ok(Self {
            root,
            kept,
            foreign,
            is_own: false,
        })
    }

    /// Returns the root whose release keys sign here.
    #[must_use]
    pub const fn root(&self) -> &TrustRoot {
        &self.root
    }

    /// Whether nothing but the bundle itself speaks for that root.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.is_own
    }

    /// Returns the keys that have signed.
    #[must_use]
    pub fn signed(&self) -> Vec<KeyId> {
        self.kept
            .iter()
            .map(|signature| signature.key_id().clone())
            .collect()
    }

    /// Returns keys whose signatures no longer count.
    #[must_use]
    pub fn foreign(&self) -> &[KeyId] {
        &self.foreign
    }

    /// Returns how many signatures a host asks for.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.root.document().release.threshold as usize
    }

    /// Refuses keys that may not sign.
    pub fn check(&self, signers: &[Signer]) -> Result<(), Error> {
        for signer in signers {
            check_release(signer.public().id(), &self.root)?;
        }
        Ok(())
    }

    /// Adds signatures; a key that signed before signs anew.
    fn add(&mut self, bytes: &[u8], signers: &[Signer]) -> Result<(), Error> {
        for signer in signers {
            let signature = signer.sign(bytes)?;
            self.kept
                .retain(|other| other.key_id() != signature.key_id());
            self.kept.push(signature);
        }
        if self.kept.len() > SIGNATURES_MAX {
            return Err(ArchiveError::TooManySignatures.into());
        }
        self.kept.sort_by(|a, b| a.key_id().cmp(b.key_id()));
        Ok(())
    }
}

impl Offered {
    /// Returns the bundle.
    #[must_use]
    pub const fn checked(&self) -> &Checked {
        &self.checked
    }

    /// Returns the digest of its manifest.
    #[must_use]
    pub const fn digest(&self) -> &Sha256 {
        &self.digest
    }

    /// Returns who has signed.
    #[must_use]
    pub const fn signatures(&self) -> &Standing {
        &self.signatures
    }
}

/// Reads a bundle whole. The root is the newest that the trusted ones lead to; without any, the newest
/// that the bundle carries.
pub fn examine(
    path: &Path,
    roots: &[TrustRoot],
    observer: &dyn Observer,
) -> Result<Offered, Error> {
    let checked = archive::check(open(path, "checking", observer)?)?;
    let trusted = roots
        .iter()
        .map(|root| checked.front.chain.follow(root).0)
        .next();
    let is_own = trusted.is_none();
    let own = || checked.front.chain.check().ok().flatten();
    let root = trusted
        .or_else(own)
        .ok_or(ReadError::Untrusted(VerifyError::NoTrustRoot))
        .map_err(ArchiveError::from)?;
    let (front, product) = (&checked.front, &checked.manifest.product);
    let signatures = Standing::of(&front.manifest, &front.signatures, root, product);
    let mut signatures = signatures.map_err(|error| ArchiveError::Refused(error.into()))?;
    signatures.is_own = is_own;
    Ok(Offered {
        digest: Sha256::of(&checked.front.manifest),
        checked,
        signatures,
    })
}

/// Signs, and writes the bundle again; it gets its name once it was read back.
pub fn sign(
    path: &Path,
    mut offered: Offered,
    signers: &[Signer],
    (out, workers): (&Path, u32),
    observer: &dyn Observer,
) -> Result<Standing, Error> {
    let manifest = &offered.checked.front.manifest;
    offered.signatures.check(signers)?;
    offered.signatures.add(manifest, signers)?;
    let front = front(
        manifest,
        &offered.signatures.kept,
        &offered.checked.front.chain.files(),
    )?;
    let mut pending = Pending::begin(out, 0o644)?;
    let input = open(path, "writing", observer)?;
    archive::rewrite(input, &offered.checked, &front, pending.file_mut(), workers)?;
    let unreadable = |source| ArchiveError::Open {
        path: out.to_owned(),
        source,
    };
    let again = pending.reopen().map_err(unreadable)?;
    let bytes = again.metadata().map_or(0, |metadata| metadata.len());
    let again = Counted::begin(again, "checking", &name(out), bytes, observer);
    let signatures = offered.signatures;
    if signatures.kept.len() >= signatures.threshold() {
        archive::verify(again, std::slice::from_ref(&signatures.root))?;
    } else {
        archive::check(again)?;
    }
    pending.commit()?;
    Ok(signatures)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn open<'a>(
    path: &Path,
    what: &str,
    observer: &'a dyn Observer,
) -> Result<impl Read + 'a, ArchiveError> {
    let file = File::open(path).map_err(|source| ArchiveError::Open {
        path: path.to_owned(),
        source,
    })?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    Ok(Counted::begin(file, what, &name(path), bytes, observer))
}
