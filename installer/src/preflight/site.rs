//! What a site's own rules do to a run: policies and mount options that forbid to execute our
//! programs, units that are masked, and package tools whose history does not know of the run.

use std::path::Path;

use rustix::fs::StatVfsMountFlags;

use crate::failure::chain;
use crate::host::{Host, cmd};
use crate::layout::Layout;
use crate::plan::{InstallPlan, PlanKind};
use crate::problem::Problem;
use crate::run_unit;

/// The unit of the daemon that lets only known programs be executed.
const FAPOLICYD: &str = "fapolicyd.service";
const SELINUX: &str = "/sys/fs/selinux/enforce";
/// Where dnf and yum keep the packages that they must not change.
const VERSIONLOCKS: [&str; 3] = [
    "/etc/dnf/plugins/versionlock.list",
    "/etc/dnf/versionlock.toml",
    "/etc/yum/pluginconf.d/versionlock.list",
];

/// Checks a site's rules for a plan, and adds its notes to the plan.
pub fn check(host: &dyn Host, layout: &Layout, plan: &mut InstallPlan) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(kept_copy(host, layout));
    if plan.groups.iter().any(|group| !group.extras.is_empty()) {
        problems.extend(trials(layout));
    }
    let notes = units(host, plan);
    plan.notes.extend(notes);
    package_tools(layout, plan);
    problems
}

/// Returns why systemd could not execute the copy of this installer that a run leaves for it.
pub fn kept_copy(host: &dyn Host, layout: &Layout) -> Option<Problem> {
    if !run_unit::is_possible(host, layout) {
        return None;
    }
    let tried = run_unit::try_copy(layout).err()?;
    let (copy, why) = (tried.copy.display(), chain(&tried.error));
    let what =
        format!("{copy}, the copy of this program that continues a run, cannot be used: {why}");
    let dir = tried.copy.parent().unwrap_or(&tried.copy);
    let problem = if forbids_unknown_programs(host) {
        let own = std::env::current_exe().unwrap_or_else(|_| "./install".into());
        Problem::new(
            format!("{what}. fapolicyd is active, and does not know this program"),
            format!(
                "let it trust the copy: `mkdir -p {dir} && cp {own} {copy} && chmod 755 {copy} && \
                 fapolicyd-cli --file add {copy} && fapolicyd-cli --update`",
                dir = dir.display(),
                own = own.display(),
            ),
        )
        .coded("fapolicyd")
    } else if is_noexec(dir) {
        let mount = dir.display();
        Problem::new(
            format!("{what}. Its filesystem is mounted noexec"),
            format!("remount the filesystem of {mount} with exec for the time of the run"),
        )
        .coded("noexec")
    } else if is_enforcing() && !cmd::is_available("restorecon") {
        Problem::new(
            format!("{what}. SELinux is enforcing, and `restorecon` is missing"),
            "install policycoreutils, which brings restorecon",
        )
        .coded("selinux")
    } else {
        let next = format!("let root write and execute files below {}", dir.display());
        Problem::new(what, next).coded("execute")
    };
    Some(problem)
}

/// Whether fapolicyd is active and enforcing.
pub fn forbids_unknown_programs(host: &dyn Host) -> bool {
    host.unit(FAPOLICYD).is_ok_and(|unit| unit.is_up())
}

/// Whether `SELinux` enforces its policy on the running host.
#[must_use]
pub fn is_enforcing() -> bool {
    std::fs::read_to_string(SELINUX).is_ok_and(|text| text.trim() == "1")
}

