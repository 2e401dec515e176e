//! A host in a directory of its own, and the processes that work on it one after the other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use installer::backup::blobs::Blobs;
use installer::backup::seal;
use installer::history;
use installer::history::report::RunReport;
use installer::inventory::{Inventory, Subject};
use installer::journal::lock::RunLock;
use installer::layout::Layout;
use installer::plan::restore;
use installer::plan::undo::{self, DataChoice};
use installer::plan::{InstallPlan, StoreConsent};
use installer::preflight::Backup;
use installer::run::{
    AsItIs, Context, Ended, OnStop, OpenRun, Undone, close_as_it_is, close_open_run, dumps_of,
    execute, look_at_open_run, prepare, reserve,
};
use installer::run_unit::{Copies, disarm};
use installer::secure_fs;
use manifests::digest::Sha256;
use tempfile::TempDir;

use crate::extra::{self, Beside};
use crate::fake::gate::{Fault, Gate};
use crate::fake::image::{Contents, Image};
use crate::fake::machine::Machine;
use crate::fake::{FakeHost, data, disk, systemd};
use crate::scene::{Kind, Scene, unit_name};
use crate::vault;

/// No budget of an operator.
static NO_BUDGETS: BTreeMap<String, u64> = BTreeMap::new();
/// When every scene begins.
const START: u64 = 1_700_000_000;
/// When people last did something on the host.
const EDITED: Duration = Duration::from_secs(START - 1000);

pub(crate) struct World {
    _dir: TempDir,
    pub(crate) layout: Layout,
    pub(crate) machine: Rc<RefCell<Machine>>,
}

/// What happens to a host between the death of one process and the start of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// The installer was killed; an rpm that it started goes on.
    RpmSurvives,
    /// The installer was killed, and rpm with it.
    RpmKilled,
    /// The power was cut.
    Reboot,
}

impl World {
    fn empty(machine: Machine) -> Self {
        // Memory, where there is such a filesystem: syncing a disk takes most of the time.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        let dir = dir.expect("a temporary directory");
        Self {
            layout: Layout::of_running(dir.path()),
            _dir: dir,
            machine: Rc::new(RefCell::new(machine)),
        }
    }

    /// Sets up the host of a scene as it is before the run, and plans the run.
    pub(crate) fn of(scene: &Scene) -> (Self, InstallPlan) {
        let world = Self::empty(Machine::new(scene.flavour, START));
        let layout = &world.layout;
        let dirs = [
            "/run/systemd/system",
            "/usr/libexec",
            "/var/lib/rpm",
            "/var/tmp",
            "/etc/systemd/system",
            "/etc/sysconfig",
        ];
        for dir in dirs {
            disk::make_dir(&layout.at(dir));
        }
        secure_fs::ensure_dir(&layout.store(), 0o700).expect("writable");
        world.install_packages(scene);
        if scene.has_data {
            data::install(layout);
            let users = scene.data_users().iter();
            world.machine.borrow_mut().data_users =
                users.map(|user| unit_name(user.name)).collect();
        }
        // The worker was stopped and disabled by its operator.
        let there = scene.parts().iter().filter(|part| !scene.is_anew(part));
        for part in there.filter(|part| part.is_enabled()) {
            systemd::enable(layout, &unit_name(part.name));
        }
        systemd::enable(layout, "relay.timer");
        world.machine.borrow_mut().units.boot(layout);
        if scene.backup == Backup::IsSealed {
            vault::install(layout);
        }
        let plan = if scene.kind == Kind::Upgrade {
            scene.plan()
        } else {
            world.upgrade(scene)
        };
        (world, plan)
    }

    fn install_packages(&self, scene: &Scene) {
        let layout = &self.layout;
        let old = scene.needed().into_iter().filter_map(|(old, _)| old);
        for package in scene.packages(0).into_iter().chain(old) {
            for file in &package.files {
                let content = file.content.as_bytes();
                disk::write(&layout.at(&file.path), content, file.mode, package.built());
            }
            self.machine.borrow_mut().db.add(Arc::new(package));
        }
        for (path, (content, mode)) in scene.edits() {
            disk::write(&layout.at(&path), content.as_bytes(), mode, EDITED);
        }
        if scene.beside == Beside::Files {
            extra::store(layout);
        }
        let both = [0, 1].into_iter().flat_map(|side| scene.packages(side));
        let needed = scene.needed().into_iter();
        let needed = needed.flat_map(|(old, new)| old.into_iter().chain([new]));
        for package in both.chain(needed) {
            let bytes = package.to_rpm();
            disk::write(
                &layout.stored_rpm(&Sha256::of(&bytes)),
                &bytes,
                0o600,
                EDITED,
            );
        }
    }

