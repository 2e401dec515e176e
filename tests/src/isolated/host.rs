//! The life of a host: booted, used, switched off, gone.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::cache::hosts_directory;
use super::cgroup::Cgroup;
use super::disk::{Ballast, Disk, DiskOptions};
use super::error::{HostError, Result};
use super::guest::Guest;
use super::image::Image;
pub use super::nspawn::Ending;
use super::nspawn::Nspawn;
use super::os_release::ElMajor;
use super::overlay::Overlay;
use super::process::ProcessId;
use super::record::{HostRecord, claim};

const BOOT_DEADLINE: Duration = Duration::from_mins(3);
const SHUTDOWN_DEADLINE: Duration = Duration::from_mins(2);

static BOOTED: AtomicU32 = AtomicU32::new(0);

/// What a host is to be like.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// Names the host for humans; see [`HostOptions::exact_name`].
    pub name: String,
    /// Which Enterprise Linux `/etc/os-release` claims.
    pub os_major: ElMajor,
    /// Whether `name` is the whole id, or gets a suffix that makes it unique (the default).
    pub exact_name: bool,
    /// More arguments for `systemd-nspawn`, such as `--tmpfs=/var/lib/full:size=1M`.
    pub nspawn_args: Vec<String>,
    /// A small disk for the host, or for a part of it.
    pub disk: Option<DiskOptions>,
    /// How long the host may take to be up.
    pub boot_deadline: Duration,
}

impl HostOptions {
    /// The defaults, under a name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            os_major: ElMajor::default(),
            exact_name: false,
            nspawn_args: Vec::new(),
            disk: None,
            boot_deadline: BOOT_DEADLINE,
        }
    }

    /// The same, claiming another version.
    #[must_use]
    pub fn os_major(self, os_major: ElMajor) -> Self {
        Self { os_major, ..self }
    }

    fn id(&self) -> String {
        if self.exact_name {
            return self.name.clone();
        }
        let number = BOOTED.fetch_add(1, Ordering::Relaxed);
        format!("{}-{}-{number}", self.name, std::process::id())
    }
}

/// A host that this process owns. Dropping it takes the power away and removes every trace.
#[derive(Debug)]
pub struct IsolatedHost {
    guest: Guest,
    options: HostOptions,
    record: HostRecord,
    // Dropped in this order: the processes leave before their root is unmounted.
    nspawn: Option<Nspawn>,
    overlay: Option<Overlay>,
    disk: Option<Disk>,
}

impl Deref for IsolatedHost {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl IsolatedHost {
    /// Boots a host from the image and waits until its systemd reports `running`.
    pub fn boot(image: &Image, options: HostOptions) -> Result<Self> {
        let mut host = Self::assemble(image, options)?;
        host.boot_again()?;
        Ok(host)
    }

    /// Boots a host that was switched off, from the bytes it left.
    pub fn boot_again(&mut self) -> Result<()> {
        if self.guest.leader().is_ok() {
            return Err(HostError::AlreadyRunning(self.record.id.clone()));
        }
        self.nspawn = None;
        let nspawn = Nspawn::start(
            &self.record.id,
            &self.record.root,
            &self.record.cgroup,
            &self.options.nspawn_args,
            &self.console_path(),
        )?;
        self.note(Some(&nspawn))?;
        self.nspawn = Some(nspawn);
        self.guest.wait_running(self.options.boot_deadline)
    }

    /// Takes the power away: no process gets another instruction. What the kernel had accepted for
    /// the disk stays (the page cache is this machine's), so this is a crash of all programs, not of
    /// the disk.
    pub fn power_off_hard(&mut self) -> Result<()> {
        if let Some(mut nspawn) = self.nspawn.take() {
            nspawn.kill()?;
        }
        self.note(None)
    }

    /// Shuts the host down in good order and keeps its disk for [`IsolatedHost::boot_again`].
    pub fn shut_down(&mut self) -> Result<()> {
        self.check(&["systemctl", "poweroff", "--no-block"])?;
        match self.wait_down(SHUTDOWN_DEADLINE)? {
            Some(_) => Ok(()),
            None => Err(HostError::Deadline {
                what: format!("host {} shutting down", self.record.id),
                after: SHUTDOWN_DEADLINE,
                state: self.console(),
            }),
        }
    }

    /// Waits for the host to go down by itself; `None` when it is still up by then.
    pub fn wait_down(&mut self, deadline: Duration) -> Result<Option<Ending>> {
        let Some(nspawn) = &mut self.nspawn else {
            return Ok(Some(Ending::PoweredOff));
        };
        let ending = nspawn.wait(deadline)?;
        if ending.is_some() {
            self.nspawn = None;
            self.note(None)?;
        }
        Ok(ending)
    }

    /// Shuts the host down in good order and removes it.
    pub fn stop(mut self) -> Result<()> {
        self.shut_down()
    }

    /// What the host has written to its console.
    #[must_use]
    pub fn console(&self) -> String {
        std::fs::read_to_string(self.console_path()).unwrap_or_default()
    }

    fn assemble(image: &Image, options: HostOptions) -> Result<Self> {
        let id = options.id();
        let root = hosts_directory().join(&id).join("root");
        let owner = ProcessId::current().ok_or_else(|| HostError::Malformed {
            path: PathBuf::from("/proc/self/stat"),
            reason: "this process is not in /proc".to_owned(),
        })?;
        let record = HostRecord {
            id: id.clone(),
            root: root.clone(),
            owner,
            nspawn: None,
            leader: None,
            cgroup: Cgroup::named(&id)?,
        };
        let directory = claim(&record)?;
        let mut host = Self {
            guest: Guest::new(id, root),
            options,
            record,
            nspawn: None,
            overlay: None,
            disk: None,
        };
        host.record.cgroup.create()?;
        host.mount(image, &directory)?;
        let os_release = host.options.os_major.os_release();
        host.write("/usr/lib/os-release", os_release, 0o644)?;
        Ok(host)
    }

    fn mount(&mut self, image: &Image, directory: &Path) -> Result<()> {
        if let Some(options) = &self.options.disk {
            self.disk = Some(Disk::mount(options, directory)?);
        }
        let upper = self.disk.as_ref().and_then(Disk::upper);
        let writable = upper.as_deref().unwrap_or(directory);
        let root = &self.record.root;
        let real_disk = upper.is_some();
        self.overlay = Some(Overlay::mount(&image.lowers, writable, root, real_disk)?);
        match &self.disk {
            Some(disk) => disk.take_trees(root),
            None => Ok(()),
        }
    }

    /// Records who runs now, for this process and for others.
    fn note(&mut self, nspawn: Option<&Nspawn>) -> Result<()> {
        self.record.nspawn = nspawn.and_then(|nspawn| ProcessId::of(nspawn.pid()));
        self.record.leader = nspawn.map(Nspawn::leader);
        self.guest.set_leader(self.record.leader);
        self.record.write()
    }

    /// The ballast of the host's small disk; `None` without such a disk.
    #[must_use]
    pub fn ballast(&self) -> Option<&Ballast> {
        self.disk.as_ref().map(Disk::ballast)
    }

    pub(super) fn unmount(&mut self) {
        self.overlay = None;
    }

    pub(super) fn directory(&self) -> PathBuf {
        hosts_directory().join(&self.record.id)
    }

    fn console_path(&self) -> PathBuf {
        self.directory().join("console.log")
    }
}

impl Drop for IsolatedHost {
    fn drop(&mut self) {
        self.nspawn = None;
        self.overlay = None;
        self.disk = None;
        // What cannot be cleared now is on record for the reaper of the next lab process.
        let _ = self.record.clear();
    }
}
