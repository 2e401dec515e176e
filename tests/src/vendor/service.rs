//! The fixture service: compiled once, then given the trailer that makes it one version of one
//! program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::command::run;
use super::recipe::Artifact;

/// Ends the trailer; `src/bin/fixture-service/identity.rs` reads it.
const MARK: &[u8] = b"LAB-TRAILER-1\n";

/// Where the service's sources are.
pub(crate) fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/fixture-service")
}

/// Compiles the service, which needs nothing but `std`, without cargo: quick, small, never stale.
/// Linked statically, it runs on hosts with an older glibc than this machine's.
pub(crate) fn compile(program: &Path) -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    run(Command::new(rustc)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "--edition",
            "2024",
            "--crate-name",
            "fixture_service",
            "-C",
            "opt-level=s",
            "-C",
            "target-feature=+crt-static",
        ])
        .args([
            "-C",
            "strip=symbols",
            "-C",
            "panic=abort",
            "-C",
            "codegen-units=1",
            "-o",
        ])
        .arg(program)
        .arg(source_dir().join("main.rs")))
    .context("cannot compile the fixture service")
    .map(drop)
}

/// The program of one package: the service and its trailer.
pub(crate) fn program(image: &[u8], artifact: &Artifact) -> Vec<u8> {
    let trailer = json!({
        "role": artifact.package.role,
        "version": artifact.release.version,
        "build": artifact.path(),
        "behaviour": artifact.release.behaviour,
    })
    .to_string();
    let mut program = image.to_vec();
    program.extend_from_slice(trailer.as_bytes());
    program.extend_from_slice(&(trailer.len() as u64).to_le_bytes());
    program.extend_from_slice(MARK);
    program
}

/// Reads the compiled service.
pub(crate) fn image(program: &Path) -> Result<Vec<u8>> {
    fs::read(program).with_context(|| format!("cannot read {}", program.display()))
}
