//! The hold: while a run is open, a service of the plan starts only if its token exists.
//!
//! Vendors' scriptlets start and stop services inside the transaction. Under the hold a start
//! request succeeds and does nothing, so scriptlets do not fail and nothing runs on half-replaced
//! files. `/run` is empty after a boot: everything stays down until a run or a revert releases it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{StepError, differs};
use super::{Baseline, Context, StepResult};
use crate::host::{Host, HostError, UnitAction};
use crate::layout::Layout;
use crate::secure_fs;
use manifests::product::{Component, Hold};

/// The token's name is written out, because `%n` differs for an alias; only templates need `%n`.
fn drop_in_text(released: &str, unit: &str) -> String {
    let name = if unit.contains('@') { "%n" } else { unit };
    format!(
        "# Written by airgap-bundle for the time of one run; removed when it ends.\n\
         # If it is still here and no run is open (install status), release by hand:\n\
         #   rm this file; systemctl daemon-reload; systemctl start {name}\n\
         [Unit]\nConditionPathExists={released}/{name}\n"
    )
}

/// Returns the components whose services cannot start while they are held.
fn full<'a>(components: &[&'a Component]) -> impl Iterator<Item = &'a Component> {
    let all = components.iter().copied();
    all.filter(|component| component.hold == Hold::Full)
}

fn write_hold(dir: &Path, unit: &str) -> Result<(), StepError> {
    secure_fs::ensure_dir(dir, 0o755)?;
    let text = drop_in_text("/run/airgap-bundle/released", unit);
    secure_fs::write_atomic(&dir.join(Layout::DROP_IN), text.as_bytes(), 0o644)?;
    Ok(())
}

