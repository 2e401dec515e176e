//! What was found, one JSON line per case, so that a sweep that was interrupted goes on.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab keeps its results as real files"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::case::Cargo;
use super::play::Struck;
use super::verdict::Verdict;
use crate::vendor::for_each;

/// Who upgraded and who recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The installer, and its own recovery.
    Installer,
    /// `rpm -U`, and `rpm -U --oldpackage --replacepkgs`.
    PlainRpm,
}

/// One case that was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    pub seed: u64,
    pub way: Way,
    pub cargo: Cargo,
    /// Digest of the installer, and whether there are stores.
    pub installer: String,
    pub struck: Vec<Struck>,
    /// Whether the sweep had to call `install resume`.
    pub called: bool,
    pub verdict: Verdict,
    /// What is worth knowing, though it is allowed.
    pub notes: Vec<String>,
    /// How many databases restores have kept aside, on a host with stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_aside: Option<usize>,
    pub millis: u64,
    /// Where a failure's evidence is.
    pub evidence: Option<PathBuf>,
}

/// A line of a result file.
pub(crate) trait Line: Clone + Serialize + DeserializeOwned {
    /// The start of the case: at least the digest of the installer.
    fn start(&self) -> &str;
}

impl Line for Trial {
    fn start(&self) -> &str {
        &self.installer
    }
}

/// The file that grows by one line per case.
#[derive(Debug)]
pub(crate) struct Results<T> {
    file: Mutex<File>,
    known: Vec<T>,
}

impl<T: Line> Results<T> {
    /// Starts a file, or continues one, which has to have the same start.
    pub(crate) fn open(path: &Path, goes_on: bool, start: &str) -> Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let text = match fs::read_to_string(path) {
            Ok(text) if goes_on => text,
            _ => String::new(),
        };
        // A torn last line is a case that is played again.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let known: Vec<T> = text[..whole]
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} is not a result file", path.display()))?;
        ensure!(
            known.iter().all(|line| line.start() == start),
            "{} is about another installer or another host",
            path.display()
        );
        fs::write(path, &text[..whole])?;
        let file = File::options().append(true).open(path)?;
        Ok(Self {
            file: Mutex::new(file),
            known,
        })
    }

    pub(crate) fn known(&self) -> &[T] {
        &self.known
    }

    pub(crate) fn add(&self, trial: &T) -> Result<()> {
        let mut line = serde_json::to_vec(trial)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).context("cannot write a result")
    }

    /// Plays the open cases, two at a time, and returns them with the known ones.
    pub(super) fn complete<K: Sync>(
        &self,
        open: &[K],
        play: impl Fn(&K) -> Result<T> + Sync,
        listen: impl Fn(&T) + Sync,
    ) -> Result<Vec<T>>
    where
        T: Send + Sync,
    {
        let played = Mutex::new(self.known.clone());
        for_each(open, |key| {
            let trial = play(key)?;
            self.add(&trial)?;
            listen(&trial);
            let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
            played.push(trial);
            Ok(())
        })?;
        Ok(played.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_forgotten_and_another_installer_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let trial = Trial {
            seed: 5,
            way: Way::Installer,
            cargo: Cargo::Good,
            installer: "aa".to_owned(),
            struck: Vec::new(),
            called: false,
            verdict: Verdict::Done,
            notes: Vec::new(),
            kept_aside: None,
            millis: 9000,
            evidence: None,
        };
        Results::open(&path, false, "aa")
            .unwrap()
            .add(&trial)
            .unwrap();
        let mut text = fs::read(&path).unwrap();
        text.extend(b"{\"seed\":6,");
        fs::write(&path, text).unwrap();
        let results = Results::<Trial>::open(&path, true, "aa").unwrap();
        assert_eq!(results.known(), std::slice::from_ref(&trial));
        assert!(Results::<Trial>::open(&path, true, "bb").is_err());
    }
}
