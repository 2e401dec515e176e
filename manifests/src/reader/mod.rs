//! The reader of bundles: bounded, in one pass, nothing believed before it is verified.
//!
//! Both programs read with it: the builder from the first byte to the last ([`verify_with`],
//! [`check_with`]), the installer in two steps with a plan between them ([`Front`], [`read_documents`],
//! [`Payload`]). Progress and interruption are the caller's: they come in as `Read` around the file.

mod entries;
mod error;
mod frame;
mod front;
mod listed;
mod parts;
mod verdict;

pub use entries::Entries;
pub use error::ReadError;
pub use front::Front;
pub use listed::{Document, Payload, read_documents};
pub use parts::{BadPart, Links, Medium, PartFault, PartsReader, PartsSet, UnsignedList};
pub use verdict::{Checked, Verified, Visitor, check_with, verify_with};
