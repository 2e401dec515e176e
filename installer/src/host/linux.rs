//! The real host.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use manifests::nevra::{Arch, Nevra};

use super::rpm::Rpm;
use super::{
    Erasure, Host, HostError, Identity, InstalledPackage, Invocation, MainProcess, Mount,
    ProbeAnswer, ProbeTarget, ProcessState, Rehearsal, RpmAnswer, RpmContents, RpmMode, Services,
    Space, UnitAction, UnitActivity, UnitProcess, UnitSettings, UnitState, probe, process, systemd,
    unit_settings,
};
use super::{facts, mounts};
use crate::bundle::{StagedRpm, StagedRpmSet};
use crate::host::payload::{self, PayloadFiles};
use crate::layout::Layout;
use crate::secure_fs::{FsError, at};

/// The host this process runs on, or the one below `--root`.
#[derive(Debug, Clone)]
pub struct LinuxHost {
    layout: Layout,
    rpm: Rpm,
}

const FIPS: &str = "/proc/sys/crypto/fips_enabled";

impl LinuxHost {
    /// Describes the host of a layout.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
            rpm: Rpm::new(layout.root()),
        }
    }

    fn read(&self, path: &str) -> Result<String, HostError> {
        let path = self.layout.at(path);
        Ok(std::fs::read_to_string(&path).map_err(at("read", &path))?)
    }

    /// Whether a systemd manages the host.
    fn is_managed(&self) -> bool {
        self.layout.is_live() && Path::new("/run/systemd/system").is_dir()
    }

    /// The running kernel's mode decides what rpm does now. The mode of another root decides what
    /// its rpm will do later.
    fn is_in_fips_mode(&self) -> bool {
        let is_set = |path: &Path| {
            let text = std::fs::read_to_string(path);
            text.is_ok_and(|text| text.trim() == "1")
        };
        is_set(Path::new(FIPS)) || is_set(&self.layout.at(FIPS))
    }
}

fn os_release(text: &str, key: &str) -> String {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value
        .unwrap_or_default()
        .trim_matches(['"', '\''])
        .to_owned()
}

/// Returns a path, or its closest parent that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

impl Services for LinuxHost {
    fn unit_settings(&self, unit: &str) -> Result<Option<UnitSettings>, HostError> {
        if !self.is_managed() {
            return Ok(None);
        }
        let mut found = unit_settings::ask(unit)?;
        if let Some(found) = found.as_mut().filter(|found| found.main_pid == 0) {
            found.main_pid = process::eldest(unit).unwrap_or(0);
        }
        Ok(found)
    }

    fn invocation(&self, pid: u32, program: &str) -> std::io::Result<Option<Invocation>> {
        unit_settings::invocation(pid, program)
    }
}

impl Host for LinuxHost {
    fn identity(&self) -> Result<Identity, HostError> {
        let text = self.read("/etc/os-release")?;
        let machine = rustix::system::uname()
            .machine()
            .to_string_lossy()
            .into_owned();
        Ok(Identity {
            os_id: os_release(&text, "ID"),
            version_id: os_release(&text, "VERSION_ID"),
            pretty: os_release(&text, "PRETTY_NAME"),
            arch: machine.parse::<Arch>().ok(),
            rpm_version: Rpm::version()?,
            systemd: self.is_managed(),
            fips: self.is_in_fips_mode(),
            crypto_policy: facts::crypto_policy(&self.layout).known().cloned(),
        })
    }

    fn installed(&self, names: &[&str]) -> Result<Vec<InstalledPackage>, HostError> {
        // rpm treats a query without names as a query for everything.
        if names.is_empty() {
            return Ok(Vec::new());
        }
        self.rpm.installed(names)
    }

    fn rpm_contents(&self) -> Result<RpmContents, HostError> {
        self.rpm.contents()
    }

    fn rpm_verify(&self, names: &[&str]) -> Result<Vec<String>, HostError> {
        self.rpm.verify(names)
    }

    fn rpm_test(&self, set: &StagedRpmSet, mode: RpmMode) -> Result<RpmAnswer, HostError> {
        self.rpm.test(set, mode)
    }

