//! The result of one case, and the evidence of failures.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab keeps its results as real files"
)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::play::Cut;
use crate::sweep::{Line, Verdict};

/// One case that was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    pub case: Case,
    /// What it started from: installer, bundles, host, kernel and qemu.
    pub ready: String,
    pub cuts: Vec<Cut>,
    /// From the last switching on to a closed run.
    pub recovery_millis: u64,
    pub verdict: Verdict,
    pub millis: u64,
    /// Where a failure's evidence is.
    pub evidence: Option<PathBuf>,
}

impl Line for Trial {
    fn start(&self) -> &str {
        &self.ready
    }
}

/// Writes down the evidence of a failure, beside the results.
pub(super) fn keep_evidence(
    results: &Path,
    seed: u64,
    verdict: &Verdict,
    said: &str,
) -> Result<Option<PathBuf>> {
    let Verdict::Failed { reasons } = verdict else {
        return Ok(None);
    };
    let file = results.with_extension(format!("{seed}.txt"));
    fs::write(&file, format!("{}\n\n{said}", reasons.join("\n")))?;
    Ok(Some(file))
}
