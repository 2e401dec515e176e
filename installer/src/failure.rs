//! The failure of a command: an explanation for people, and an exit code for scripts.

use std::error::Error;
use std::fmt;

pub use manifests::explained::{Explained, chain};

/// How a command ended. The numbers are a public interface (docs/exit-codes.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A defect or an unforeseen condition.
    Internal = 1,
    /// The command line names something that does not exist.
    Usage = 2,
    /// A signature, digest or document is not acceptable.
    Verification = 3,
    /// The host does not permit the run; nothing was changed.
    Refused = 4,
    /// The run failed and the host is as it was.
    Reverted = 5,
    /// The run failed and so did the revert.
    RevertFailed = 6,
    /// Another run or another user of rpm is at work.
    Busy = 7,
    /// The run is done, and something is not well.
    NotWell = 8,
    /// `plan --check`: the host would change.
    Pending = 10,
    /// Stopped by a signal: either nothing was changed yet, or the command no longer follows a run
    /// that goes on.
    Interrupted = 130,
}

/// An error in three parts, and the exit code it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, why, and what to do next.
    pub explained: Explained,
}

impl Failure {
    /// Makes a failure from its three parts.
    pub fn new(
        exit: Exit,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        let explained = Explained::new(what, why, next);
        Self { exit, explained }
    }

    /// Makes a failure whose reason is an error with all of its sources.
    pub fn because(
        exit: Exit,
        what: impl Into<String>,
        error: &dyn Error,
        next: impl Into<String>,
    ) -> Self {
        Self::new(exit, what, chain(error), next)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.explained.fmt(f)
    }
}

impl Error for Failure {}
