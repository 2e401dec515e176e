//! A stateful model of a host over a real directory, with the behaviour of the real rpm and
//! systemd.
//!
//! The installer's own writes go to the real files; only what it asks of the host is modelled. The
//! state outlives the process that works on it, so that a later process can be asked to recover.

pub(crate) mod data;
pub(crate) mod disk;
pub(crate) mod gate;
pub(crate) mod image;
mod journal;
pub(crate) mod machine;
pub(crate) mod package;
pub(crate) mod rpmdb;
pub(crate) mod service;
mod stores;
pub(crate) mod systemd;
mod transaction;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use installer::bundle::{StagedRpm, StagedRpmSet};
use installer::host::payload::PayloadFiles;
use installer::host::{
    Erasure, Host, HostError, Identity, InstalledPackage, Invocation, MainProcess, Mount,
    ProbeAnswer, ProbeTarget, ProcessState, Rehearsal, RpmAnswer, RpmContents, RpmMode, Services,
    Space, UnitAction, UnitActivity, UnitProcess, UnitSettings, UnitState,
};
use installer::layout::Layout;
use installer::stores::StoreError;
use manifests::nevra::{Arch, Nevra};

use self::gate::Gate;
use self::machine::{Machine, Surviving};
use self::package::Package;
use self::transaction::Transaction;

/// The host as one process of the installer sees it.
pub(crate) struct FakeHost {
    layout: Layout,
    machine: Rc<RefCell<Machine>>,
    gate: Rc<Gate>,
}

impl FakeHost {
    pub(crate) fn new(layout: &Layout, machine: &Rc<RefCell<Machine>>, gate: &Rc<Gate>) -> Self {
        Self {
            layout: layout.clone(),
            machine: Rc::clone(machine),
            gate: Rc::clone(gate),
        }
    }

    /// Lets a call through the gate. A surviving rpm goes on meanwhile.
    fn call<T>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut Machine) -> T,
    ) -> Result<T, HostError> {
        self.gate.moment("before", what);
        if self.gate.host_call_fails() {
            return Err(failure(what));
        }
        self.machine.borrow_mut().survive(&self.layout);
        let answer = effect(&mut self.machine.borrow_mut());
        self.gate.moment("after", what);
        Ok(answer)
    }

    /// A call that changes the host.
    fn change<T>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut Machine) -> T,
    ) -> Result<T, HostError> {
        self.gate.changes();
        self.call(what, effect)
    }

    /// A call to the data store, whose server may not be up.
    fn ask_store<T>(
        &self,
        what: &'static str,
        answer: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let answered = self.call(what, |machine| {
            if machine.has_store() {
                answer()
            } else {
                Err(data::error("it does not answer"))
            }
        });
        answered.map_err(|error| data::error(&error.to_string()))?
    }

    fn plan(&self, set: &StagedRpmSet, mode: RpmMode) -> Result<Transaction, RpmAnswer> {
        let packages = set.rpms().iter().map(Package::read).collect();
        Transaction::plan(&self.machine.borrow(), &self.layout, packages, mode)
    }

    /// Runs a transaction. At every moment the installer may be killed with it, or without it.
    fn transact(&self, mut transaction: Transaction) -> RpmAnswer {
        self.machine.borrow_mut().lingering.clear();
        loop {
            // The image of a killed installer shows an rpm that goes on. The test that uses the
            // image may kill that rpm too.
            let copy = transaction.clone();
            self.machine.borrow_mut().surviving = Some(Surviving {
                transaction: copy,
                mark: None,
            });
            self.gate.moment("within", "rpm -U");
            let machine = &mut *self.machine.borrow_mut();
            machine.surviving = None;
            if self.gate.rpm_is_killed() {
                machine.db.killed(&self.layout);
                machine.lingering = transaction.lingering();
                return transaction.killed();
            }
            if !transaction.advance(machine, &self.layout) {
                return transaction.answer();
            }
        }
    }
}

fn failure(command: &'static str) -> HostError {
    let reason = "the fake host was told to fail here".to_owned();
    HostError::Answer { command, reason }
}

impl Services for FakeHost {
    // The manifest's own files stand for what systemd would tell.
    fn unit_settings(&self, _: &str) -> Result<Option<UnitSettings>, HostError> {
        Ok(None)
    }

