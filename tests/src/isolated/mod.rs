//! The isolated host: a real systemd, a real rpm and a real redis, with no way out. A `PostgreSQL` is
//! installed and has no database; [`crate::stores`] makes one.
//!
//! A Debian root built once by `debootstrap` is booted by `systemd-nspawn` with a private network
//! that has nothing but `lo`, on a machine that need not run systemd itself. It is entered with
//! `nsenter`. Each boot sees the image through its own overlay, so a case starts from the same bytes
//! and leaves none behind.
//!
//! **Only `/etc/os-release` is that of an Enterprise Linux.** The kernel is the machine's; glibc,
//! systemd and rpm are Debian's: those of Debian 12 (252; 4.18 with sqlite), or of Debian 11 (247;
//! 4.16.1 with Berkeley DB), as [`RpmDatabase`] chooses. What differs on a real EL host (rpm 4.11,
//! systemd 219, `SELinux`, FIPS) is not tried here.
//!
//! Invariants:
//!
//! * Nothing is written outside the cache directory ([`cache`]), `/sys/fs/cgroup/airgap-lab-*` and
//!   the overlay mounts under the cache.
//! * Only processes that the lab started are ever signalled: identity is pid *and* start time.
//! * Paths inside the host are resolved inside the host, so its absolute symlinks cannot lead out.
//! * Every wait has a deadline.
//! * A dead owner's hosts are reaped by whichever lab process comes next.

mod apt;
pub mod baseline;
pub mod cache;
mod cgroup;
mod command;
mod disk;
mod error;
mod files;
mod guest;
mod host;
mod image;
mod layer;
mod link;
mod nspawn;
mod os_release;
mod overlay;
mod process;
mod recipe;
mod record;
mod snapshot;
mod trace;
mod unit;

pub use self::command::{Finished, GuestCommand, Running};
pub use self::disk::{Ballast, DiskOptions, Hoarder, Holds};
pub use self::error::{HostError, Result};
pub use self::guest::Guest;
pub use self::host::{Ending, HostOptions, IsolatedHost};
pub use self::image::Image;
pub use self::link::link;
pub use self::os_release::ElMajor;
pub use self::process::ProcessId;
pub use self::recipe::RpmDatabase;
pub use self::record::{HostRecord, list, reap};
pub use self::snapshot::{FileState, Snapshot};
pub use self::trace::{Call, Calls, Trace};
pub use self::unit::UnitState;

use std::path::Path;

/// Returns why the isolated host cannot run here, or `None` when it can.
///
/// Tests skip on a reason, except where `CI=true`, where a missing part is a failure.
#[must_use]
pub fn unavailable() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("the isolated host needs root".to_owned());
    }
    ["systemd-nspawn", "nsenter", "debootstrap"]
        .into_iter()
        .find(|program| !on_path(program))
        .map(|program| format!("the isolated host needs `{program}`"))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| Path::new(&dir).join(program).is_file())
}
