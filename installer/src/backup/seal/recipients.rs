//! The recipients of sealed backups: public age keys, `age1…`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use age::x25519::Recipient;

use crate::layout::Layout;
use crate::secure_fs::{self, FsError};

/// Largest file of recipients.
const FILE_MAX_BYTES: u64 = 64 * 1024;

/// Recipients, each once.
#[derive(Debug, Clone, Default)]
pub struct Recipients(BTreeMap<String, Recipient>);

/// Recipients that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipientsError {
    /// The file cannot be read, or others can write to it.
    #[error(transparent)]
    File(#[from] FsError),
    /// The file is larger than any list that a person writes.
    #[error("{} is larger than {FILE_MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The text is not a recipient. The error does not quote it, because it may be an identity by
    /// mistake.
    #[error("{place} is not an age recipient (`age1…`)")]
    NotARecipient {
        /// The place in the input.
        place: String,
    },
    /// The file exists to name recipients, and names none.
    #[error("{} names no recipient", .0.display())]
    Empty(PathBuf),
}

impl Recipients {
    /// Whether there are no recipients. Then backups stay plain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns their names, `age1…`, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Parses names from a command line or a document.
    pub fn of_names(names: &[String]) -> Result<Self, RecipientsError> {
        let numbered = names.iter().enumerate();
        let place = |at: usize| format!("recipient {}", at + 1);
        Self::collect(numbered.map(|(at, name)| (place(at), name.as_str())))
    }

    /// Reads the site's file, `/etc/airgap-bundle/backup-recipients`, with one recipient a line;
    /// `#` begins a comment. A missing file means no recipients.
    pub fn of_site(layout: &Layout) -> Result<Self, RecipientsError> {
        let path = layout.backup_recipients();
        // A user who can change the file can read the next backups.
        let Some(text) = secure_fs::read_guarded(&path, FILE_MAX_BYTES)? else {
            return Ok(Self::default());
        };
        // A list that is cut off would seal backups to some of its recipients alone.
        if text.len() as u64 > FILE_MAX_BYTES {
            return Err(RecipientsError::TooLarge(path));
        }
        let lines = text.lines().map(str::trim).enumerate();
        let named = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let place = |at: usize| format!("line {} of {}", at + 1, path.display());
        let found = Self::collect(named.map(|(at, line)| (place(at), line)))?;
        if found.is_empty() {
            return Err(RecipientsError::Empty(path));
        }
        Ok(found)
    }

    fn collect<'a>(
        named: impl Iterator<Item = (String, &'a str)>,
    ) -> Result<Self, RecipientsError> {
        let parse = |(place, name): (String, &str)| {
            let recipient: Recipient = name
                .parse()
                .map_err(|_| RecipientsError::NotARecipient { place })?;
            Ok((recipient.to_string(), recipient))
        };
        Ok(Self(
            named.map(parse).collect::<Result<_, RecipientsError>>()?,
        ))
    }

    /// Adds other recipients.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.values().map(|recipient| recipient as _)
    }
}