    fn invocation(&self, _: u32, _: &str) -> std::io::Result<Option<Invocation>> {
        Ok(None)
    }
}

impl Host for FakeHost {
    fn identity(&self) -> Result<Identity, HostError> {
        self.call("identity", |machine| Identity {
            os_id: "fake".to_owned(),
            version_id: "9".to_owned(),
            pretty: "Fake Linux 9".to_owned(),
            arch: Some(Arch::X86_64),
            rpm_version: format!("{:?}", machine.db.flavour),
            systemd: true,
            fips: false,
            crypto_policy: None,
        })
    }

    fn installed(&self, names: &[&str]) -> Result<Vec<InstalledPackage>, HostError> {
        self.call("rpm -qa", |machine| machine.db.query(&self.layout, names))
    }

    fn rpm_contents(&self) -> Result<RpmContents, HostError> {
        self.call("rpm -qa", |machine| machine.db.contents())
    }

    fn rpm_verify(&self, names: &[&str]) -> Result<Vec<String>, HostError> {
        self.call("rpm -V", |machine| machine.db.verify(&self.layout, names))
    }

    fn rpm_test(&self, set: &StagedRpmSet, mode: RpmMode) -> Result<RpmAnswer, HostError> {
        let well = RpmAnswer {
            code: Some(0),
            output: String::new(),
        };
        self.call("rpm -U --test", |_| ())?;
        Ok(self
            .plan(set, mode)
            .map_or_else(|refusal| refusal, |_| well))
    }

    fn rpm_rehearse(&self, _: &Rehearsal<'_>) -> Result<RpmAnswer, HostError> {
        self.call("rpm --justdb", |_| RpmAnswer {
            code: Some(0),
            output: String::new(),
        })
    }

    fn rpm_headers(&self, set: &StagedRpmSet) -> Result<Vec<InstalledPackage>, HostError> {
        set.check()?;
        let packages = set.rpms().iter().map(|rpm| Arc::new(Package::read(rpm)));
        let headers: Vec<_> = packages.map(|one| rpmdb::describe(&one)).collect();
        self.call("rpm -qp", |_| headers)
    }

    fn payload_files(
        &self,
        rpm: &StagedRpm,
        wanted: &BTreeSet<String>,
        limit_bytes: u64,
    ) -> Result<PayloadFiles, HostError> {
        let found = Package::read(rpm).payload(wanted, limit_bytes);
        self.call("rpm2cpio", |_| found)
    }

    fn rpm_signatures(&self, set: &StagedRpmSet, _: &[Vec<u8>]) -> Result<RpmAnswer, HostError> {
        set.check()?;
        self.call("rpmkeys -K", |_| RpmAnswer {
            code: Some(0),
            output: String::new(),
        })
    }

    fn rpm_upgrade(
        &self,
        set: &StagedRpmSet,
        mode: RpmMode,
        mut log: &File,
        _mark: &File,
    ) -> Result<RpmAnswer, HostError> {
        set.check()?;
        let is_locked = self.change("rpm -U", |machine| machine.surviving.is_some())?;
        let answer = match self.plan(set, mode) {
            _ if is_locked => transaction::refusal("error: can't create transaction lock"),
            Ok(transaction) => self.transact(transaction),
            Err(refusal) => refusal,
        };
        self.machine.borrow_mut().meet_foreign_rpm(&self.layout);
        // An unwritable log changes nothing, as on a real host.
        let _ = log.write_all(answer.output.as_bytes());
        self.gate.moment("after", "rpm -U");
        Ok(answer)
    }

    fn rpm_erase(
        &self,
        packages: &[&Nevra],
        how: Erasure,
        mut log: &File,
        _mark: &File,
    ) -> Result<RpmAnswer, HostError> {
        let is_locked = self.change("rpm -e", |machine| machine.surviving.is_some())?;
        let names: Vec<&str> = packages.iter().map(|nevra| nevra.name()).collect();
        let planned = Transaction::plan_removal(&self.machine.borrow(), &self.layout, &names, how);
        let answer = match planned {
            _ if is_locked => transaction::refusal("error: can't create transaction lock"),
            Ok(transaction) => self.transact(transaction),
            Err(refusal) => refusal,
        };
        let _ = log.write_all(answer.output.as_bytes());
        self.gate.moment("after", "rpm -e");
        Ok(answer)
    }

