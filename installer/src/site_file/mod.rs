//! The site's own file, `/etc/airgap-bundle/install.toml`: consents with their reasons, budgets and
//! limits that hold for every run on this host. A key has the name of the flag.
//!
//! A flag counts before the environment, the environment before the file, and the file before the
//! default. What must be decided for each run is refused here ([`keys::PER_RUN`]).

mod choices;
pub mod keys;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::layout::Layout;
use crate::secure_fs::{self, FsError};

pub use choices::{Choices, Chosen, Origin, is_standing};
pub use parse::{A_REASON, reason};

/// Largest file.
const MAX_BYTES: u64 = 64 * 1024;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A reason for each name.
    Reasons(BTreeMap<String, String>),
    /// A number for each name.
    Numbers(BTreeMap<String, u64>),
    /// One number.
    Number(u64),
    /// An absolute path.
    Path(String),
}

/// The values of a source, by key.
pub type Values = BTreeMap<&'static str, Value>;

/// A file of the site, or a variable, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SiteFileError {
    /// The file cannot be read, or others can write to it.
    #[error(transparent)]
    File(#[from] FsError),
    /// The file is larger than any that a person writes.
    #[error("{} is larger than {MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The text is not TOML.
    #[error("it is not TOML: {0}")]
    Syntax(String),
    /// There is no such key.
    #[error("there is no key `{key}`{}", parse::or_nearest(.nearest.as_deref()))]
    Unknown {
        /// The key.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<&'static str>,
    },
    /// The key is a decision about one run.
    #[error("`{key}` is decided for each run: give --{key} on the command line")]
    PerRun {
        /// The key.
        key: String,
    },
    /// The value has another form.
    #[error("`{key}`: {why}")]
    Value {
        /// The key, with the name in it.
        key: String,
        /// What is wrong.
        why: String,
    },
}

impl SiteFileError {
    /// Whether the caller may not read the file.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::File(error) if error.is_denied())
    }
}

/// Reads the site's file; a missing one has no values.
pub fn read(layout: &Layout) -> Result<Values, SiteFileError> {
    let path = layout.site_file();
    // A user who can change the file can consent to anything.
    let Some(text) = secure_fs::read_guarded(&path, MAX_BYTES)? else {
        return Ok(Values::new());
    };
    if text.len() as u64 > MAX_BYTES {
        return Err(SiteFileError::TooLarge(path));
    }
    parse::file(&text)
}
