//! An rpm transaction, operation by operation, so that it can be killed between any two of them.
//!
//! It follows measurements of real transactions. New files reach the disk under `name;xxxxxxxx`
//! (the time in seconds) and are renamed. The new header is recorded before the old one is erased.
//! A failed element is not undone and does not make the others fail, and the exit code reveals
//! little. A scriptlet lies in `/var/tmp` while it runs. rpm reads and tests its packages before it
//! takes its lock.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use installer::host::{Erasure, RpmAnswer, RpmMode};
use installer::layout::Layout;
use manifests::digest::Sha256;

use super::disk;
use super::machine::Machine;
use super::package::{Deed, FileKind, Package, Packaged, When};
use super::rpmdb::Flavour;

/// A transaction under way.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    /// Suffix of temporary names.
    id: u64,
    /// Operations before it takes rpm's lock.
    starting: u32,
    ops: VecDeque<Op>,
    /// Names of packages whose element failed: the rest of the element is skipped.
    failed: BTreeSet<String>,
    /// The exit code of a transaction with a failed element.
    elements: usize,
    output: String,
}

#[derive(Debug, Clone)]
struct Op {
    package: Arc<Package>,
    act: Act,
}

#[derive(Debug, Clone)]
enum Act {
    /// Writes a scriptlet.
    Begin(When),
    /// Runs it, and removes it.
    Run(When),
    /// Writes a file under its temporary name.
    Unpack(usize),
    /// Gives it its name.
    Commit(usize, Fate),
    /// Records the new header.
    Record,
    /// Removes a file of an old instance, unless another instance has it.
    Erase(u32, usize),
    /// Removes an old header.
    Forget(u32),
}

/// How long rpm reads and tests its packages, in operations.
const STARTING: u32 = 6;

/// What becomes of a file that may have been edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Replace,
    SaveOld,
    NewBeside,
    Leave,
}

impl Transaction {
    /// Plans a transaction as rpm does before it changes anything, or is refused.
    pub(crate) fn plan(
        machine: &Machine,
        layout: &Layout,
        packages: Vec<Package>,
        mode: RpmMode,
    ) -> Result<Self, RpmAnswer> {
        if machine.db.is_stale(layout) {
            let text = "error: rpmdb: BDB0113 Thread/process failed: DB_RUNRECOVERY";
            return Err(refusal(text));
        }
        let mut transaction = Self {
            id: machine.clock_ms / 1000,
            starting: STARTING,
            ops: VecDeque::new(),
            failed: BTreeSet::new(),
            elements: packages.len(),
            output: String::new(),
        };
        for package in packages {
            let old = machine.db.instances(package.name());
            let newer = old
                .iter()
                .find(|(_, old)| old.nevra.evr() >= package.nevra.evr());
            if let (RpmMode::Upgrade, Some((_, newer))) = (mode, newer) {
                let text = format!("\tpackage {} is already installed", newer.nevra);
                return Err(refusal(&text));
            }
            let mut all = machine.db.all();
            let is_replaced =
                |other: &&Arc<Package>| other.obsoletes.iter().any(|name| name == package.name());
            if let Some(by) = all.find(is_replaced) {
                let text = format!(
                    "\t{} is obsoleted by (installed) {}",
                    package.nevra, by.nevra
                );
                return Err(refusal(&text));
            }
            let package = Arc::new(package);
            transaction.plan_install(machine, layout, &package);
            let replaced = package
                .obsoletes
                .iter()
                .flat_map(|name| machine.db.instances(name));
            for (instance, old) in &old.into_iter().chain(replaced).collect::<Vec<_>>() {
                transaction.plan_erase(*instance, old, mode);
            }
        }
        Ok(transaction)
    }

    /// Plans the removal of packages.
    pub(crate) fn plan_removal(
        machine: &Machine,
        layout: &Layout,
        names: &[&str],
        how: Erasure,
    ) -> Result<Self, RpmAnswer> {
        let mode = match how {
            Erasure::BeforeWhatNeedsThemWithoutPreun => RpmMode::GoBackWithoutPreun,
            _ => RpmMode::GoBack,
        };
        let mut transaction = Self::plan(machine, layout, Vec::new(), mode)?;
        for name in names {
            let installed = machine.db.instances(name);
            if installed.is_empty() {
                return Err(refusal(&format!("error: package {name} is not installed")));
            }
            transaction.elements += installed.len();
            for (instance, old) in &installed {
                transaction.plan_erase(*instance, old, mode);
            }
        }
        Ok(transaction)
    }

