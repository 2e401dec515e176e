//! What a signed manifest promises about the documents inside its bundle, and what they must keep. The
//! reader and the writer apply these rules.

use std::cell::Cell;

use crate::bundle::{BundleManifest, BundledRpm, Entry};
use crate::bundle_path::BundlePath;
use crate::json::read_counted;
use crate::limits::JSON_VALUES_MAX;
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

/// Reads a file list, which must describe the RPM of its own name, and name the same package as the
/// manifest. All lists of a bundle share `left`, which begins at [`PACKAGE_FILES_VALUES_MAX`](crate::limits::PACKAGE_FILES_VALUES_MAX).
pub fn read_package_files(
    bytes: &[u8],
    entry: &Entry,
    manifest: &BundleManifest,
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
    let is_other = |rpm: &&BundledRpm| rpm.sha256 == list.rpm && rpm.nevra != list.nevra;
    if let Some(rpm) = manifest.rpms.iter().find(is_other) {
        return Err(refuse(format!(
            "it names another package than {}",
            rpm.nevra
        )));
    }
    Ok(list)
}
