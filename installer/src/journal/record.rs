//! One line of the journal, and its checksum.

use manifests::digest::Sha256;
use serde::{Deserialize, Serialize};

use crate::journal::step::Step;

/// The phase of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The step is about to happen. This is durable before the effect.
    Intent,
    /// The step happened, and its effect is durable.
    Done,
    /// The step failed.
    Failed,
}

/// A record. Its checksum covers the other fields and the checksum of the record before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts up from 1.
    pub seq: u64,
    /// The run.
    pub run: u64,
    /// Digest of the plan as the installer that wrote this record would store it.
    pub plan: Sha256,
    /// The step.
    pub step: Step,
    /// The phase of the step.
    pub phase: Phase,
    /// Time of the host's clock, seconds since 1970.
    pub at: u64,
    /// A note for people and for later readers.
    pub note: String,
    /// Checksum.
    pub sum: String,
}

impl Record {
    /// Returns the checksum that the record must have after a record with checksum `previous`.
    #[must_use]
    pub fn checksum(&self, previous: &str) -> String {
        let bare = Self {
            sum: previous.to_owned(),
            ..self.clone()
        };
        let bytes = serde_json::to_vec(&bare).unwrap_or_default();
        Sha256::of(&bytes).short()
    }
}