    fn push(&mut self, package: &Arc<Package>, act: Act) {
        let package = Arc::clone(package);
        self.ops.push_back(Op { package, act });
    }

    fn push_scriptlet(&mut self, package: &Arc<Package>, when: When) {
        if package.scriptlet(when).is_some() {
            self.push(package, Act::Begin(when));
            self.push(package, Act::Run(when));
        }
    }

    fn plan_install(&mut self, machine: &Machine, layout: &Layout, package: &Arc<Package>) {
        self.push_scriptlet(package, When::Pre);
        let fates: Vec<Fate> = package
            .files
            .iter()
            .map(|file| decide(machine, layout, package, file))
            .collect();
        let unpacked = fates
            .iter()
            .enumerate()
            .filter(|(_, fate)| **fate != Fate::Leave);
        let commits: Vec<(usize, Fate)> = unpacked.map(|(at, fate)| (at, *fate)).collect();
        if machine.db.flavour == Flavour::Sqlite {
            for (at, _) in &commits {
                self.push(package, Act::Unpack(*at));
            }
        }
        for (at, fate) in commits {
            if machine.db.flavour == Flavour::BerkeleyDb {
                self.push(package, Act::Unpack(at));
            }
            self.push(package, Act::Commit(at, fate));
        }
        self.push(package, Act::Record);
        self.push_scriptlet(package, When::Post);
    }

    fn plan_erase(&mut self, instance: u32, old: &Arc<Package>, mode: RpmMode) {
        if mode != RpmMode::GoBackWithoutPreun {
            self.push_scriptlet(old, When::Preun);
        }
        for at in (0..old.files.len()).rev() {
            self.push(old, Act::Erase(instance, at));
        }
        self.push(old, Act::Forget(instance));
        self.push_scriptlet(old, When::Postun);
    }

    /// Does the next operation; `false` if none is left.
    pub(crate) fn advance(&mut self, machine: &mut Machine, layout: &Layout) -> bool {
        if self.starting > 0 {
            self.starting -= 1;
            return true;
        }
        while let Some(op) = self.ops.pop_front() {
            if !self.failed.contains(op.package.name()) {
                self.perform(machine, layout, &op);
                return true;
            }
        }
        false
    }

    fn perform(&mut self, machine: &mut Machine, layout: &Layout, op: &Op) {
        let package = &op.package;
        match &op.act {
            Act::Begin(when) => {
                let text = format!("# {} of {}", when.name(), package.nevra);
                disk::write(
                    &scriptlet_path(layout, package, *when),
                    text.as_bytes(),
                    0o600,
                    START,
                );
            }
            Act::Run(when) => self.run(machine, layout, package, *when),
            Act::Unpack(at) => {
                let file = &package.files[*at];
                let temporary = self.temporary(layout, file);
                if temporary.exists() {
                    let text = "cpio: open failed - File exists";
                    let name = temporary.display();
                    self.fail(
                        package,
                        &format!("error: unpacking of archive failed on {name}: {text}"),
                    );
                    return;
                }
                let (content, built) = (file.content.as_bytes(), package.built());
                disk::write(&temporary, content, file.mode, built);
            }
            Act::Commit(at, fate) => {
                let file = &package.files[*at];
                let path = layout.at(&file.path);
                let target = if *fate == Fate::NewBeside {
                    layout.at(&format!("{}.rpmnew", file.path))
                } else {
                    path.clone()
                };
                if *fate == Fate::SaveOld {
                    disk::rename(&path, &layout.at(&format!("{}.rpmsave", file.path)));
                }
                disk::rename(&self.temporary(layout, file), &target);
                machine.unsynced.insert(file.path.clone());
            }
            Act::Record => drop(machine.db.add(Arc::clone(package))),
            Act::Erase(instance, at) => erase(machine, layout, *instance, &package.files[*at]),
            Act::Forget(instance) => machine.db.remove(*instance),
        }
    }

    fn temporary(&self, layout: &Layout, file: &Packaged) -> PathBuf {
        layout.at(&format!("{};{:08x}", file.path, self.id))
    }

