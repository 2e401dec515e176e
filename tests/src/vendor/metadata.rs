//! Rewrites a repository's metadata: the primary document, its compression, and `repomd.xml`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::cache::hex;

/// How `primary.xml` is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// What packagecloud uses.
    #[default]
    Gzip,
    /// `primary.xml.xz`.
    Xz,
    /// `primary.xml.zst`.
    Zstd,
}

impl Compression {
    fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Xz => "xz",
            Self::Zstd => "zst",
        }
    }

    fn pack(self, text: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut packer =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                packer.write_all(text)?;
                packer.finish()
            }
            Self::Xz => {
                let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 6);
                packer.write_all(text)?;
                packer.finish()
            }
            Self::Zstd => zstd::encode_all(text, 3),
        }
    }
}

/// Reads the primary document that `createrepo_c` wrote.
pub(crate) fn read_primary(leaf: &Path) -> Result<String> {
    let path = leaf.join("repodata/primary.xml.gz");
    let packed = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text)?;
    Ok(text)
}

/// Puts another primary document in its place and describes it in `repomd.xml`, unsigned as yet.
pub(crate) fn write_primary(leaf: &Path, text: &str, compression: Compression) -> Result<()> {
    let repodata = leaf.join("repodata");
    fs::remove_file(repodata.join("primary.xml.gz"))?;
    let name = format!("primary.xml.{}", compression.extension());
    let packed = compression.pack(text.as_bytes())?;
    fs::write(repodata.join(&name), &packed)?;
    let record = format!(
        "<data type=\"primary\">\n    <checksum type=\"sha256\">{}</checksum>\n    \
         <open-checksum type=\"sha256\">{}</open-checksum>\n    \
         <location href=\"repodata/{name}\"/>\n    <timestamp>1743152400</timestamp>\n    \
         <size>{}</size>\n    <open-size>{}</open-size>\n  </data>",
        sha256(&packed),
        sha256(text.as_bytes()),
        packed.len(),
        text.len()
    );
    let repomd = fs::read_to_string(repomd_file(leaf))?;
    let (start, end) = span(&repomd, "<data type=\"primary\">", "</data>")?;
    fs::write(
        repomd_file(leaf),
        format!("{}{record}{}", &repomd[..start], &repomd[end..]),
    )?;
    Ok(())
}

pub(crate) fn repomd_file(leaf: &Path) -> PathBuf {
    leaf.join("repodata/repomd.xml")
}

/// The document of a repository without packages.
pub(crate) fn empty_primary() -> String {
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata \
     xmlns=\"http://linux.duke.edu/metadata/common\" \
     xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"0\">\n</metadata>\n"
        .to_owned()
}

/// Lists a package twice; the first entry has the checksum and size of bytes that are gone.
pub(crate) fn duplicate(primary: &str, file: &str) -> Result<String> {
    let (start, end) = entry(primary, file)?;
    let (from, to) = span(&primary[start..end], "pkgid=\"YES\">", "</checksum>")?;
    let stale = format!(
        "{}pkgid=\"YES\">{}</checksum>{}",
        &primary[start..start + from],
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        &primary[start + to..end]
    );
    Ok(format!(
        "{}{stale}\n{}",
        &primary[..start],
        &primary[start..]
    ))
}

/// Gives a package another location.
pub(crate) fn relocate(primary: &str, file: &str, href: &str) -> Result<String> {
    entry(primary, file)?;
    Ok(primary.replace(&location(file), &location(href)))
}

fn location(href: &str) -> String {
    format!("<location href=\"{href}\"/>")
}

/// Where the `<package>` element of a file begins and ends.
fn entry(primary: &str, file: &str) -> Result<(usize, usize)> {
    let at = primary
        .find(&location(file))
        .with_context(|| format!("{file} is not listed"))?;
    let start = primary[..at]
        .rfind("<package ")
        .context("no start of the package")?;
    let length = primary[start..]
        .find("</package>")
        .context("no end of the package")?;
    Ok((start, start + length + "</package>".len()))
}

/// From the start of `open` to the end of the next `close`.
fn span(text: &str, open: &str, close: &str) -> Result<(usize, usize)> {
    let start = text.find(open).with_context(|| format!("no {open}"))?;
    let length = text[start..]
        .find(close)
        .with_context(|| format!("no {close}"))?;
    Ok((start, start + length + close.len()))
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
