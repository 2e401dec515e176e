//! The fake systemd: unit files and drop-ins are read from the real files below the root, and count
//! as they were at the last reload; enablement is the symlinks that systemd makes.

use std::collections::BTreeMap;
use std::time::Duration;

use installer::host::{MainProcess, UnitState};
use installer::layout::Layout;

use super::package::Deed;
use super::service::Process;
use super::{data, disk};

const PACKAGED: &str = "/usr/lib/systemd/system";
const LOCAL: &str = "/etc/systemd/system";
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants";

/// The service manager.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manager {
    units: BTreeMap<String, Unit>,
    last_pid: u32,
}

#[derive(Debug, Clone, Default)]
struct Unit {
    /// As of the last reload; nothing if there was no unit file.
    definition: Option<Definition>,
    state: State,
    /// When its last main process was started.
    started: u64,
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Inactive,
    Failed,
    Active(Option<Box<Process>>),
}

/// The content of a unit file and its drop-ins.
#[derive(Debug, Clone, Default)]
struct Definition {
    program: String,
    requires: Vec<String>,
    conditions: Vec<String>,
    /// Of a timer: the service it starts.
    starts: Option<String>,
}

impl Definition {
    fn read(layout: &Layout, unit: &str) -> Option<Self> {
        let text = disk::read(&layout.at(&format!("{PACKAGED}/{unit}")))?;
        let mut definition = Self::default();
        definition.extend(&String::from_utf8_lossy(&text));
        let mut drop_ins = BTreeMap::new();
        // The administrator's file replaces one of the same name in /run.
        for dir in layout.hold_dirs(unit).iter().rev() {
            drop_ins.extend(disk::names(dir).into_iter().map(|name| (name, dir.clone())));
        }
        for path in drop_ins.iter().map(|(name, dir)| dir.join(name)) {
            if path.extension().is_some_and(|suffix| suffix == "conf") {
                let text = disk::read(&path).unwrap_or_default();
                definition.extend(&String::from_utf8_lossy(&text));
            }
        }
        Some(definition)
    }

