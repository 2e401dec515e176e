//! Every error a user can meet, in three parts, and the one place that gives exit codes.

use std::process::ExitCode;

use crate::interrupt::Interrupted;
use crate::output::OutputError;
use crate::repo::{RepoError, fetch_advice, fetch_exit};
use crate::transport::TransportError;

/// An error as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What did not work.
    pub failed: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub next: String,
}

impl Explained {
    /// Joins the three parts.
    pub fn new(
        failed: impl Into<String>,
        reason: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            failed: failed.into(),
            reason: reason.into(),
            next: next.into(),
        }
    }
}

/// How the program ends (DESIGN: conventions of the command line).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something outside the request did not work: network, disk, a bug.
    Internal = 1,
    /// The request cannot be met as asked.
    Usage = 2,
    /// A signature or digest is not what it must be.
    Verification = 3,
    /// Stopped by a signal.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Any error of the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request that contradicts itself or names what is not there.
    #[error("{}: {}", .0.failed, .0.reason)]
    Usage(Explained),
    /// A signature, digest or identity that is not what it must be.
    #[error("{}: {}", .0.failed, .0.reason)]
    Verification(Explained),
    /// Network, disk, or something that should not happen.
    #[error("{}: {}", .0.failed, .0.reason)]
    Other(Explained),
    /// Repository metadata.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A file that could not be fetched.
    #[error(transparent)]
    Fetch(#[from] TransportError),
    /// A file that could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A signal.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// Makes an error of a request that cannot be met.
    pub fn usage(
        failed: impl Into<String>,
        reason: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::Usage(Explained::new(failed, reason, next))
    }

    /// Makes an error of something that is not what it must be.
    pub fn verification(
        failed: impl Into<String>,
        reason: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::Verification(Explained::new(failed, reason, next))
    }

    /// Makes an error of the surroundings.
    pub fn other(
        failed: impl Into<String>,
        reason: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::Other(Explained::new(failed, reason, next))
    }

    /// Returns how the program ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Verification(_) => Exit::Verification,
            Self::Other(_) | Self::Output(_) => Exit::Internal,
            Self::Repo(error) => error.exit(),
            Self::Fetch(error) => fetch_exit(&error.kind),
            Self::Interrupted(_) => Exit::Interrupted,
        }
    }

    /// Returns the error in three parts.
    #[must_use]
    pub fn explain(&self) -> Explained {
        match self {
            Self::Usage(explained) | Self::Verification(explained) | Self::Other(explained) => {
                explained.clone()
            }
            Self::Repo(error) => error.explain(),
            Self::Fetch(error) => Explained::new(
                format!("cannot fetch {}", error.url),
                error.kind.to_string(),
                fetch_advice(&error.kind),
            ),
            Self::Output(error) => Explained::new(
                error.to_string(),
                error.source.to_string(),
                "make sure that the directory exists, is writable and has space, then run the \
                 command again",
            ),
            Self::Interrupted(_) => Explained::new(
                "stopped",
                "a signal asked the program to stop; nothing was left behind",
                "run the same command again",
            ),
        }
    }
}
