//! What was found, one JSON line per case, so that a sweep that was interrupted goes on; beside it, the
//! evidence of failures.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab keeps its results as real files"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::play::Cut;
use crate::sweep::Verdict;

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

/// The file that grows by one line per case.
#[derive(Debug)]
pub(super) struct Results {
    file: Mutex<File>,
    known: Vec<Trial>,
}

impl Results {
    /// Starts a file, or goes on with one; it has to be about the same start.
    pub(super) fn open(path: &Path, goes_on: bool, ready: &str) -> Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let text = match fs::read_to_string(path) {
            Ok(text) if goes_on => text,
            _ => String::new(),
        };
        // A torn last line is a case that is played again.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let known: Vec<Trial> = text[..whole]
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} is not a result file", path.display()))?;
        ensure!(
            known.iter().all(|trial| trial.ready == ready),
            "{} is about another installer or another machine",
            path.display()
        );
        fs::write(path, &text[..whole])?;
        let file = File::options().append(true).open(path)?;
        Ok(Self {
            file: Mutex::new(file),
            known,
        })
    }

    pub(super) fn known(&self) -> &[Trial] {
        &self.known
    }

    pub(super) fn add(&self, trial: &Trial) -> Result<()> {
        let mut line = serde_json::to_vec(trial)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).context("cannot write a result")
    }
}

/// Writes down what a failure looked like, beside the results.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_forgotten_and_another_start_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let trial = Trial {
            case: Case::draw(5),
            ready: "aa".to_owned(),
            cuts: Vec::new(),
            recovery_millis: 1,
            verdict: Verdict::Done,
            millis: 9000,
            evidence: None,
        };
        Results::open(&path, false, "aa")
            .unwrap()
            .add(&trial)
            .unwrap();
        let mut text = fs::read(&path).unwrap();
        text.extend(b"{\"case\":{");
        fs::write(&path, text).unwrap();
        let results = Results::open(&path, true, "aa").unwrap();
        assert_eq!(results.known(), std::slice::from_ref(&trial));
        assert!(Results::open(&path, true, "bb").is_err());
    }
}
