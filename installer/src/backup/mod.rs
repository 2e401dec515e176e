//! Backup of configuration: what the files of a component were, byte for byte.

pub mod blobs;
pub mod capture;
pub mod merge;
pub mod restore;
pub mod snapshot;

#[cfg(test)]
mod faithful;
