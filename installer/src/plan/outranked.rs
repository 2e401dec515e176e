//! Decisions of several kinds about one store: that of the nearest source holds, a flag before the
//! environment before the site's file. Pure.

use super::{InstallPlan, PlannedStore};
use crate::site_file::{Chosen, Origin};

/// Kinds of decisions about a store, of which one can hold.
const KINDS: [&str; 3] = ["restore-shared", "restored-by-hand", "backed-up-elsewhere"];

impl PlannedStore {
    fn decision(&mut self, kind: &str) -> &mut Option<String> {
        match kind {
            "restore-shared" => &mut self.terms.shared,
            "restored-by-hand" => &mut self.terms.by_hand,
            _ => &mut self.elsewhere,
        }
    }
}

/// Removes the decisions about a store, by any of its names, that a nearer source replaces, and notes
/// them in the plan. Two of one source stay: neither can be preferred.
pub(super) fn set_aside(
    store: &mut PlannedStore,
    names: &[String],
    chosen: &[Chosen],
    plan: &mut InstallPlan,
) {
    let is_about = |one: &&Chosen, kind: &str| {
        let name = one.name.as_ref();
        one.key == kind && name.is_some_and(|name| names.contains(name))
    };
    let origin = |kind: &str| {
        let about = chosen.iter().filter(|one| is_about(one, kind));
        about.map(|one| one.from).min_by_key(|from| rank(*from))
    };
    let decided = KINDS.into_iter().filter_map(|kind| {
        store.decision(kind).as_ref()?;
        Some((kind, origin(kind)?))
    });
    let decided: Vec<(&str, Origin)> = decided.collect();
    let nearest = decided.iter().min_by_key(|(_, from)| rank(*from)).copied();
    let Some((winner, best)) = nearest else {
        return;
    };
    for (kind, from) in decided.iter().filter(|(_, from)| rank(*from) > rank(best)) {
        *store.decision(kind) = None;
        plan.chosen.retain(|one| !is_about(&one, kind));
        plan.notes.push(format!(
            "{}: --{winner} ({}) counts; --{kind} ({}) does not",
            store.name,
            best.words(),
            from.words()
        ));
    }
}

const fn rank(origin: Origin) -> u8 {
    match origin {
        Origin::CommandLine => 0,
        Origin::Environment => 1,
        Origin::SiteFile => 2,
    }
}

impl InstallPlan {
    /// Whether a choice about a store of the plan was replaced by a nearer one.
    pub(super) fn is_replaced(&self, one: &Chosen) -> bool {
        let named = |store: &&PlannedStore| one.name.as_ref() == Some(&store.name);
        let mut stores = self.stores.iter().filter(named);
        KINDS.contains(&one.key.as_str())
            && stores.any(|store| store.clone().decision(&one.key).is_none())
    }
}
