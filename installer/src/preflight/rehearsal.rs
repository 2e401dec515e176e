//! rpm's own test of every transaction that a run may come to: each group on the way there, and the
//! way back from what the run leaves.

use manifests::digest::Sha256;
use manifests::nevra::Nevra;

use super::packages::stored;
use crate::bundle::{StagedRpmSet, StoredRpmError};
use crate::failure::chain;
use crate::host::{Host, HostError, Rehearsal, RpmAnswer, RpmMode, cmd};
use crate::layout::Layout;
use crate::plan::{InstallPlan, PackageChange, PlanKind, PlannedRpm};
use crate::problem::Problem;

/// Runs rpm's own test over the groups of a plan and over a revert.
pub fn rpm_tests(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let tests = Tests { host, layout, plan };
    let before = problems.len();
    tests.way_there(problems);
    let previous: Vec<Sha256> = coming(plan.changes(), |change| change.from);
    tests.test("the way back", &previous, RpmMode::GoBack, problems);
    // What rpm refuses on the way there cannot be rehearsed.
    if problems.len() == before {
        problems.extend(tests.rehearse(&previous));
    }
}

struct Tests<'a> {
    host: &'a dyn Host,
    layout: &'a Layout,
    plan: &'a InstallPlan,
}

fn coming<'a>(
    changes: impl Iterator<Item = PackageChange<'a>>,
    side: impl Fn(PackageChange<'a>) -> Option<&'a PlannedRpm>,
) -> Vec<Sha256> {
    changes.filter_map(side).map(|rpm| rpm.sha256).collect()
}

