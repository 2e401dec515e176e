//! Units and their processes, as systemd and `/proc` describe them.

use std::path::PathBuf;
use std::time::Duration;

use manifests::digest::Sha256;
use serde::{Deserialize, Serialize};

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
    /// How often systemd restarted it; `None` before systemd 235, which does not count restarts.
    #[serde(default)]
    pub restarts: Option<u64>,
    /// When its last main process was started, in microseconds since the boot; 0 if never.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub main_started: u64,
    /// Units that start it: sockets, timers, paths.
    pub triggered_by: Vec<String>,
    /// Units that stop with it.
    pub dependents: Vec<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
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

/// What a service does, as systemd describes it now. What an old systemd does not know is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitActivity {
    /// `active`, `activating`, `inactive`, …
    pub active: String,
    /// `running`, `exited`, `auto-restart`, `start`, `dead`, …
    pub sub: String,
    /// `simple`, `notify`, `oneshot`, …
    pub kind: String,
    /// `RemainAfterExit`: it counts as active when its program has ended.
    pub remains: bool,
    /// Main process, 0 if none.
    pub main_pid: u32,
    /// How often systemd restarted it; known since systemd 235.
    pub restarts: Option<u64>,
    /// `RestartSec`, the wait before a restart; `None` if it is without end or not known.
    pub restart_delay: Option<Duration>,
    /// When its main process was started, microseconds since the host started.
    pub started: Option<u64>,
    /// Which start of the unit this is; known since systemd 232.
    pub invocation: Option<String>,
}

/// A change to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitAction {
    /// Start without waiting.
    Start,
    /// Stop and wait.
    Stop,
    /// Reset its failures and its start limit.
    ResetFailed,
    /// Enable at boot.
    Enable,
    /// Do not start at boot.
    Disable,
    /// Forbid every start.
    Mask,
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

/// A process of a unit: its main process, or another one in the unit's control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitProcess {
    /// Process id.
    pub pid: u32,
    /// SHA-256 of the running program's file, if it can be read.
    pub sha256: Option<Sha256>,
    /// The files that its command line names, without symlinks.
    pub files: Vec<PathBuf>,
}
