//! The host behind a trait of domain verbs. [`linux::LinuxHost`] is the real one.

pub mod cmd;
pub(crate) mod facts;
pub mod linux;
mod listening;
mod mounts;
pub mod payload;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod query;
pub(crate) mod query_all;
pub(crate) mod rpm;
pub(crate) mod systemd;
mod unit;
pub mod unit_settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use manifests::host_inventory::HostPackage;
use manifests::nevra::{Arch, Nevra};
use manifests::package_files::PackageFiles;
use serde::{Deserialize, Serialize};

use crate::bundle::{StagedRpm, StagedRpmSet};
use crate::host::payload::{PayloadError, PayloadFiles};

pub use cmd::CmdError;
pub use mounts::Mount;
pub use probe::{ProbeAnswer, ProbeTarget};
pub use rpm::rehearsal::Rehearsal;
pub use unit::{MainProcess, UnitAction, UnitActivity, UnitProcess, UnitState};
pub use unit_settings::{
    EnvironmentFile, Invocation, NoSystemd, Services, StartCommand, UnitSettings,
};

/// An operation that the host refused or that failed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A command could not be run to its end, or failed.
    #[error(transparent)]
    Command(#[from] CmdError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] crate::secure_fs::FsError),
    /// An RPM of the store was changed after it was stored.
    #[error(transparent)]
    Rpm(#[from] crate::bundle::StoredRpmError),
    /// An RPM cannot be unpacked.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A command's answer has an unknown form.
    #[error("cannot understand the answer of `{command}`: {reason}")]
    Answer {
        /// The command.
        command: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// An rpm whose options this project does not know.
    #[error("rpm {version} is older than 4.11, or its version cannot be read")]
    RpmVersion {
        /// The version that it reports.
        version: String,
    },
    /// A Berkeley DB database that would break under a query, for want of room.
    #[error("{directory} has {} KiB free: rpm would break its database there", .free_bytes >> 10)]
    RpmNoRoom {
        /// The database's directory.
        directory: String,
        /// What is free.
        free_bytes: u64,
    },
    /// Another process holds rpm's lock.
    #[error("rpm's database is locked by {holder}")]
    RpmLocked {
        /// Process id and name.
        holder: String,
    },
}

/// Facts about the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `ID` of `/etc/os-release`.
    pub os_id: String,
    /// `VERSION_ID` of `/etc/os-release`.
    pub version_id: String,
    /// `PRETTY_NAME` of `/etc/os-release`.
    pub pretty: String,
    /// The machine's architecture, if this project supports it.
    pub arch: Option<Arch>,
    /// `rpm --version`.
    pub rpm_version: String,
    /// Whether systemd runs the host.
    pub systemd: bool,
    /// Whether the kernel is in FIPS mode.
    pub fips: bool,
    /// The crypto policy, if there is one that the caller may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crypto_policy: Option<String>,
}

impl Identity {
    /// Returns the operating system's major version.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        self.version_id.split('.').next()?.parse().ok()
    }
}

/// An installed package, as the rpm database describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// Its identity.
    pub nevra: Nevra,
    /// Build time of its header, seconds since 1970.
    pub build_time: u64,
    /// Paths and digests of its files.
    pub files: Vec<InstalledFile>,
}

/// A path of an installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledFile {
    /// Absolute path.
    pub path: String,
    /// `st_mode`.
    pub mode: u32,
    /// Digest in the package's algorithm; empty for directories and symlinks.
    pub digest: String,
    /// `%config`.
    pub config: bool,
    /// `%config(noreplace)`.
    pub noreplace: bool,
}

impl InstalledFile {
    /// Returns a bundle's file list in the form in which rpm lists it.
    #[must_use]
    pub fn of_list(list: &PackageFiles) -> Vec<Self> {
        let carried = list.files.iter().filter(|file| !file.ghost);
        carried
            .map(|file| Self {
                path: file.path.clone(),
                mode: file.mode,
                digest: file.digest.clone(),
                config: file.config,
                noreplace: file.noreplace,
            })
            .collect()
    }
}

/// The complete contents of the rpm database, for an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmContents {
    /// Every package, sorted.
    pub packages: Vec<HostPackage>,
    /// Packages whose names and versions have a form that this project does not support.
    pub skipped: Vec<String>,
    /// The format of the database: `bdb`, `ndb` or `sqlite`.
    pub database: String,
}

/// How rpm installs a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RpmMode {
    /// Newer packages only.
    Upgrade,
    /// Also older and equal packages, to go back.
    GoBack,
    /// As `GoBack`, without the `%preun` of replaced packages. Only for a second try.
    GoBackWithoutPreun,
}

/// How packages are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Only if no installed package needs them.
    Plain,
    /// Even if packages that came with them need them. On a way back they may block the
    /// transaction.
    BeforeWhatNeedsThem,
    /// The same without their `%preun`. Only for a last try.
    BeforeWhatNeedsThemWithoutPreun,
}

/// The output of rpm. The exit code proves nothing, so callers check the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmAnswer {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Everything it printed.
    pub output: String,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessState {
    /// Its start time in kernel ticks. Together with the process id it identifies one process.
    pub started: u64,
    /// How old it is, in seconds.
    pub age_secs: u64,
    /// Device and inode of its working directory; `None` for a process that ended and waits for its
    /// parent.
    pub directory: Option<(u64, u64)>,
    /// The systemd service that it belongs to, if any.
    pub service: Option<String>,
    /// The TCP ports on which it listens, in this host's own network.
    pub ports: BTreeSet<u16>,
}

