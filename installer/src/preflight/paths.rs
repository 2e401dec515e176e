//! Paths that a way back must be able to write, and services that a rename must be able to hold.

use crate::failure::chain;
use crate::host::Host;
use crate::layout::Layout;
use crate::plan::scope::{self, trees};
use crate::plan::{Baseline, Group, InstallPlan, PlanKind};
use crate::problem::Problem;
use crate::secure_fs::Place;

/// Refuses what a revert could not write: a path through a symlink that a service could have made.
pub(super) fn check(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let groups: Vec<&Group> = plan.groups.iter().collect();
    let mut baseline = Baseline {
        mounts: host.mounts().unwrap_or_default(),
        ..Baseline::default()
    };
    baseline.links = scope::links(&groups, &baseline, layout);
    let (roots, _) = trees(&groups, &baseline);
    for root in roots {
        let path = layout.at(&root);
        if !path.exists() {
            continue;
        }
        let below = path.is_dir().then(|| path.join("x"));
        let mut reached = [Some(path), below].into_iter().flatten();
        if let Some(error) = reached.find_map(|path| Place::of(&path).err()) {
            problems.push(Problem::new(
                format!("a revert could not write below {root}: {}", chain(&error)),
                "give the symlink to root with `chown -h root:root`, and let only root write the \
                 directory that holds it with `chown root` and `chmod go-w`; then try again",
            ));
        }
    }
    renamed(host, plan, problems);
}

/// A successor has to run as the same unit: the service of the old package is held by its name.
fn renamed(host: &dyn Host, plan: &InstallPlan, problems: &mut Vec<Problem>) {
    if plan.kind != PlanKind::Upgrade || !host.identity().is_ok_and(|identity| identity.systemd) {
        return;
    }
    for planned in plan.components() {
        let (Some(from), Some(to), Some(unit)) =
            (&planned.from, &planned.to, &planned.component.unit)
        else {
            continue;
        };
        let is_renamed = from.nevra.name() != to.nevra.name();
        if is_renamed && host.unit(unit).is_ok_and(|unit| !unit.exists()) {
            problems.push(Problem::new(
                format!(
                    "{} replaces {}, which has no {unit}: its service could not be held",
                    to.nevra, from.nevra
                ),
                format!(
                    "stop and remove {} by hand, then install {} for the first time with `--fresh {}`",
                    from.nevra.name(),
                    to.nevra.name(),
                    planned.component.name
                ),
            ));
        }
    }
}
