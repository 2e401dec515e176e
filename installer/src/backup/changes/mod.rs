//! What an upgrade did to configuration: for each file whose default changed, the old default, what the
//! operator had and the new default, and what became of them.
//!
//! The document lies in the run's backup and names contents by their digests, in the backup's blobs: it
//! is sealed with them, and holds no line of a file itself.

mod carry;
mod text;

use manifests::digest::Sha256;
use serde::{Deserialize, Serialize};

use crate::backup::blobs::Blobs;
use crate::document::{self, Document};
use crate::failure::chain;
use crate::layout::BackupDir;

pub use crate::plan::scope::YOURS;
pub(crate) use carry::carry_over;
pub use text::{Pictured, picture};

/// The type a stored document names.
pub const CONFIG_CHANGES_TYPE: &str = "airgap-bundle/config-changes/1";

/// Every file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChanges {
    /// Always [`CONFIG_CHANGES_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// The run.
    pub run: u64,
    /// The files, in the order of the run's steps.
    pub files: Vec<FileChange>,
}

impl Document for ConfigChanges {
    const TYPE: &'static str = CONFIG_CHANGES_TYPE;
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// The file.
    pub path: String,
    /// The package.
    pub package: String,
    /// What became of it.
    pub decision: Decision,
    /// Why it could not be done better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The previous package's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_default: Option<Content>,
    /// What was there before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yours: Option<Content>,
    /// The new package's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_default: Option<Content>,
    /// What is there after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Content>,
}

/// A content in the blobs of the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It was not edited; the new default is in place.
    Updated,
    /// The edit stays.
    Kept,
    /// The edit stays, the new default is in `.rpmnew`.
    KeptWithRpmnew,
    /// The new default is in place, the edit in `.rpmsave`.
    ReplacedWithRpmsave,
    /// The new default is in place, what nobody's package had there in `.rpmorig`.
    ReplacedWithRpmorig,
    /// The edit was merged into the new default.
    CarriedOver,
    /// The new default is in place, the edit in `.yours`.
    PutBeside,
    /// The new default is in place, the edit only in the backup.
    OnlyInBackup,
    /// The operator had deleted it; the package brought it again.
    Recreated,
    /// The new package does not have it.
    Gone,
}

impl Decision {
    /// Says it, and what to do now, in one line.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Updated => "not edited; the new default is in place",
            Self::Kept => "your edit stays",
            Self::KeptWithRpmnew => {
                "your edit stays; compare it with the new default in .rpmnew, then remove that"
            }
            Self::ReplacedWithRpmsave => {
                "the new default is in place; bring over what you need from your edit in .rpmsave"
            }
            Self::ReplacedWithRpmorig => {
                "the package's file is in place; bring over what you need from yours in .rpmorig"
            }
            Self::CarriedOver => "your edit was carried over into the new default",
            Self::PutBeside => {
                "the new default is in place; bring over what you need from your edit in .yours"
            }
            Self::OnlyInBackup => "the new default is in place; your edit is only in the backup",
            Self::Recreated => "you had deleted it; it is there again: delete it once more",
            Self::Gone => "not part of the new package any more; your edit is in the backup",
        }
    }
}

impl FileChange {
    /// Says what became of the file, in one line without any of its content.
    #[must_use]
    pub fn line(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(" ({why})"));
        let (path, text) = (&self.path, self.decision.text());
        format!("{path}: {text}{}", why.unwrap_or_default())
    }
}

/// Reads the document of a run whose backup is in `backup`; nothing if it has none.
pub fn load(backup: &BackupDir) -> Result<Option<(ConfigChanges, Blobs)>, String> {
    let found = document::read_if_present::<ConfigChanges>(&backup.config_changes());
    let found = found.map_err(|error| chain(&error))?;
    Ok(found.map(|document| (document, Blobs::at(&backup.blobs()))))
}

/// Returns what a report says of a run's files, a line for each.
#[must_use]
pub fn notes(backup: &BackupDir) -> Vec<String> {
    match load(backup) {
        Ok(None) => Vec::new(),
        Ok(Some((document, _))) => document.files.iter().map(FileChange::line).collect(),
        Err(why) => vec![format!("what became of configuration is not known: {why}")],
    }
}
