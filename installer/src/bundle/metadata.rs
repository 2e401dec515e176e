//! The listed entries before the first package: product manifest, vendor keys, file lists.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::sink;

use manifests::bundle::{BundleManifest, Entry};
use manifests::contents::{check_lists, read_package_files, read_product};
use manifests::digest::Sha256;
use manifests::format::{HeaderClaim, Section};
use manifests::limits::{
    PACKAGE_FILES_MAX_BYTES, PACKAGE_FILES_VALUES_MAX, PRODUCT_MAX_BYTES, VENDOR_KEY_MAX_BYTES,
};
use manifests::package_files::PackageFiles;
use manifests::product::ProductManifest;

use super::verify::{check_digest, check_listed};
use super::{BundleError, UntrustedBundle};

pub(super) type Metadata = (
    ProductManifest,
    Vec<Vec<u8>>,
    BTreeMap<Sha256, PackageFiles>,
);

pub(super) struct MetadataReader {
    pub(super) archive: UntrustedBundle,
    pub(super) pending: Option<HeaderClaim>,
    pub(super) next: usize,
}

impl MetadataReader {
    /// Reads the listed entries before the first package.
    pub(super) fn read(&mut self, manifest: &BundleManifest) -> Result<Metadata, BundleError> {
        let mut product = None;
        let mut keys = Vec::new();
        let mut files = BTreeMap::new();
        let values = Cell::new(PACKAGE_FILES_VALUES_MAX);
        for entry in &manifest.entries {
            let section = Section::of(&entry.path).unwrap_or(Section::Packages);
            if section >= Section::Packages {
                break;
            }
            let claim = match self.pending.take() {
                Some(claim) => Some(claim),
                None => self.archive.next_header()?,
            };
            check_listed(claim, Some(entry.clone()), manifest.timestamp)?;
            self.next += 1;
            match section {
                Section::Product => {
                    let bytes = self.body(entry, PRODUCT_MAX_BYTES)?;
                    product = Some(read_product(&bytes, entry, manifest)?);
                }
                Section::Keys => keys.push(self.body(entry, VENDOR_KEY_MAX_BYTES)?),
                Section::Files => {
                    // The manifest's own check bounds their sum.
                    let bytes = self.body(entry, PACKAGE_FILES_MAX_BYTES)?;
                    let list = read_package_files(&bytes, entry, &values)?;
                    files.insert(list.rpm, list);
                }
                _ => {
                    let found = self.archive.copy_body(entry.size, &mut sink())?;
                    check_digest(entry, found)?;
                }
            }
        }
        let product =
            product.ok_or_else(|| BundleError::Damaged("it has no product".to_owned()))?;
        check_lists(manifest, |rpm| {
            files.get(rpm).map(|list: &PackageFiles| &list.nevra)
        })?;
        Ok((product, keys, files))
    }

    fn body(&mut self, entry: &Entry, max: u64) -> Result<Vec<u8>, BundleError> {
        let claim = HeaderClaim {
            path: entry.path.clone(),
            size: entry.size,
            mtime: 0,
        };
        let bytes = self.archive.read_body(&claim, max)?;
        check_digest(entry, Sha256::of(&bytes))?;
        Ok(bytes)
    }
}
