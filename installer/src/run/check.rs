//! Checks the state of the host after a transaction, because rpm's exit code proves nothing.

use manifests::product::Component;

use super::baseline::new_leftovers;
use super::error::{StepError, differs};
use super::{Baseline, Context, StepResult, needed};
use crate::host::query;
use crate::plan::{Group, PackageChange, PlannedRpm};

impl Context<'_> {
    /// Checks groups after their transaction: exactly the target packages are installed, none of
    /// their files is missing or changed, no temporary file is left, and the units are enabled as
    /// before.
    pub(super) fn check_forward(&self, baseline: &Baseline, groups: &[&Group]) -> StepResult {
        for change in groups.iter().flat_map(|group| group.changes()) {
            match (change.to, change.from) {
                (Some(_), _) => self.check_installed(change.package, change.to)?,
                // A package that another one needs by now stays, and must stay whole.
                (None, Some(_)) if self.is_installed(change.package, change.from) => {
                    self.check_verify(baseline, change.package)?;
                }
                (None, _) => self.check_installed(change.package, None)?,
            }
            if change.to.is_some() {
                self.check_files(baseline, change.package)?;
            }
            self.check_leftovers(baseline, change)?;
        }
        self.restore_enablement(baseline, &members(groups))
    }

    fn check_files(&self, baseline: &Baseline, package: &str) -> Result<(), StepError> {
        let lines = self.host.rpm_verify(&[package])?;
        let known = baseline.verify.get(package);
        let known = |line: &String| known.is_some_and(|known| known.contains(line));
        let broken: Vec<&str> = lines
            .iter()
            .filter(|line| !known(line))
            .filter_map(|l| query::broken_file(l))
            .collect();
        if broken.is_empty() {
            return Ok(());
        }
        differs(format!(
            "files of {package} are not the package's: {}",
            broken.join(", ")
        ))
    }

    /// Checks that the host is as before, and enables the units as before.
    pub(super) fn check_reverted(&self, baseline: &Baseline, groups: &[&Group]) -> StepResult {
        self.check_back(baseline, groups)?;
        self.restore_enablement(baseline, &members(groups))
    }

    /// Checks that the host is as before and changes nothing: services run on it already.
    pub(super) fn check_released(&self, baseline: &Baseline, groups: &[&Group]) -> StepResult {
        self.check_back(baseline, groups)?;
        let mut notes = Vec::new();
        for unit in baseline.all_services(members(groups)) {
            let was = baseline.units.get(unit).map_or("", |state| &state.file);
            let now = self.host.unit(unit)?.file;
            let differs_now = format!("{unit} was `{was}` and is now `{now}`");
            match was {
                _ if now == was => {}
                "enabled" | "disabled" | "masked" => return differs(differs_now),
                // As after a revert: no command makes a unit static, for example.
                _ => notes.push(differs_now),
            }
        }
        Ok(notes.join("; "))
    }

    /// Checks for the same packages, the same `rpm -V` lines, and nothing of what was brought.
    fn check_back(&self, baseline: &Baseline, groups: &[&Group]) -> Result<(), StepError> {
        for change in groups.iter().flat_map(|group| group.changes()) {
            self.check_installed(change.package, change.from)?;
            self.check_leftovers(baseline, change)?;
            self.check_brought(baseline, change)?;
            if change.from.is_some() {
                self.check_verify(baseline, change.package)?;
            }
        }
        Ok(())
    }

    fn check_verify(&self, baseline: &Baseline, package: &str) -> Result<(), StepError> {
        let lines = self.host.rpm_verify(&[package])?;
        let known = baseline.verify.get(package).cloned().unwrap_or_default();
        if lines == known {
            return Ok(());
        }
        let new = lines.iter().filter(|line| !known.contains(line));
        let gone = known.iter().filter(|line| !lines.contains(line));
        let text: Vec<String> = new
            .map(|line| format!("now `{line}`"))
            .chain(gone.map(|line| format!("no more `{line}`")))
            .collect();
        differs(format!("rpm -V of {package} differs: {}", text.join(", ")))
    }

    fn check_installed(&self, package: &str, wanted: Option<&PlannedRpm>) -> Result<(), StepError> {
        let installed = self.host.installed(&[package])?;
        let names = || {
            let names: Vec<String> = installed.iter().map(|one| one.nevra.to_string()).collect();
            names.join(" and ")
        };
        match (installed.as_slice(), wanted) {
            ([], None) => Ok(()),
            ([one], Some(wanted))
                if one.nevra == wanted.nevra && one.build_time == wanted.build_time =>
            {
                Ok(())
            }
            ([], Some(_)) => differs(format!("{package} is not installed any more")),
            (_, Some(wanted)) => differs(format!(
                "{} should be installed, found {}",
                wanted.nevra,
                names()
            )),
            (_, None) => differs(format!("{} should not be installed", names())),
        }
    }

    /// Whether any package of this name is installed.
    pub(super) fn is_there(&self, package: &str) -> Result<bool, StepError> {
        let installed = self.host.installed(&[package]);
        Ok(!installed?.is_empty())
    }

    /// Whether exactly this build is installed, or, without a target, no package at all.
    pub(super) fn is_installed(&self, package: &str, wanted: Option<&PlannedRpm>) -> bool {
        self.check_installed(package, wanted).is_ok()
    }

    fn check_leftovers(
        &self,
        baseline: &Baseline,
        change: PackageChange<'_>,
    ) -> Result<(), StepError> {
        let new = new_leftovers(self, baseline, change)?;
        if new.is_empty() {
            Ok(())
        } else {
            differs(format!("rpm left {}", new.join(", ")))
        }
    }

    fn check_brought(
        &self,
        baseline: &Baseline,
        change: PackageChange<'_>,
    ) -> Result<(), StepError> {
        let strays = change.needed.map_or_else(Vec::new, |planned| {
            needed::strays(self, &baseline.absent, planned)
        });
        if strays.is_empty() {
            Ok(())
        } else {
            differs(format!("{} left {}", change.package, strays.join(", ")))
        }
    }

    /// Whether the transaction left no trace, so that nothing needs a reinstall.
    pub(super) fn is_untouched(&self, baseline: &Baseline, change: PackageChange<'_>) -> bool {
        self.check_installed(change.package, change.from).is_ok()
            && self.check_leftovers(baseline, change).is_ok()
            && self.check_brought(baseline, change).is_ok()
            && (change.from.is_none() || self.check_verify(baseline, change.package).is_ok())
    }
}

fn members<'a>(groups: &[&'a Group]) -> Vec<&'a Component> {
    let planned = groups.iter().flat_map(|group| &group.components);
    planned.map(|planned| &planned.component).collect()
}
