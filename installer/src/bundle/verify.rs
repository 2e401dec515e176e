//! From an untrusted file to verified metadata. The steps are numbered as in
//! docs/bundle-format.md, section "Reading".

use std::collections::BTreeMap;
use std::io::Read;

use manifests::bundle::{BundleManifest, Entry};
use manifests::digest::Sha256;
use manifests::package_files::PackageFiles;
use manifests::product::ProductManifest;
use manifests::reader::{Document, Entries, Front, Payload, ReadError, Visitor, read_documents};
use manifests::trust::{TrustRoot, VerifiedManifest};

use super::archive::blame;
use super::{BundleError, PartsSet, UntrustedBundle};
use crate::trust::Learned;

/// The manifest, product and file lists of a bundle whose signature was verified.
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
    documents: Documents,
    product: ProductManifest,
}

/// A bundle whose metadata are verified and whose payload is still to be read.
#[derive(Debug)]
pub struct OpenBundle {
    pub(super) payload: Payload<Box<dyn Read>>,
    pub(super) metadata: VerifiedMetadata,
    parts: Option<PartsSet>,
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

    /// Returns the enrolled roots with the additions of the bundle's chain of root documents.
    #[must_use]
    pub const fn learned(&self) -> &Learned {
        &self.learned
    }

    /// Returns the product manifest.
    #[must_use]
    pub const fn product(&self) -> &ProductManifest {
        &self.product
    }

    /// Returns what the header of one of the bundle's RPMs states.
    #[must_use]
    pub fn files(&self, rpm: &Sha256) -> Option<&PackageFiles> {
        self.documents.files.get(rpm)
    }

    /// Returns the vendor's package keys, armored.
    #[must_use]
    pub fn vendor_keys(&self) -> &[Vec<u8>] {
        &self.documents.vendor_keys
    }
}

/// The documents of a bundle, as they are read.
#[derive(Debug, Default)]
struct Documents {
    product: Option<Box<ProductManifest>>,
    files: BTreeMap<Sha256, PackageFiles>,
    vendor_keys: Vec<Vec<u8>>,
}

impl Visitor for Documents {
    type Error = ReadError;

    fn document(&mut self, document: Document) -> Result<(), ReadError> {
        match document {
            Document::Product(product) => self.product = Some(product),
            Document::Key(key) => self.vendor_keys.push(key),
            Document::Files(list) => drop(self.files.insert(list.rpm, *list)),
        }
        Ok(())
    }
}

impl OpenBundle {
    /// Verifies everything before the first package.
    pub fn verify(bundle: UntrustedBundle, roots: &[TrustRoot]) -> Result<Self, BundleError> {
        let UntrustedBundle { entries, parts } = bundle;
        let read = Self::read(entries, roots).and_then(|(payload, metadata)| {
            // The parts and their list were signed for one bundle; this must be that bundle.
            let digest = metadata.verified.digest();
            match &parts {
                Some(set) if set.document().manifest_sha256 != *digest => {
                    Err(ReadError::OtherBundle.into())
                }
                _ => Ok((payload, metadata)),
            }
        });
        let (payload, metadata) = read.map_err(|error| blame(parts.as_ref(), error))?;
        Ok(Self {
            payload,
            metadata,
            parts,
        })
    }

    fn read(
        mut entries: Entries<Box<dyn Read>>,
        roots: &[TrustRoot],
    ) -> Result<(Payload<Box<dyn Read>>, VerifiedMetadata), BundleError> {
        // 1 to 3. Read the bytes. The chain of root documents starts at enrolled roots only.
        let front = Front::read(&mut entries)?;
        let learned = Learned::from(&front.chain, roots);
        // 4. Verify the manifest's bytes, then parse them.
        let verified = front.verify(learned.roots())?;
        let manifest = verified.manifest();
        check_installer(manifest)?;
        // 5. The headers read so far carry the manifest's time, and the chain has no unlisted byte.
        front.check(manifest)?;
        // 6. Read the product manifest, keys and file lists.
        let mut documents = Documents::default();
        let payload = read_documents(entries, front.next, manifest, &mut documents)?;
        let product = documents.product.take();
        let product = *product.ok_or_else(|| ReadError::Damaged("it has no product".to_owned()))?;
        let metadata = VerifiedMetadata {
            verified,
            learned,
            documents,
            product,
        };
        Ok((payload, metadata))
    }

    /// Returns the verified metadata.
    #[must_use]
    pub const fn metadata(&self) -> &VerifiedMetadata {
        &self.metadata
    }

    /// Verifies the payload without keeping any of it.
    pub fn verify_payload(mut self) -> Result<VerifiedMetadata, BundleError> {
        let read = self.skip_payload();
        read.map_err(|error| self.blamed(error))?;
        Ok(self.metadata)
    }

    fn skip_payload(&mut self) -> Result<(), BundleError> {
        while let Some(entry) = self.next_payload()? {
            self.skip(&entry)?;
        }
        Ok(())
    }

    /// Adds the parts whose bytes led to an error.
    pub(super) fn blamed(&self, error: BundleError) -> BundleError {
        blame(self.parts.as_ref(), error)
    }

    /// Moves to the next listed entry, or checks that the archive ends after the last one.
    pub(super) fn next_payload(&mut self) -> Result<Option<Entry>, BundleError> {
        let entry = self.payload.advance(self.metadata.manifest())?;
        Ok(entry.cloned())
    }

    /// Compares the entry that [`Self::next_payload`] moved to with its digest.
    pub(super) fn skip(&mut self, entry: &Entry) -> Result<(), BundleError> {
        self.payload.copy(entry, &mut |_| Ok(()))
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
