//! What an RPM may stumble over on some hosts.

use manifests::bundle::{HeaderDigests, LintFlag};
use manifests::package_files::PackageFiles;

use crate::repo::openpgp::SignedBy;

/// Compressors that rpm 4.11 (EL7) knows.
const EL7_COMPRESSORS: [&str; 4] = ["none", "gzip", "bzip2", "xz"];

/// Returns the flags of a package, sorted.
pub(super) fn flags(
    digests: &HeaderDigests,
    files: &PackageFiles,
    signed: Option<&SignedBy>,
) -> Vec<LintFlag> {
    let checks = [
        (
            LintFlag::PayloadNotForEl7,
            !EL7_COMPRESSORS.contains(&files.compressor.as_str()),
        ),
        (LintFlag::NoSha256Header, digests.sha256.is_none()),
        (LintFlag::NoPayloadDigest, digests.payload_sha256.is_none()),
        (LintFlag::Md5FileDigests, files.digest_algorithm == "md5"),
        (
            LintFlag::Sha1Signature,
            signed.is_some_and(SignedBy::is_weak),
        ),
        (LintFlag::Unsigned, signed.is_none()),
    ];
    let mut flags: Vec<LintFlag> = checks
        .into_iter()
        .filter_map(|(flag, applies)| applies.then_some(flag))
        .collect();
    flags.sort_unstable();
    flags
}
