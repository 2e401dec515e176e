//! How an error reaches a user: in three parts, and as an exit code.

use std::process::ExitCode;

pub use manifests::explained::Explained;

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

/// An error that a user can meet.
pub trait Explain: std::error::Error + Send + Sync {
    /// Returns how the program ends.
    fn exit(&self) -> Exit;

    /// Returns the error in three parts.
    fn explain(&self) -> Explained;
}

/// Any error of the program.
pub type Error = Box<dyn Explain>;

impl<E: Explain + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

/// A request that contradicts itself or names what does not exist.
impl Explain for Explained {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn explain(&self) -> Explained {
        self.clone()
    }
}

/// What must not happen.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Bug(Explained);

impl Bug {
    /// Says what failed, and why as far as it is known.
    #[must_use]
    pub fn new(what: &str, why: impl Into<String>) -> Self {
        Self(Explained::new(what, why, "this is a bug: please report it"))
    }
}

impl Explain for Bug {
    fn exit(&self) -> Exit {
        Exit::Internal
    }

    fn explain(&self) -> Explained {
        self.0.clone()
    }
}

/// Makes an error of a request.
#[must_use]
pub fn usage(what: &str, why: impl Into<String>, next: &str) -> Error {
    Explained::new(what, why, next).into()
}
