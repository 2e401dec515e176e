//! Records which installer works on a run. The document is separate from the plan, so an installer
//! that cannot read the plan can still name the one that can.

use manifests::digest::Sha256;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::document::{self, Document, ReadError};
use crate::failure::{Exit, Failure, chain};
use crate::journal::{self, JournalError};
use crate::layout::Layout;

/// The installer that began a run, or took it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installer {
    /// Its version.
    pub version: Version,
    /// Digest of the program. systemd has a copy of it while the run is open.
    pub sha256: Sha256,
}

impl Document for Installer {
    const TYPE: &'static str = "airgap-bundle/installer/1";
}

impl Installer {
    /// Returns this program, whose digest is `sha256`.
    #[must_use]
    pub fn own(sha256: Sha256) -> Self {
        let version = crate::version();
        Self { version, sha256 }
    }

    /// Whether it is recorded as the one that works on a run.
    #[must_use]
    pub fn is_recorded(&self, layout: &Layout, run: u64) -> bool {
        let recorded = document::read::<Self>(&layout.run(run).installer());
        recorded.is_ok_and(|recorded| recorded == *self)
    }

    /// Records that it works on a run.
    pub fn record(&self, layout: &Layout, run: u64) -> Result<(), ReadError> {
        document::write(&layout.run(run).installer(), self)
    }
}

/// Refuses to continue an open run of a newer installer.
pub fn refuse_newer(layout: &Layout, run: u64) -> Result<(), Failure> {
    let what = || format!("this installer must not continue run {run}");
    let found = match document::read::<Installer>(&layout.run(run).installer()) {
        Err(error @ ReadError::Newer { .. }) => {
            let next = advice(layout, run);
            return Err(Failure::new(Exit::Refused, what(), chain(&error), next));
        }
        // A damaged record must not prevent the host from being restored.
        found => found.ok(),
    };
    if let Err(error @ JournalError::Newer { .. }) = journal::read(&layout.run(run).journal()) {
        let next = advice(layout, run);
        return Err(Failure::new(Exit::Refused, what(), chain(&error), next));
    }
    let own = crate::version();
    // Without the newer program at hand, one that reads every document and every step may go on: a
    // refusal would leave no way back.
    let is_at_hand = |newer: &Installer| layout.kept_installer(&newer.sha256).exists();
    match found.filter(|found| found.version > own && is_at_hand(found)) {
        Some(newer) => {
            let why = format!("installer {} works on it, and this is {own}", newer.version);
            Err(Failure::new(
                Exit::Refused,
                what(),
                why,
                advice(layout, run),
            ))
        }
        None => Ok(()),
    }
}

/// Returns the absolute path of the program that can work on a run: the kept copy of its installer,
/// or else this program. The bare word `install` is another program on every host.
#[must_use]
pub fn program(layout: &Layout, run: u64) -> String {
    let recorded = document::read::<Installer>(&layout.run(run).installer()).ok();
    let kept = recorded.map(|installer| layout.kept_installer(&installer.sha256));
    let kept = kept.filter(|copy| copy.exists());
    let own = || std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    kept.unwrap_or_else(own).display().to_string()
}

/// Returns advice about which installer to use for a run.
#[must_use]
pub fn advice(layout: &Layout, run: u64) -> String {
    let Ok(installer) = document::read::<Installer>(&layout.run(run).installer()) else {
        return "use the newest installer that was used on this host; it lies beside its bundle. If \
                that one cannot read the run either, its files are damaged: keep the directory of \
                the run, and report this"
            .to_owned();
    };
    let version = installer.version;
    if version <= crate::version() {
        return "its files are damaged: keep the directory of the run, and report this".to_owned();
    }
    let copy = layout.kept_installer(&installer.sha256);
    if copy.exists() {
        let root = layout.root_option();
        return format!("use its own installer: `{} {root}resume`", copy.display());
    }
    format!("use installer {version} or a later one; it lies beside the bundle of that run")
}
