//! The failure of a command: an explanation for people, and an exit code for scripts.

use std::error::Error;
use std::fmt;

use crate::problem::Problem;

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
    /// `status`: a process works on a run.
    AtWork = 11,
    /// `status`: a run is being put back, or the recovery tries again by itself.
    Recovering = 12,
    /// `status`: a run is open, and no process works on it.
    Open = 13,
    /// Stopped by a signal: either nothing was changed yet, or the command no longer follows a run
    /// that goes on.
    Interrupted = 130,
}

impl Exit {
    /// Returns the word of the exit code, for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Verification => "verification",
            Self::Refused => "refused",
            Self::Reverted => "reverted",
            Self::RevertFailed => "revert-failed",
            Self::Busy => "busy",
            Self::NotWell => "not-well",
            Self::Pending => "pending",
            Self::AtWork => "at-work",
            Self::Recovering => "recovering",
            Self::Open => "open",
            Self::Interrupted => "interrupted",
        }
    }
}

/// An error in three parts, and the exit code it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, why, and what to do next.
    pub explained: Explained,
    /// Every single reason, if there are several.
    pub problems: Vec<Problem>,
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
        Self {
            exit,
            explained,
            problems: Vec::new(),
        }
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
