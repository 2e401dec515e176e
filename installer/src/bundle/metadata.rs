//! The listed entries before the first package: product manifest, vendor keys, file lists.

use std::collections::BTreeMap;
use std::io::sink;

use manifests::bundle::{BundleManifest, Entry};
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::format::{HeaderClaim, Section};
use manifests::limits::{
    PACKAGE_FILES_MAX_BYTES, PACKAGE_FILES_TOTAL_MAX_BYTES, PRODUCT_MAX_BYTES, VENDOR_KEY_MAX_BYTES,
};
use manifests::package_files::{PACKAGE_FILES_TYPE, PackageFiles};
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
        let mut files_bytes = 0;
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
                    product = Some(parse_product(
                        &self.body(entry, PRODUCT_MAX_BYTES)?,
                        manifest,
                    )?);
                }
                Section::Keys => keys.push(self.body(entry, VENDOR_KEY_MAX_BYTES)?),
                Section::Files => {
                    files_bytes += entry.size;
                    let max = PACKAGE_FILES_TOTAL_MAX_BYTES;
                    if files_bytes > max {
                        let (path, size) = (entry.path.clone(), files_bytes);
                        return Err(BundleError::TooLarge { path, size, max });
                    }
                    let list = parse_files(&self.body(entry, PACKAGE_FILES_MAX_BYTES)?, entry)?;
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
        check_files(manifest, &files)?;
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

fn parse_product(bytes: &[u8], manifest: &BundleManifest) -> Result<ProductManifest, BundleError> {
    let refuse = |reason: String| match manifest.entries.first() {
        Some(entry) => BundleError::Document {
            path: entry.path.clone(),
            reason,
        },
        None => BundleError::Damaged(reason),
    };
    let product = ProductManifest::from_json(bytes).map_err(|error| refuse(error.to_string()))?;
    if product.name != manifest.product {
        let reason = format!(
            "it is for `{}`, the manifest for `{}`",
            product.name, manifest.product
        );
        return Err(refuse(reason));
    }
    Ok(product)
}

fn parse_files(bytes: &[u8], entry: &Entry) -> Result<PackageFiles, BundleError> {
    let refuse = |reason: String| BundleError::Document {
        path: entry.path.clone(),
        reason,
    };
    let list: PackageFiles =
        serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
    if list.document != PACKAGE_FILES_TYPE {
        return Err(refuse(format!("its type is `{}`", list.document)));
    }
    if BundlePath::for_package_files(&list.rpm) != entry.path {
        return Err(refuse("it describes another RPM".to_owned()));
    }
    Ok(list)
}

/// Every RPM of the manifest has its file list, and both name the same package.
fn check_files(
    manifest: &BundleManifest,
    files: &BTreeMap<Sha256, PackageFiles>,
) -> Result<(), BundleError> {
    for rpm in &manifest.rpms {
        let same = files
            .get(&rpm.sha256)
            .is_some_and(|list| list.nevra == rpm.nevra);
        if !same {
            let reason = format!(
                "its file list is missing or names another package than {}",
                rpm.nevra
            );
            return Err(BundleError::Document {
                path: rpm.path.clone(),
                reason,
            });
        }
    }
    Ok(())
}