impl Tests<'_> {
    /// Each group is tested as the run will meet it: after the earlier groups.
    fn way_there(&self, problems: &mut Vec<Problem>) {
        let plan = self.plan;
        let mut targets: Vec<Sha256> = Vec::new();
        for (at, group) in plan.groups.iter().enumerate() {
            targets.extend(coming(group.changes(), |change| change.to));
            let is_last = at + 1 == plan.groups.len();
            let name = if is_last { "the upgrade" } else { &group.name };
            if !self.test(name, &targets, plan.rpm_mode(), problems) {
                // Later groups would report the same problem again.
                break;
            }
        }
    }

    /// Returns whether rpm accepts a set.
    fn test(
        &self,
        name: &str,
        digests: &[Sha256],
        mode: RpmMode,
        problems: &mut Vec<Problem>,
    ) -> bool {
        if digests.is_empty() {
            return true;
        }
        let set = match StagedRpmSet::reopen(self.layout, digests) {
            Ok(set) => set,
            Err(error) => {
                problems.push(stored(&chain(&error)));
                return false;
            }
        };
        let in_the_way = self.in_the_way();
        let answer = if in_the_way.is_empty() {
            self.host.rpm_test(&set, mode)
        } else {
            self.without(&in_the_way, &set)
        };
        let problem = match answer {
            Ok(answer) if answer.code == Some(0) => return true,
            Ok(answer) if self.is_put_right_first(&answer) => return true,
            Ok(answer) => Problem::new(
                format!("rpm would refuse {name}: {}", cmd::tail(&answer.output, 6)),
                "remove the reason that rpm names, then try again; what is missing here can be \
                 carried: rebuild with `--inventory` of this host and `--with-deps`",
            ),
            Err(error) => Problem::new(
                format!("rpm cannot test {name}: {}", chain(&error)),
                "make `rpm -qa` work on this host first",
            ),
        };
        problems.push(problem);
        false
    }

    /// Returns installed packages that an undo removes before it installs what they replaced.
    fn in_the_way(&self) -> Vec<&Nevra> {
        let coming = self.plan.changes().filter(|change| change.to.is_some());
        let names: Vec<&str> = coming
            .filter_map(|change| change.needed?.successor.as_deref())
            .collect();
        let there = self
            .plan
            .changes()
            .filter(|one| names.contains(&one.package));
        there
            .filter_map(|change| Some(&change.from?.nevra))
            .collect()
    }

    fn without(&self, brought: &[&Nevra], back: &StagedRpmSet) -> Result<RpmAnswer, HostError> {
        let nothing = StagedRpmSet::reopen(self.layout, &[])?;
        let (coming, going) = (&nothing, &[][..]);
        self.host.rpm_rehearse(&Rehearsal {
            coming,
            going,
            back,
            brought,
        })
    }

    /// Whether rpm objects only to the kind of paths that a way back puts right before rpm runs.
    fn is_put_right_first(&self, answer: &RpmAnswer) -> bool {
        if !matches!(self.plan.kind, PlanKind::Undo { .. }) {
            return false;
        }
        let turned: Vec<&str> = self
            .plan
            .changes()
            .flat_map(|change| change.turned)
            .map(|turned| turned.path.as_str())
            .collect();
        objects_only_to(&turned, &answer.output)
    }

    /// Lets rpm go back from what the run leaves.
    fn rehearse(&self, previous: &[Sha256]) -> Option<Problem> {
        let plan = self.plan;
        let answer = self.rehearsed(previous);
        let why = match answer {
            Ok(answer) if answer.code == Some(0) => return None,
            Ok(answer) => cmd::tail(&answer.output, 6),
            Err(Rehearsed::Stored(error)) => return Some(stored(&chain(&error))),
            Err(Rehearsed::Host(error)) => {
                return Some(Problem::new(
                    format!("the way back cannot be rehearsed: {}", chain(&error)),
                    "end every other program that uses rpm, make room below \
                     /var/lib/airgap-bundle, and try again",
                ));
            }
        };
        let names: Vec<&str> = plan.changes().map(|change| change.package).collect();
        Some(Problem::new(
            format!("rpm would refuse to go back after the run: {why}"),
            format!(
                "the installed and the new version of {} cannot replace each other in both directions: \
                 remove the reason that rpm names, or ask the vendor; a bundle for another version, \
                 built with `bundle build --version`, may have a way back",
                names.join(", ")
            ),
        ))
    }

    fn rehearsed(&self, previous: &[Sha256]) -> Result<RpmAnswer, Rehearsed> {
        let changes = || self.plan.changes();
        let targets = coming(changes(), |change| change.to);
        let coming = StagedRpmSet::reopen(self.layout, &targets).map_err(Rehearsed::Stored)?;
        let back = StagedRpmSet::reopen(self.layout, previous).map_err(Rehearsed::Stored)?;
        let leaves = |change: &PackageChange<'_>| {
            let replaced = change
                .needed
                .is_some_and(|needed| needed.successor.is_some());
            // rpm removes a replaced package with its successor.
            change.to.is_none() && !(replaced && self.plan.kind == PlanKind::Upgrade)
        };
        let going: Vec<&Nevra> = changes()
            .filter(leaves)
            .filter_map(|change| Some(&change.from?.nevra))
            .collect();
        let successors: Vec<&str> = changes()
            .filter_map(|change| change.needed?.successor.as_deref())
            .collect();
        let brought: Vec<&Nevra> = changes()
            .filter(|change| change.from.is_none() || successors.contains(&change.package))
            .filter_map(|change| Some(&change.to?.nevra))
            .collect();
        let rehearsal = Rehearsal {
            coming: &coming,
            going: &going,
            back: &back,
            brought: &brought,
        };
        self.host.rpm_rehearse(&rehearsal).map_err(Rehearsed::Host)
    }
}

enum Rehearsed {
    Stored(StoredRpmError),
    Host(HostError),
}

/// Whether every line of rpm's objections is about a conflict at one of these paths.
fn objects_only_to(paths: &[&str], output: &str) -> bool {
    let mut objections = output
        .lines()
        .filter(|line| line.starts_with(['\t', ' ']) || line.starts_with("error:"))
        .peekable();
    let is_expected = |line: &str| {
        let (path, rest) = line
            .trim()
            .strip_prefix("file ")?
            .split_once(" from install of ")?;
        Some(paths.contains(&path) && rest.contains(" conflicts with file from package "))
    };
    objections.peek().is_some() && objections.all(|line| is_expected(line) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::objects_only_to;

    const CONFLICT: &str = "\tfile /opt/acme/plugins from install of acme-1-1.noarch conflicts with \
                            file from package acme-2-1.noarch";

    #[test]
    fn only_a_conflict_at_a_known_path_is_put_right_first() {
        let paths = ["/opt/acme/plugins"];
        let warned = format!("warning: acme-1-1.noarch.rpm: NOKEY\n{CONFLICT}\n");
        assert!(objects_only_to(&paths, &warned));
        let more = format!("{CONFLICT}\n\tinstalling package acme-1 needs 3MB on the / filesystem");
        let dependency = "error: Failed dependencies:\n\tlibx is needed by acme-1-1.noarch";
        for refused in [&more, dependency, "", &CONFLICT.replace("plugins", "other")] {
            assert!(!objects_only_to(&paths, refused), "{refused}");
        }
    }
}
