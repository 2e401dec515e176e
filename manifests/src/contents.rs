//! What a signed manifest promises about the documents inside its bundle, and what they must keep.
//! Both readers, the host's and the builder's own, apply these rules.

use std::cell::Cell;

use crate::bundle::{BundleManifest, Entry};
use crate::bundle_path::BundlePath;
use crate::digest::Sha256;
use crate::json::read_counted;
use crate::limits::JSON_VALUES_MAX;
use crate::nevra::Nevra;
use crate::package_files::{PACKAGE_FILES_TYPE, PackageFiles};
use crate::product::ProductManifest;

/// A document inside a bundle that its manifest does not go with.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` is not usable: {reason}")]
pub struct ContentError {
    /// The entry.
    pub path: BundlePath,
    /// What is wrong.
    pub reason: String,
}

/// Reads the carried product manifest, which must be the signed manifest's product.
pub fn read_product(
    bytes: &[u8],
    entry: &Entry,
    manifest: &BundleManifest,
) -> Result<ProductManifest, ContentError> {
    let refuse = |reason: String| ContentError {
        path: entry.path.clone(),
        reason,
    };
    let product = ProductManifest::from_json(bytes).map_err(|error| refuse(error.to_string()))?;
    if product.name != manifest.product {
        return Err(refuse(format!(
            "it is for `{}`, the manifest for `{}`",
            product.name, manifest.product
        )));
    }
    Ok(product)
}

/// Reads a file list, which must describe the RPM that its name says. All lists of a bundle share
/// `left`, which begins at [`PACKAGE_FILES_VALUES_MAX`](crate::limits::PACKAGE_FILES_VALUES_MAX).
pub fn read_package_files(
    bytes: &[u8],
    entry: &Entry,
    left: &Cell<usize>,
) -> Result<PackageFiles, ContentError> {
    let refuse = |reason: String| ContentError {
        path: entry.path.clone(),
        reason,
    };
    let own = left.get().min(JSON_VALUES_MAX);
    let values = Cell::new(own);
    let list: PackageFiles =
        read_counted(bytes, &values).map_err(|error| refuse(error.to_string()))?;
    left.set(left.get() - (own - values.get()));
    if list.document != PACKAGE_FILES_TYPE {
        return Err(refuse(format!("its type is `{}`", list.document)));
    }
    if BundlePath::for_package_files(&list.rpm) != entry.path {
        return Err(refuse("it describes another RPM".to_owned()));
    }
    Ok(list)
}

/// Checks that every RPM has its file list, and that both name the same package.
pub fn check_lists<'a>(
    manifest: &BundleManifest,
    listed: impl Fn(&Sha256) -> Option<&'a Nevra>,
) -> Result<(), ContentError> {
    for rpm in &manifest.rpms {
        if listed(&rpm.sha256) != Some(&rpm.nevra) {
            let reason = "its file list is missing or names another package";
            return Err(ContentError {
                path: rpm.path.clone(),
                reason: format!("{reason} than {}", rpm.nevra),
            });
        }
    }
    Ok(())
}