/// Whether programs on the filesystem of a path cannot be executed. A path that does not exist
/// counts as its nearest parent.
#[must_use]
pub fn is_noexec(path: &Path) -> bool {
    let place = path.ancestors().find(|path| path.exists());
    let stat = place.and_then(|place| rustix::fs::statvfs(place).ok());
    stat.is_some_and(|stat| stat.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Programs of the target version are tried below the state directory.
fn trials(layout: &Layout) -> Option<Problem> {
    let state = layout.state();
    is_noexec(&state).then(|| {
        Problem::new(
            format!(
                "{} is on a filesystem that is mounted noexec: the target version cannot be tried with \
                 the plugins there",
                state.display()
            ),
            "remount it with exec for the time of the run",
        )
        .coded("noexec")
    })
}

/// Notes services that will not show whether the new version works.
fn units(host: &dyn Host, plan: &InstallPlan) -> Vec<String> {
    if plan.kind != PlanKind::Upgrade || !host.identity().is_ok_and(|identity| identity.systemd) {
        return Vec::new();
    }
    let there = plan.components().filter(|planned| !planned.is_new());
    let components = there.filter_map(|planned| {
        let unit = planned.component.unit.as_ref()?;
        let state = host.unit(unit).ok().filter(|_| !unit.contains("@."))?;
        let title = &planned.component.title;
        if state.load == "masked" || state.file.starts_with("masked") {
            return Some(format!(
                "{title}: {unit} is masked. The new version is not started and its health not asked; \
                 `systemctl unmask {unit}` before the run changes that"
            ));
        }
        (!state.is_up()).then(|| {
            format!(
                "{title}: {unit} does not run ({}). The new version is not started and its health not \
                 asked; `systemctl start {unit}` before the run changes that",
                state.active
            )
        })
    });
    components.collect()
}

/// Notes what dnf and yum do not know, or would do later.
fn package_tools(layout: &Layout, plan: &mut InstallPlan) {
    let Some(tool) = ["dnf", "yum"]
        .into_iter()
        .find(|tool| cmd::is_available(tool))
    else {
        return;
    };
    plan.note_for_afterwards(&format!(
        "the history of {tool} does not know of this change, and `{tool} history undo` does not take it \
         back: use `undo` of this program"
    ));
    let names: Vec<String> = plan
        .changes()
        .map(|change| change.package.to_owned())
        .collect();
    for (path, line) in locks(layout, &names) {
        plan.note_for_afterwards(&format!(
            "{path} has a versionlock: `{line}`. rpm does not obey it; make it name the new version, or \
             {tool} may refuse updates or go back to the old one"
        ));
    }
}

/// Returns the entries of version locks that name one of these packages.
fn locks(layout: &Layout, packages: &[String]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for path in VERSIONLOCKS {
        let text = std::fs::read_to_string(layout.at(path)).unwrap_or_default();
        let lines = text.lines().map(str::trim);
        let names = |line: &&str| packages.iter().any(|package| is_locked(line, package));
        found.extend(lines.filter(names).map(|line| (path, line.to_owned())));
    }
    found
}

/// Whether a line of a list of version locks names a package: `0:tyk-gateway-5.2.5-1.*` by yum,
/// `tyk-gateway-0:5.2.5-1.*` by dnf, `name = "tyk-gateway"` by dnf 5.
fn is_locked(line: &str, package: &str) -> bool {
    if let Some(value) = line.strip_prefix("name") {
        let value = value.trim_start().strip_prefix('=').unwrap_or_default();
        return value.trim().trim_matches('"') == package;
    }
    let line = line.trim_start_matches('!');
    let line = match line.split_once(':') {
        Some((epoch, rest)) if epoch.chars().all(|c| c.is_ascii_digit()) => rest,
        _ => line,
    };
    match line.strip_prefix(package) {
        Some("" | "*") => true,
        Some(rest) => rest
            .strip_prefix('-')
            .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit() || c == '*')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_lock_is_read_as_yum_and_dnf_write_it() {
        for line in [
            "0:tyk-gateway-5.2.5-1.*",
            "tyk-gateway-0:5.2.5-1.*",
            "!tyk-gateway-0:5.2.5-1.*",
            "tyk-gateway-*",
            "tyk-gateway",
            "name = \"tyk-gateway\"",
        ] {
            assert!(is_locked(line, "tyk-gateway"), "{line}");
        }
        for line in [
            "",
            "# tyk-gateway-5.2.5",
            "tyk-gateway-tools-1.0-1.*",
            "tyk-gatewayd-1.0",
            "name = \"tyk-pump\"",
        ] {
            assert!(!is_locked(line, "tyk-gateway"), "{line}");
        }
    }
}
