//! Goes backward: puts back what the run touched, compares it with the baseline, and releases it.
//!
//! A revert does not stop at its first failure: each step does what it can, everything is tried
//! twice, and the report lists what is left. A service stays held as long as its packages,
//! configuration or data are not the previous ones, and only then: what misses nothing is released.
//!
//! Going back happens once. What was released is live: services and people change it. A later try
//! only looks at it, starts what a reboot held, waits for health and removes the holds.

use manifests::product::Component;

use super::error::StepError;
use super::files_back::put_files_back;
use super::health::{self, Excuse};
use super::outcome::{self, Trouble};
use super::packages_back::reinstall;
use super::scope_back::Scope;
use super::state::{Note, State};
use super::stores::{self, Patience};
use super::{Context, Keep, OnStop, StepResult, reserve};
use crate::failure::chain;
use crate::history::report::Outcome;
use crate::journal::Journal;
use crate::journal::step::{RevertPart, RevertStep, Step};
use crate::plan::{PlannedComponent, PlannedStore};
use crate::secure_fs;

/// Reverts after a failed step, or goes on with a revert, and returns the outcome. Returns nothing if
/// the run was asked to stop: then it stays held, to be resumed.
pub(super) fn after_failure(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    state: &mut State,
    cause: String,
) -> Option<Outcome> {
    reserve::free(context.layout);
    // A run without a boot unit reverts when it is asked to stop, and the revert cannot be stopped.
    let goes_on = || false;
    let stopped = if context.on_stop == OnStop::Hold {
        context.stopped
    } else {
        &goes_on
    };
    let context = &Context {
        stopped,
        ..*context
    };
    state.findings.health.clear();
    let mut way = WayBack {
        context,
        journal,
        state: &mut *state,
        found: Vec::new(),
    };
    way.go();
    let found = way.found;
    if (context.stopped)() && !found.is_empty() {
        return None;
    }
    Some(outcome::of_revert(context, state, cause, found))
}

/// A revert at work.
struct WayBack<'w, 'c, 'l> {
    context: &'w Context<'c>,
    journal: &'w mut Journal<'l>,
    state: &'w mut State,
    found: Vec<Trouble>,
}