    fn rpm_rehearse(&self, rehearsal: &Rehearsal<'_>) -> Result<RpmAnswer, HostError> {
        let scratch = self.layout.rehearsal();
        self.rpm.rehearse(rehearsal, &scratch)
    }

    fn rpm_headers(&self, set: &StagedRpmSet) -> Result<Vec<InstalledPackage>, HostError> {
        Rpm::headers(set)
    }

    fn payload_files(
        &self,
        rpm: &StagedRpm,
        wanted: &BTreeSet<String>,
        limit_bytes: u64,
    ) -> Result<PayloadFiles, HostError> {
        Ok(payload::read_files(rpm, wanted, limit_bytes)?)
    }

    fn rpm_signatures(&self, set: &StagedRpmSet, keys: &[Vec<u8>]) -> Result<RpmAnswer, HostError> {
        Rpm::signatures(set, keys, &self.layout.state().join("keyring"))
    }

    fn rpm_upgrade(
        &self,
        set: &StagedRpmSet,
        mode: RpmMode,
        log: &File,
        mark: &File,
    ) -> Result<RpmAnswer, HostError> {
        self.rpm.upgrade(set, mode, log, mark)
    }

    fn rpm_erase(
        &self,
        packages: &[&Nevra],
        how: Erasure,
        log: &File,
        mark: &File,
    ) -> Result<RpmAnswer, HostError> {
        self.rpm.erase(packages, how, log, mark)
    }

    fn rpm_lock_holder(&self) -> Result<Option<String>, HostError> {
        self.rpm.lock_holder()
    }

    fn heal_rpmdb(&self) -> Result<(), HostError> {
        self.rpm.heal()
    }

    fn unit(&self, unit: &str) -> Result<UnitState, HostError> {
        systemd::unit(unit)
    }

    fn instances(&self, template: &str) -> Result<Vec<String>, HostError> {
        systemd::instances(template)
    }

    fn change_unit(&self, action: UnitAction, unit: &str) -> Result<(), HostError> {
        systemd::change(action, unit)
    }

    fn daemon_reload(&self) -> Result<(), HostError> {
        systemd::daemon_reload()
    }

    fn main_process(&self, unit: &str) -> Result<Option<MainProcess>, HostError> {
        let state = systemd::unit(unit)?;
        if state.active != "active" {
            return Ok(None);
        }
        let pid = match state.main_pid {
            0 => process::eldest(unit),
            pid => Some(pid),
        };
        let process = pid.and_then(|pid| {
            let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            Some(MainProcess {
                pid,
                program: program.to_string_lossy().into_owned(),
                sha256: process::program_of(pid)?,
            })
        });
        Ok(process)
    }

    fn unit_log(&self, unit: &str, since: u64, lines: u32) -> Result<Vec<String>, HostError> {
        systemd::log(unit, since, lines)
    }

    fn unit_activity(&self, unit: &str) -> Result<UnitActivity, HostError> {
        systemd::activity(unit)
    }

    fn unit_processes(&self, unit: &str) -> Result<Vec<UnitProcess>, HostError> {
        Ok(match systemd::unit(unit)?.main_pid {
            0 => process::of_service(unit),
            main => process::beside(main),
        })
    }

    fn started_program(&self, unit: &str) -> Result<Option<PathBuf>, HostError> {
        systemd::started_program(unit)
    }

    fn process(&self, pid: u32) -> Option<ProcessState> {
        process::find(pid)
    }

    fn probe(&self, target: &ProbeTarget) -> Result<ProbeAnswer, String> {
        probe::ask(target)
    }

    fn mounts(&self) -> Result<Vec<String>, HostError> {
        mounts::all()
    }

    fn filesystems(&self) -> Result<Vec<Mount>, HostError> {
        mounts::list()
    }

    fn space(&self, path: &Path) -> Result<Space, HostError> {
        let place = existing(path);
        let stat = rustix::fs::statvfs(&place)
            .map_err(|error| FsError::new("measure", &place, error.into()))?;
        let free_inodes = if stat.f_files == 0 {
            u64::MAX
        } else {
            stat.f_favail
        };
        Ok(Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            free_inodes,
            read_only: stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the host's clock")]
    fn now(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }

    fn steady_clock(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
}
