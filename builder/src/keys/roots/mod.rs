//! Root documents on the builder's side: the chain in a directory, drafts of its next version, and
//! what a version changes in plain words. The rules themselves are `manifests::trust`.

mod chain;
mod draft;
mod error;
mod quorum;
#[cfg(test)]
mod tests;
mod words;

pub use chain::{CompleteRoot, PendingRoot, RootChain, Stray};
pub use draft::{Change, DraftError, Enrolled, RoleChoice, change, first};
pub use error::RootsError;
pub use quorum::{Quorum, quorums};
pub use words::{differences, of_threshold};
