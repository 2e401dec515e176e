//! The package signature: a pinned key's, over the exact header bytes.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::Path;

use rpm::IndexData;

use super::PackageError;
use super::header::{Header, unreadable};
use crate::repo::openpgp::{HashRule, Open, SignatureError, SignedBy, TrustedKeys};

/// Over header and payload, in one piece: version 3 of the package format.
const OVER_BOTH: [u32; 2] = [1002, 1005];

/// Checks the header signatures; one that counts suffices. Signatures over header *and* payload
/// make no package signed, but a wrong one speaks against it: the host's rpm looks at them too.
///
/// `lenient` admits a package without any signature, or with one by a pinned key that is only too
/// weak. A signature by another key, or one that does not match, is never admitted.
pub(super) fn check(
    path: &Path,
    header: &Header,
    keys: &TrustedKeys,
    lenient: bool,
) -> Result<Option<SignedBy>, PackageError> {
    let judge = Judge { keys, lenient };
    let own = || -> std::io::Result<Box<dyn Read + '_>> { Ok(Box::new(header.bytes.as_slice())) };
    let over_header = header.metadata.raw_signatures().map_err(unreadable)?;
    let signed = judge.one_of(&over_header, &own)?;
    let whole = || -> std::io::Result<Box<dyn Read + '_>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(header.offset))?;
        Ok(Box::new(std::io::BufReader::new(file)))
    };
    let both = judge.one_of(&over_both(header)?, &whole)?;
    match (signed, both) {
        // A host that refuses the one refuses the package.
        (Some(_), Some(weak)) if weak.is_weak() => Ok(Some(weak)),
        (None, _) if !lenient => Err(PackageError::Unsigned),
        (signed, _) => Ok(signed),
    }
}

fn over_both(header: &Header) -> Result<Vec<Vec<u8>>, PackageError> {
    let mut found = Vec::new();
    for tag in OVER_BOTH {
        match header.metadata.signature.entry(tag) {
            Ok(IndexData::Bin(bytes)) => found.push(bytes),
            Ok(_) => return Err(unreadable(format!("its signature {tag} has another type"))),
            Err(rpm::Error::TagNotFound(_)) => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    Ok(found)
}

struct Judge<'a> {
    keys: &'a TrustedKeys,
    lenient: bool,
}

impl Judge<'_> {
    /// Returns one that counts; nothing if there is no signature at all.
    fn one_of(
        &self,
        signatures: &[impl AsRef<[u8]>],
        open: Open<'_>,
    ) -> Result<Option<SignedBy>, PackageError> {
        let mut refusal = None;
        for signature in signatures {
            let verify = |rule| self.keys.verify_stream(open, signature.as_ref(), rule);
            let verdict = match verify(HashRule::Strong) {
                Err(SignatureError::WeakHash(_)) if self.lenient => {
                    verify(HashRule::WeakBecauseAccepted)
                }
                verdict => verdict,
            };
            match verdict {
                Ok(signed) => return Ok(Some(signed)),
                Err(error) => refusal = Some(error),
            }
        }
        refusal.map_or(Ok(None), |error| Err(PackageError::Signature(error)))
    }
}
