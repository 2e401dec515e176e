//! Refuses a plan that goes back in time, unless the operator agreed and gave a reason. Pure.

use std::collections::{BTreeMap, BTreeSet};

use manifests::nevra::Nevra;

use super::{InstallPlan, PlannedComponent, PlannedRpm, StoreConsent};
use crate::host::InstalledPackage;
use crate::inventory::Inventory;
use crate::problem::Problem;
use crate::site_file::Chosen;
use crate::trust::sequence::Remembered;

/// What the operator agreed to explicitly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// Why an older bundle or older packages should be installed.
    pub downgrade_because: Option<String>,
    /// Why a sequence far above the last one is right.
    pub jump_because: Option<String>,
    /// Why files beside packages may stay although the target version would not load them.
    pub extras_ignored_because: Option<String>,
    /// Stores that are backed up elsewhere, by name, with the reason.
    pub elsewhere: BTreeMap<String, String>,
    /// What is to become of other stores.
    pub stores: StoreConsent,
    /// Why data stay as they are although the run goes back over a change of them.
    pub keep_data_because: Option<String>,
    /// Components that may be ill before the run, by name, with the reason.
    pub unhealthy_before: BTreeMap<String, String>,
    /// Longest wait for the health of a component, by name, seconds.
    pub health_budgets: BTreeMap<String, u64>,
    /// Components that are installed for the first time.
    pub fresh: BTreeSet<String>,
    /// Longest time for the dump of one store, if not the usual one, seconds.
    pub dump_limit_secs: Option<u64>,
    /// The directory of the dumps; by default they are in the state directory.
    pub dump_dir: Option<String>,
    /// Where each of these came from.
    pub chosen: Vec<Chosen>,
}

impl Consent {
    /// Whether the operator agreed to go back in time.
    #[must_use]
    pub const fn allows_downgrade(&self) -> bool {
        self.downgrade_because.is_some()
    }
}

const SWITCH: &str = "use the newest bundle; to install the older one, give the reason with \
                      --allow-downgrade-because";

/// Refuses a bundle that is older than one that was committed here.
pub(super) fn check_sequence(
    inventory: &Inventory,
    consent: &Consent,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    match &inventory.remembered {
        Remembered::Nothing => {}
        Remembered::Unknown => plan.notes.push(
            "only root can read which bundles were installed here: not checked"
                .to_owned(),
        ),
        Remembered::Damaged(why) => problems.push(Problem::new(
            format!("which bundles were installed here cannot be read: {why}"),
            "find out who changed the file; once it is removed, the installed packages alone decide",
        )),
        Remembered::Mark(mark) if plan.sequence >= mark.sequence => {}
        Remembered::Mark(mark) => {
            let what = format!(
                "the bundle has sequence {}; one with sequence {} was installed here by run {}",
                plan.sequence, mark.sequence, mark.run
            );
            match &consent.downgrade_because {
                Some(reason) => agree(plan, &what, reason),
                None => problems.push(Problem::new(what, SWITCH)),
            }
        }
    }
}

/// Refuses packages that are older than the installed ones.
pub(super) fn newer_installed(installed: &Nevra, to: &Nevra) -> Problem {
    Problem::new(
        format!("{installed} is installed, newer than the bundle's {to}"),
        format!("to go back to before a run, use `install undo`; otherwise {SWITCH}"),
    )
}

/// Refuses an agreed downgrade that could not be taken back: no bundle carries a version newer than
/// its own, so that rebuilding it is no cure.
pub(super) fn no_way_up(installed: &Nevra, to: &Nevra) -> Problem {
    Problem::new(
        format!(
            "{installed} is installed, newer than the bundle's {to}, and a revert could not bring it \
             back: a bundle carries no newer version than its own"
        ),
        "if a run brought it, `install undo RUN` goes back to before that run (`install history` lists \
         the runs); otherwise unpack this bundle's RPMs as docs/verify-by-hand.md shows, and install \
         the older ones with `rpm -U --oldpackage`",
    )
}

/// Records an agreed downgrade in the plan.
pub(super) fn note_downgrade(
    planned: &PlannedComponent,
    consent: &Consent,
    plan: &mut InstallPlan,
) {
    let (Some(from), Some(to)) = (&planned.from, &planned.to) else {
        return;
    };
    let (from, to) = (&from.nevra, &to.nevra);
    if let Some(reason) = &consent.downgrade_because
        && from.name() == to.name()
        && from.evr() > to.evr()
    {
        agree(
            plan,
            &format!("{from} is replaced by the older {to}"),
            reason,
        );
    }
}

fn agree(plan: &mut InstallPlan, what: &str, reason: &str) {
    plan.downgrade_because = Some(reason.to_owned());
    plan.notes.push(format!("{what}, because: {reason}"));
}

/// Returns the RPM of an installed package, if an earlier run left it in the store.
pub(super) fn stored<'a>(
    stored: &'a [PlannedRpm],
    installed: &InstalledPackage,
) -> Option<&'a PlannedRpm> {
    let mut stored = stored.iter();
    stored.find(|rpm| rpm.nevra == installed.nevra && rpm.build_time == installed.build_time)
}
