//! A splitter of the lab's own, against which the installer's reader is tested.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::parts::{PARTS_TYPE, Part, PartsDocument, document_name, part_name, signature_name};

use super::TestKey;

/// Writes a bundle file as parts of `size` bytes into a directory, signs their list and returns its
/// path. Nothing is checked: the bytes need not be a bundle.
pub fn split(
    (name, product): (&str, &str),
    bundle: &[u8],
    size: usize,
    key: &TestKey,
    dir: &Path,
) -> Result<PathBuf> {
    let mut parts = Vec::new();
    for (piece, number) in bundle.chunks(size).zip(1..) {
        fs::write(dir.join(part_name(name, number)), piece)?;
        parts.push(Part {
            number,
            size: piece.len() as u64,
            sha256: Sha256::of(piece),
        });
    }
    let document = PartsDocument {
        document: PARTS_TYPE.to_owned(),
        bundle: name.to_owned(),
        product: product.to_owned(),
        size: bundle.len() as u64,
        sha256: Sha256::of(bundle),
        manifest_sha256: manifest_digest(bundle)?,
        parts,
    };
    let bytes = canonical(&document)?;
    let list = dir.join(document_name(name));
    fs::write(&list, &bytes)?;
    let signature = dir.join(signature_name(name, key.id()));
    fs::write(signature, key.sign(&bytes))?;
    Ok(list)
}

/// The manifest is the first entry.
fn manifest_digest(bundle: &[u8]) -> Result<Sha256> {
    let tar = zstd::decode_all(bundle)?;
    let (block, rest) = tar.split_first_chunk().context("it is too short")?;
    let claim = manifests::format::read_header(block)?;
    let manifest = rest.get(..usize::try_from(claim.size)?);
    Ok(Sha256::of(manifest.context("it is cut off")?))
}
