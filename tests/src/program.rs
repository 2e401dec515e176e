//! The workspace's own programs, as tests and sweeps run them.

#![expect(clippy::disallowed_methods, reason = "the lab builds real programs")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

/// The directory of programs that are built already, as `scripts/test` has built them.
const BUILT_ENV: &str = "AIRGAP_LAB_BUILT";

/// Builds a program of the workspace, for debugging, unless `AIRGAP_LAB_BUILT` names the directory
/// of built programs. Returns the program's path.
pub fn built(package: &str, name: &str) -> Result<PathBuf> {
    if let Some(built) = std::env::var_os(BUILT_ENV) {
        let program = PathBuf::from(built).join(name);
        ensure!(program.is_file(), "{} is missing", program.display());
        return Ok(program);
    }
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", package, "--bin", name])
        .status()?;
    ensure!(status.success(), "{name} does not build");
    // A test's program is in `deps/`; the other programs are one level above it.
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(|deps| deps.parent());
    Ok(profile.context("this is not a test")?.join(name))
}

/// The installer that `AIRGAP_LAB_INSTALLER` names, as `scripts/test` does with the portable one; else
/// a debug build, made once.
pub fn installer() -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    if let Some(shipped) = std::env::var_os("AIRGAP_LAB_INSTALLER") {
        return Ok(shipped.into());
    }
    let mut known = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = known.as_ref() {
        return Ok(path.clone());
    }
    Ok(known.insert(built("installer", "install")?).clone())
}
