//! Every error a user can meet, in three parts, and the one place that gives exit codes.

use std::process::ExitCode;

use crate::archive::ArchiveError;
use crate::assemble::AssembleError;
use crate::carry::CarryError;
use crate::download::DownloadError;
use crate::extras::ExtraError;
use crate::hosts::HostsError;
use crate::installers::InstallerError;
use crate::interrupt::Interrupted;
use crate::lock::LockError;
use crate::output::OutputError;
use crate::repo::RepoError;
use crate::resolve::ResolveError;
use crate::roots::RootsError;
use crate::sign::KeyError;
use crate::vendor_keys::VendorKeyError;

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
    #[error("{}", .0.reason)]
    Usage(Explained),
    /// Repository metadata.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// Keys of the vendor.
    #[error(transparent)]
    VendorKeys(#[from] VendorKeyError),
    /// The choice of packages.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The hosts to build for.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// Downloads, with the checks of each package.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The carried installers.
    #[error(transparent)]
    Installer(#[from] InstallerError),
    /// The carried files beside packages.
    #[error(transparent)]
    Extra(#[from] ExtraError),
    /// Putting the bundle together.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// Our own keys and root document.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The chain of root documents.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The bundle file.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A bundle in parts.
    #[error(transparent)]
    Carry(#[from] CarryError),
    /// A file that could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A signal.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// Returns how the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Resolve(_) | Self::Hosts(_) => Exit::Usage,
            Self::VendorKeys(error) => error.exit(),
            Self::Repo(error) => error.exit(),
            Self::Download(error) => error.exit(),
            Self::Lock(error) => error.exit(),
            Self::Installer(error) => error.exit(),
            Self::Extra(error) => error.exit(),
            Self::Archive(error) => error.exit(),
            Self::Key(error) => error.exit(),
            Self::Roots(error) => error.exit(),
            Self::Carry(error) => error.exit(),
            Self::Assemble(error) => error.exit(),
            Self::Output(_) => Exit::Internal,
            Self::Interrupted(_) => Exit::Interrupted,
        }
    }

    /// Returns the error in three parts.
    #[must_use]
    pub fn explain(&self) -> Explained {
        match self {
            Self::Usage(explained) => explained.clone(),
            Self::Repo(error) => error.explain(),
            Self::VendorKeys(error) => error.explain(),
            Self::Resolve(error) => error.explain(),
            Self::Hosts(error) => error.explain(),
            Self::Download(error) => error.explain(),
            Self::Lock(error) => error.explain(),
            Self::Installer(error) => error.explain(),
            Self::Extra(error) => error.explain(),
            Self::Assemble(error) => error.explain(),
            Self::Key(error) => error.explain(),
            Self::Roots(error) => error.explain(),
            Self::Archive(error) => error.explain(),
            Self::Carry(error) => error.explain(),
            Self::Output(error) => Explained::new(
                "cannot write a file",
                error.to_string(),
                "make sure that the directory exists, is writable and has space, then run the \
                 command again",
            ),
            Self::Interrupted(_) => Explained::new(
                "stopped",
                "a signal asked the program to stop; nothing was left behind",
                "run the same command again; finished downloads are reused from the cache",
            ),
        }
    }
}
