//! RPMs of a bundle for tests.

use manifests::bundle::{BundledRpm, HeaderDigests};
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::nevra::Nevra;

/// Returns a package without special properties.
pub(super) fn rpm(nevra: Nevra, sha256: Sha256) -> BundledRpm {
    BundledRpm {
        path: BundlePath::for_package(&sha256, &nevra.file_name()).unwrap(),
        sha256,
        build_time: 1,
        signer: None,
        header: HeaderDigests {
            sha1: None,
            sha256: None,
            payload_sha256: None,
        },
        lint: Vec::new(),
        uses: Vec::new(),
        nevra,
    }
}
