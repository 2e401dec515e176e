//! The payload: the one that the signed header describes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use manifests::digest::Hasher;
use manifests::package_files::PackagedFile;
use rpm::DigestAlgorithm;

use super::cpio::{Archive, Entry};
use super::header::{Header, unreadable};
use super::{PackageError, files};
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
        Some(algorithm) => check_files(path, header, algorithm),
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

/// Walks the archive: every entry is a file of the signed header with the content that the header
/// says, every file of the header that has content is there, and nothing else is.
fn check_files(path: &Path, header: &Header, algorithm: Algorithm) -> Result<(), PackageError> {
    let mut file = File::open(path).map_err(unreadable)?;
    file.seek(SeekFrom::Start(header.payload_offset))
        .map_err(unreadable)?;
    let mut archive = Archive::open(BufReader::new(file)).map_err(broken)?;
    let files = files::describe_files(&header.metadata)?;
    let mut missing: BTreeMap<&str, &PackagedFile> = files
        .iter()
        .map(|file| (file.path.trim_start_matches('/'), file))
        .collect();
    if missing.len() != files.len() {
        return Err(PackageError::Payload("a path is listed twice".to_owned()));
    }
    let mut links = HardLinks::default();
    while let Some(entry) = archive.next().map_err(broken)? {
        let file = missing
            .remove(entry.name.as_str())
            .ok_or_else(|| differs(&entry.name, "is there twice, or not in the header"))?;
        let body = read_body(&mut archive, &entry, file, algorithm)?;
        if file.ghost {
            continue;
        }
        check_kind(&entry, file)?;
        if !file.is_regular() {
            let expected = if is_symlink(file) { &*file.link } else { "" };
            if body.text != expected.as_bytes() {
                return Err(differs(&file.path, "has another target"));
            }
        } else if entry.links > 1 && entry.size == 0 && file.size > 0 {
            links.waiting.push((entry.inode, file));
        } else if body.digest != file.digest && (file.size > 0 || !file.digest.is_empty()) {
            let what = file.path.clone();
            return Err(PackageError::Digest { what });
        } else if entry.links > 1 {
            links.found.insert(entry.inode, &file.digest);
        }
    }
    links.check()?;
    let carried = |file: &&&PackagedFile| !file.ghost && (file.is_regular() || is_symlink(file));
    match missing.values().find(carried) {
        Some(file) => Err(differs(&file.path, "is missing")),
        None => Ok(()),
    }
}

/// rpm 4.11 takes the type from the archive, newer ones from the header: both must say the same.
fn check_kind(entry: &Entry, file: &PackagedFile) -> Result<(), PackageError> {
    if entry.mode & 0o177_777 != file.mode {
        return Err(differs(&file.path, "has another type or other permissions"));
    }
    let plain = file.is_regular() || is_symlink(file) || file.mode & 0o170_000 == 0o040_000;
    if plain {
        Ok(())
    } else {
        Err(differs(&file.path, "is a device, and nothing says which"))
    }
}

struct Body {
    digest: String,
    /// Of anything but a regular file.
    text: Vec<u8>,
}

fn read_body(
    archive: &mut Archive<'_>,
    entry: &Entry,
    file: &PackagedFile,
    algorithm: Algorithm,
) -> Result<Body, PackageError> {
    // The signed header bounds what is unpacked.
    let most = if file.is_regular() {
        file.size
    } else {
        file.link.len() as u64
    };
    if !file.ghost && u64::from(entry.size) > most {
        return Err(differs(&file.path, "is larger than the header says"));
    }
    let mut hasher = checksum::Hasher::new(algorithm);
    let mut text = Vec::new();
    archive
        .body(entry.size, |bytes| {
            hasher.update(bytes);
            if !file.is_regular() && !file.ghost {
                text.extend_from_slice(bytes);
            }
        })
        .map_err(broken)?;
    let digest = hasher.finish().hex().to_owned();
    Ok(Body { digest, text })
}

/// Names of one file: the archive has its content once, with the last of them.
#[derive(Default)]
struct HardLinks<'a> {
    waiting: Vec<(u32, &'a PackagedFile)>,
    found: BTreeMap<u32, &'a str>,
}

impl HardLinks<'_> {
    fn check(&self) -> Result<(), PackageError> {
        for (inode, file) in &self.waiting {
            if self.found.get(inode).copied() != Some(&*file.digest) {
                return Err(differs(&file.path, "has no content"));
            }
        }
        Ok(())
    }
}

const fn is_symlink(file: &PackagedFile) -> bool {
    file.mode & 0o170_000 == 0o120_000
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
fn broken(error: std::io::Error) -> PackageError {
    PackageError::Payload(error.to_string())
}

fn differs(path: &str, how: &str) -> PackageError {
    PackageError::Payload(format!("{path:?} {how}"))
}
