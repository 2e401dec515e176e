//! Opens bundles for commands, and words the failures of refused ones.

use std::path::Path;

use manifests::parts::{PARTS_SUFFIX, is_part};
use manifests::reader::ReadError;
use manifests::signature::QuorumError;
use manifests::trust::VerifyError;

use super::session::Session;
use super::{shown, trust};
use crate::bundle::{BundleError, OpenBundle, UntrustedBundle};
use crate::failure::{Exit, Failure};

/// Opens a bundle and verifies everything before its payload.
pub(super) fn open(session: &Session, path: &Path) -> Result<OpenBundle, Failure> {
    let roots = trust::enrolled(session)?;
    let opened = if path.to_string_lossy().ends_with(PARTS_SUFFIX) {
        UntrustedBundle::open_parts(path, &session.parts_dirs, &roots)
    } else {
        UntrustedBundle::open(path)
    };
    opened
        .and_then(|archive| OpenBundle::verify(archive, &roots))
        .map_err(|error| refused(path, &error))
}

/// Returns the failure for a refused bundle.
pub(super) fn refused(path: &Path, error: &BundleError) -> Failure {
    let why = match error {
        BundleError::Refused(error) => error.untrusted(),
        _ => None,
    };
    let next = match error {
        BundleError::Refused(ReadError::PartsList { .. })
            if let Some(VerifyError::Quorum(QuorumError::Unsigned)) = why =>
        {
            "copy the signature files too (NAME.parts.<key id>.sig), or get the bundle again"
        }
        _ if let Some(why) = why => untrusted(why),
        BundleError::File(_)
        | BundleError::Refused(ReadError::Input(_) | ReadError::Unreadable { .. }) => {
            "check the path and the medium"
        }
        BundleError::Refused(ReadError::PartsList { .. } | ReadError::OtherBundle) => {
            "do not use these parts; get them again from the builder"
        }
        BundleError::Refused(ReadError::Parts { .. }) => {
            "copy these parts again, or write them anew on the builder with `bundle repair`; name \
             other directories that hold parts with --parts-dir"
        }
        BundleError::InstallerTooOld { .. } => "use the installer that lies beside the bundle",
        _ if is_part(&path.to_string_lossy()) => {
            "this is one part of a split bundle: name its NAME.parts.json"
        }
        BundleError::Refused(_) => "copy the bundle again and compare `sha256sum` on both sides",
    };
    let exit = match error {
        BundleError::File(_) | BundleError::Refused(ReadError::Unreadable { .. }) => Exit::Usage,
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
        VerifyError::Quorum(QuorumError::Unsigned | QuorumError::TooFew { .. }) => {
            "ask the builder's side to sign it (`bundle sign`), and to hand it over again"
        }
        _ => "do not use this bundle; get it again from the builder",
    }
}
