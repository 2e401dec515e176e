//! The container: a deterministic ustar inside one zstd frame (docs/bundle-format.md).
//!
//! Reader and writer share [`header_for`]: the writer stores exactly these 512 bytes, and the
//! reader accepts no others, so that no header byte is free.

use crate::bundle_path::BundlePath;
use crate::limits::PAYLOAD_MAX_BYTES;

/// Name of the first entry.
pub const MANIFEST_PATH: &str = "manifest.json";
/// Name of the embedded product manifest.
pub const PRODUCT_PATH: &str = "product.json";
/// Name of the list for human hands.
pub const SUMS_PATH: &str = "SHA256SUMS";
/// Size of a tar block.
pub const BLOCK_BYTES: usize = 512;
/// zstd compression level of format 1: RPM payloads are compressed already.
pub const ZSTD_LEVEL: i32 = 3;
/// zstd job size of format 1; with [`ZSTD_OVERLAP_LOG`] it makes the output independent of the
/// number of worker threads.
pub const ZSTD_JOB_BYTES: u32 = 8 * 1024 * 1024;
/// zstd overlap of format 1.
pub const ZSTD_OVERLAP_LOG: u32 = 6;

/// Where an entry belongs: entries of a bundle never go back to an earlier section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `manifest.json`.
    Manifest,
    /// `signatures/<key id>.sig`.
    Signatures,
    /// `trust/…`.
    Trust,
    /// `product.json`.
    Product,
    /// `keys/vendor/*.asc`.
    Keys,
    /// `files/<sha256>.json`.
    Files,
    /// `docs/…`.
    Docs,
    /// `SHA256SUMS`.
    Sums,
    /// `installer/<arch>/install`.
    Installer,
    /// `packages/<16 hex>/<file>.rpm`.
    Packages,
    /// `extras/…`.
    Extras,
    /// `repodata/<distro>-<arch>/…`.
    Repodata,
}

/// A header that no bundle has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not a ustar header of a regular file, or a field is malformed.
    #[error("not a plain ustar header: {0}")]
    Malformed(&'static str),
    /// A path outside the closed alphabet.
    #[error("illegal entry name")]
    Path(#[source] crate::bundle_path::BundlePathError),
    /// A path or size that a ustar header cannot hold.
    #[error("`{0}` does not fit into a ustar header")]
    DoesNotFit(BundlePath),
}

/// The fields of a header, before anything confirms them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderClaim {
    /// The entry's name.
    pub path: BundlePath,
    /// The entry's size in bytes.
    pub size: u64,
    /// The entry's time, seconds since 1970.
    pub mtime: u64,
}

impl Section {
    /// Returns the section of a path, or nothing for a path that no section holds.
    #[must_use]
    pub fn of(path: &BundlePath) -> Option<Self> {
        let text = path.as_str();
        let parts = text.split('/').count();
        let under = |dir, depth| path.is_under(dir) && parts == depth;
        let ends = |suffix| path.file_name().ends_with(suffix);
        match text {
            MANIFEST_PATH => Some(Self::Manifest),
            PRODUCT_PATH => Some(Self::Product),
            SUMS_PATH => Some(Self::Sums),
            _ if under("signatures", 2) && ends(".sig") => Some(Self::Signatures),
            _ if under("trust", 2) => Some(Self::Trust),
            _ if under("keys", 3) && ends(".asc") => Some(Self::Keys),
            _ if under("files", 2) && ends(".json") => Some(Self::Files),
            _ if under("docs", 2) => Some(Self::Docs),
            _ if under("installer", 3) && path.is_executable() => Some(Self::Installer),
            _ if under("packages", 3) && ends(".rpm") => Some(Self::Packages),
            _ if path.is_under("extras") => Some(Self::Extras),
            _ if path.is_under("repodata") => Some(Self::Repodata),
            _ => None,
        }
    }

    /// Whether the manifest lists entries of this section with size and digest.
    #[must_use]
    pub const fn is_listed(self) -> bool {
        !matches!(self, Self::Manifest | Self::Signatures | Self::Trust)
    }
}

/// Returns the one header that an entry of this path, size and time may have.
pub fn header_for(path: &BundlePath, size: u64, mtime: u64) -> Result<[u8; 512], HeaderError> {
    let does_not_fit = || HeaderError::DoesNotFit(path.clone());
    if size > PAYLOAD_MAX_BYTES || mtime > PAYLOAD_MAX_BYTES {
        return Err(does_not_fit());
    }
    let mut header = tar::Header::new_ustar();
    header.set_path(path.as_str()).map_err(|_| does_not_fit())?;
    header.set_size(size);
    header.set_mode(if path.is_executable() { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// Reads a header and checks that it is, byte for byte, the one [`header_for`] makes.
pub fn read_header(block: &[u8; BLOCK_BYTES]) -> Result<HeaderClaim, HeaderError> {
    let header = tar::Header::from_byte_slice(block);
    let ustar = header
        .as_ustar()
        .ok_or(HeaderError::Malformed("no ustar magic"))?;
    let path = String::from_utf8(ustar.path_bytes().into_owned())
        .map_err(|_| HeaderError::Malformed("the name is not text"))?
        .parse::<BundlePath>()
        .map_err(HeaderError::Path)?;
    let size = header
        .size()
        .map_err(|_| HeaderError::Malformed("the size is not octal"))?;
    let mtime = header
        .mtime()
        .map_err(|_| HeaderError::Malformed("the time is not octal"))?;
    if header_for(&path, size, mtime)? != *block {
        return Err(HeaderError::Malformed(
            "a field differs from what format 1 allows",
        ));
    }
    Ok(HeaderClaim { path, size, mtime })
}

/// Returns how many zero bytes follow an entry of `size` bytes.
#[must_use]
pub fn padding(size: u64) -> usize {
    let used = usize::try_from(size % BLOCK_BYTES as u64).unwrap_or(0);
    (BLOCK_BYTES - used) % BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_header_byte_is_refused() {
        let path: BundlePath = "packages/0123456789abcdef/x-1-1.noarch.rpm"
            .parse()
            .unwrap();
        let good = header_for(&path, 12345, 1_700_000_000).unwrap();
        assert_eq!(read_header(&good).unwrap().size, 12345);
        for at in 0..BLOCK_BYTES {
            for flip in [0x01, 0x20, 0x80] {
                let mut bad = good;
                bad[at] ^= flip;
                // A flip that yields another well-formed name or number still breaks the checksum.
                assert!(read_header(&bad).is_err(), "byte {at} ^ {flip:#x}");
            }
        }
    }

    #[test]
    fn sections_follow_the_format() {
        let of = |text: &str| Section::of(&text.parse().unwrap());
        assert_eq!(of("manifest.json"), Some(Section::Manifest));
        assert_eq!(of("installer/x86_64/install"), Some(Section::Installer));
        assert_eq!(of("installer/x86_64/other"), None);
        assert_eq!(of("packages/x.rpm"), None);
        assert_eq!(of("etc/passwd"), None);
        assert!(Section::Product < Section::Packages);
    }

    #[test]
    fn padding_fills_the_block() {
        assert_eq!(
            (padding(0), padding(1), padding(511), padding(512)),
            (0, 511, 1, 0)
        );
    }
}
