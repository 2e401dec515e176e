//! The fake host's state that outlives the installer's process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use installer::layout::Layout;

use super::disk;
use super::package::{Deed, Package};
use super::rpmdb::{Flavour, Rpmdb};
use super::systemd::Manager;
use super::transaction::Transaction;

/// What a person can see of the machine, apart from its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visible {
    /// NEVRA and build time of every header.
    pub(crate) packages: Vec<String>,
    /// State of every unit.
    pub(crate) units: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Milliseconds since 1970. Only a sleep moves this clock: the worst case for names that are
    /// made of the second.
    pub(crate) clock_ms: u64,
    pub(crate) db: Rpmdb,
    pub(crate) units: Manager,
    /// An rpm at work.
    pub(crate) surviving: Option<Surviving>,
    /// What a scriptlet that outlives its killed rpm does, at an unknown time. It does it again and
    /// again until another rpm starts.
    pub(crate) lingering: Vec<Deed>,
    /// When the server of the data store is up again, in milliseconds since 1970.
    pub(crate) store_up_ms: u64,
    /// Units of the services that use the data store.
    pub(crate) data_users: Vec<String>,
    /// Other hosts that use the data store.
    pub(crate) other_hosts: Vec<String>,
    /// Whether the clock of the wall jumps when time passes, as after a boot with an empty battery.
    pub(crate) wall_jumps: bool,
    /// How far that clock is ahead, in seconds.
    pub(crate) wall_ahead_secs: u64,
    /// How long each process is said to have run, in seconds.
    pub(crate) process_age_secs: u64,
    /// Whether a trial of a restore fails and leaves what it made.
    pub(crate) trial_fails: bool,
    /// How long another program's rpm is at work after each of our transactions, with a scriptlet in
    /// [`FOREIGN`], in milliseconds; and until when it is.
    pub(crate) foreign_rpm_ms: u64,
    pub(crate) foreign_rpm_until_ms: u64,
    /// What the installer should never have done.
    pub(crate) violations: Vec<String>,
    /// Files that rpm wrote and that were not synced: a power cut empties them.
    pub(crate) unsynced: BTreeSet<String>,
}

/// An rpm that goes on although the installer that started it may be dead.
#[derive(Debug, Clone)]
pub(crate) struct Surviving {
    pub(crate) transaction: Transaction,
    /// The locked file that it inherited.
    pub(crate) mark: Option<Arc<File>>,
}

/// How long after a boot the server of the data store answers: later than a recovery needs it.
const STORE_STARTS_MS: u64 = 40_000;

/// The scriptlet of another program's rpm.
pub(crate) const FOREIGN: &str = "/var/tmp/rpm-tmp.aB3dE6";

/// Operations of a surviving rpm in a second.
const OPS_PER_SECOND: u64 = 8;

impl Machine {
    pub(crate) fn new(flavour: Flavour, clock_secs: u64) -> Self {
        Self {
            clock_ms: clock_secs * 1000,
            db: Rpmdb::new(flavour),
            units: Manager::default(),
            surviving: None,
            lingering: Vec::new(),
            store_up_ms: 0,
            data_users: Vec::new(),
            other_hosts: Vec::new(),
            wall_jumps: false,
            wall_ahead_secs: 0,
            process_age_secs: 0,
            trial_fails: false,
            foreign_rpm_ms: 0,
            foreign_rpm_until_ms: 0,
            violations: Vec::new(),
            unsynced: BTreeSet::new(),
        }
    }

    /// Whether the server of the data store answers.
    pub(crate) const fn has_store(&self) -> bool {
        self.clock_ms >= self.store_up_ms
    }

    /// Lets time pass: timers fire, and a surviving rpm goes on.
    pub(crate) fn pass(&mut self, layout: &Layout, millis: u64) {
        self.clock_ms += millis;
        if self.wall_jumps {
            self.wall_ahead_secs = 10 * 365 * 24 * 3600;
        }
        self.units.fire_timers(layout);
        for _ in 0..(millis * OPS_PER_SECOND).div_ceil(1000) {
            self.survive(layout);
        }
    }

    /// Lets a surviving rpm do one operation, or a scriptlet of a killed rpm all of its work.
    pub(crate) fn survive(&mut self, layout: &Layout) {
        for deed in &self.lingering {
            self.units.obey(layout, deed);
        }
        if let Some(mut rpm) = self.surviving.take()
            && rpm.transaction.advance(self, layout)
        {
            self.surviving = Some(rpm);
        }
    }

    /// Starts another program's rpm.
    pub(crate) fn meet_foreign_rpm(&mut self, layout: &Layout) {
        if self.foreign_rpm_ms > 0 {
            let time = std::time::Duration::from_millis(self.clock_ms);
            disk::write(&layout.at(FOREIGN), b"echo", 0o700, time);
            self.foreign_rpm_until_ms = self.clock_ms + self.foreign_rpm_ms;
        }
    }

    /// Whether that rpm is at work. Its scriptlet goes with it.
    pub(crate) fn has_foreign_rpm(&mut self, layout: &Layout) -> bool {
        let is_at_work = self.clock_ms < self.foreign_rpm_until_ms;
        if !is_at_work && self.foreign_rpm_until_ms > 0 {
            self.foreign_rpm_until_ms = 0;
            disk::remove(&layout.at(FOREIGN));
        }
        is_at_work
    }

    /// Notes something that must not happen while an rpm is at work.
    pub(crate) fn forbid_beside_rpm(&mut self, what: &str) {
        if self.surviving.is_some() {
            self.violations
                .push(format!("{what} beside an rpm at work"));
        }
    }

    /// Kills an rpm at work.
    pub(crate) fn kill_rpm(&mut self, layout: &Layout) {
        if let Some(rpm) = self.surviving.take() {
            self.lingering = rpm.transaction.lingering();
            self.db.killed(layout);
        }
    }

    /// Cuts the power, and boots again after a while.
    pub(crate) fn reboot(&mut self, layout: &Layout) {
        self.kill_rpm(layout);
        self.lingering.clear();
        for path in std::mem::take(&mut self.unsynced) {
            disk::lose(&layout.at(&path));
        }
        disk::empty(&layout.at("/run"));
        disk::make_dir(&layout.at("/run/systemd/system"));
        self.clock_ms += 60_000;
        self.store_up_ms = self.clock_ms + STORE_STARTS_MS;
        self.units.boot(layout);
    }

    pub(crate) fn visible(&self, layout: &Layout) -> Visible {
        let header = |p: &Arc<Package>| format!("{} built {}", p.nevra, p.build_time);
        let mut packages: Vec<String> = self.db.all().map(header).collect();
        packages.sort();
        Visible {
            packages,
            units: self.units.visible(layout),
        }
    }

    /// Returns a number that differs between states that an installer could distinguish.
    pub(crate) fn fingerprint(&self, layout: &Layout) -> u64 {
        let mut hasher = DefaultHasher::new();
        let visible = self.visible(layout);
        (visible.packages, visible.units).hash(&mut hasher);
        self.unsynced.hash(&mut hasher);
        self.lingering.hash(&mut hasher);
        let surviving = self.surviving.as_ref();
        surviving
            .map(|rpm| rpm.transaction.left())
            .hash(&mut hasher);
        hasher.finish()
    }
}
