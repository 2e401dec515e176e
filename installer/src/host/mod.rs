//! The host behind a trait of domain verbs. [`linux::LinuxHost`] is the real one.

pub mod cmd;
pub(crate) mod facts;
pub mod linux;
pub mod payload;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod query;
pub(crate) mod query_all;
pub(crate) mod rpm;
pub(crate) mod systemd;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use manifests::digest::Sha256;
use manifests::host_inventory::HostPackage;
use manifests::nevra::{Arch, Nevra};
use manifests::package_files::PackageFiles;
use serde::{Deserialize, Serialize};

use crate::bundle::{StagedRpm, StagedRpmSet};
use crate::host::payload::{PayloadError, PayloadFiles};

pub use cmd::CmdError;

/// What a host does not let us do or see.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A command could not be run to its end, or failed.
    #[error(transparent)]
    Command(#[from] CmdError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] crate::secure_fs::FsError),
    /// An RPM of the store was changed.
    #[error(transparent)]
    Rpm(#[from] crate::bundle::StoredRpmError),
    /// An RPM cannot be unpacked.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A command's answer was not understood.
    #[error("cannot understand the answer of `{command}`: {reason}")]
    Answer {
        /// The command.
        command: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// An rpm of which nobody knows what its options do.
    #[error("rpm {version} is older than 4.11, or its version cannot be read")]
    RpmVersion {
        /// What it says about itself.
        version: String,
    },
    /// Another process holds rpm's lock.
    #[error("rpm's database is locked by {holder}")]
    RpmLocked {
        /// Process id and name.
        holder: String,
    },
}

/// What the host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `ID` of `/etc/os-release`.
    pub os_id: String,
    /// `VERSION_ID` of `/etc/os-release`.
    pub version_id: String,
    /// `PRETTY_NAME` of `/etc/os-release`.
    pub pretty: String,
    /// The machine's architecture, if this project knows it.
    pub arch: Option<Arch>,
    /// `rpm --version`.
    pub rpm_version: String,
    /// Whether systemd runs the host.
    pub systemd: bool,
    /// Whether the kernel is in FIPS mode.
    pub fips: bool,
    /// The crypto policy, where there is one that the caller may read.
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
    /// Returns a bundle's file list as rpm would list it.
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

/// Everything the rpm database holds, as an inventory records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmContents {
    /// Every package, sorted.
    pub packages: Vec<HostPackage>,
    /// Those whose identity is none that this project knows.
    pub skipped: Vec<String>,
    /// How the database is kept: `bdb`, `ndb` or `sqlite`.
    pub database: String,
}

/// What rpm is asked to do with a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RpmMode {
    /// Newer packages only.
    Upgrade,
    /// Also older and equal ones: the way back.
    GoBack,
    /// The same without the `%preun` of what is replaced: for a second try only.
    GoBackWithoutPreun,
}

/// How packages are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Unless something installed needs them.
    Plain,
    /// Also if what came with them needs them: on a way back they may be what is in its way.
    BeforeWhatNeedsThem,
    /// The same without their `%preun`: for a last try only.
    BeforeWhatNeedsThemWithoutPreun,
}

/// What rpm said. The exit code proves nothing; callers look at the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmAnswer {
    /// Exit code, or nothing after a signal.
    pub code: Option<i32>,
    /// Everything it printed.
    pub output: String,
}

/// A unit, as systemd describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, …
    pub active: String,
    /// `enabled`, `disabled`, `static`, `masked`, `masked-runtime`, … or empty.
    pub file: String,
    /// Main process, 0 if none.
    pub main_pid: u32,
    /// How often systemd started it again by itself; `None` before systemd 235, which does not count.
    #[serde(default)]
    pub restarts: Option<u64>,
    /// Units that start it: sockets, timers, paths.
    pub triggered_by: Vec<String>,
    /// Units that stop with it.
    pub dependents: Vec<String>,
}

impl UnitState {
    /// Whether the unit exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.load != "not-found" && !self.load.is_empty()
    }

    /// Whether it runs, or is about to.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }
}

