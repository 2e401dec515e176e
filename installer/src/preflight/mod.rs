//! Finds every problem that speaks against a run before anything changes, each with its cure.

mod downtime;
mod dump_dir;
pub mod extras;
mod health;
mod measured;
mod paths;
mod rehearsal;
mod stores;

use std::path::Path;

use manifests::digest::Sha256;

use crate::backup::capture::measure;
use crate::backup::seal::Recipients;
use crate::bundle::{StagedBundle, StagedRpmSet, VerifiedMetadata};
use crate::failure::chain;
use crate::host::{Host, cmd};
use crate::layout::Layout;
use crate::plan::scope::{self, trees};
use crate::plan::{Baseline, Group, InstallPlan, PackageChange, is_build};
use crate::problem::Problem;
use crate::stores::Stores;

pub use downtime::forecast as forecast_downtime;
pub use health::ask as ask_health;
pub use rehearsal::rpm_tests;

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

/// Checks the host for a plan, before the payload is staged.
pub fn host(
    host: &dyn Host,
    stores: &dyn Stores,
    layout: &Layout,
    plan: &InstallPlan,
    backup: Backup,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for program in PROGRAMS
        .into_iter()
        .filter(|program| !cmd::is_available(program))
    {
        problems.push(Problem::new(
            format!("the program `{program}` is missing"),
            "install the package that brings it (rpm, util-linux)",
        ));
    }
    let dumps = stores::check(host, stores, layout, plan, &mut problems);
    let dumps = dump_dir::check(host, plan, dumps, backup, &mut problems);
    space(host, layout, plan, dumps, backup, &mut problems);
    paths::check(host, layout, plan, &mut problems);
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
    problems
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
    dumps: u64,
    backup: Backup,
    problems: &mut Vec<Problem>,
) {
    let known = scope::needs(host, layout, plan).and_then(|needs| Ok((needs, host.mounts()?)));
    let (needs, mounts) = match known {
        Ok(known) => known,
        Err(error) => {
            let next = "make `rpm -qa` work on this host first";
            return problems.push(Problem::new(chain(&error), next));
        }
    };
    for need in needs {
        let is_state = need.is_state;
        let own = if is_state {
            state_bytes(layout, plan, &mounts, dumps, backup)
        } else {
            0
        };
        let needed = need.bytes + need.forward_bytes() + own;
        let place = need.directory.as_path();
        match host.space(place) {
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
}

/// What a run writes into the state directory, and elsewhere on the same filesystem.
fn state_bytes(
    layout: &Layout,
    plan: &InstallPlan,
    mounts: &[String],
    dumps: u64,
    backup: Backup,
) -> u64 {
    let missing = |sha256: &Sha256| !layout.stored_rpm(sha256).exists();
    let rpms = plan.changes().flat_map(PackageChange::rpms);
    let staging: u64 = rpms
        .filter(|rpm| missing(&rpm.sha256))
        .map(|rpm| rpm.size_bytes)
        .sum();
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

/// Checks the staged packages: their signatures, whether each is the package that the plan names,
/// and rpm's own test of every transaction of the plan and of a revert.
pub fn packages(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    bundle: &StagedBundle,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let all: Vec<Sha256> = plan.rpms().into_iter().collect();
    match bundle.rpm_set(layout, &all) {
        Ok(set) => {
            signatures(host, &set, bundle.metadata().vendor_keys(), &mut problems);
            // Only a header with a valid signature can be trusted.
            if problems.is_empty() {
                identities(host, &set, plan, bundle.metadata(), &mut problems);
            }
        }
        Err(error) => problems.push(stored(&chain(&error))),
    }
    rpm_tests(host, layout, plan, &mut problems);
    problems
}

fn signatures(host: &dyn Host, set: &StagedRpmSet, keys: &[Vec<u8>], problems: &mut Vec<Problem>) {
    match host.rpm_signatures(set, keys) {
        Ok(answer) if answer.code == Some(0) => {}
        Ok(answer) => problems.push(Problem::new(
            format!(
                "this host's rpm does not accept the package signatures: {}",
                cmd::tail(&answer.output, 6)
            ),
            "compare the host's crypto policy with the packages' signatures (`rpmkeys -Kv`)",
        )),
        Err(error) => problems.push(Problem::new(
            format!(
                "the package signatures cannot be checked: {}",
                chain(&error)
            ),
            "make `rpmkeys` work on this host first",
        )),
    }
}

/// Compares the headers with the manifest. The plan was made from the manifest and the file lists,
/// but rpm installs what the headers contain, and a revert knows only what was planned.
fn identities(
    host: &dyn Host,
    set: &StagedRpmSet,
    plan: &InstallPlan,
    metadata: &VerifiedMetadata,
    problems: &mut Vec<Problem>,
) {
    let next = "do not use this bundle; build it again";
    let headers = match host.rpm_headers(set) {
        Ok(headers) if headers.len() == set.rpms().len() => headers,
        Ok(_) => {
            let why = "a file of the bundle is not exactly one package";
            return problems.push(Problem::new(why, next));
        }
        Err(error) => {
            let why = format!("the package headers cannot be read: {}", chain(&error));
            return problems.push(Problem::new(why, next));
        }
    };
    for (file, header) in set.rpms().iter().zip(&headers) {
        let sha256 = file.sha256();
        let mut listed = metadata.manifest().rpms.iter();
        let listed = listed.find(|rpm| rpm.sha256 == *sha256);
        let is_meant = match listed.zip(metadata.files(sha256)) {
            Some((rpm, list)) => is_build(header, rpm, list),
            // An RPM of the store: an earlier run installed it from its own bundle.
            None => plan.changes().flat_map(PackageChange::rpms).any(|rpm| {
                rpm.sha256 == *sha256
                    && rpm.nevra == header.nevra
                    && rpm.build_time == header.build_time
            }),
        };
        if !is_meant {
            let found = &header.nevra;
            problems.push(Problem::new(
                format!("the RPM {sha256} is {found}, not what the bundle says of it"),
                next,
            ));
        }
    }
}

fn stored(why: &str) -> Problem {
    Problem::new(why, "copy the bundle again and run `install verify` on it")
}
