//! What can be wrong with a bundle on its way.

use std::io;
use std::path::PathBuf;

use manifests::reader::{PartFault, ReadError};

use crate::archive::ArchiveError;
use crate::explain::{Exit, Explain, Explained};
use crate::interrupt::Interrupted;
use crate::keys::KeyError;
use crate::output::OutputError;

/// A bundle that cannot be split, joined, repaired or read.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// A file that cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A part where its bundle belongs.
    #[error("{} is one part of a split bundle", .0.display())]
    IsPart(PathBuf),
    /// A name or number that parts cannot have.
    #[error("{0}")]
    Request(String),
    /// Something has the name already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The copy that a repair reads from is bad itself.
    #[error("{} does not hold part {number} either: {fault}", path.display())]
    NoCure {
        /// The good copy, supposedly.
        path: PathBuf,
        /// The part.
        number: u32,
        /// What was found.
        fault: PartFault,
    },
    /// The bundle itself.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Our key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file that could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A signal.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<ReadError> for CarryError {
    fn from(error: ReadError) -> Self {
        Self::Archive(error.into())
    }
}

impl Explain for CarryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable { .. } | Self::IsPart(_) | Self::Request(_) | Self::Exists(_) => {
                Exit::Usage
            }
            Self::NoCure { .. } => Exit::Verification,
            Self::Archive(error) => error.exit(),
            Self::Key(error) => error.exit(),
            Self::Output(_) => Exit::Internal,
            Self::Interrupted(_) => Exit::Interrupted,
        }
    }

    fn explain(&self) -> Explained {
        match self {
            Self::Archive(error) => return error.explain(),
            Self::Key(error) => return error.explain(),
            _ => {}
        }
        let (failed, next) = self.frame();
        Explained::new(failed, self.to_string(), next)
    }
}

impl CarryError {
    fn frame(&self) -> (&'static str, &'static str) {
        match self {
            Self::Unreadable { .. } => (
                "cannot read a file",
                "check the path, its permissions and the medium",
            ),
            Self::IsPart(_) => (
                "cannot read a part on its own",
                "name the NAME.parts.json that lies beside it",
            ),
            Self::Request(_) => (
                "cannot split the bundle",
                "choose another size with --size or --split, or another name with -o",
            ),
            Self::Exists(_) => (
                "cannot write there; nothing was written",
                "name another place, or move what is there away",
            ),
            Self::NoCure { .. } => (
                "cannot repair the parts; nothing was written",
                "name another copy with --from, or split the bundle again",
            ),
            Self::Interrupted(_) => ("stopped", "run the same command again"),
            Self::Archive(_) | Self::Key(_) | Self::Output(_) => (
                "cannot write the parts",
                "make sure that the directory is writable and has space",
            ),
        }
    }
}
