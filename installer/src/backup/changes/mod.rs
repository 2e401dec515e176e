//! What an upgrade did to configuration. For each file whose default changed, the document records
//! the old default, the operator's file, the new default and the result.
//!
//! The document is stored in the run's backup. It names contents by their digests, which lead to
//! the backup's blobs. It is sealed with them, and holds no line of a file itself.

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

/// What a run did to every file whose default changed.
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
    /// What happened to it.
    pub decision: Decision,
    /// Why no better decision was possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The previous package's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_default: Option<Content>,
    /// The file before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yours: Option<Content>,
    /// The new package's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_default: Option<Content>,
    /// The file after the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Content>,
}

/// A content in the backup's blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The file was not edited, and the new default is in place.
    Updated,
    /// The edit stays.
    Kept,
    /// The edit stays, and the new default is in `.rpmnew`.
    KeptWithRpmnew,
    /// The new default is in place, and the edit is in `.rpmsave`.
    ReplacedWithRpmsave,
    /// The new default is in place, and a file that belonged to no package is in `.rpmorig`.
    ReplacedWithRpmorig,
    /// The edit was merged into the new default.
    CarriedOver,
    /// The new default is in place, and the edit is in `.yours`.
    PutBeside,
    /// The new default is in place, and the edit is only in the backup.
    OnlyInBackup,
    /// The operator had deleted the file, and the package installed it again.
    Recreated,
    /// The new package does not have the file.
    Gone,
}

impl Decision {
    /// Describes the decision and what to do next, in one line.
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
    /// Describes what happened to the file, in one line that quotes none of its content.
    #[must_use]
    pub fn line(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(" ({why})"));
        let is_deleted_again = self.decision == Decision::Recreated && self.result.is_none();
        let text = if is_deleted_again {
            "you had deleted it; the package brought it again, and it was deleted again"
        } else {
            self.decision.text()
        };
        let path = &self.path;
        format!("{path}: {text}{}", why.unwrap_or_default())
    }
}

/// Reads the document of a run whose backup is in `backup`; `None` if it has no such document.
pub fn load(backup: &BackupDir) -> Result<Option<(ConfigChanges, Blobs)>, String> {
    let found = document::read_if_present::<ConfigChanges>(&backup.config_changes());
    let found = found.map_err(|error| chain(&error))?;
    Ok(found.map(|document| (document, Blobs::at(&backup.blobs()))))
}

/// Returns the lines of a report about a run's files.
#[must_use]
pub fn notes(backup: &BackupDir) -> Vec<String> {
    match load(backup) {
        Ok(None) => Vec::new(),
        Ok(Some((document, _))) => document.files.iter().map(FileChange::line).collect(),
        Err(why) => vec![format!("what became of configuration is not known: {why}")],
    }
}