/// Free space on the filesystem of a path, which need not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes available to root.
    pub free_bytes: u64,
    /// Inodes available; filesystems without a limit report `u64::MAX`.
    pub free_inodes: u64,
    /// Mounted read-only.
    pub read_only: bool,
}

/// The operations on a host. Each is one query or one effect.
pub trait Host: Services {
    /// Returns facts about the host.
    fn identity(&self) -> Result<Identity, HostError>;
    /// Lists the installed packages of these names.
    fn installed(&self, names: &[&str]) -> Result<Vec<InstalledPackage>, HostError>;
    /// Lists every installed package with what it provides.
    fn rpm_contents(&self) -> Result<RpmContents, HostError>;
    /// Lists the differences that `rpm -V` finds in the installed packages of these names.
    fn rpm_verify(&self, names: &[&str]) -> Result<Vec<String>, HostError>;
    /// Asks rpm to check a set without changing anything.
    fn rpm_test(&self, set: &StagedRpmSet, mode: RpmMode) -> Result<RpmAnswer, HostError>;
    /// Asks rpm whether it would go back from what a run leaves, in a copy of its database.
    fn rpm_rehearse(&self, rehearsal: &Rehearsal<'_>) -> Result<RpmAnswer, HostError>;
    /// Returns the contents of a set's headers, in the order of the set.
    fn rpm_headers(&self, set: &StagedRpmSet) -> Result<Vec<InstalledPackage>, HostError>;
    /// Reads files from an RPM without installing it. For files larger than `limit_bytes`, only the
    /// names are returned.
    fn payload_files(
        &self,
        rpm: &StagedRpm,
        wanted: &BTreeSet<String>,
        limit_bytes: u64,
    ) -> Result<PayloadFiles, HostError>;
    /// Checks package signatures with the given armored keys, in a separate keyring.
    fn rpm_signatures(&self, set: &StagedRpmSet, keys: &[Vec<u8>]) -> Result<RpmAnswer, HostError>;
    /// Runs the transaction. Output also goes to `log`, and rpm inherits the open file `mark`.
    fn rpm_upgrade(
        &self,
        set: &StagedRpmSet,
        mode: RpmMode,
        log: &std::fs::File,
        mark: &std::fs::File,
    ) -> Result<RpmAnswer, HostError>;
    /// Removes packages, with output and open file as in [`Host::rpm_upgrade`].
    fn rpm_erase(
        &self,
        packages: &[&Nevra],
        how: Erasure,
        log: &std::fs::File,
        mark: &std::fs::File,
    ) -> Result<RpmAnswer, HostError>;
    /// Returns the process that holds rpm's lock, if any.
    fn rpm_lock_holder(&self) -> Result<Option<String>, HostError>;
    /// Makes the rpm database readable again after rpm was killed. On Berkeley DB a killed rpm
    /// leaves environment files behind that make it answer "not installed".
    fn heal_rpmdb(&self) -> Result<(), HostError>;
    /// Describes a unit.
    fn unit(&self, unit: &str) -> Result<UnitState, HostError>;
    /// Lists the loaded instances of a template unit.
    fn instances(&self, template: &str) -> Result<Vec<String>, HostError>;
    /// Changes a unit.
    fn change_unit(&self, action: UnitAction, unit: &str) -> Result<(), HostError>;
    /// Makes systemd read its unit files again.
    fn daemon_reload(&self) -> Result<(), HostError>;
    /// Describes the main process of a unit, if it runs.
    fn main_process(&self, unit: &str) -> Result<Option<MainProcess>, HostError>;
    /// Returns the last lines that the system's log has of a unit since a moment, in seconds since
    /// 1970, at most `lines` of them.
    fn unit_log(&self, unit: &str, since: u64, lines: u32) -> Result<Vec<String>, HostError>;
    /// Describes what a service does.
    fn unit_activity(&self, unit: &str) -> Result<UnitActivity, HostError>;
    /// Lists the processes in the control group of a unit.
    fn unit_processes(&self, unit: &str) -> Result<Vec<UnitProcess>, HostError>;
    /// Returns the program that a unit's `ExecStart` names, if it names one.
    fn started_program(&self, unit: &str) -> Result<Option<PathBuf>, HostError>;
    /// Describes the process with an id, if there is one.
    fn process(&self, pid: u32) -> Option<ProcessState>;
    /// Requests a health check over HTTP. An error describes why there was no answer.
    fn probe(&self, target: &ProbeTarget) -> Result<ProbeAnswer, String>;
    /// Lists the mount points, so that a backup does not cross them.
    fn mounts(&self) -> Result<Vec<String>, HostError>;
    /// Lists the mounts with their kinds, in the order in which they were made.
    fn filesystems(&self) -> Result<Vec<Mount>, HostError>;
    /// Returns how much space there is at `path`.
    fn space(&self, path: &Path) -> Result<Space, HostError>;
    /// Returns the seconds since 1970.
    fn now(&self) -> u64;
    /// Returns the time since some fixed moment, by a clock that is never set.
    fn steady_clock(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration);
}
