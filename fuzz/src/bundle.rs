//! A bundle around fuzzed bytes, signed with the test key, and what must hold of any bundle that the
//! installer takes.

use std::io::Write as _;

use installer::bundle::{BundleError, OpenBundle, UntrustedBundle, VerifiedMetadata};
use manifests::bundle::BundleManifest;
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::format::{BLOCK_BYTES, MANIFEST_PATH, Section, header_for, padding, read_header};
use serde_json::{Value, json};

use crate::{MemoryFile, roots, sign};

/// Reads a bundle file from the frame header to the last payload byte.
pub fn read_bundle(bytes: &[u8]) -> Result<VerifiedMetadata, BundleError> {
    let file = MemoryFile::new(bytes);
    let archive = UntrustedBundle::open(&file.path())?;
    OpenBundle::verify(archive, roots())?.verify_payload()
}

/// Compresses a tar stream.
pub fn compress(tar: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

/// Appends an entry to a tar stream. What has no header gets one of zeros.
pub fn append(tar: &mut Vec<u8>, path: &str, bytes: &[u8], mtime: u64) {
    let path = path.parse::<BundlePath>().ok();
    let header = path.and_then(|path| header_for(&path, bytes.len() as u64, mtime).ok());
    tar.extend(header.unwrap_or([0; BLOCK_BYTES]));
    tar.extend(bytes);
    tar.resize(tar.len() + padding(bytes.len() as u64), 0);
}

/// Puts the test key's signature over the first entry behind it, so that the reader goes on. A
/// manifest that the reader will refuse anyway is not signed: signing is slow.
pub fn sign_tar(tar: &[u8]) -> Vec<u8> {
    let signed = || {
        let (block, rest) = tar.split_first_chunk()?;
        let claim = read_header(block).ok()?;
        let size = usize::try_from(claim.size).ok()?;
        let manifest = rest.get(..size)?;
        BundleManifest::parse(manifest).ok()?;
        let rest = rest.get(size + padding(claim.size)..)?;
        let mut signed = tar[..tar.len() - rest.len()].to_vec();
        let signature = sign(manifest);
        let path = format!("signatures/{}.sig", signature.key_id());
        append(&mut signed, &path, signature.as_bytes(), claim.mtime);
        signed.extend(rest);
        Some(signed)
    };
    signed().unwrap_or_else(|| tar.to_vec())
}

/// Contents of a bundle as one text: `=== PATH`, a line break, the bytes, and so on; the first section
/// is the manifest. A fuzzer keeps that shape more easily than a tar stream with its checksums.
pub struct Sections<'a>(Vec<(&'a str, &'a [u8])>);

const MARK: &[u8] = b"\n=== ";

impl<'a> Sections<'a> {
    /// Cuts the text.
    pub fn of(mut text: &'a [u8]) -> Self {
        let mut sections = Vec::new();
        while !text.is_empty() {
            let mut marks = text.windows(MARK.len());
            let end = marks.position(|window| window == MARK);
            let (section, rest) = text.split_at(end.unwrap_or(text.len()));
            text = rest.get(MARK.len()..).unwrap_or_default();
            let line = section.iter().position(|&byte| byte == b'\n');
            let (path, body) = section.split_at(line.unwrap_or(section.len()));
            if let Ok(path) = std::str::from_utf8(path) {
                sections.push((
                    path.trim_start_matches("=== "),
                    body.get(1..).unwrap_or_default(),
                ));
            }
        }
        Self(sections)
    }

    /// Makes the tar stream: the manifest with the sizes and digests that the other sections have,
    /// signed, and these sections.
    pub fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        let Some(((_, manifest), contents)) = self.0.split_first() else {
            return tar;
        };
        let manifest = match serde_json::from_slice(manifest) {
            Ok(value) => serde_json::to_vec(&with_digests(value, contents)).unwrap(),
            Err(_) => manifest.to_vec(),
        };
        let timestamp = serde_json::from_slice::<Value>(&manifest)
            .ok()
            .and_then(|value| value["timestamp"].as_u64());
        let timestamp = timestamp.unwrap_or_default();
        append(&mut tar, MANIFEST_PATH, &manifest, timestamp);
        tar = sign_tar(&tar);
        for (path, body) in contents {
            append(&mut tar, path, body, timestamp);
        }
        tar.resize(tar.len() + 2 * BLOCK_BYTES, 0);
        tar
    }
}

fn with_digests(mut manifest: Value, contents: &[(&str, &[u8])]) -> Value {
    let entries = manifest.get_mut("entries").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        let body = contents.iter().find(|(path, _)| entry["path"] == **path);
        if let (Some((_, body)), Some(entry)) = (body, entry.as_object_mut()) {
            entry.insert("size".to_owned(), json!(body.len()));
            entry.insert("sha256".to_owned(), json!(Sha256::of(body).to_string()));
        }
    }
    manifest
}

/// Checks that the tar stream of an accepted bundle is, byte for byte, the one that a writer makes
/// of its manifest. Headers, bodies, padding and end leave no choice.
pub fn check_canonical(tar: &[u8], manifest: &BundleManifest) {
    let mut rest = tar;
    let mut listed = manifest.entries.iter();
    let mut number = 0;
    while rest[0] != 0 {
        let name = name_of(rest);
        let path: BundlePath = name.parse().unwrap();
        let size = octal(&rest[124..136]);
        let header = header_for(&path, size, manifest.timestamp).unwrap();
        assert_eq!(rest[..BLOCK_BYTES], header, "{name}");
        let (body, after) = rest[BLOCK_BYTES..].split_at(usize::try_from(size).unwrap());
        let (pad, after) = after.split_at(padding(size));
        assert!(pad.iter().all(|&byte| byte == 0), "{name}");
        let section = Section::of(&path).unwrap();
        if section.is_listed() {
            let entry = listed.next().unwrap();
            assert_eq!((&entry.path, entry.size), (&path, size));
            assert_eq!(entry.sha256, Sha256::of(body), "{name}");
        } else {
            assert_eq!(section == Section::Manifest, number == 0, "{name}");
        }
        rest = after;
        number += 1;
    }
    assert!(listed.next().is_none());
    assert_eq!(rest, [0; 2 * BLOCK_BYTES]);
}

fn name_of(header: &[u8]) -> String {
    let text = |field: &[u8]| {
        let end = field.iter().position(|&byte| byte == 0);
        String::from_utf8(field[..end.unwrap_or(field.len())].to_vec()).unwrap()
    };
    match (text(&header[345..500]), text(&header[..100])) {
        (prefix, name) if prefix.is_empty() => name,
        (prefix, name) => format!("{prefix}/{name}"),
    }
}

fn octal(field: &[u8]) -> u64 {
    let digits = field.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |value, digit| value * 8 + u64::from(digit - b'0'))
}
