//! The host's part: who is trusted, where the state is kept, rpm, and what forbids programs.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::super::session::Session;
use super::super::{refusal, trust};
use super::Check;
use crate::failure::chain;
use crate::history;
use crate::host::Host as _;
use crate::journal::lock;
use crate::preflight::{self, site};
use crate::run_unit;
use crate::secure_fs;

/// Room that the smallest run needs in the state directory.
const STATE_BYTES: u64 = 256 << 20;
const OTHER_BYTES: u64 = 64 << 20;
/// The clock of a host cannot be before this program was written: 2026-01-01.
const EARLIEST: u64 = 1_767_225_600;

pub(super) fn checks(session: &Session) -> Vec<Check> {
    let mut checks = vec![trusted(session)];
    if rustix::process::geteuid().is_root() {
        checks.extend(state(session));
        checks.push(kept_copy(session));
    } else {
        let why = "state directory, runs, and the copy for systemd: this needs root";
        checks.push(Check::not_checked("state", why));
    }
    checks.extend(rpm(session));
    checks.extend(space(session));
    checks.extend(policies(session));
    checks.push(clock(session));
    checks
}

fn trusted(session: &Session) -> Check {
    let own = std::env::current_exe().unwrap_or_else(|_| "./install".into());
    let own = own.display();
    match trust::enrolled(session) {
        Ok(roots) if roots.is_empty() => Check::problem(
            "trust",
            "no trust root is enrolled: no bundle would be accepted",
            format!("`{own} trust add root.json`; compare its fingerprint over another channel"),
        ),
        Ok(roots) => {
            let titles: Vec<&str> = roots
                .iter()
                .map(|root| root.document().title.as_str())
                .collect();
            Check::fine("trust", format!("trusted: {}", titles.join(", ")))
        }
        Err(failure) => Check::of("trust", refusal::as_problem(&failure)),
    }
}

fn state(session: &Session) -> Vec<Check> {
    let layout = &session.layout;
    let dir = layout.state();
    let shown = dir.display();
    if dir.symlink_metadata().is_err() {
        return vec![Check::fine(
            "state",
            format!("{shown} is made by the first run"),
        )];
    }
    let mut checks = Vec::new();
    match secure_fs::check_guarded(&dir) {
        Ok(()) => checks.push(Check::fine("state", format!("{shown} is root's alone"))),
        Err(error) => {
            let next = "correct its owner and mode, or move it to a local disk";
            return vec![Check::problem("state", chain(&error), next)];
        }
    }
    if lock::is_held(layout) {
        let holder = lock::holder(layout).map_or("another".to_owned(), |pid| pid.to_string());
        let what = format!("process {holder} of this program is at work");
        checks.push(Check::warning("lock", what, "wait until it has ended"));
    }
    checks.push(runs(session));
    checks
}

fn runs(session: &Session) -> Check {
    let past = match history::all(&session.layout) {
        Ok(past) => past,
        Err(why) => return Check::problem("run", why, "correct what the reason names"),
    };
    if let Some(one) = past.unreadable_open() {
        let what = format!(
            "run {} cannot be read, and may be open: {}",
            one.id, one.why
        );
        return Check::problem("run", what, one.next.clone());
    }
    if let Some(open) = past.runs.iter().find(|run| run.is_open()) {
        let program = history::program(&session.layout, open.id);
        return Check::problem(
            "run",
            format!("run {} is open", open.id),
            format!("`{program} status` shows it, `{program} resume` closes it"),
        );
    }
    match past.unreadable.last() {
        Some(one) => {
            let what = format!("run {} cannot be read: {}", one.id, one.why);
            Check::warning("run", what, one.next.clone())
        }
        None => Check::fine(
            "run",
            format!("no run is open; {} are past", past.runs.len()),
        ),
    }
}

fn kept_copy(session: &Session) -> Check {
    if !run_unit::is_possible(&session.host, &session.layout) {
        let what = "no systemd works on this host: a run lives in its own process";
        return Check::fine("execute", what);
    }
    match site::kept_copy(&session.host, &session.layout) {
        Some(problem) => Check::of("execute", problem),
        None => Check::fine(
            "execute",
            "systemd can execute the copy that continues a run",
        ),
    }
}

