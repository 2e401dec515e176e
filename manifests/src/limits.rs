//! Every bound a reader applies before it allocates. Units are in the names.
//!
//! A value above its bound is refused, never truncated. The writer keeps the same bounds, so that
//! a bundle that cannot be read cannot be built.

/// Largest `manifest.json`.
pub const MANIFEST_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Largest single signature file; a DER ECDSA signature takes about 72.
pub const SIGNATURE_MAX_BYTES: u64 = 8 * 1024;
/// Most signatures read from one bundle.
pub const SIGNATURES_MAX: usize = 16;
/// Largest root document or revocation list.
pub const TRUST_DOCUMENT_MAX_BYTES: u64 = 256 * 1024;
/// Most documents and signatures under `trust/`.
pub const TRUST_ENTRIES_MAX: usize = 256;
/// All documents and signatures under `trust/` together.
pub const TRUST_TOTAL_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Largest `NAME.parts.json`.
pub const PARTS_DOCUMENT_MAX_BYTES: u64 = 256 * 1024;
/// Most parts of a split bundle.
pub const PARTS_MAX: usize = 999;
/// Most entries of one bundle, the manifest and signatures included.
pub const ENTRIES_MAX: usize = 10_000;
/// The part of [`ENTRIES_MAX`] that is kept for what the manifest does not list: itself, the
/// signatures and `trust/`.
pub const FRONT_ENTRIES_MAX: usize = 1 + SIGNATURES_MAX + TRUST_ENTRIES_MAX;
/// Largest `files/<sha256>.json`.
pub const PACKAGE_FILES_MAX_BYTES: u64 = 8 * 1024 * 1024;
/// All `files/*.json` of a bundle together. A host keeps them in memory while it plans, and is to need
/// less than 64 MiB for it, even if a trusted key signed them.
pub const PACKAGE_FILES_TOTAL_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Most JSON values of all of them together: about 80,000 files.
pub const PACKAGE_FILES_VALUES_MAX: usize = 1_000_000;
/// Largest embedded product manifest.
pub const PRODUCT_MAX_BYTES: u64 = 1024 * 1024;
/// Largest vendor key file.
pub const VENDOR_KEY_MAX_BYTES: u64 = 1024 * 1024;
/// Largest document under `docs/` and largest `SHA256SUMS`.
pub const DOCUMENT_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Largest payload entry: a ustar size field holds eleven octal digits.
pub const PAYLOAD_MAX_BYTES: u64 = 0o77_777_777_777;
/// Largest window a zstd frame may ask for; the decoder's memory follows it.
pub const ZSTD_WINDOW_MAX_LOG: u32 = 23;
/// Longest path of an entry, in bytes.
pub const PATH_MAX_BYTES: usize = 200;
/// Deepest JSON nesting a document may have (`serde_json` itself stops at 128).
pub const JSON_DEPTH_MAX: usize = 32;
/// Most values of one JSON document, objects and lists included: they take more memory than their bytes
/// suggest. A file of a package takes twelve.
pub const JSON_VALUES_MAX: usize = 500_000;
/// Longest name, version or release in a package identity, in bytes.
pub const NAME_MAX_BYTES: usize = 128;
