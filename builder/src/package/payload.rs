//! The payload: the one that the signed header describes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use manifests::cpio::{self, Member};
use manifests::digest;
use manifests::package_files::PackagedFile;
use rpm::DigestAlgorithm;

use super::header::{Header, unreadable};
use super::{PackageError, files};
use crate::checksum::{self, Algorithm};

const XZ_MEMORY_MAX_BYTES: u64 = 1024 * 1024 * 1024;
const ZSTD_WINDOW_MAX_LOG: u32 = 27;

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
    let (_, found) = digest::of_reader(&mut file).map_err(unreadable)?;
    if found.to_string() == expected {
        Ok(())
    } else {
        Err(PackageError::Digest {
            what: "payload SHA-256".to_owned(),
        })
    }
}

/// Walks the archive: every entry is a file of the signed header with the content of the
/// header's digest, every file of the header that has content is there, and nothing else is.
fn check_files(path: &Path, header: &Header, algorithm: Algorithm) -> Result<(), PackageError> {
    let mut file = File::open(path).map_err(unreadable)?;
    file.seek(SeekFrom::Start(header.payload_offset))
        .map_err(unreadable)?;
    let mut archive = unpacked(BufReader::new(file)).map_err(broken)?;
    let files = files::describe_files(&header.metadata)?;
    let mut missing: BTreeMap<&str, &PackagedFile> = files
        .iter()
        .map(|file| (file.path.trim_start_matches('/'), file))
        .collect();
    if missing.len() != files.len() {
        return Err(PackageError::Payload("a path is listed twice".to_owned()));
    }
    let mut links = HardLinks::default();
    cpio::members(&mut archive, &mut |member, body| {
        let name = std::str::from_utf8(&member.name);
        let name = name.map_err(|_| differs(&member.text(), "is not text"))?;
        let file = missing
            .remove(name)
            .ok_or_else(|| differs(name, "is there twice, or not in the header"))?;
        let body = read_body(body, member, file, algorithm)?;
        if file.ghost {
            return Ok(());
        }
        check_kind(member, file)?;
        if !file.is_regular() {
            let expected = if is_symlink(file) { &*file.link } else { "" };
            if body.text != expected.as_bytes() {
                return Err(differs(&file.path, "has another target"));
            }
        } else if member.shared().is_some() && member.size == 0 && file.size > 0 {
            links.waiting.push((member.shared(), file));
        } else if body.digest != file.digest && (file.size > 0 || !file.digest.is_empty()) {
            let what = file.path.clone();
            return Err(PackageError::Digest { what });
        } else if member.shared().is_some() {
            links.found.insert(member.shared(), &file.digest);
        }
        Ok(())
    })?;
    cpio::check_end(&mut archive)?;
    links.check()?;
    let carried = |file: &&&PackagedFile| !file.ghost && (file.is_regular() || is_symlink(file));
    match missing.values().find(carried) {
        Some(file) => Err(differs(&file.path, "is missing")),
        None => Ok(()),
    }
}

/// Unpacks a payload. What follows the compressed data is read as more of it, so that it cannot hide
/// there.
fn unpacked<'a>(mut payload: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let start = payload.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(payload))
    } else if start.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        let all = liblzma::stream::CONCATENATED;
        let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX_BYTES, all)?;
        Box::new(liblzma::bufread::XzDecoder::new_stream(payload, stream))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(payload)?;
        decoder.window_log_max(ZSTD_WINDOW_MAX_LOG)?;
        Box::new(decoder)
    } else if start.starts_with(b"0707") {
        Box::new(payload)
    } else {
        let reason = "its compression is not one of gzip, xz, zstd";
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    })
}

/// rpm 4.11 takes the type from the archive, newer ones from the header: both must agree.
fn check_kind(entry: &Member, file: &PackagedFile) -> Result<(), PackageError> {
    if entry.mode & 0o177_777 != file.mode {
        return Err(differs(&file.path, "has another type or other permissions"));
    }
    let plain = file.is_regular() || is_symlink(file) || file.mode & 0o170_000 == 0o040_000;
    if plain {
        Ok(())
    } else {
        Err(differs(&file.path, "is a device without a number"))
    }
}

struct Body {
    digest: String,
    /// Of anything but a regular file.
    text: Vec<u8>,
}

fn read_body(
    body: &mut dyn Read,
    member: &Member,
    file: &PackagedFile,
    algorithm: Algorithm,
) -> Result<Body, PackageError> {
    // The signed header bounds what is unpacked.
    let most = if file.is_regular() {
        file.size
    } else {
        file.link.len() as u64
    };
    if !file.ghost && member.size > most {
        return Err(differs(&file.path, "is larger than its header states"));
    }
    let mut hasher = checksum::Hasher::new(algorithm);
    let mut text = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match body.read(&mut buffer).map_err(broken)? {
            0 => break,
            taken if file.is_regular() || file.ghost => hasher.update(&buffer[..taken]),
            taken => text.extend_from_slice(&buffer[..taken]),
        }
    }
    let digest = hasher.finish().hex().to_owned();
    Ok(Body { digest, text })
}

/// What the names of one file share.
type Identity = Option<[u32; 3]>;

/// Names of one file: the archive has its content once, with the last of them.
#[derive(Default)]
struct HardLinks<'a> {
    waiting: Vec<(Identity, &'a PackagedFile)>,
    found: BTreeMap<Identity, &'a str>,
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
