//! Finds every problem that speaks against a run before anything changes, each with its cure.

mod downtime;
mod dump_dir;
pub mod extras;
mod health;
mod measured;
mod packages;
mod paths;
mod rehearsal;
pub mod site;
mod stores;
mod twins;

use std::path::Path;

use manifests::digest::Sha256;
use serde::Serialize;

use crate::backup::capture::measure;
use crate::backup::seal::Recipients;
use crate::failure::chain;
use crate::host::{Host, cmd};
use crate::layout::Layout;
use crate::plan::scope::{self, trees};
use crate::plan::{Baseline, Group, InstallPlan, PackageChange};
use crate::problem::{Problem, coded};

use self::dump_dir::Dumps;

pub use downtime::forecast as forecast_downtime;
pub use health::ask as ask_health;
pub use packages::{package_signatures, packages};
pub use rehearsal::rpm_tests;
pub use stores::ask as ask_stores;

/// The journal, logs, documents and units.
const DOCUMENTS_BYTES: u64 = 4 << 20;
const PROGRAMS: [&str; 4] = ["rpm", "rpm2cpio", "rpmkeys", "setsid"];

/// What happens to a run's backup when the run is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// It stays as it is.
    StaysPlain,
    /// It is sealed: for a moment the sealed and the plain backup both exist.
    IsSealed,
}

impl Backup {
    /// Returns what happens to a backup with these recipients.
    #[must_use]
    pub fn of(recipients: &Recipients) -> Self {
        if recipients.is_empty() {
            Self::StaysPlain
        } else {
            Self::IsSealed
        }
    }
}

/// The room that a run needs on one filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Room {
    /// The state directory, or the mount point.
    pub place: String,
    /// Whether it is the state directory.
    pub is_state: bool,
    /// What the run and its revert write there.
    pub needed_bytes: u64,
    /// What is free; nothing if that could not be measured.
    pub free_bytes: Option<u64>,
}

impl Room {
    /// Whether there is room enough.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.free_bytes
            .is_some_and(|free| free >= self.needed_bytes)
    }
}

/// What the preflight found of a host.
#[derive(Debug, Default)]
pub struct Looked {
    /// Every reason not to start.
    pub problems: Vec<Problem>,
    /// The room on each filesystem.
    pub rooms: Vec<Room>,
}

/// Returns a problem for each program of the host that is missing.
#[must_use]
pub fn programs() -> Vec<Problem> {
    let missing = PROGRAMS
        .into_iter()
        .filter(|program| !cmd::is_available(program));
    let problem = |program| {
        Problem::new(
            format!("the program `{program}` is missing"),
            "install the package that brings it (rpm, util-linux)",
        )
        .coded("program")
    };
    missing.map(problem).collect()
}

/// Checks the host for a plan whose stores were asked, before the payload is staged.
pub fn host(host: &dyn Host, layout: &Layout, plan: &InstallPlan, backup: Backup) -> Looked {
    let mut problems = programs();
    let dumps = stores::dump_bytes(plan, &mut problems);
    let dumps = dump_dir::check(host, plan, dumps, backup, &mut problems);
    let mut problems = coded(problems, "store");
    paths::check(host, layout, plan, &mut problems);
    let mut problems = coded(problems, "path");
    let rooms = space(host, layout, plan, dumps, backup, &mut problems);
    for directory in package_directories(plan) {
        match host.space(&layout.at(&directory)) {
            Ok(space) if space.read_only => problems.push(Problem::new(
                format!("{directory} is on a read-only filesystem"),
                "remount it read-write for the time of the run",
            )),
            Ok(_) => {}
            Err(error) => {
                problems.push(Problem::new(chain(&error), "make the directory reachable"));
            }
        }
    }
    Looked {
        problems: coded(problems, "space"),
        rooms,
    }
}

fn package_directories(plan: &InstallPlan) -> Vec<String> {
    let mut found: Vec<String> = plan
        .changes()
        .filter_map(|change| change.to)
        .flat_map(|rpm| rpm.directories.iter().cloned())
        .collect();
    let extras = plan.coming_extras();
    found.extend(extras.filter_map(|extra| Some(extra.path.rsplit_once('/')?.0.to_owned())));
    found.sort();
    found.dedup();
    found
}