    fn run(&mut self, machine: &mut Machine, layout: &Layout, package: &Arc<Package>, when: When) {
        let Some(scriptlet) = package.scriptlet(when) else {
            return;
        };
        for deed in &scriptlet.does {
            machine.units.obey(layout, deed);
        }
        disk::remove(&scriptlet_path(layout, package, when));
        if !scriptlet.fails {
            return;
        }
        let (name, nevra) = (when.name(), &package.nevra);
        let failed = format!("{name}({nevra}) scriptlet failed, exit status 1");
        if when.is_critical() {
            self.fail(package, &format!("error: {failed}"));
        } else {
            self.say(&format!("warning: {failed}"));
        }
    }

    fn say(&mut self, line: &str) {
        self.output.push_str(line);
        self.output.push('\n');
    }

    fn fail(&mut self, package: &Arc<Package>, why: &str) {
        self.say(why);
        self.say(&format!("error: {}: failed", package.nevra));
        self.failed.insert(package.name().to_owned());
    }

    /// Returns what the running scriptlet does: it does not die with rpm.
    pub(crate) fn lingering(&self) -> Vec<Deed> {
        let next = self.ops.front().filter(|_| self.has_lock());
        let running = next.and_then(|op| match op.act {
            Act::Run(when) => op.package.scriptlet(when),
            _ => None,
        });
        running.map_or_else(Vec::new, |scriptlet| scriptlet.does.clone())
    }

    /// Returns how far it is: operations that are left, and whether it holds rpm's lock.
    pub(crate) fn left(&self) -> (usize, bool) {
        (self.ops.len(), self.has_lock())
    }

    /// Whether it holds rpm's lock.
    pub(crate) const fn has_lock(&self) -> bool {
        self.starting == 0
    }

    /// Returns the answer of a transaction that came to its end.
    pub(crate) fn answer(self) -> RpmAnswer {
        let code = if self.failed.is_empty() {
            0
        } else {
            i32::try_from(self.elements).unwrap_or(254)
        };
        RpmAnswer {
            code: Some(code),
            output: self.output,
        }
    }

    /// Returns the answer of one that was killed.
    pub(crate) fn killed(self) -> RpmAnswer {
        RpmAnswer {
            code: None,
            output: self.output,
        }
    }
}

/// The time of files whose time does not matter.
const START: Duration = Duration::from_secs(1_700_000_000);

fn scriptlet_path(layout: &Layout, package: &Package, when: When) -> PathBuf {
    // Six characters, as mkstemp makes them; the same in every run.
    let text = format!("{}{}", package.nevra, when.name());
    layout.at(&format!(
        "/var/tmp/rpm-tmp.{}",
        &Sha256::of(text.as_bytes()).to_string()[..6]
    ))
}

pub(super) fn refusal(text: &str) -> RpmAnswer {
    RpmAnswer {
        code: Some(1),
        output: format!("{text}\n"),
    }
}

fn decide(machine: &Machine, layout: &Layout, package: &Package, new: &Packaged) -> Fate {
    let Some(present) = disk::read(&layout.at(&new.path)) else {
        return Fate::Replace;
    };
    let instances = machine.db.instances(package.name());
    let old: Vec<&Packaged> = instances
        .iter()
        .filter_map(|(_, p)| p.file(&new.path))
        .collect();
    let is = |file: &&Packaged| file.content.as_bytes() == present;
    if new.kind == FileKind::Plain || is(&new) || old.iter().any(is) {
        return Fate::Replace;
    }
    match old.last() {
        Some(old) if old.content == new.content => Fate::Leave,
        _ if new.kind == FileKind::NoReplace => Fate::NewBeside,
        _ => Fate::SaveOld,
    }
}

fn erase(machine: &Machine, layout: &Layout, instance: u32, file: &Packaged) {
    if machine.db.owns(&file.path, instance) {
        return;
    }
    let path = layout.at(&file.path);
    let is_edited = disk::read(&path).is_some_and(|found| found != file.content.as_bytes());
    if file.is_config() && is_edited {
        disk::rename(&path, &layout.at(&format!("{}.rpmsave", file.path)));
    } else {
        disk::remove_with_parent(&path);
    }
}
