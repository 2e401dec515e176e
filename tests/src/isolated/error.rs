//! What can go wrong around an isolated host.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::Finished;

pub type Result<T, E = HostError> = std::result::Result<T, E>;

/// A failure of the lab, with the thing it happened to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    #[error("failed to {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to start `{argv}`")]
    Spawn {
        argv: String,
        #[source]
        source: io::Error,
    },
    #[error("{0}")]
    Failed(Box<Finished>),
    #[error("{what} took longer than {} s; {state}", after.as_secs())]
    Deadline {
        what: String,
        after: Duration,
        state: String,
    },
    #[error("host {0} is not running")]
    NotRunning(String),
    #[error("host {0} is already running")]
    AlreadyRunning(String),
    #[error("there is no host named {0}")]
    NoSuchHost(String),
    #[error("host {name} did not reach `running`: {state}\n{detail}")]
    Unhealthy {
        name: String,
        state: String,
        detail: String,
    },
    #[error("the machine's apt configuration names no mirror of {suite}; {hint}")]
    NoMirror {
        suite: &'static str,
        hint: &'static str,
    },
    #[error("failed to build layer {name}")]
    Layer {
        name: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("{path}: {reason}", path = path.display())]
    Malformed { path: PathBuf, reason: String },
}

impl HostError {
    /// Makes the closure that adds to an I/O error what it was about.
    pub(super) fn io<'p>(
        action: &'static str,
        path: impl AsRef<Path> + 'p,
    ) -> impl FnOnce(io::Error) -> Self + 'p {
        move |source| Self::Io {
            action,
            path: path.as_ref().to_owned(),
            source,
        }
    }

    /// As [`HostError::io`], for the errors of rustix.
    pub(super) fn errno<'p>(
        action: &'static str,
        path: impl AsRef<Path> + 'p,
    ) -> impl FnOnce(rustix::io::Errno) -> Self + 'p {
        move |errno| Self::io(action, path)(errno.into())
    }
}