fn rpm(session: &Session) -> Vec<Check> {
    let mut checks: Vec<Check> = preflight::programs()
        .into_iter()
        .map(|problem| Check::of("program", problem))
        .collect();
    let next = "make `rpm -qa` work on this host first";
    match session.host.rpm_contents() {
        Ok(contents) => checks.push(Check::fine(
            "rpm",
            format!(
                "the rpm database ({}) has {} packages",
                contents.database,
                contents.packages.len()
            ),
        )),
        Err(error) => checks.push(Check::problem("rpm", chain(&error), next)),
    }
    match session.host.rpm_lock_holder() {
        Ok(Some(holder)) => checks.push(Check::warning(
            "rpm-lock",
            format!("rpm is locked by {holder}"),
            "wait until it has ended",
        )),
        Ok(None) => {}
        Err(error) => checks.push(Check::problem("rpm-lock", chain(&error), next)),
    }
    checks
}

fn space(session: &Session) -> Vec<Check> {
    let layout = &session.layout;
    let state = layout.state();
    let places = vec![
        (state, STATE_BYTES),
        (layout.at("/var/lib/rpm"), OTHER_BYTES),
        (layout.at("/usr"), OTHER_BYTES),
        (layout.at("/opt"), OTHER_BYTES),
        (layout.at("/etc"), OTHER_BYTES),
        (layout.at("/var/tmp"), OTHER_BYTES),
    ];
    // One line for each filesystem.
    let mut seen = BTreeSet::new();
    let mut is_new = |(place, _): &(PathBuf, u64)| {
        let there = place.ancestors().find_map(|dir| dir.metadata().ok());
        there.is_none_or(|there| seen.insert(there.dev()))
    };
    let places: Vec<(PathBuf, u64)> = places.into_iter().filter(|one| is_new(one)).collect();
    let look = |(place, wanted): (PathBuf, u64)| {
        let shown = place.display().to_string();
        match session.host.space(&place) {
            Ok(space) if space.read_only => Check::problem(
                "space",
                format!("{shown} is on a read-only filesystem"),
                "remount it read-write for the time of a run",
            ),
            Ok(space) if space.free_bytes < wanted => Check::problem(
                "space",
                format!("{shown} has {} MiB free", space.free_bytes >> 20),
                "free some space on that filesystem; `backup list` shows what old backups take",
            ),
            Ok(space) => Check::fine(
                "space",
                format!("{shown} has {} MiB free", space.free_bytes >> 20),
            ),
            Err(error) => Check::problem("space", chain(&error), "make the directory reachable"),
        }
    };
    places.into_iter().map(look).collect()
}

fn policies(session: &Session) -> Vec<Check> {
    let mut checks = Vec::new();
    let (host, layout) = (&session.host, &session.layout);
    if layout.is_live() {
        if site::forbids_unknown_programs(host) {
            checks.push(Check::warning(
                "fapolicyd",
                "fapolicyd is active: it executes only programs that it knows",
                "what a run executes was tried above; plugins and the target version are tried by \
                 `plan BUNDLE`",
            ));
        }
        let mode = if site::is_enforcing() {
            "enforcing"
        } else {
            "not enforcing"
        };
        checks.push(Check::fine("selinux", format!("SELinux is {mode}")));
    }
    if site::is_noexec(&layout.state()) {
        checks.push(Check::warning(
            "noexec",
            format!("{} is mounted noexec", layout.state().display()),
            "remount it with exec before a run of a product with plugins: they are tried there",
        ));
    }
    checks
}

fn clock(session: &Session) -> Check {
    let now = session.host.now();
    let past = history::all(&session.layout).unwrap_or_default();
    let last = past.runs.iter().filter_map(|run| run.report.as_ref());
    let last = last.map(|report| report.ended).max().unwrap_or(0);
    if now < EARLIEST || now < last {
        let next = "set the clock: reports and dumps carry its time";
        return Check::problem("clock", "the clock is behind", next);
    }
    Check::fine("clock", "the clock is plausible")
}
