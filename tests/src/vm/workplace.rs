//! A directory for one machine. It goes with its owner; if the owner had no time for that, the next
//! lab process clears it.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab makes directories below its cache"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

use super::parts::run;
use crate::isolated::ProcessId;
use crate::isolated::cache::{directory, remove_tree};

const OWNER: &str = "owner.json";

static CLAIMED: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub(super) struct Workplace(PathBuf);

impl Workplace {
    pub(super) fn claim() -> Result<Self> {
        let number = CLAIMED.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let path = all().join(format!("{pid}-{number}"));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let owner = serde_json::to_vec(&ProcessId::current())?;
        fs::write(path.join(OWNER), owner)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = remove_tree(&self.0);
    }
}

/// Removes the workplaces of owners that are gone. Their machines went with them.
pub(super) fn reap() -> Result<()> {
    let entries = match fs::read_dir(all()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if !has_owner(&path) {
            remove_tree(&path)?;
        }
    }
    Ok(())
}

fn has_owner(path: &Path) -> bool {
    let recorded = fs::read(path.join(OWNER)).ok();
    let recorded =
        recorded.and_then(|text| serde_json::from_slice::<Option<ProcessId>>(&text).ok());
    match recorded.flatten() {
        Some(owner) => owner.is_alive(),
        // The owner may be making it just now: the name holds the owner's pid.
        None => path
            .file_name()
            .and_then(|name| name.to_str()?.split_once('-')?.0.parse().ok())
            .is_some_and(|pid| ProcessId::of(pid).is_some()),
    }
}

fn all() -> PathBuf {
    directory().join("vms")
}

/// Removes what this process has claimed, before an exit without drops.
pub(super) fn abandon() {
    let mine = format!("{}-", std::process::id());
    let entries = fs::read_dir(all()).into_iter().flatten();
    for entry in entries.filter_map(std::result::Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(&mine) {
            let _ = remove_tree(&entry.path());
        }
    }
}

/// Copies the disk of a failure to where a person finds it.
pub(super) fn keep_disk(disk: &Path, to: &Path) -> Result<()> {
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    copy_disk(disk, to)
}

/// Copies a disk with its holes.
pub(super) fn copy_disk(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("cp")
        .args(["--sparse=auto", "--reflink=auto", "--"])
        .args([from, to]))?;
    Ok(())
}