/// What the run writes on each filesystem, beside the reserve for a revert.
fn space(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    dumps: Dumps<'_>,
    backup: Backup,
    problems: &mut Vec<Problem>,
) -> Vec<Room> {
    let mut rooms = Vec::new();
    let known = scope::needs(host, layout, plan).and_then(|needs| Ok((needs, host.mounts()?)));
    let (needs, mounts) = match known {
        Ok(known) => known,
        Err(error) => {
            let next = "make `rpm -qa` work on this host first";
            problems.push(Problem::new(chain(&error), next).coded("rpm"));
            return rooms;
        }
    };
    for need in needs {
        let (is_state, place) = (need.is_state, need.directory.as_path());
        let dumped = dumps.bytes_at(place, is_state);
        let own = if is_state {
            state_bytes(layout, plan, &mounts, dumped, backup)
        } else {
            dumped
        };
        let needed = need.bytes + need.forward_bytes() + own;
        let space = host.space(place);
        rooms.push(Room {
            place: place.display().to_string(),
            is_state,
            needed_bytes: needed,
            free_bytes: space.as_ref().ok().map(|space| space.free_bytes),
        });
        match space {
            Ok(space) if space.read_only => problems.push(Problem::new(
                format!("{} is on a read-only filesystem", place.display()),
                "remount it read-write",
            )),
            Ok(space) if space.free_bytes < needed => problems.push(Problem::new(
                format!(
                    "{} has {} MiB free; this run needs {} MiB there",
                    place.display(),
                    space.free_bytes >> 20,
                    needed.div_ceil(1 << 20)
                ),
                if is_state {
                    "free some space on that filesystem; `install backup list` shows what old backups \
                     take, and `install backup prune --keep 1` removes them"
                } else {
                    "free some space on that filesystem"
                },
            )),
            Ok(space) if is_state && space.free_inodes < 10_000 => problems.push(Problem::new(
                format!(
                    "{} has {} inodes free; this run needs 10000",
                    place.display(),
                    space.free_inodes
                ),
                "remove small files on that filesystem",
            )),
            Ok(_) => {}
            Err(error) => {
                problems.push(Problem::new(chain(&error), "make the directory reachable"));
            }
        }
    }
    rooms
}

/// What a run writes into the state directory, and elsewhere on the same filesystem.
fn state_bytes(
    layout: &Layout,
    plan: &InstallPlan,
    mounts: &[String],
    dumps: u64,
    backup: Backup,
) -> u64 {
    let staging = staging_bytes(layout, plan);
    let coming = || plan.coming_extras().map(|extra| extra.size_bytes);
    // For a moment all of it exists twice.
    let sealed = match backup {
        Backup::StaysPlain => 1,
        Backup::IsSealed => 2,
    };
    let all: Vec<&Group> = plan.groups.iter().collect();
    let baseline = Baseline {
        mounts: mounts.to_vec(),
        ..Baseline::default()
    };
    let (roots, excluded) = trees(&all, &baseline);
    // Twice: the state before the run and the state after it.
    let saved = 2 * measure(layout, &roots, &excluded) + coming().sum::<u64>();
    let backup = sealed * (saved + dumps);
    // Includes files that exist already, because they are written again.
    let staging = staging + coming().sum::<u64>();
    let program = Path::new("/proc/self/exe").metadata();
    staging + backup + program.map_or(0, |program| program.len()) + DOCUMENTS_BYTES
}

/// What the packages that are not in the store yet will take there.
#[must_use]
pub fn staging_bytes(layout: &Layout, plan: &InstallPlan) -> u64 {
    let missing = |sha256: &Sha256| !layout.stored_rpm(sha256).exists();
    let rpms = plan.changes().flat_map(PackageChange::rpms);
    rpms.filter(|rpm| missing(&rpm.sha256))
        .map(|rpm| rpm.size_bytes)
        .sum()
}
