//! The verdict on a whole bundle. The numbers follow docs/bundle-format.md, section "Reading".

use std::io::Read;

use super::{Document, Entries, Front, ReadError, read_documents};
use crate::bundle::{BundleManifest, Entry};
use crate::format::HeaderClaim;
use crate::trust::{TrustRoot, VerifiedManifest};

/// A bundle whose every byte was read and agrees with its signed manifest.
#[derive(Debug)]
pub struct Verified {
    /// The manifest, with digest and signers.
    pub manifest: VerifiedManifest,
    /// The sum of all listed entries.
    pub total_bytes: u64,
}

/// A bundle that is whole and agrees with its own manifest, with any signatures: enough to sign it,
/// never to believe it.
#[derive(Debug)]
pub struct Checked {
    /// The manifest.
    pub manifest: BundleManifest,
    /// Its bytes, the signatures over them and the chain of root documents, all unverified.
    pub front: Front,
    /// The sum of all listed entries.
    pub total_bytes: u64,
}

/// Is shown the entries of a bundle while it is read. Until the reading ends well, what it was shown
/// may still turn out to be no bundle.
pub trait Visitor {
    /// What ends the reading.
    type Error: From<ReadError>;

    /// The manifest is signed by a trusted quorum; everything else follows.
    fn manifest(&mut self, _: &Front, _: &VerifiedManifest) -> Result<(), Self::Error> {
        Ok(())
    }
    /// A listed entry begins.
    fn begin(&mut self, _: &Entry) -> Result<(), Self::Error> {
        Ok(())
    }
    /// The entry's next bytes.
    fn data(&mut self, _: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }
    /// The entry is a document that is read whole. It comes after its bytes.
    fn document(&mut self, _: Document) -> Result<(), Self::Error> {
        Ok(())
    }
    /// The entry has its listed digest.
    fn end(&mut self, _: &Entry) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Reads a bundle from its first byte to its last, and shows it to a visitor.
pub fn verify_with<V: Visitor + ?Sized>(
    file: impl Read,
    roots: &[TrustRoot],
    visitor: &mut V,
) -> Result<Verified, V::Error> {
    // 1 to 3. The manifest, the signatures and the chain of root documents, as bytes.
    let mut entries = Entries::open(file)?;
    let front = Front::read(&mut entries)?;
    // The chain is followed from the trusted roots only.
    let newest = roots.iter().map(|root| front.chain.follow(root).0);
    // 4. The bytes of the manifest are verified, then parsed.
    let manifest = front.verify(&newest.collect::<Vec<_>>())?;
    // 5. The headers have the manifest's time, and the chain is whole.
    front.check(manifest.manifest())?;
    visitor.manifest(&front, &manifest)?;
    // 6 and 7. Exactly the listed entries.
    let total_bytes = read_listed(entries, front.next, manifest.manifest(), visitor)?;
    Ok(Verified {
        manifest,
        total_bytes,
    })
}

/// Does the same for a bundle of which it does not matter who signed it.
pub fn check_with<V: Visitor + ?Sized>(
    file: impl Read,
    visitor: &mut V,
) -> Result<Checked, V::Error> {
    let mut entries = Entries::open(file)?;
    let mut front = Front::read(&mut entries)?;
    let manifest = front.parse_unverified()?;
    front.check(&manifest)?;
    let next = front.next.take();
    let total_bytes = read_listed(entries, next, &manifest, visitor)?;
    Ok(Checked {
        manifest,
        front,
        total_bytes,
    })
}

fn read_listed<V: Visitor + ?Sized>(
    entries: Entries<impl Read>,
    next: Option<HeaderClaim>,
    manifest: &BundleManifest,
    visitor: &mut V,
) -> Result<u64, V::Error> {
    let mut payload = read_documents(entries, next, manifest, visitor)?;
    while let Some(entry) = payload.advance(manifest)? {
        payload.show(entry, visitor)?;
    }
    let sizes = manifest.entries.iter().map(|entry| entry.size);
    Ok(sizes.fold(0, u64::saturating_add))
}
