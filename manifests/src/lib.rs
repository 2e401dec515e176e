//! The vocabulary that the builder and the installer share.
//!
//! Invariants of this crate:
//!
//! * No file, network, clock or process: every function is a function of its arguments.
//! * Every name that comes from outside has a type whose constructor refuses what is not a name.
//! * A [`trust::VerifiedManifest`] is made by [`trust::verify_manifest`] alone, which verifies the
//!   exact bytes before it parses them.
//! * So is a [`parts::VerifiedParts`] by [`parts::verify_parts`].
//! * [`reader`] is the only reader of bundles, [`cpio`] the only one of the archives inside RPMs; both know
//!   nothing but `Read`.
//! * [`signature::verify_quorum`] is the only place where signatures are counted.
//!
//! Rooms, each using only those before it:
//! `explained` `printable` `string_serde` `percent` `size` `secret` `cpio` `limits` `json` `digest` `evr`
//! `nevra` `signature` `bundle_path` `format` `package_files` `host_inventory` `closure` `product` `bundle` `contents`
//! `acceptance` `trust` `parts` `reader`.

#![deny(missing_docs)]

pub mod acceptance;
pub mod bundle;
pub mod bundle_path;
pub mod closure;
pub mod contents;
pub mod cpio;
pub mod digest;
pub mod evr;
pub mod explained;
pub mod format;
pub mod host_inventory;
pub mod json;
pub mod limits;
pub mod nevra;
pub mod package_files;
pub mod parts;
pub mod percent;
pub mod printable;
pub mod product;
pub mod reader;
pub mod secret;
pub mod signature;
pub mod size;
pub mod string_serde;
pub mod trust;
