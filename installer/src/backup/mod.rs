//! Backup of configuration: what the files of a component were, byte for byte.

pub mod blobs;
pub mod capture;
pub mod changes;
pub mod check;
pub mod merge;
mod pruning;
pub mod restore;
pub mod seal;
pub mod snapshot;

pub use pruning::{prune, size};
#[cfg(test)]
mod faithful;
