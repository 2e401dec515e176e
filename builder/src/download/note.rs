//! What stands beside an unfinished file: how far it is.

use std::fs::File;

use serde::{Deserialize, Serialize};

use crate::output::{OutputError, Resumable};

pub(super) const NOTE_VERSION: u32 = 1;

/// The note. Believed only as far as the digest of the whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    pub(super) version: u32,
    pub(super) size: u64,
    pub(super) validator: String,
    pub(super) done: Vec<(u64, u64)>,
}

impl Note {
    /// Reads the note of a file of this size; nothing if it cannot be right.
    pub(super) fn read(unfinished: &Resumable, file: &File, size: u64) -> Option<Self> {
        let note: Self = serde_json::from_slice(&unfinished.note()?).ok()?;
        let there = file.metadata().ok()?.len();
        let end = note.done.iter().map(|span| span.1).max()?;
        (note.version == NOTE_VERSION && note.size == size && end <= there).then_some(note)
    }

    pub(super) fn write(&self, unfinished: &Resumable) -> Result<(), OutputError> {
        match serde_json::to_vec(self) {
            Ok(bytes) => unfinished.write_note(&bytes),
            // Numbers and a text: this cannot fail. Without a note the file is fetched anew.
            Err(_) => Ok(()),
        }
    }
}