    fn extend(&mut self, text: &str) {
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "ExecStart" => value.clone_into(&mut self.program),
                "Requires" => self.requires.push(value.to_owned()),
                "ConditionPathExists" => self.conditions.push(value.to_owned()),
                "Unit" => self.starts = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

impl Manager {
    /// Reads all unit files again.
    pub(crate) fn reload(&mut self, layout: &Layout) {
        for name in disk::names(&layout.at(PACKAGED)) {
            self.units.entry(name).or_default();
        }
        for (name, unit) in &mut self.units {
            unit.definition = Definition::read(layout, name);
        }
    }

    /// Whether any of these services has a main process.
    pub(crate) fn is_any_running(&self, names: &[String]) -> bool {
        let has_process = |unit: &Unit| matches!(unit.state, State::Active(Some(_)));
        let mut units = names.iter().filter_map(|name| self.units.get(name));
        units.any(has_process)
    }

    /// Starts the enabled units of a host on which no service runs.
    pub(crate) fn boot(&mut self, layout: &Layout) {
        self.units.clear();
        self.reload(layout);
        for unit in disk::names(&layout.at(WANTS)) {
            // A unit that cannot be started does not keep the host from booting.
            let _ = self.start(layout, &unit);
        }
    }

    pub(crate) fn start(&mut self, layout: &Layout, name: &str) -> Result<(), String> {
        if is_masked(layout, name) {
            return Err(format!("Unit {name} is masked."));
        }
        let Some(definition) = self.definition(layout, name) else {
            return Err(format!("Unit {name} not found."));
        };
        if self.is_active(name) {
            return Ok(());
        }
        for required in &definition.requires {
            self.start(layout, required)?;
        }
        // An unmet condition is not a failure: the start is skipped.
        if !definition
            .conditions
            .iter()
            .all(|path| layout.at(path).exists())
        {
            return Ok(());
        }
        let state = if definition.starts.is_some() {
            State::Active(None)
        } else {
            self.last_pid += 1;
            let process = Process::start(layout, &definition.program, self.last_pid);
            process.map_or(State::Failed, |process| {
                State::Active(Some(Box::new(process)))
            })
        };
        self.set(name, state);
        let started = u64::from(self.last_pid);
        if let Some(unit) = self.units.get_mut(name) {
            unit.started = started;
        }
        Ok(())
    }

    fn definition(&mut self, layout: &Layout, name: &str) -> Option<Definition> {
        // A unit that systemd has not loaded yet needs no reload.
        let unit = self.units.entry(name.to_owned()).or_insert_with(|| Unit {
            definition: Definition::read(layout, name),
            ..Unit::default()
        });
        unit.definition.clone()
    }

    fn set(&mut self, name: &str, state: State) {
        if let Some(unit) = self.units.get_mut(name) {
            unit.state = state;
        }
    }

    fn is_active(&self, name: &str) -> bool {
        let unit = self.units.get(name);
        unit.is_some_and(|unit| matches!(unit.state, State::Active(_)))
    }

    /// Stops a unit and what requires it.
    pub(crate) fn stop(&mut self, name: &str) {
        if !self.is_active(name) {
            return;
        }
        self.set(name, State::Inactive);
        for dependent in self.dependents(name) {
            self.stop(&dependent);
        }
    }

    pub(crate) fn reset_failed(&mut self, name: &str) {
        if let Some(unit) = self.units.get_mut(name)
            && matches!(unit.state, State::Failed)
        {
            unit.state = State::Inactive;
        }
    }

    fn matching(&self, wanted: impl Fn(&Definition) -> bool) -> Vec<String> {
        let fits = |unit: &Unit| unit.definition.as_ref().is_some_and(&wanted);
        let found = self.units.iter().filter(|(_, unit)| fits(unit));
        found.map(|(name, _)| name.clone()).collect()
    }

    fn dependents(&self, name: &str) -> Vec<String> {
        self.matching(|definition| definition.requires.iter().any(|unit| unit == name))
    }

    /// Every active timer starts its service, as soon as it is down.
    pub(crate) fn fire_timers(&mut self, layout: &Layout) {
        for timer in self.matching(|definition| definition.starts.is_some()) {
            let starts = self.units[&timer].definition.as_ref();
            let service = starts.and_then(|definition| definition.starts.clone());
            if let Some(service) = service.filter(|_| self.is_active(&timer)) {
                let _ = self.start(layout, &service);
            }
        }
    }

    /// Does what a scriptlet asks for.
    pub(crate) fn obey(&mut self, layout: &Layout, deed: &Deed) {
        match deed {
            Deed::Reload => self.reload(layout),
            Deed::Restart(unit) => {
                self.stop(unit);
                let _ = self.start(layout, unit);
            }
            Deed::Stop(unit) => self.stop(unit),
            Deed::Enable(unit) => enable(layout, unit),
            Deed::Disable(unit) => disable(layout, unit),
            Deed::RewriteData => data::spoil(layout),
            Deed::Make(path) => disk::write(&layout.at(path), b"made\n", 0o644, Duration::ZERO),
        }
    }

    pub(crate) fn state(&mut self, layout: &Layout, name: &str) -> UnitState {
        let definition = self.definition(layout, name);
        let unit = &self.units[name];
        let load = match definition {
            _ if is_masked(layout, name) => "masked",
            Some(_) => "loaded",
            None => "not-found",
        };
        let (active, main_pid) = match &unit.state {
            State::Inactive => ("inactive", 0),
            State::Failed => ("failed", 0),
            State::Active(process) => ("active", process.as_ref().map_or(0, |p| p.pid)),
        };
        let triggered_by = self.matching(|definition| definition.starts.as_deref() == Some(name));
        UnitState {
            load: load.to_owned(),
            active: active.to_owned(),
            file: file_state(layout, name).to_owned(),
            main_pid,
            main_started: unit.started,
            restarts: None,
            triggered_by,
            dependents: self.dependents(name),
        }
    }

    pub(crate) fn main_process(&self, name: &str) -> Option<MainProcess> {
        match &self.units.get(name)?.state {
            State::Active(Some(process)) => Some(MainProcess {
                pid: process.pid,
                program: process.path.clone(),
                sha256: process.sha256,
            }),
            _ => None,
        }
    }

    /// Returns the process that listens on a port.
    pub(crate) fn listener(&self, port: u16) -> Option<&Process> {
        let process =
            |unit: &'_ Unit| matches!(&unit.state, State::Active(Some(p)) if p.port == port);
        let unit = self.units.values().find(|unit| process(unit))?;
        match &unit.state {
            State::Active(process) => process.as_deref(),
            _ => None,
        }
    }

    /// How many processes were started since the host was made.
    pub(crate) const fn starts(&self) -> u32 {
        self.last_pid
    }

    pub(crate) fn visible(&self, layout: &Layout) -> BTreeMap<String, String> {
        let describe = |(name, unit): (&String, &Unit)| {
            let state = match &unit.state {
                State::Active(Some(p)) => format!("runs {} of {}", p.sha256.short(), p.path),
                other => format!("{other:?}"),
            };
            let conditions = unit.definition.as_ref().map(|d| d.conditions.clone());
            let file = file_state(layout, name);
            (
                name.clone(),
                format!("{state}, {file}, conditions {conditions:?}"),
            )
        };
        // Asking for an unknown unit makes no difference to the picture.
        let known = |(_, unit): &(&String, &Unit)| {
            unit.definition.is_some() || !matches!(unit.state, State::Inactive)
        };
        self.units.iter().filter(known).map(describe).collect()
    }
}

fn is_masked(layout: &Layout, unit: &str) -> bool {
    layout.at(&format!("{LOCAL}/{unit}")).is_symlink()
}

fn file_state(layout: &Layout, unit: &str) -> &'static str {
    if is_masked(layout, unit) {
        "masked"
    } else if layout.at(&format!("{WANTS}/{unit}")).is_symlink() {
        "enabled"
    } else if layout.at(&format!("{PACKAGED}/{unit}")).exists() {
        "disabled"
    } else {
        ""
    }
}

pub(crate) fn enable(layout: &Layout, unit: &str) {
    let target = format!("{PACKAGED}/{unit}");
    disk::symlink(&target, &layout.at(&format!("{WANTS}/{unit}")));
}

pub(crate) fn disable(layout: &Layout, unit: &str) {
    disk::remove(&layout.at(&format!("{WANTS}/{unit}")));
}

pub(crate) fn mask(layout: &Layout, unit: &str) {
    disk::symlink("/dev/null", &layout.at(&format!("{LOCAL}/{unit}")));
}
