//! The payload: the one that the signed header describes.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use manifests::digest::Hasher;
use rpm::{DigestAlgorithm, PackageReader};

use super::PackageError;
use super::header::{Header, unreadable};
use crate::checksum::{self, Algorithm};

/// Checks the payload against its digest in the header, else file by file. The crate `rpm` accepts
/// a header signature without looking at a payload that has no digest (measured on packages as
/// rpm 4.11 makes them), so this is done here.
pub(super) fn check(path: &Path, header: &Header, lenient: bool) -> Result<(), PackageError> {
    if let Some(expected) = header.payload_sha256() {
        return check_whole(path, header, &expected);
    }
    let strong = match header.metadata.get_file_digest_algorithm() {
        Ok(DigestAlgorithm::Sha2_256) => Some(Algorithm::Sha256),
        Ok(DigestAlgorithm::Sha2_512) => Some(Algorithm::Sha512),
        _ => None,
    };
    match strong {
        Some(algorithm) => check_files(path, algorithm),
        None if lenient => Ok(()),
        None => Err(PackageError::NoPayloadDigest),
    }
}

fn check_whole(path: &Path, header: &Header, expected: &str) -> Result<(), PackageError> {
    let mut file = File::open(path).map_err(unreadable)?;
    file.seek(SeekFrom::Start(header.payload_offset))
        .map_err(unreadable)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => break,
            taken => hasher.update(&buffer[..taken]),
        }
    }
    if hasher.finish().to_string() == expected {
        Ok(())
    } else {
        Err(PackageError::Digest {
            what: "payload SHA-256".to_owned(),
        })
    }
}

fn check_files(path: &Path, algorithm: Algorithm) -> Result<(), PackageError> {
    let mut reader = PackageReader::open(path).map_err(unreadable)?;
    let mut buffer = vec![0; 256 * 1024];
    while let Some(mut file) = reader.next_file().map_err(unreadable)? {
        if !file.has_payload() {
            continue;
        }
        let Some(expected) = file.metadata.digest().map(|d| d.as_hex().to_owned()) else {
            continue;
        };
        let mut hasher = checksum::Hasher::new(algorithm);
        loop {
            match file.read(&mut buffer).map_err(unreadable)? {
                0 => break,
                taken => hasher.update(&buffer[..taken]),
            }
        }
        if hasher.finish().hex() != expected {
            let what = file.metadata.path().display().to_string();
            return Err(PackageError::Digest { what });
        }
    }
    Ok(())
}
