//! Backup of configuration: captures the files of components byte for byte, merges them with later
//! edits, restores them, and seals the backup of a closed run.

pub mod blobs;
pub(crate) mod by_hand;
pub mod capture;
pub mod changes;
pub mod check;
pub mod merge;
mod pruning;
pub mod restore;
pub mod seal;
pub mod snapshot;

pub use pruning::{bound, prune, size};
#[cfg(test)]
mod faithful;