impl WayBack<'_, '_, '_> {
    fn go(&mut self) {
        if self.state.reached.back.is_live {
            self.release_again();
            return self.finish();
        }
        self.put_back_twice();
        if self.is_told_to_stop() {
            return;
        }
        if !self.release() {
            return;
        }
        self.finish();
    }

    fn is_told_to_stop(&mut self) -> bool {
        let is_told = (self.context.stopped)();
        if is_told {
            self.trouble(Step::Revert(RevertStep::Hold), "told to stop".to_owned());
        }
        is_told
    }

    fn trouble(&mut self, step: Step, text: String) {
        self.found.push(Trouble {
            step,
            text,
            is_difference: false,
        });
    }

    /// Runs one step and remembers how it ended.
    fn step(
        &mut self,
        step: Step,
        effect: impl FnOnce(&Context<'_>, &mut State) -> StepResult,
    ) -> bool {
        let releases = matches!(
            step,
            Step::Revert(RevertStep::Release) | Step::RevertOf(RevertPart::Release, _)
        );
        let keep = if releases && self.state.reached.may_have_changed() && !self.marks(&step) {
            Keep::Intent
        } else {
            Keep::IfPossible
        };
        let before = self.state.reached.back.clone();
        self.state.reached.note(&step);
        let (context, state) = (self.context, &mut *self.state);
        let mut has_begun = false;
        let result = context.step(self.journal, &step, keep, || {
            has_begun = true;
            effect(context, state)
        });
        let is_done = result.is_ok();
        if has_begun {
            self.state.reached.note_end(&step, is_done);
        } else {
            // Without the record of a release nothing was released.
            self.state.reached.back = before;
        }
        if let Err(error) = result {
            self.found.push(Trouble {
                text: chain(&error),
                is_difference: error.is_difference(),
                step,
            });
        }
        is_done
    }

    /// Marks a release of everything outside the journal, which may be on a disk that fails. Returns
    /// whether the mark is there.
    fn marks(&self, step: &Step) -> bool {
        let mark = self.context.dir().live();
        *step == Step::Revert(RevertStep::Release)
            && secure_fs::write_atomic(&mark, b"", 0o600).is_ok()
    }

    /// Puts everything back, and again if anything was in the way. The second time it waits for stores
    /// that do not answer; what misses nothing is released before that.
    fn put_back_twice(&mut self) {
        self.look_at_earlier_tries();
        let later = if self.state.reached.back.data_failed.is_empty() {
            Patience::ServerStarts
        } else {
            Patience::Moment
        };
        for patience in [Patience::None, later] {
            self.found.clear();
            let state = &mut *self.state;
            let failed = &state.reached.back.data_failed;
            state.failed_before.clone_from(failed);
            self.put_back(patience);
            if self.found.is_empty() || (self.context.stopped)() {
                return;
            }
            if patience == Patience::None && self.found.iter().all(Trouble::is_of_data) {
                self.release_what_misses_nothing();
            }
        }
    }

    /// Notes what a dump aside depends on, before the hold hides it.
    fn look_at_earlier_tries(&mut self) {
        let (context, state) = (self.context, &mut *self.state);
        if stores::kept_aside(context).is_empty() {
            return;
        }
        let held = Scope::of(context.plan, state).held;
        let disturbed = |one: &&&Component| context.was_disturbed(&state.saved.baseline, one);
        let disturbed: Vec<String> = held
            .iter()
            .filter(disturbed)
            .map(|one| one.name.clone())
            .collect();
        state.disturbed = disturbed;
    }

    fn put_back(&mut self, patience: Patience) {
        let plan = self.context.plan;
        // A reboot holds what was released, too.
        let live = self.state.reached.back.live.clone();
        for component in plan.all_components().filter(|one| live.contains(&one.name)) {
            if self
                .context
                .is_down_again(&self.state.saved.baseline, component)
            {
                self.release_one(component);
            }
        }
        for step in [
            RevertStep::Hold,
            RevertStep::Transaction,
            RevertStep::Configuration,
        ] {
            if (self.context.stopped)() {
                return;
            }
            self.step(Step::Revert(step), |context, state| {
                let scope = Scope::of(context.plan, state);
                perform(context, state, step, &scope)
            });
        }
        self.put_data_back(patience);
        if !(self.context.stopped)() {
            self.step(Step::Revert(RevertStep::Check), |context, state| {
                let scope = Scope::of(context.plan, state);
                context.check_reverted(&state.saved.baseline, &scope.changed)
            });
        }
    }

    fn put_data_back(&mut self, patience: Patience) {
        if (self.context.stopped)() {
            return;
        }
        let rewritten = stores::rewritten(self.context.plan, &self.state.reached);
        let names: Vec<&str> = rewritten.iter().map(|store| store.name.as_str()).collect();
        let note = if names.is_empty() {
            "no data were changed".to_owned()
        } else {
            format!("may have been rewritten: {}", names.join(", "))
        };
        self.step(Step::Revert(RevertStep::Data), |_, _| Ok(note));
        let is_settled = |store: &&&PlannedStore| stores::is_settled(store, &self.state.reached);
        let open: Vec<&PlannedStore> = rewritten
            .iter()
            .filter(|one| !is_settled(one))
            .copied()
            .collect();
        for store in open {
            if (self.context.stopped)() {
                return;
            }
            let step = Step::RevertOf(RevertPart::Data, store.name.clone());
            self.step(step, |context, state| {
                stores::put_back(context, state, store, patience)
            });
        }
    }

    /// Releases everything, or what misses nothing. Returns whether everything was released.
    fn release(&mut self) -> bool {
        let context = self.context;
        let scope = Scope::of(context.plan, self.state);
        let missing: Vec<&str> = context
            .plan
            .all_components()
            .filter(|one| !scope.misses_nothing(context, self.state, one))
            .map(|one| one.name.as_str())
            .collect();
        if !missing.is_empty() {
            let text = format!("the services of {} stay held", missing.join(", "));
            self.release_what_misses_nothing();
            self.trouble(Step::Revert(RevertStep::Release), text);
            return false;
        }
        let (moot, left): (Vec<Trouble>, Vec<Trouble>) = std::mem::take(&mut self.found)
            .into_iter()
            .partition(|one| !one.outlives_release());
        let notes = moot
            .into_iter()
            .map(|one| Note::Info(format!("on the way back: {}", one.text)));
        self.state.findings.notes.extend(notes);
        self.found = left;
        self.step(Step::Revert(RevertStep::Release), |context, state| {
            let all: Vec<&Component> = context.plan.all_components().collect();
            context.release(&state.saved.baseline, &all)
        });
        // Without its record, the next try would put back what is live.
        self.state.reached.back.is_live
    }

    fn release_what_misses_nothing(&mut self) {
        let context = self.context;
        let is_live = |state: &State, one: &Component| state.reached.back.live.contains(&one.name);
        for component in context.plan.all_components() {
            let scope = Scope::of(context.plan, self.state);
            if component.unit.is_some()
                && !is_live(self.state, component)
                && scope.misses_nothing(context, self.state, component)
            {
                self.release_one(component);
            }
        }
    }

    fn release_one(&mut self, component: &Component) {
        let step = Step::RevertOf(RevertPart::Release, component.name.clone());
        self.step(step, |context, state| {
            context.release(&state.saved.baseline, &[component])
        });
    }

    /// Starts what was released and is down because of a hold, and compares without changing anything.
    fn release_again(&mut self) {
        let was_started = self.state.reached.back.is_started;
        self.step(Step::Revert(RevertStep::Release), |context, state| {
            let baseline = &state.saved.baseline;
            let all = context.plan.all_components();
            let down = all.filter(|one| !was_started || context.is_down_again(baseline, one));
            let released = context.release(baseline, &down.collect::<Vec<_>>());
            // What did not start twice is for a person.
            released.map_err(|error| StepError::Differs(chain(&error)))
        });
        self.step(Step::Revert(RevertStep::Check), |context, state| {
            let scope = Scope::of_all_changed(context.plan, state);
            context.check_released(&state.saved.baseline, &scope.changed)
        });
    }

    /// Waits for health and removes the holds. Everything is released.
    fn finish(&mut self) {
        if self.is_told_to_stop() {
            return;
        }
        let is_well = self.step(Step::Revert(RevertStep::Health), |context, state| {
            let back: Vec<PlannedComponent> = context.plan.components().map(swapped).collect();
            let back: Vec<&PlannedComponent> = back.iter().collect();
            let baseline = &state.saved.baseline;
            let found = health::wait(context, baseline, &back, Excuse::AnyBefore)?;
            state.findings.health = found.health;
            Ok(String::new())
        });
        if !is_well {
            // A service is not blamed for a server that is still down: the next try asks again.
            for away in self.context.away() {
                self.trouble(Step::Revert(RevertStep::Health), away);
            }
        }
        if self.is_told_to_stop() {
            return;
        }
        self.step(Step::Revert(RevertStep::RemoveHolds), |context, state| {
            context.remove_holds(&state.saved.baseline)
        });
    }
}

fn perform(
    context: &Context<'_>,
    state: &mut State,
    step: RevertStep,
    scope: &Scope<'_>,
) -> StepResult {
    let baseline = &state.saved.baseline;
    match step {
        RevertStep::Hold if scope.held.is_empty() => Ok(String::new()),
        RevertStep::Hold => {
            // The drop-ins may already be removed, and a reboot removes their tokens.
            let installed = context.install_holds(baseline, &scope.held);
            context.hold(baseline, &scope.held).and(installed)
        }
        RevertStep::Transaction => {
            let done = reinstall(context, state, &scope.changed);
            let held = context.hold_again(&state.saved.baseline, &scope.held);
            held.and(done)
        }
        RevertStep::Configuration => put_files_back(context, state, scope),
        RevertStep::Data
        | RevertStep::Check
        | RevertStep::Release
        | RevertStep::Health
        | RevertStep::RemoveHolds => Ok(String::new()),
    }
}

fn swapped(planned: &PlannedComponent) -> PlannedComponent {
    let PlannedComponent {
        component,
        from,
        to,
        config,
        files,
        turned,
    } = planned.clone();
    PlannedComponent {
        component,
        from: to,
        to: from,
        config,
        files,
        turned,
    }
}
