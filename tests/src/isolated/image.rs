//! The image: built once, shared by every host.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab runs debootstrap and writes the cache"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt::mirror;
use super::cache::{directory_once, key};
use super::error::{HostError, Result};
use super::recipe::{MIRRORED, PACKAGES, PROVISION, RpmDatabase};
use super::record::reap;
use super::unavailable;

/// Bumped when the building itself changes.
const BUILD_VERSION: &str = "1";

/// A root to boot from, perhaps with layers upon it. Cheap to copy; the cache owns the files.
#[derive(Clone, Debug)]
pub struct Image {
    /// Topmost first, as overlayfs expects them.
    pub(super) lowers: Vec<PathBuf>,
    pub(super) key: String,
}

impl Image {
    /// Returns the image for the present recipe. If the cache lacks it, it is built: that takes a
    /// minute, and the machine's Debian mirror.
    pub fn prepare() -> Result<Self> {
        Self::prepare_with(RpmDatabase::default())
    }

    /// [`Image::prepare`], with an rpm that keeps such a database.
    pub fn prepare_with(database: RpmDatabase) -> Result<Self> {
        reap()?;
        let suite = database.suite();
        let key = recipe_key(suite);
        let root = directory_once(&format!("image-{key}"), |root| build(root, suite))?;
        Ok(Self {
            lowers: vec![root],
            key,
        })
    }

    /// What distinguishes this image from every other: its recipe and its layers.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// [`Image::prepare`] for tests: `None`, and the test noted as skipped, where hosts cannot run.
    ///
    /// # Panics
    ///
    /// When the image cannot be prepared; in CI (`CI=true`) also where hosts cannot run.
    #[must_use]
    pub fn prepare_or_skip() -> Option<Self> {
        Self::prepare_with_or_skip(RpmDatabase::default())
    }

    /// [`Image::prepare_or_skip`], with an rpm that keeps such a database.
    ///
    /// # Panics
    ///
    /// As [`Image::prepare_or_skip`].
    #[must_use]
    pub fn prepare_with_or_skip(database: RpmDatabase) -> Option<Self> {
        if let Some(reason) = unavailable() {
            crate::skipped!("{reason}");
            return None;
        }
        match Self::prepare_with(database) {
            Ok(image) => Some(image),
            Err(error) => panic!("no image: {error}"),
        }
    }
}

fn recipe_key(suite: &str) -> String {
    let packages = PACKAGES.join(" ");
    key(&[
        BUILD_VERSION,
        suite,
        &packages,
        PROVISION,
        std::env::consts::ARCH,
    ])
}

fn build(root: &Path, suite: &str) -> Result<()> {
    let mirror = mirror(MIRRORED)?;
    let mut debootstrap = Command::new("debootstrap");
    debootstrap
        .args(["--variant=minbase", "--force-check-gpg"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg(suite)
        .arg(root)
        .arg(&mirror.uri);
    if let Some(proxy) = &mirror.proxy {
        debootstrap
            .env("http_proxy", proxy)
            .env("https_proxy", proxy);
    }
    run_to_success(&mut debootstrap)?;
    run_to_success(
        Command::new("chroot")
            .arg(root)
            .args(["sh", "-c", PROVISION]),
    )
}

fn run_to_success(command: &mut Command) -> Result<()> {
    let argv = command.get_program().display().to_string();
    let output = command.output().map_err(|source| HostError::Spawn {
        argv: argv.clone(),
        source,
    })?;
    super::command::Finished {
        argv,
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
    .ok()
    .map(drop)
}