    /// Upgrades the host, so that there is something to undo; an operator edits a file after it.
    fn upgrade(&self, scene: &Scene) -> InstallPlan {
        let plan = &scene.plan();
        let gate = self.gate(Fault::None);
        self.install(plan, &gate, OnStop::Hold).expect("a run");
        let edited = self.layout.at("/opt/relay/policies.json");
        disk::write(&edited, b"edited after the upgrade\n", 0o644, EDITED);
        let host = FakeHost::new(&self.layout, &self.machine, &gate);
        let run = history::load(&self.layout, 1)
            .expect("readable")
            .expect("a run");
        let subject = Subject {
            packages: plan.changes().map(|change| change.package).collect(),
            components: plan.components().map(|c| &c.component).collect(),
            ..Subject::default()
        };
        let inventory = Inventory::take(&host, &self.layout, &subject);
        let inventory = inventory.expect("a healthy host");
        if scene.kind == Kind::Restore {
            data::spoil(&self.layout);
            let dumps = dumps_of(&self.layout.run(1).backup()).expect("dumps");
            let names = ["relay-data".to_owned()];
            return restore::plan(
                run.earlier(),
                &names,
                &dumps,
                &inventory,
                &StoreConsent::default(),
            )
            .expect("a dump");
        }
        let choice = DataChoice {
            restore: true,
            ..DataChoice::default()
        };
        undo::plan(run.earlier(), &[], &inventory, &choice).expect("a run that can be undone")
    }

    /// Writes what a caller writes before it hands a run over: the boot unit and what it executes.
    fn arm(&self) {
        let unit = "/etc/systemd/system/airgap-bundle-recover.service";
        let link = "/etc/systemd/system/multi-user.target.wants/airgap-bundle-recover.service";
        for path in [unit, "/usr/libexec/airgap-bundle/0123/install"] {
            disk::write(&self.layout.at(path), b"[Unit]\n", 0o644, EDITED);
        }
        disk::symlink(unit, &self.layout.at(link));
    }

    /// Lays out what a dead process left, and then what happened since.
    pub(crate) fn after(image: &Image, between: Between) -> Self {
        let world = Self::empty(image.machine.clone());
        image.unfold(&world.layout);
        {
            let machine = &mut *world.machine.borrow_mut();
            match between {
                Between::Reboot => machine.reboot(&world.layout),
                Between::RpmKilled => machine.kill_rpm(&world.layout),
                Between::RpmSurvives => {
                    if let Some(rpm) = &mut machine.surviving {
                        rpm.mark = Some(world.mark());
                    }
                }
            }
        }
        world
    }

    /// Holds the lock that an rpm at work inherited.
    fn mark(&self) -> Arc<std::fs::File> {
        let path = self.layout.state().join("rpm-at-work");
        let file = std::fs::File::open(path).expect("rpm is at work");
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::flock(&file, operation).expect("no other process works here");
        Arc::new(file)
    }

    pub(crate) fn reboot(&self) {
        self.machine.borrow_mut().reboot(&self.layout);
    }

    pub(crate) fn photograph(&self, name: &str) -> Image {
        let machine = self.machine.borrow();
        Image::take(
            &self.layout,
            &machine,
            name.to_owned(),
            &mut Contents::new(),
        )
    }

    pub(crate) fn gate(&self, fault: Fault) -> Rc<Gate> {
        Gate::new(&self.layout, &self.machine, fault)
    }

    fn lock(&self) -> RunLock {
        RunLock::take(&self.layout).expect("no other process works here")
    }

    /// Starts a process that executes the plan.
    pub(crate) fn install(
        &self,
        plan: &InstallPlan,
        gate: &Rc<Gate>,
        on_stop: OnStop,
    ) -> Result<(), String> {
        let lock = self.lock();
        let host = FakeHost::new(&self.layout, &self.machine, gate);
        let run = history::next_id(&self.layout)?;
        vault::unseal(&self.layout, run, plan)?;
        prepare(&self.layout, run, plan).map_err(|error| error.to_string())?;
        vault::record(&self.layout, run)?;
        self.arm();
        let stopped = || gate.is_stopped();
        let undone = self.undone(run, plan)?;
        let context = Context {
            stopped: &stopped,
            on_stop,
            ..self.context(&host, plan, run, undone.as_ref())
        };
        let ended = execute(&context, &lock).map_err(|error| error.to_string())?;
        self.end(&host, &lock, gate, ended)
    }

