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

/// Records that this program, whose digest is `sha256`, works on a run. Returns whether another
/// installer was recorded before.
pub fn record(layout: &Layout, run: u64, sha256: Sha256) -> Result<bool, String> {
    let path = layout.run(run).installer();
    let earlier = document::read::<Installer>(&path).ok();
    let version = crate::version();
    let own = Installer { version, sha256 };
    if earlier.as_ref() != Some(&own) {
        document::write(&path, &own).map_err(|error| chain(&error))?;
    }
    Ok(earlier.is_some_and(|earlier| earlier != own))
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
    match found.filter(|found| found.version > own) {
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

/// Returns advice about which installer to use for a run.
pub(super) fn advice(layout: &Layout, run: u64) -> String {
    let Ok(installer) = document::read::<Installer>(&layout.run(run).installer()) else {
        return "use the newest installer that was used on this host; it lies beside its bundle. If \
                that one cannot read the run either, its files are damaged: keep the directory of \
                the run, and report this"
            .to_owned();
    };
    let copy = layout.kept_installer(&installer.sha256);
    if copy.exists() {
        return format!("use its own installer: `{} resume`", copy.display());
    }
    let version = installer.version;
    format!("use installer {version} or a later one; it lies beside the bundle of that run")
}
