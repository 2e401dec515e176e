//! Bundles on their way: cut into parts, read where the parts lie, joined, repaired.
//!
//! A split bundle is `NAME.part001 …`, `NAME.parts.json` with the size and digest of each part, and
//! `NAME.parts.<key id>.sig` over exactly those bytes (docs/bundle-format.md).

mod error;
mod join;
mod pass;
mod repair;
mod set;
mod size;
mod split;

pub use error::{BadPart, CarryError, PartFault};
pub use join::join;
pub(crate) use pass::pass_unsigned;
pub use pass::{Nothing, Passed, pass};
pub use repair::{Repaired, repair};
pub use set::{PartsReader, PartsSet};
pub use size::PartSize;
pub use split::{PartsWriter, PendingParts, check_size, remove_set, split};
