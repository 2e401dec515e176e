//! Keeps a run alive when its process, its terminal or the host fails.
//!
//! The run executes in its own unit, so that a lost terminal does not reach it. Before it begins, a
//! copy of the installer is stored where systemd may execute it after the USB stick is gone, and a
//! boot unit is installed that resumes an unfinished run. The unit is removed when the run is closed;
//! one copy stays while a run can be undone.

mod follow;
mod kept;
mod mount_units;
mod tell;
mod units;

use std::path::{Path, PathBuf};
use std::time::Duration;

use manifests::digest::Sha256;

use crate::host::{Host, HostError, UnitAction, cmd};
use crate::journal::lock;
use crate::layout::Layout;
use crate::plan::InstallPlan;
use crate::secure_fs::{self, FsError, Written, at};

pub use follow::{Followed, Recorder, follow};
pub use kept::{Copies, settle as settle_copies};
pub use tell::tell_open;

const UNIT_DIR: &str = "/etc/systemd/system";
const WANTS_DIR: &str = "/etc/systemd/system/multi-user.target.wants";
const RUN_UNIT_DIR: &str = "/run/systemd/system";
/// Longest time for the copy to print its version.
const TRIAL: Duration = Duration::from_secs(20);

/// Whether a run can live in a unit: the running host itself, with systemd.
pub fn is_possible(host: &dyn Host, layout: &Layout) -> bool {
    layout.is_live() && host.identity().is_ok_and(|identity| identity.systemd)
}

/// Installs the copy of this installer and the boot unit, durably, before the first effect.
///
/// A power cut must not leave half of the boot unit, which no boot would clean up: its text is
/// complete on the disk before either name appears, and no sync happens between the two names.
pub fn arm(host: &dyn Host, layout: &Layout, plan: &InstallPlan) -> Result<PathBuf, HostError> {
    let installer = copy_installer(layout)?;
    let unit = layout.at(UNIT_DIR).join(units::RECOVER_UNIT);
    let link = layout.at(WANTS_DIR).join(units::RECOVER_UNIT);
    let mounts = mount_units::of(host, plan)?;
    let text = units::recover_unit(&installer, &mounts);
    let install = || {
        secure_fs::ensure_dir(&layout.at(WANTS_DIR), 0o755)?;
        let written = Written::new(&unit, text.as_bytes(), 0o644)?;
        secure_fs::link_to(&unit, &link)?;
        written.publish()?;
        secure_fs::sync_parent(&link)
    };
    install()?;
    host.daemon_reload()?;
    Ok(installer)
}

/// Has systemd start the recovery again for as long as a run is open. Called by the recovery itself,
/// because a boot removes the timer.
pub fn keep_trying(host: &dyn Host, layout: &Layout) -> Result<(), HostError> {
    let dir = layout.at(RUN_UNIT_DIR);
    let text = units::recover_timer();
    let path = dir.join(units::RECOVER_TIMER);
    secure_fs::ensure_dir(&dir, 0o755)
        .and_then(|()| secure_fs::write_atomic(&path, text.as_bytes(), 0o644))?;
    host.daemon_reload()?;
    host.change_unit(UnitAction::Start, units::RECOVER_TIMER)
}

/// Removes the timer, if there is one: it comes first, so that no try begins at the end.
fn stop_trying(host: &dyn Host, layout: &Layout) -> Result<(), HostError> {
    let timer = layout.at(RUN_UNIT_DIR).join(units::RECOVER_TIMER);
    if timer.exists() {
        host.change_unit(UnitAction::Stop, units::RECOVER_TIMER)?;
        secure_fs::remove_all(&[&timer])?;
    }
    Ok(())
}

/// Removes the boot unit, both halves with one sync, and then the copies of the installer that are of
/// no use any more.
///
/// This process most likely runs in one of the two units. If it is killed now, systemd forgets the
/// unit only while it knows the unit's text. So until the reload both units have a text below
/// `/run`. After the reload systemd drops the unit with its process and needs no text.
pub fn disarm(host: &dyn Host, layout: &Layout, copies: Copies) -> Result<(), HostError> {
    stop_trying(host, layout)?;
    tell::tell_closed(layout);
    let unit = layout.at(UNIT_DIR).join(units::RECOVER_UNIT);
    let [run, recover] =
        [units::RUN_UNIT, units::RECOVER_UNIT].map(|name| layout.at(RUN_UNIT_DIR).join(name));
    if let Some(dir) = recover.parent().filter(|dir| dir.exists())
        && let Ok(text) = std::fs::read(&unit)
    {
        secure_fs::ensure_dir(dir, 0o755)
            .and_then(|()| secure_fs::write_atomic(&recover, &text, 0o644))?;
    }
    let link = layout.at(WANTS_DIR).join(units::RECOVER_UNIT);
    secure_fs::remove_all(&[&link, &unit])?;
    // Without room for a copy the unit goes all the same.
    let settled = settle_copies(layout, copies);
    host.daemon_reload()?;
    // A unit that was killed earlier would stay listed as failed, and the host as degraded.
    for unit in [units::RUN_UNIT, units::RECOVER_UNIT] {
        host.change_unit(UnitAction::ResetFailed, unit)?;
    }
    secure_fs::remove_all(&[&run, &recover])?;
    Ok(settled.map(drop)?)
}

