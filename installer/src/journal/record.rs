//! One line of the journal.

use manifests::digest::Sha256;
use serde::{Deserialize, Serialize};

use crate::journal::step::Step;

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// About to happen; durable before the effect.
    Intent,
    /// Happened, and is durable.
    Done,
    /// Did not work.
    Failed,
}

/// A record. Its checksum covers the other fields and the checksum of the record before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts up from 1.
    pub seq: u64,
    /// The run.
    pub run: u64,
    /// Digest of the run's plan.
    pub plan: Sha256,
    /// The step.
    pub step: Step,
    /// How far it is.
    pub phase: Phase,
    /// Time of the host's clock, seconds since 1970.
    pub at: u64,
    /// What a person or a later reader should know.
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
