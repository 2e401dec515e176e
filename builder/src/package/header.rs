//! The header of an RPM: exact bytes beside the parsed form.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use manifests::bundle::HeaderDigests;
use manifests::evr::Evr;
use manifests::nevra::Nevra;
use rpm::{DigestStatus, IndexSignatureTag, IndexTag, PackageMetadata};

use super::{PackageError, index, shape};

/// The data of one header. rpm itself refuses headers above 256 MiB; a package of this product has a few hundred KiB.
const HEADER_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Both headers, with lead and padding.
const HEADERS_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A parsed header and the bytes that signatures cover.
pub(super) struct Header {
    pub(super) metadata: PackageMetadata,
    pub(super) bytes: Vec<u8>,
    /// Where those bytes start.
    pub(super) offset: u64,
    pub(super) payload_offset: u64,
}

pub(super) fn unreadable(error: impl std::fmt::Display) -> PackageError {
    PackageError::Unreadable(error.to_string())
}

/// Reads the header alone; the payload stays on disk.
pub(super) fn read(path: &Path) -> Result<Header, PackageError> {
    let file = File::open(path).map_err(unreadable)?;
    shape::check(BufReader::new(file), HEADER_MAX_BYTES).map_err(unreadable)?;
    let file = File::open(path).map_err(unreadable)?;
    let metadata = PackageMetadata::parse(&mut BufReader::new(file.take(HEADERS_MAX_BYTES)))
        .map_err(unreadable)?;
    let offsets = metadata.get_package_segment_offsets();
    let part = |from: u64, to: u64| {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(to.saturating_sub(from)).read_to_end(&mut bytes)?;
        Ok::<Vec<u8>, std::io::Error>(bytes)
    };
    let signatures = part(offsets.signature_header, offsets.header).map_err(unreadable)?;
    let bytes = part(offsets.header, offsets.payload).map_err(unreadable)?;
    index::check_signature(&signatures).map_err(PackageError::Header)?;
    index::check_main(&bytes).map_err(PackageError::Header)?;
    // What is verified must be what was parsed: a header that does not serialize to its own bytes
    // could mean one thing to us and another to rpm.
    if metadata.header_bytes().map_err(unreadable)? != bytes {
        return Err(unreadable("its header has an unusual form"));
    }
    Ok(Header {
        metadata,
        bytes,
        offset: offsets.header,
        payload_offset: offsets.payload,
    })
}

impl Header {
    pub(super) fn nevra(&self) -> Result<Nevra, PackageError> {
        let metadata = &self.metadata;
        let epoch = metadata
            .header
            .get_entry_data_as_u32(IndexTag::RPMTAG_EPOCH)
            .unwrap_or(0);
        let version = metadata.get_version().map_err(unreadable)?;
        let release = metadata.get_release().map_err(unreadable)?;
        let evr = Evr::new(epoch, version, release).map_err(unreadable)?;
        let name = metadata.get_name().map_err(unreadable)?;
        let arch = metadata.get_arch().map_err(unreadable)?;
        Nevra::new(name, evr, arch).map_err(unreadable)
    }

    pub(super) fn build_time(&self) -> Result<u64, PackageError> {
        self.metadata.get_build_time().map_err(unreadable)
    }

    /// Compares the header digests that are present.
    pub(super) fn check_digests(&self) -> Result<(), PackageError> {
        let report = self.metadata.check_digests().map_err(unreadable)?;
        for (what, status) in [
            ("header SHA-1", &report.header_sha1),
            ("header SHA-256", &report.header_sha256),
            ("header SHA3-256", &report.header_sha3_256),
        ] {
            if matches!(status, DigestStatus::Mismatch { .. }) {
                let what = what.to_owned();
                return Err(PackageError::Digest { what });
            }
        }
        Ok(())
    }

    /// Returns the digests that the RPM carries about itself.
    pub(super) fn digests(&self) -> HeaderDigests {
        let in_signature = |tag| {
            let text = self.metadata.signature.get_entry_data_as_string(tag);
            text.ok().map(ToOwned::to_owned)
        };
        HeaderDigests {
            sha1: in_signature(IndexSignatureTag::RPMSIGTAG_SHA1),
            sha256: in_signature(IndexSignatureTag::RPMSIGTAG_SHA256),
            payload_sha256: self.payload_sha256(),
        }
    }

    /// Returns the SHA-256 of the compressed payload, if the header states one.
    pub(super) fn payload_sha256(&self) -> Option<String> {
        let header = &self.metadata.header;
        let tag = IndexTag::RPMTAG_PAYLOADSHA256;
        // rpm writes a list of one, other writers a plain string.
        match header.get_entry_data_as_string_array(tag) {
            Ok(digests) => digests.first().map(|text| (*text).to_owned()),
            Err(_) => header
                .get_entry_data_as_string(tag)
                .ok()
                .map(ToOwned::to_owned),
        }
    }
}
