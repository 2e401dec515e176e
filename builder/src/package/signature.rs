//! The package signature: a pinned key's, over the exact header bytes.

use super::PackageError;
use super::header::{Header, unreadable};
use crate::openpgp::{HashRule, SignatureError, SignedBy, TrustedKeys};

/// Checks the header signatures; one that counts suffices. Signatures over header *and* payload
/// (version 3 of the package format) are not looked at: a package that has only those is unsigned.
///
/// `lenient` admits a package without any signature, or with one by a pinned key that is only too
/// weak. A signature by another key, or one that does not match, is never admitted.
pub(super) fn check(
    header: &Header,
    keys: &TrustedKeys,
    lenient: bool,
) -> Result<Option<SignedBy>, PackageError> {
    let signatures = header.metadata.raw_signatures().map_err(unreadable)?;
    if signatures.is_empty() {
        return if lenient {
            Ok(None)
        } else {
            Err(PackageError::Unsigned)
        };
    }
    let mut refusal = SignatureError::Missing;
    for signature in &signatures {
        match keys.verify(&header.bytes, signature, HashRule::Strong) {
            Ok(signed) => return Ok(Some(signed)),
            Err(SignatureError::WeakHash(_)) if lenient => {
                match keys.verify(&header.bytes, signature, HashRule::WeakBecauseAccepted) {
                    Ok(signed) => return Ok(Some(signed)),
                    Err(error) => refusal = error,
                }
            }
            Err(error) => refusal = error,
        }
    }
    Err(PackageError::Signature(refusal))
}
