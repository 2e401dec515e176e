//! What a failure leaves for a person to look at.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab keeps evidence as real files"
)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use walkdir::WalkDir;

use crate::isolated::IsolatedHost;
use crate::isolated::cache::directory;

const STATE: &str = "var/lib/airgap-bundle/runs";
const SERVER_LOG: &str = "var/log/postgresql";

/// Where sweeps keep what they find.
#[must_use]
pub fn directory_of_sweeps() -> PathBuf {
    directory().with_file_name("sweep")
}

/// Copies the journal, rpm's logs, the report and the backup, and writes down the transcript.
pub(super) fn keep(
    host: Option<&IsolatedHost>,
    name: &str,
    trial: &impl Serialize,
    case: &impl Serialize,
    transcript: &str,
) -> Result<PathBuf> {
    let to = directory_of_sweeps().join(format!("failed-{name}"));
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    fs::create_dir_all(&to)?;
    fs::write(to.join("case.json"), serde_json::to_vec_pretty(case)?)?;
    fs::write(to.join("trial.json"), serde_json::to_vec_pretty(trial)?)?;
    fs::write(to.join("transcript.txt"), transcript)?;
    if let Some(host) = host {
        fs::write(to.join("console.log"), host.console())?;
        let log = host.run(&[
            "journalctl",
            "--no-pager",
            "-b",
            "all",
            "-o",
            "short-precise",
        ]);
        if let Ok(log) = log {
            fs::write(to.join("system.log"), log.stdout)?;
        }
        copy_tree(&host.root().join(STATE), &to.join("runs"))?;
        copy_tree(&host.root().join(SERVER_LOG), &to.join("postgresql"))?;
    }
    Ok(to)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in WalkDir::new(from).into_iter().filter_map(Result::ok) {
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else if entry.file_type().is_file() {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("cannot keep {}", entry.path().display()))?;
        }
    }
    Ok(())
}