    fn rpm_lock_holder(&self) -> Result<Option<String>, HostError> {
        self.call("rpm lock", |machine| {
            if machine.has_foreign_rpm(&self.layout) {
                return Some("process 815 (dnf)".to_owned());
            }
            let rpm = machine.surviving.as_ref();
            let holder = rpm.filter(|rpm| rpm.transaction.has_lock());
            holder.map(|_| "process 4711 (rpm)".to_owned())
        })
    }

    fn heal_rpmdb(&self) -> Result<(), HostError> {
        self.change("heal rpmdb", |machine| {
            machine.forbid_beside_rpm("the rpm database was healed");
            if self.gate.heals() {
                machine.db.heal(&self.layout);
            }
        })
    }

    fn unit(&self, unit: &str) -> Result<UnitState, HostError> {
        self.call("systemctl show", |m| m.units.state(&self.layout, unit))
    }

    fn instances(&self, _template: &str) -> Result<Vec<String>, HostError> {
        self.call("systemctl list-units", |_| Vec::new())
    }

    fn change_unit(&self, action: UnitAction, unit: &str) -> Result<(), HostError> {
        let (what, layout) = ("systemctl", &self.layout);
        let done = self.change(what, |machine| {
            machine.forbid_beside_rpm("a unit was changed");
            match action {
                UnitAction::Start => return machine.units.start(layout, unit),
                UnitAction::Stop => machine.units.stop(unit),
                UnitAction::ResetFailed => machine.units.reset_failed(unit),
                UnitAction::Enable => systemd::enable(layout, unit),
                UnitAction::Disable => systemd::disable(layout, unit),
                UnitAction::Mask => systemd::mask(layout, unit),
            }
            Ok(())
        })?;
        done.map_err(|reason| HostError::Answer {
            command: what,
            reason,
        })
    }

    fn daemon_reload(&self) -> Result<(), HostError> {
        self.change("daemon-reload", |machine| {
            machine.units.reload(&self.layout);
        })
    }

    fn main_process(&self, unit: &str) -> Result<Option<MainProcess>, HostError> {
        self.call("MainPID", |machine| machine.units.main_process(unit))
    }

    fn unit_log(&self, _: &str, _: u64, _: u32) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }

    fn unit_activity(&self, unit: &str) -> Result<UnitActivity, HostError> {
        self.call("systemctl show", |machine| {
            let state = machine.units.state(&self.layout, unit);
            let is_running = state.main_pid != 0;
            UnitActivity {
                sub: if is_running { "running" } else { "dead" }.to_owned(),
                active: state.active,
                kind: "simple".to_owned(),
                main_pid: state.main_pid,
                restart_delay: Some(Duration::from_millis(100)),
                ..UnitActivity::default()
            }
        })
    }

    fn unit_processes(&self, _: &str) -> Result<Vec<UnitProcess>, HostError> {
        self.call("/proc", |_| Vec::new())
    }

    fn started_program(&self, _: &str) -> Result<Option<PathBuf>, HostError> {
        self.call("systemctl show", |_| None)
    }

    fn process(&self, _: u32) -> Option<ProcessState> {
        Some(ProcessState {
            started: 0,
            age_secs: self.machine.borrow().process_age_secs,
            directory: None,
            service: None,
            ports: BTreeSet::new(),
        })
    }

    fn probe(&self, target: &ProbeTarget) -> Result<ProbeAnswer, String> {
        let answer = self.call("probe", |machine| {
            let process = machine.units.listener(target.port.get());
            process.map(service::Process::answer)
        });
        let answer = answer.map_err(|error| error.to_string())?;
        answer.unwrap_or_else(|| Err("connection refused".to_owned()))
    }

    fn mounts(&self) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }

    fn filesystems(&self) -> Result<Vec<Mount>, HostError> {
        Ok(Vec::new())
    }

    fn space(&self, _: &Path) -> Result<Space, HostError> {
        self.call("statvfs", |_| Space {
            free_bytes: u64::MAX,
            free_inodes: u64::MAX,
            read_only: false,
        })
    }

    fn now(&self) -> u64 {
        let machine = self.machine.borrow();
        machine.clock_ms / 1000 + machine.wall_ahead_secs
    }

    fn steady_clock(&self) -> Duration {
        Duration::from_millis(self.machine.borrow().clock_ms)
    }

    fn sleep(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.machine.borrow_mut().pass(&self.layout, millis);
    }
}
