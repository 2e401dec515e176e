//! Bundles on their way: cut into parts, read where the parts lie, joined, repaired.
//!
//! A split bundle is `NAME.part001 …`, `NAME.parts.json` with the size and digest of each part, and
//! `NAME.parts.<key id>.sig` over exactly those bytes (docs/bundle-format.md).

mod error;
mod join;
mod medium;
mod pass;
mod repair;
mod size;
mod split;

pub use error::CarryError;
pub use join::join;
pub use medium::Disk;
pub(crate) use pass::pass_unsigned;
pub use pass::{Passed, pass};
pub use repair::{Repaired, repair};
pub use size::PartSize;
pub use split::{PartsWriter, PendingParts, check_size, remove_set, split};

/// A verified list of parts, and the directories where they may be.
pub type PartsSet = manifests::reader::PartsSet<Disk>;
/// The parts as one stream.
pub type PartsReader = manifests::reader::PartsReader<Disk>;