/// Starts the run unit for a prepared run.
pub fn start_run(
    host: &dyn Host,
    layout: &Layout,
    installer: &Path,
    run: u64,
    lock_wait_secs: u64,
) -> Result<(), HostError> {
    let text = units::run_unit(installer, run, lock_wait_secs);
    let dir = layout.at(RUN_UNIT_DIR);
    secure_fs::ensure_dir(&dir, 0o755).and_then(|()| {
        secure_fs::write_atomic(&dir.join(units::RUN_UNIT), text.as_bytes(), 0o644)
    })?;
    host.daemon_reload()
        .and_then(|()| host.change_unit(UnitAction::ResetFailed, units::RUN_UNIT))
        .and_then(|()| host.change_unit(UnitAction::Start, units::RUN_UNIT))
}

/// Waits until the process of a run holds the lock, or will not take it: its unit has ended. A signal
/// does not end this wait, as another command could take the lock then.
pub fn await_begin(host: &dyn Host, layout: &Layout, run: u64) {
    let has_begun = || lock::is_held(layout) || layout.run(run).journal().exists();
    for turn in 1..=3000 {
        if has_begun() || (turn % 10 == 0 && !is_starting(host)) {
            return;
        }
        host.sleep(Duration::from_millis(100));
    }
}

/// Whether the run unit is active, is about to start, or cannot be queried.
pub fn is_starting(host: &dyn Host) -> bool {
    host.unit(units::RUN_UNIT).map_or(true, |unit| unit.is_up())
}

/// Whether systemd tries, or will try by itself, to close an open run.
pub fn is_recovering(host: &dyn Host) -> bool {
    let is_up = |name| host.unit(name).is_ok_and(|unit| unit.is_up());
    is_up(units::RECOVER_TIMER) || is_up(units::RECOVER_UNIT)
}

fn own_bytes() -> Result<Vec<u8>, FsError> {
    let own = Path::new("/proc/self/exe");
    std::fs::read(own).map_err(at("read", own))
}

/// Returns the digest of the running program.
pub fn own_digest() -> Result<Sha256, FsError> {
    Ok(Sha256::of(&own_bytes()?))
}

/// Why the copy that systemd would execute cannot be used.
#[derive(Debug)]
pub struct Untried {
    /// The copy.
    pub copy: PathBuf,
    /// What failed.
    pub error: HostError,
}

/// Makes the copy that systemd would execute and runs it once: a policy or a mount option may forbid
/// that. A copy that was not there before is removed again.
pub fn try_copy(layout: &Layout) -> Result<(), Untried> {
    let digest = own_digest();
    let copy = match &digest {
        Ok(digest) => layout.kept_installer(digest),
        Err(_) => layout.kept_installers(),
    };
    let was_there = copy.exists();
    let tried = digest
        .and_then(|_| copy_installer(layout))
        .map_err(HostError::from)
        .and_then(|path| {
            let answer = cmd::trial::run(&path, &["--version"], false, TRIAL)?;
            Ok(answer.success()?)
        });
    if !was_there {
        // What cannot be removed is used, or removed, by the next run.
        let dir = copy.parent().unwrap_or(&copy);
        let _ = secure_fs::remove_if_present(&copy);
        let _ = secure_fs::remove_dir_if_empty(dir);
        let _ = secure_fs::remove_dir_if_empty(&layout.kept_installers());
    }
    tried.map(drop).map_err(|error| Untried { copy, error })
}

/// Copies the running program, hashed, to its own place, where `SELinux` lets systemd execute it.
fn copy_installer(layout: &Layout) -> Result<PathBuf, FsError> {
    let bytes = own_bytes()?;
    let path = layout.kept_installer(&Sha256::of(&bytes));
    if !std::fs::read(&path).is_ok_and(|present| present == bytes) {
        secure_fs::ensure_dir(path.parent().unwrap_or(&path), 0o755)?;
        secure_fs::write_atomic(&path, &bytes, 0o755)?;
    }
    if cmd::is_available("restorecon") {
        // If the label cannot be set, systemd refuses to start the unit and reports it.
        let target = path.to_string_lossy();
        let _ = cmd::query("restorecon", &[&target], Duration::from_secs(60));
    }
    Ok(path)
}
