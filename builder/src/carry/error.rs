//! What can be wrong with a bundle on its way.

use std::io;
use std::path::PathBuf;

use manifests::digest::Sha256;
use manifests::parts::PartsError;
use manifests::signature::QuorumError;
use manifests::trust::VerifyError;

use crate::archive::ArchiveError;
use crate::explain::{Exit, Explain, Explained};
use crate::interrupt::Interrupted;
use crate::keys::KeyError;
use crate::output::OutputError;

/// A part that is not what the signed parts document says.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct BadPart {
    /// Its number, from 1.
    pub number: u32,
    /// Where it was looked for.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: PartFault,
}

/// What is wrong with a part.
#[derive(Debug, thiserror::Error)]
pub enum PartFault {
    /// Not there.
    #[error("it is missing")]
    Missing,
    /// A link, a directory, a device or a pipe.
    #[error("it is not a regular file (links are not followed)")]
    NotAFile,
    /// Too long or too short.
    #[error("it has {found} bytes, the signed list says {expected}")]
    Size {
        /// As signed.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// Other bytes.
    #[error("its sha256 is {found}, the signed list says {expected}")]
    Digest {
        /// As signed.
        expected: Sha256,
        /// As read.
        found: Sha256,
    },
    /// The medium does not give it.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
}

/// A bundle that cannot be split, joined, repaired or read.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// A file that cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A part where its bundle belongs.
    #[error("{} is one part of a split bundle", .0.display())]
    IsPart(PathBuf),
    /// A parts document that is not to be believed.
    #[error("{}: {source}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PartsError,
    },
    /// Parts that are bad or missing; all of them.
    #[error("{} of {of} parts are bad or missing", bad.len())]
    Bad {
        /// The parts.
        bad: Vec<BadPart>,
        /// How many there are.
        of: usize,
    },
    /// The parts are as listed and hold another bundle than listed.
    #[error("the parts are whole, but the bundle in them is not the one that their list names")]
    OtherBundle,
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

impl Explain for CarryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable { .. } | Self::IsPart(_) | Self::Request(_) | Self::Exists(_) => {
                Exit::Usage
            }
            Self::Document { .. } | Self::Bad { .. } | Self::OtherBundle | Self::NoCure { .. } => {
                Exit::Verification
            }
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
        let reason = match self {
            Self::Bad { bad, .. } => {
                let lines: Vec<String> = bad.iter().map(ToString::to_string).collect();
                lines.join("\n  ")
            }
            _ => self.to_string(),
        };
        let failed = match self {
            Self::Bad { .. } => format!("the bundle is not verified: {self}"),
            _ => failed.to_owned(),
        };
        Explained::new(failed, reason, next)
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
            Self::Document { source, .. } => ("the list of parts is not verified", advice(source)),
            Self::Bad { .. } => (
                "",
                "copy these parts again, or let `bundle repair` write them from the bundle or another \
                 copy; name other directories that hold parts with --parts-dir",
            ),
            Self::OtherBundle => (
                "the bundle is not verified",
                "do not use it: build or split it again",
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

const fn advice(error: &PartsError) -> &'static str {
    match error {
        PartsError::Untrusted(VerifyError::NoTrustRoot) => {
            "name the root document that you trust with --trust-root root.json"
        }
        PartsError::Untrusted(VerifyError::Quorum(QuorumError::Unsigned)) => {
            "copy the NAME.parts.<key id>.sig that belongs beside it"
        }
        PartsError::Untrusted(VerifyError::Quorum(QuorumError::UnknownKeys { .. })) => {
            "if it comes from somebody else, get their root.json by another way, compare its \
             fingerprint with them, and pass it with --trust-root"
        }
        _ => "do not use it: copy it again from where it was made, or split the bundle again",
    }
}
