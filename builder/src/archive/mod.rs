//! The bundle file: writing it, and reading it with the reader that a host uses.

mod extract;
mod write;

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;

use manifests::explained::chain;
use manifests::format::HeaderError;
use manifests::reader::{self, Checked, PartFault, ReadError, Verified, Visitor};
use manifests::signature::QuorumError;
use manifests::trust::{TrustRoot, VerifyError};

use crate::explain::{Exit, Explain, Explained};
use crate::interrupt::{self, Interrupted};
use crate::output::OutputError;

pub use extract::{Extraction, Selection};
pub use write::{rewrite, write};

/// Reads a bundle from its first byte to its last.
pub fn verify(file: impl Read, roots: &[TrustRoot]) -> Result<Verified, ArchiveError> {
    verify_with(file, roots, &mut Nothing)
}

/// Does the same and shows every entry to a visitor.
pub fn verify_with(
    file: impl Read,
    roots: &[TrustRoot],
    visitor: &mut dyn Visitor<Error = ArchiveError>,
) -> Result<Verified, ArchiveError> {
    reader::verify_with(Interruptible(file), roots, visitor)
}

/// Checks everything but who signed.
pub fn check(file: impl Read) -> Result<Checked, ArchiveError> {
    reader::check_with(Interruptible(file), &mut Nothing)
}

/// A visitor that looks at nothing.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Visitor for Nothing {
    type Error = ArchiveError;
}

/// A file whose reading a signal ends.
#[derive(Debug)]
pub struct Interruptible<R>(pub R);

impl<R: Seek> Seek for Interruptible<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl<R: Read> Read for Interruptible<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        interrupt::check().map_err(io::Error::other)?;
        self.0.read(buffer)
    }
}

/// A bundle file that cannot be written, read or believed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Cannot be opened or read.
    #[error("{} cannot be read: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Its bytes are refused.
    #[error(transparent)]
    Refused(ReadError),
    /// An entry that no bundle can hold.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// More signatures than readers look at.
    #[error("it carries too many signatures")]
    TooManySignatures,
    /// Another bundle than the one that was checked.
    #[error("it changed while it was signed")]
    Replaced,
    /// Asked for an entry that the bundle does not hold.
    #[error("it holds no {0}")]
    NotCarried(String),
    /// A file that changed between being checked and being written.
    #[error("{} changed while the bundle was written", .0.display())]
    Changed(PathBuf),
    /// Cannot be written.
    #[error("the bundle cannot be written: {0}")]
    Write(#[source] std::io::Error),
    /// Cannot get its name.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A signal.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<ReadError> for ArchiveError {
    /// A signal comes through the reader as an error of its file.
    fn from(error: ReadError) -> Self {
        let is_signal = |error: &io::Error| {
            let inner = error.get_ref();
            inner.is_some_and(|inner| inner.downcast_ref::<Interrupted>().is_some())
        };
        match error {
            ReadError::Input(error) if is_signal(&error) => Self::Interrupted(Interrupted),
            ReadError::Unreadable {
                fault: PartFault::Unreadable(error),
                ..
            } if is_signal(&error) => Self::Interrupted(Interrupted),
            error => Self::Refused(error),
        }
    }
}

impl Explain for ArchiveError {
    fn exit(&self) -> Exit {
        match self {
            Self::Output(error) if error.source.kind() == ErrorKind::AlreadyExists => Exit::Usage,
            Self::Open { .. }
            | Self::NotCarried(_)
            | Self::Refused(ReadError::Unreadable { .. }) => Exit::Usage,
            Self::Write(_) | Self::Output(_) => Exit::Internal,
            Self::Interrupted(_) => Exit::Interrupted,
            _ => Exit::Verification,
        }
    }

    fn explain(&self) -> Explained {
        let (failed, next) = match self {
            Self::Open { .. } => ("cannot read a file", "check the path and its permissions"),
            Self::NotCarried(_) => (
                "cannot extract that; nothing was written",
                "`bundle inspect --output json` lists the entries; a directory, such as docs, means \
                 everything below it",
            ),
            Self::Output(error) if error.source.kind() == ErrorKind::AlreadyExists => (
                "cannot write there; nothing was written",
                "name another place, or move what is there away",
            ),
            Self::Write(_) | Self::Output(_) => (
                "cannot write the bundle",
                "make sure that the output directory is writable and has space for the bundle",
            ),
            Self::Changed(_) => (
                "cannot write the bundle",
                "run the command again while nothing else writes to these files",
            ),
            Self::Interrupted(_) => ("stopped", "run the same command again"),
            Self::Refused(error) => refused(error),
            _ => ("the bundle is not verified", AGAIN),
        };
        let reason = match self {
            Self::Refused(error) => chain(error),
            _ => self.to_string(),
        };
        Explained::new(failed, reason, next)
    }
}

const AGAIN: &str =
    "do not use this file: copy it again from where it was built, or build it again";

/// Returns what failed, and what to do about a bundle that is refused.
const fn refused(error: &ReadError) -> (&'static str, &'static str) {
    let failed = match error {
        ReadError::Unreadable { .. } => "cannot read a file",
        ReadError::Untrusted(VerifyError::NoTrustRoot) => "cannot verify the bundle",
        ReadError::PartsList { .. } => "the list of parts is not verified",
        _ => "the bundle is not verified",
    };
    let next = match (error, error.untrusted()) {
        (ReadError::Input(_) | ReadError::Unreadable { .. }, _) => {
            "check the path, its permissions and the medium"
        }
        (_, Some(VerifyError::NoTrustRoot)) => {
            "name the root document that you trust with --trust-root root.json"
        }
        (_, Some(VerifyError::Quorum(QuorumError::UnknownKeys { .. }))) => {
            "if it comes from someone else, get their root.json through another channel, compare its \
             fingerprint with them, and pass it with --trust-root"
        }
        (_, Some(VerifyError::Revoked { .. } | VerifyError::Retired { .. })) => {
            "ask its builder for one that is signed with a key of the newest root document"
        }
        (_, Some(VerifyError::Quorum(QuorumError::TooFew { .. }))) => {
            "have it signed with one more key: `bundle sign FILE`; of a list of parts, a signature may \
             only not have been copied"
        }
        (ReadError::PartsList { .. }, Some(VerifyError::Quorum(QuorumError::Unsigned))) => {
            "copy the NAME.parts.<key id>.sig that belongs beside it"
        }
        (ReadError::PartsList { .. }, _) => {
            "do not use it: copy it again from where it was made, or split the bundle again"
        }
        (ReadError::Parts { .. }, _) => {
            "copy these parts again, or let `bundle repair` write them from the bundle or another \
             copy; name other directories that hold parts with --parts-dir"
        }
        (ReadError::OtherBundle, _) => "do not use it: build or split it again",
        _ => AGAIN,
    };
    (failed, next)
}
