//! What the fuzz targets share: a signer, a bundle writer, files without a disk, and the properties
//! that are checked in more than one place.

mod bundle;
mod memory_file;
mod signer;
mod xml;

pub use bundle::{Sections, append, check_canonical, compress, read_bundle, sign_tar};
pub use memory_file::MemoryFile;
pub use signer::{root_bytes, roots, sign};
pub use xml::quoted;

use std::fmt::Debug;

use manifests::json::canonical;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Checks that a document that was accepted has one written form, which is read as the same
/// document.
pub fn assert_round_trip<T>(document: &T) -> Vec<u8>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = canonical(document).unwrap();
    let again: T = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(again, *document);
    assert_eq!(canonical(&again).unwrap(), bytes);
    bytes
}
