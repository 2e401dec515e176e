//! How commands open a bundle, and the words for one that is refused.

use std::path::Path;

use manifests::parts::PartsError;
use manifests::signature::QuorumError;
use manifests::trust::VerifyError;

use super::session::Session;
use super::{shown, trust};
use crate::bundle::{BundleError, OpenBundle, PartsSet, UntrustedBundle};
use crate::failure::{Exit, Failure};

/// Opens a bundle and verifies what stands before its payload.
pub(super) fn open(session: &Session, path: &Path) -> Result<OpenBundle, Failure> {
    let roots = trust::enrolled(session)?;
    let opened = if PartsSet::is_list(path) {
        PartsSet::open(path, &session.parts_dirs, &roots).and_then(UntrustedBundle::open_parts)
    } else {
        UntrustedBundle::open(path)
    };
    opened
        .and_then(|archive| OpenBundle::verify(archive, &roots))
        .map_err(|error| refused(path, &error))
}

/// Returns why a bundle is refused.
pub(super) fn refused(path: &Path, error: &BundleError) -> Failure {
    let next = match error {
        BundleError::File(_) | BundleError::Read { .. } => "check the path and the medium",
        BundleError::Untrusted(why) => untrusted(why),
        BundleError::PartsList(PartsError::Untrusted(why)) => untrusted(why),
        BundleError::PartsList(_) | BundleError::OtherBundle => {
            "do not use these parts; get them again from the builder"
        }
        BundleError::Parts { .. } => {
            "copy these parts again, or write them anew on the builder with `bundle repair`; name \
             other directories that hold parts with --parts-dir"
        }
        BundleError::InstallerTooOld { .. } => "use the installer that lies beside the bundle",
        _ if is_part(path) => "this is one part of a split bundle: name its NAME.parts.json",
        _ => "copy the bundle again and compare `sha256sum` on both sides",
    };
    let exit = match error {
        BundleError::File(_) => Exit::Usage,
        _ => Exit::Verification,
    };
    Failure::because(exit, format!("cannot accept {}", shown(path)), error, next)
}

fn untrusted(why: &VerifyError) -> &'static str {
    match why {
        VerifyError::NoTrustRoot => {
            "enrol the builder's root document: `install trust add root.json` (it lies beside the \
             bundle; compare its fingerprint over another channel)"
        }
        VerifyError::Quorum(QuorumError::UnknownKeys { .. }) => {
            "if you trust the signer, enrol its root document with `install trust add root.json`; \
             otherwise do not use this bundle"
        }
        VerifyError::Revoked { .. } | VerifyError::Retired { .. } => {
            "ask the builder's side for a bundle that is signed with a key of the newest root document"
        }
        VerifyError::Quorum(QuorumError::Unsigned) => {
            "copy the signature files too (NAME.parts.<key id>.sig), or get the bundle again"
        }
        _ => "do not use this bundle; get it again from the builder",
    }
}

/// Whether a path looks like `NAME.part001`.
fn is_part(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let tail = name.rsplit_once(".part").map(|(_, digits)| digits);
    tail.is_some_and(|digits| digits.len() >= 3 && digits.chars().all(|c| c.is_ascii_digit()))
}
