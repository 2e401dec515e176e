//! What the host is after a transaction: rpm's exit code proves nothing.

use super::baseline::leftovers;
use super::{Baseline, Context, StepResult};
use crate::failure::chain;
use crate::host::query;
use crate::plan::{PlannedComponent, PlannedRpm};

impl Context<'_> {
    /// Checks a group after its transaction: exactly the target packages, no file of them missing
    /// or changed, nothing left over, and the units enabled as before.
    pub(super) fn check_forward(
        &self,
        baseline: &Baseline,
        components: &[&PlannedComponent],
    ) -> StepResult {
        for planned in components {
            self.check_installed(planned, &planned.to)?;
            let package = planned.component.package.as_str();
            let lines = self
                .host
                .rpm_verify(&[package])
                .map_err(|error| chain(&error))?;
            let known = baseline.verify.get(package);
            let known = |line: &String| known.is_some_and(|known| known.contains(line));
            let broken: Vec<&str> = lines
                .iter()
                .filter(|line| !known(line))
                .filter_map(|l| query::broken_file(l))
                .collect();
            if !broken.is_empty() {
                return Err(format!(
                    "files of {package} are not the package's: {}",
                    broken.join(", ")
                ));
            }
            self.check_leftovers(baseline, planned)?;
        }
        self.restore_enablement(baseline, components)
    }

    /// Checks that the host is what it was: the same packages and the very same `rpm -V` lines.
    pub(super) fn check_reverted(
        &self,
        baseline: &Baseline,
        components: &[&PlannedComponent],
    ) -> StepResult {
        for planned in components {
            self.check_installed(planned, &planned.from)?;
            self.check_leftovers(baseline, planned)?;
            let package = planned.component.package.as_str();
            let lines = self
                .host
                .rpm_verify(&[package])
                .map_err(|error| chain(&error))?;
            let known = baseline.verify.get(package).cloned().unwrap_or_default();
            if lines != known {
                let new = lines.iter().filter(|line| !known.contains(line));
                let gone = known.iter().filter(|line| !lines.contains(line));
                let text: Vec<String> = new
                    .map(|line| format!("now `{line}`"))
                    .chain(gone.map(|line| format!("no more `{line}`")))
                    .collect();
                return Err(format!("rpm -V of {package} differs: {}", text.join(", ")));
            }
        }
        self.restore_enablement(baseline, components)
    }

    fn check_installed(
        &self,
        planned: &PlannedComponent,
        wanted: &PlannedRpm,
    ) -> Result<(), String> {
        let package = planned.component.package.as_str();
        let installed = self
            .host
            .installed(&[package])
            .map_err(|error| chain(&error))?;
        match installed.as_slice() {
            [one] if one.nevra == wanted.nevra && one.build_time == wanted.build_time => Ok(()),
            [] => Err(format!("{package} is not installed any more")),
            several => {
                let names: Vec<String> = several.iter().map(|one| one.nevra.to_string()).collect();
                Err(format!(
                    "{} should be installed, found {}",
                    wanted.nevra,
                    names.join(" and ")
                ))
            }
        }
    }

    /// Whether exactly this build is installed.
    pub(super) fn is_installed(&self, planned: &PlannedComponent, wanted: &PlannedRpm) -> bool {
        self.check_installed(planned, wanted).is_ok()
    }

    fn check_leftovers(
        &self,
        baseline: &Baseline,
        planned: &PlannedComponent,
    ) -> Result<(), String> {
        let found = leftovers(self, planned);
        let new: Vec<&str> = found
            .difference(&baseline.leftovers)
            .map(String::as_str)
            .collect();
        if new.is_empty() {
            Ok(())
        } else {
            Err(format!("rpm left {}", new.join(", ")))
        }
    }

    /// Whether the transaction left no trace: then there is nothing to reinstall.
    pub(super) fn is_untouched(&self, baseline: &Baseline, planned: &PlannedComponent) -> bool {
        let package = planned.component.package.as_str();
        self.check_installed(planned, &planned.from).is_ok()
            && self.check_leftovers(baseline, planned).is_ok()
            && self.host.rpm_verify(&[package]).ok().as_ref() == baseline.verify.get(package)
    }
}