impl Context<'_> {
    /// Creates the tokens first, then the drop-ins, so that installing the hold stops nothing. A
    /// service in `held` never gets a token: a scriptlet that outlived its rpm may request a start
    /// at any moment.
    pub(super) fn install_holds(&self, baseline: &Baseline, held: &[&Component]) -> StepResult {
        if !self.has_units(baseline) {
            return Ok("no systemd: services are not touched".to_owned());
        }
        secure_fs::ensure_dir(&self.layout.released(), 0o700)?;
        let held: Vec<&str> = baseline.all_services(full(held)).collect();
        for unit in baseline.all_services(self.plan.all_components()) {
            if !held.contains(&unit) {
                self.create_token(unit)?;
            }
            for dir in self.layout.hold_dirs(unit) {
                write_hold(&dir, unit)?;
            }
        }
        self.host.daemon_reload()?;
        Ok(String::new())
    }

    /// Checks that services are held and were not started since `held` was recorded. A configuration
    /// agent or a person may remove drop-ins and start services at any moment. A drop-in that is gone
    /// is written again.
    pub(super) fn check_held(
        &self,
        baseline: &Baseline,
        components: &[&Component],
        held: &BTreeMap<String, u64>,
    ) -> StepResult {
        if !self.has_units(baseline) {
            return Ok(String::new());
        }
        let mut mended = Vec::new();
        for unit in baseline.all_services(full(components)) {
            let is_gone = |dir: &PathBuf| !dir.join(Layout::DROP_IN).exists();
            for dir in self.layout.hold_dirs(unit).into_iter().filter(is_gone) {
                write_hold(&dir, unit)?;
                mended.push(dir.join(Layout::DROP_IN).display().to_string());
            }
        }
        if !mended.is_empty() {
            self.host.daemon_reload()?;
        }
        for unit in baseline.all_services(full(components)) {
            let now = self.host.unit(unit)?;
            if now.is_up() || held.get(unit).is_some_and(|then| *then < now.main_started) {
                return differs(format!("{unit} was started while this run held it"));
            }
        }
        if mended.is_empty() {
            return Ok(String::new());
        }
        let gone = mended.join(", ");
        Ok(format!(
            "removed by another program, and written again: {gone}"
        ))
    }

    /// Whether services provably did not run since `held` was recorded. Systemd forgets when a unit
    /// was started once it unloads it: no time is a proof only for a unit that was down before.
    pub(super) fn never_ran(
        &self,
        baseline: &Baseline,
        components: &[&Component],
        held: &BTreeMap<String, u64>,
    ) -> bool {
        let never = |unit: &str| {
            let then = held.get(unit).copied().unwrap_or_default();
            let now = self.host.unit(unit);
            let is_told = 0 < then || !baseline.was_up(unit);
            is_told && now.is_ok_and(|now| !now.is_up() && now.main_started == then)
        };
        let mut services = baseline.all_services(components.iter().copied());
        self.has_units(baseline) && services.all(never)
    }

    /// Returns when the main process of each service was last started.
    pub(super) fn starts(
        &self,
        baseline: &Baseline,
        components: &[&Component],
    ) -> Result<BTreeMap<String, u64>, StepError> {
        let mut starts = BTreeMap::new();
        if self.has_units(baseline) {
            for unit in baseline.all_services(components.iter().copied()) {
                starts.insert(unit.to_owned(), self.host.unit(unit)?.main_started);
            }
        }
        Ok(starts)
    }

    fn create_token(&self, unit: &str) -> Result<(), StepError> {
        let token = self.layout.released().join(unit);
        secure_fs::ensure_dir(&self.layout.released(), 0o700)?;
        Ok(secure_fs::write_atomic(&token, b"", 0o600)?)
    }

    /// Deletes the tokens, then stops triggers and services. It goes on after a failure and reports
    /// all failures.
    pub(super) fn hold(&self, baseline: &Baseline, components: &[&Component]) -> StepResult {
        if !self.has_units(baseline) {
            return Ok(String::new());
        }
        self.stop_and_take(baseline, components, full(components))
    }

    /// Takes every token and stops what a scriptlet started: the files of a component with `hold =
    /// "none"` are not written under it.
    pub(super) fn hold_again(&self, baseline: &Baseline, components: &[&Component]) -> StepResult {
        if !self.has_units(baseline) || full(components).count() == components.len() {
            return Ok(String::new());
        }
        self.stop_and_take(baseline, components, components.iter().copied())
    }

    fn stop_and_take<'a>(
        &self,
        baseline: &'a Baseline,
        components: &[&'a Component],
        without_token: impl Iterator<Item = &'a Component>,
    ) -> StepResult {
        let services = || baseline.all_services(components.iter().copied());
        let triggers = components
            .iter()
            .flat_map(|component| baseline.triggers(component));
        let mut troubles: Vec<StepError> = baseline
            .all_services(without_token)
            .map(|unit| secure_fs::remove_if_present(&self.layout.released().join(unit)))
            .filter_map(|removed| Some(removed.err()?.into()))
            .collect();
        for unit in triggers.chain(services()) {
            troubles.extend(self.stop(unit).err().map(StepError::from));
        }
        StepError::all(troubles)?;
        Ok(String::new())
    }

    fn stop(&self, unit: &str) -> Result<(), HostError> {
        let state = self.host.unit(unit)?;
        if state.exists() && state.active != "inactive" {
            self.host.change_unit(UnitAction::Stop, unit)?;
        }
        Ok(())
    }

    /// Creates the tokens again and starts what ran before: services first, then their triggers. It
    /// goes on after a failure and reports all failures: one service that does not start must not
    /// keep the others down.
    pub(super) fn release(&self, baseline: &Baseline, components: &[&Component]) -> StepResult {
        self.release_without(baseline, components, &[])
    }

    /// The same, without units that leave the host.
    pub(super) fn release_without(
        &self,
        baseline: &Baseline,
        components: &[&Component],
        leaving: &[&str],
    ) -> StepResult {
        if !self.has_units(baseline) {
            return Ok("no systemd: services are not started".to_owned());
        }
        // Unit files may have been restored since the last reload.
        self.host.daemon_reload()?;
        let (mut left_down, mut troubles) = (Vec::new(), Vec::new());
        for component in components {
            let services = baseline.services(component);
            for unit in services.iter().copied() {
                troubles.extend(self.create_token(unit).err());
            }
            for unit in services.iter().copied().chain(baseline.triggers(component)) {
                if baseline.was_up(unit) {
                    troubles.extend(self.start(unit).err());
                } else {
                    left_down.push(unit.to_owned());
                }
            }
            let dependents = services
                .iter()
                .filter_map(|unit| baseline.dependents.get(*unit));
            let staying = |unit: &&String| !leaving.contains(&unit.as_str());
            for unit in dependents.flatten().filter(staying) {
                troubles.extend(self.start(unit).err());
            }
        }
        StepError::all(troubles)?;
        if left_down.is_empty() {
            return Ok(String::new());
        }
        Ok(format!(
            "not started, because not running before: {}",
            left_down.join(", ")
        ))
    }

    /// Whether a reboot took the token of a service that was released: its drop-in holds it.
    pub(super) fn is_down_again(&self, baseline: &Baseline, component: &Component) -> bool {
        let released = self.layout.released();
        let is_held = |unit: &str| self.has_drop_in(unit) && !released.join(unit).exists();
        self.has_units(baseline) && baseline.services(component).into_iter().any(is_held)
    }

    /// Whether a service that was held ran in between, or may have.
    pub(super) fn was_disturbed(&self, baseline: &Baseline, component: &Component) -> bool {
        let is_up = |unit: &str| self.host.unit(unit).map_or(true, |unit| unit.is_up());
        let was = |unit: &str| !self.has_drop_in(unit) || is_up(unit);
        self.has_units(baseline) && baseline.services(component).into_iter().any(was)
    }

    fn has_drop_in(&self, unit: &str) -> bool {
        let drop_in = self.layout.drop_in_dir(unit).join(Layout::DROP_IN);
        drop_in.exists()
    }

    fn start(&self, unit: &str) -> Result<(), StepError> {
        self.host.change_unit(UnitAction::ResetFailed, unit)?;
        Ok(self.host.change_unit(UnitAction::Start, unit)?)
    }

    /// Restores the enablement of every unit, because scriptlets change it. A unit that the new
    /// package brings keeps the package's setting.
    pub(super) fn restore_enablement(
        &self,
        baseline: &Baseline,
        components: &[&Component],
    ) -> StepResult {
        if !self.has_units(baseline) {
            return Ok(String::new());
        }
        self.host.daemon_reload()?;
        let mut notes = Vec::new();
        for unit in baseline.all_services(components.iter().copied()) {
            let now = self.host.unit(unit)?.file;
            let was = baseline.units.get(unit).map_or("", |state| &state.file);
            let action = match was {
                _ if now == was || now.is_empty() => continue,
                "enabled" => UnitAction::Enable,
                "disabled" => UnitAction::Disable,
                "masked" => UnitAction::Mask,
                "" => continue,
                _ => {
                    notes.push(format!("{unit} was `{was}` and is now `{now}`"));
                    continue;
                }
            };
            self.host.change_unit(action, unit)?;
        }
        Ok(notes.join("; "))
    }

    /// Removes the drop-ins and the tokens. A running service keeps running.
    pub(super) fn remove_holds(&self, baseline: &Baseline) -> StepResult {
        if !self.has_units(baseline) {
            return Ok(String::new());
        }
        for unit in baseline.all_services(self.plan.all_components()) {
            for dir in self.layout.hold_dirs(unit) {
                secure_fs::remove_all(&[&dir.join(Layout::DROP_IN)])?;
                let name = dir.display().to_string();
                if !baseline.drop_in_dirs.contains(&name) {
                    secure_fs::remove_dir_if_empty(&dir)?;
                }
            }
        }
        self.host.daemon_reload()?;
        let released = self.layout.released();
        for unit in baseline.all_services(self.plan.all_components()) {
            secure_fs::remove_if_present(&released.join(unit))?;
        }
        secure_fs::remove_dir_if_empty(&released)?;
        if let Some(parent) = released.parent() {
            secure_fs::remove_dir_if_empty(parent)?;
        }
        Ok(String::new())
    }
}

/// Removes every hold, whichever run installed it, and returns the drop-ins. A service that it kept
/// down can start again.
pub(super) fn remove_every_hold(
    host: &dyn Host,
    layout: &Layout,
) -> Result<Vec<String>, StepError> {
    let mut removed = Vec::new();
    for dir in ["/etc/systemd/system", "/run/systemd/system"] {
        let entries = std::fs::read_dir(layout.at(dir)).into_iter().flatten();
        for entry in entries.flatten() {
            let drop_in = entry.path().join(Layout::DROP_IN);
            if drop_in.symlink_metadata().is_err() {
                continue;
            }
            secure_fs::remove_all(&[&drop_in])?;
            secure_fs::remove_dir_if_empty(&entry.path())?;
            removed.push(drop_in.display().to_string());
        }
    }
    if layout.is_live() && host.identity().is_ok_and(|identity| identity.systemd) {
        host.daemon_reload()?;
    }
    let released = layout.released();
    if released.exists() {
        secure_fs::remove_tree(&released)?;
    }
    Ok(removed)
}
