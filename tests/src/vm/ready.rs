//! A machine that is up and suspended, and the courses of undisturbed runs on it. It is made once
//! for an installer, and every case starts from it: waking it takes a third of a second, booting
//! many.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab keeps suspended machines in its cache"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::disk::{self, INSTALLER, Load};
use super::look::Look;
use super::machine::{Hardware, Machine};
use super::parts::{Parts, run};
use super::workplace::{Workplace, copy_disk, reap};
use crate::isolated::HostError;
use crate::isolated::cache::{directory, directory_once, key, remove_directory};
use crate::sweep::Cargo;

/// Bumped when the making changes.
const VERSION: &str = "2";
const NAME: &str = "vm-ready-";
const PARTS: [&str; 2] = ["disk", "memory"];
/// How many machines of other installers are kept; each is about half a gigabyte.
const OTHERS_KEPT: usize = 2;
const UP_DEADLINE: Duration = Duration::from_mins(15);
const RUN_DEADLINE: Duration = Duration::from_secs(3600);
/// The output of a run goes to the disk, as an administrator's `tee` would write it.
pub(super) const SAID: &str = "/root/said";

/// The suspended machine.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) parts: Parts,
    directory: PathBuf,
    pub(super) key: String,
    pub(super) first: First,
    courses: Mutex<Vec<(Cargo, Course)>>,
}

/// What was found at its first boot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct First {
    pub(super) before: Look,
    /// From the switch to the agent's first line.
    pub(super) agent_millis: u64,
    /// From the switch until systemd had nothing more to start.
    pub(super) boot_millis: u64,
}

/// An undisturbed run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Course {
    pub(super) millis: u64,
    /// What the host is after it, if it works.
    pub(super) done: Option<Look>,
}

impl Ready {
    /// Returns it, from the cache or made now: half a minute.
    pub(super) fn prepare(installer: &Path) -> Result<Self> {
        reap()?;
        let parts = Parts::prepare()?;
        let load = Load::gather(installer)?;
        let qemu = run(Command::new("qemu-system-x86_64").arg("--version"))?;
        let look = include_str!("guest/look.sh");
        let key = key(&[VERSION, &parts.key, &load.key, &qemu, look]);
        let directory = directory_once(&format!("{NAME}{key}"), |partial| {
            make(&parts, &load, partial).map_err(|error| HostError::Layer {
                name: "vm-ready".to_owned(),
                source: error.into(),
            })
        })?;
        forget_others(&directory)?;
        let first = serde_json::from_slice(&fs::read(directory.join("first.json"))?)?;
        Ok(Self {
            parts,
            directory,
            key,
            first,
            courses: Mutex::new(Vec::new()),
        })
    }

    /// Gives a case its own copy of the disk.
    pub(super) fn copy_disk(&self, to: &Path) -> Result<()> {
        copy_disk(&self.directory.join("disk"), to)
    }

    /// Wakes the machine upon such a copy.
    pub(super) fn wake(&self, place: &Workplace, disk: &Path, log: &Path) -> Result<Machine> {
        let hardware = Hardware {
            parts: &self.parts,
            directory: place.path(),
            disk,
            log: Some(log),
        };
        Machine::wake(hardware, &self.directory.join("memory"))
    }

    /// The course of an undisturbed run; measured at the first call.
    pub(super) fn course(&self, cargo: Cargo) -> Result<Course> {
        let mut courses = self.courses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, course)) = courses.iter().find(|known| known.0 == cargo) {
            return Ok(course.clone());
        }
        let file = self.directory.join(format!("course-{cargo}.json"));
        let course = if let Ok(text) = fs::read(&file) {
            serde_json::from_slice(&text)?
        } else {
            let course = self.measure(cargo)?;
            let fresh = file.with_extension(std::process::id().to_string());
            fs::write(&fresh, serde_json::to_vec(&course)?)?;
            fs::rename(&fresh, &file)?;
            course
        };
        courses.push((cargo, course.clone()));
        Ok(course)
    }

    /// The log of the writes of the undisturbed run.
    pub(super) fn record(&self, cargo: Cargo) -> PathBuf {
        self.directory.join(format!("log-{cargo}"))
    }

    fn measure(&self, cargo: Cargo) -> Result<Course> {
        let place = Workplace::claim()?;
        let [disk, log] = ["disk", "log"].map(|name| place.join(name));
        self.copy_disk(&disk)?;
        let mut machine = self.wake(&place, &disk, &log)?;
        let started = Instant::now();
        let ended = machine.run(&command(cargo), RUN_DEADLINE)?;
        let millis = millis(started.elapsed());
        let works = cargo == Cargo::Good;
        let expected = if works { 0 } else { 5 };
        if ended.code != expected {
            let said = machine.run(&format!("tail -n 40 {SAID}"), UP_DEADLINE)?;
            ensure!(
                false,
                "an undisturbed run of {cargo} ends with {}, not {expected}: {}",
                ended.code,
                said.stdout
            );
        }
        let recorded = fs::metadata(&log)?.len();
        let done = works.then(|| Look::at(&mut machine)).transpose()?;
        ensure!(
            done.as_ref().is_none_or(Look::is_well),
            "an undisturbed run leaves services that are not well"
        );
        machine.cut()?;
        // Cuts off the writes after the run: the power is never cut there.
        File::options().write(true).open(&log)?.set_len(recorded)?;
        fs::rename(&log, self.record(cargo))?;
        Ok(Course { millis, done })
    }
}

/// The script that installs a bundle.
pub(super) fn command(cargo: Cargo) -> String {
    let bundle = disk::bundle(cargo);
    format!("{INSTALLER} {bundle} >{SAID} 2>&1")
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn make(parts: &Parts, load: &Load, directory: &Path) -> Result<()> {
    // An end by Ctrl-C clears the workplace, but not `directory`.
    let place = Workplace::claim()?;
    let [disk, memory] = PARTS.map(|part| place.join(part));
    load.write(&disk)?;
    let mut machine = Machine::switch_on(Hardware {
        parts,
        directory: place.path(),
        disk: &disk,
        log: None,
    })?;
    machine.await_ready()?;
    let agent_millis = millis(machine.age());
    let up = machine.run("systemctl is-system-running --wait", UP_DEADLINE)?;
    let boot_millis = millis(machine.age());
    ensure!(
        up.stdout.trim() == "running",
        "the machine is {}",
        up.stdout.trim()
    );
    let before = Look::at(&mut machine)?;
    ensure!(before.is_well(), "the services are not well before a run");
    machine.run("sync", UP_DEADLINE)?;
    machine.suspend(&memory)?;
    for part in PARTS {
        fs::rename(place.join(part), directory.join(part))?;
    }
    let first = First {
        before,
        agent_millis,
        boot_millis,
    };
    let first = serde_json::to_vec(&first)?;
    fs::write(directory.join("first.json"), first).context("cannot write the first look")
}

/// Removes the suspended machines of other installers, but for the newest.
fn forget_others(mine: &Path) -> Result<()> {
    let mut others = Vec::new();
    for entry in fs::read_dir(directory())?.filter_map(std::result::Result::ok) {
        let path = entry.path();
        let name = entry.file_name();
        let is_one = name
            .to_string_lossy()
            .strip_prefix(NAME)
            .is_some_and(|key| !key.contains('.'));
        if is_one && path != mine && path.is_dir() {
            others.push((entry.metadata()?.modified()?, path));
        }
    }
    others.sort();
    for (_, path) in others.iter().rev().skip(OTHERS_KEPT) {
        remove_directory(path)?;
    }
    Ok(())
}