    /// Starts a process that closes the open run, if there is one: what the boot unit does.
    pub(crate) fn recover(&self, gate: &Rc<Gate>) -> Result<(), String> {
        let lock = self.lock();
        let host = FakeHost::new(&self.layout, &self.machine, gate);
        let Some(open) = history::open_run(&self.layout).map_err(|failure| failure.to_string())?
        else {
            reserve::free(&self.layout);
            self.settle(&lock, gate);
            return disarm(&host, &self.layout, Copies::Removed).map_err(|error| error.to_string());
        };
        let undone = self.undone(open.id, &open.plan)?;
        let stopped = || gate.is_stopped();
        let context = Context {
            stopped: &stopped,
            ..self.context(&host, &open.plan, open.id, undone.as_ref())
        };
        let ended = close_open_run(&context, &lock).map_err(|error| error.to_string())?;
        self.end(&host, &lock, gate, ended)
    }

    /// Starts a process in which a person closes the open run as it is.
    pub(crate) fn close(&self, run: u64, plan: Option<&InstallPlan>) -> RunReport {
        let lock = self.lock();
        let gate = self.gate(Fault::None);
        let host = FakeHost::new(&self.layout, &self.machine, &gate);
        let context = plan.map(|plan| self.context(&host, plan, run, None));
        let asked = AsItIs {
            host: &host,
            layout: &self.layout,
            run,
            reason: "the test says so",
            context: context.as_ref(),
        };
        close_as_it_is(&asked, &lock).expect("a run that can be closed")
    }

    /// What is said about the open run.
    pub(crate) fn look(&self, run: u64, plan: &InstallPlan) -> OpenRun {
        let gate = self.gate(Fault::None);
        let host = FakeHost::new(&self.layout, &self.machine, &gate);
        look_at_open_run(&self.context(&host, plan, run, None))
    }

    /// Whether a run is open.
    pub(crate) fn is_open(&self) -> bool {
        history::open_run(&self.layout).map_or(true, |open| open.is_some())
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.machine.borrow_mut().pass(&self.layout, millis);
    }

    /// What the command line does when the engine has ended.
    fn end(
        &self,
        host: &FakeHost,
        lock: &RunLock,
        gate: &Rc<Gate>,
        ended: Ended,
    ) -> Result<(), String> {
        let Ended::Reported(report) = ended else {
            return Ok(());
        };
        let run = history::load(&self.layout, report.run)?;
        if run.is_some_and(|run| !run.is_open()) {
            self.settle(lock, gate);
            // A failure here changes no outcome; the verdict finds what is left.
            let _ = disarm(host, &self.layout, Copies::Removed);
        }
        Ok(())
    }

    fn settle(&self, lock: &RunLock, gate: &Rc<Gate>) {
        let passed = |what: &str| gate.moment("after", what);
        let troubles = seal::settle(&self.layout, lock, &passed);
        assert!(troubles.is_empty(), "{troubles:?}");
    }

    fn undone(&self, id: u64, plan: &InstallPlan) -> Result<Option<Undone>, String> {
        let Some(run) = plan.kind.earlier_run() else {
            return Ok(None);
        };
        let dir = seal::backup_of_undone(&self.layout, id, run);
        let bytes = |name: &str| disk::read(&dir.join(name)).expect("the undone run is complete");
        let read = |name: &str| serde_json::from_slice(&bytes(name)).expect("a snapshot");
        let plan = self.layout.run(run).join("plan.json");
        let plan = disk::read(&plan).expect("the undone run is complete");
        let baseline = serde_json::from_slice(&bytes("baseline.json")).expect("a baseline");
        let blobs = Blobs::open(&dir.join("blobs")).map_err(|error| error.to_string())?;
        Ok(Some(Undone {
            before: read("before.json"),
            after: read("after.json"),
            baseline,
            plan: serde_json::from_slice(&plan).expect("a plan"),
            blobs,
            dumps: dumps_of(&dir).map_err(|error| error.to_string())?,
            dumps_dir: dir.join("stores"),
        }))
    }

    fn context<'a>(
        &'a self,
        host: &'a FakeHost,
        plan: &'a InstallPlan,
        run: u64,
        undone: Option<&'a Undone>,
    ) -> Context<'a> {
        Context {
            host,
            stores: host,
            disk: host,
            layout: &self.layout,
            plan,
            run,
            listener: &|_| (),
            stopped: &|| false,
            on_stop: OnStop::Hold,
            lock_wait_secs: 60,
            health_budgets: &NO_BUDGETS,
            undone,
        }
    }
}
