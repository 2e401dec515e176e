//! What one try of a revert deals with. What an earlier try released is not part of it.

use manifests::product::Component;

use super::execute::groups;
use super::state::State;
use super::{Baseline, Context, stores};
use crate::plan::{Group, InstallPlan};

/// What a try of a revert deals with.
pub(super) struct Scope<'a> {
    /// Components whose services were held by the run.
    pub(super) held: Vec<&'a Component>,
    /// Groups whose packages or files the run may have changed.
    pub(super) changed: Vec<&'a Group>,
    /// Groups of which a component is live: they were back as a whole.
    live: Vec<&'a Group>,
}

impl<'a> Scope<'a> {
    /// Returns what is not live.
    pub(super) fn of(plan: &'a InstallPlan, state: &State) -> Self {
        let live = &state.reached.back.live;
        let is_live = |one: &Component| live.contains(&one.name);
        let mut all = Self::of_all_changed(plan, state);
        all.held.retain(|component| !is_live(component));
        let has_live = |group: &&Group| {
            let mut members = group.components.iter();
            members.any(|planned| is_live(&planned.component))
        };
        (all.live, all.changed) = all.changed.into_iter().partition(has_live);
        all
    }

    /// Returns everything that the run touched, also what is live.
    pub(super) fn of_all_changed(plan: &'a InstallPlan, state: &State) -> Self {
        let (held, changed) = (state.reached.held.iter(), state.reached.changed.iter());
        Self {
            held: held.flat_map(|group| plan.held_with(group)).collect(),
            changed: changed.flat_map(|group| groups(plan, group)).collect(),
            live: Vec::new(),
        }
    }

    /// Returns the trees to put back. A tree that also belongs to a live group is left alone.
    pub(super) fn roots(&self, context: &Context<'_>, baseline: &Baseline) -> Vec<String> {
        let (mut roots, _) = context.trees(&self.changed, baseline);
        if !self.live.is_empty() {
            let (live, _) = context.trees(&self.live, baseline);
            let is_in = |path: &str, root: &str| {
                let rest = path.strip_prefix(root);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            roots.retain(|root| {
                let mut live = live.iter();
                !live.any(|live| is_in(root, live) || is_in(live, root))
            });
        }
        roots
    }

    /// Whether a component's services may start: its packages, configuration and data are the
    /// previous ones.
    pub(super) fn misses_nothing(
        &self,
        context: &Context<'_>,
        state: &State,
        component: &Component,
    ) -> bool {
        let is_own = |group: &&&Group| {
            let mut members = group.components.iter();
            members.any(|planned| planned.component.name == component.name)
        };
        let own: Vec<&&Group> = self.changed.iter().filter(is_own).collect();
        let files = own.is_empty() || state.files_are_back;
        let mut changes = own.iter().flat_map(|group| group.changes());
        let mut data = stores::rewritten(context.plan, &state.reached).into_iter();
        files
            && data.all(|store| {
                !store.users.contains(&component.name) || stores::is_settled(store, &state.reached)
            })
            && changes.all(|change| context.is_installed(change.package, change.from))
    }
}