/// A change of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitAction {
    /// Start without waiting.
    Start,
    /// Stop and wait.
    Stop,
    /// Forget failures and the start limit.
    ResetFailed,
    /// Enable at boot.
    Enable,
    /// Do not start at boot.
    Disable,
    /// Forbid every start.
    Mask,
}

/// Where a health check asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// `http://address:port/path`.
    pub url: String,
    /// Longest time.
    pub timeout: Duration,
}

/// What a service answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, bounded.
    pub body: Vec<u8>,
}

/// The main process of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainProcess {
    /// Process id.
    pub pid: u32,
    /// What `/proc/<pid>/exe` points to.
    pub program: String,
    /// SHA-256 of the running program's file.
    pub sha256: Sha256,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessState {
    /// When it started, in the kernel's ticks: with its number, this names one process for good.
    pub started: u64,
    /// How old it is, in seconds.
    pub age_secs: u64,
    /// Device and inode of its working directory; nothing of one that ended and waits for its parent.
    pub directory: Option<(u64, u64)>,
    /// The systemd service that it belongs to.
    pub service: Option<String>,
}

/// Free space where a path is, or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes available to root.
    pub free_bytes: u64,
    /// Inodes available; filesystems without a limit report `u64::MAX`.
    pub free_inodes: u64,
    /// Mounted read-only.
    pub read_only: bool,
}

/// The verbs. Each is one question to the host or one effect on it.
pub trait Host {
    /// Says what the host is.
    fn identity(&self) -> Result<Identity, HostError>;
    /// Lists the installed packages of these names.
    fn installed(&self, names: &[&str]) -> Result<Vec<InstalledPackage>, HostError>;
    /// Lists every installed package with what it offers.
    fn rpm_contents(&self) -> Result<RpmContents, HostError>;
    /// Lists what `rpm -V` finds different in the installed packages of these names.
    fn rpm_verify(&self, names: &[&str]) -> Result<Vec<String>, HostError>;
    /// Asks rpm to check a set without changing anything.
    fn rpm_test(&self, set: &StagedRpmSet, mode: RpmMode) -> Result<RpmAnswer, HostError>;
    /// Says what the headers of a set say, in its order.
    fn rpm_headers(&self, set: &StagedRpmSet) -> Result<Vec<InstalledPackage>, HostError>;
    /// Reads files out of an RPM without installing it; those of more than `limit_bytes` are named only.
    fn payload_files(
        &self,
        rpm: &StagedRpm,
        wanted: &BTreeSet<String>,
        limit_bytes: u64,
    ) -> Result<PayloadFiles, HostError>;
    /// Checks package signatures with the given armored keys, in a keyring of their own.
    fn rpm_signatures(&self, set: &StagedRpmSet, keys: &[Vec<u8>]) -> Result<RpmAnswer, HostError>;
    /// Runs the transaction; output goes to `log` too, and rpm inherits the open file `mark`.
    fn rpm_upgrade(
        &self,
        set: &StagedRpmSet,
        mode: RpmMode,
        log: &std::fs::File,
        mark: &std::fs::File,
    ) -> Result<RpmAnswer, HostError>;
    /// Removes packages; output and the open file as in [`Host::rpm_upgrade`].
    fn rpm_erase(
        &self,
        packages: &[&Nevra],
        how: Erasure,
        log: &std::fs::File,
        mark: &std::fs::File,
    ) -> Result<RpmAnswer, HostError>;
    /// Names the process that holds rpm's lock, if any.
    fn rpm_lock_holder(&self) -> Result<Option<String>, HostError>;
    /// Brings the rpm database into a readable state after a kill, if it is not: on Berkeley DB a
    /// killed rpm leaves environment files behind that make it answer "not installed".
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
    /// Describes the process of a number, if there is one.
    fn process(&self, pid: u32) -> Option<ProcessState>;
    /// Asks a service over HTTP; an unanswered question is an error text.
    fn probe(&self, target: &ProbeTarget) -> Result<ProbeAnswer, String>;
    /// Says how much room there is at `path`.
    fn space(&self, path: &Path) -> Result<Space, HostError>;
    /// Returns the seconds since 1970.
    fn now(&self) -> u64;
    /// Returns the time since some moment, by a clock that is never set.
    fn steady_clock(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration);
}
