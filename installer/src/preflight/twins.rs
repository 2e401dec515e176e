//! Stores that have different names and may be one server's one database: `127.0.0.1` and the host's
//! own address, an alias, some of the members of a set. What writes to such a store is held with it.

use std::collections::BTreeMap;

use crate::plan::InstallPlan;
use crate::problem::Problem;
use crate::stores::{Discovery, FoundStore, FoundStores, Limit, ServerIdentity, Stores};

/// Asks the servers, and notes in the plan who else uses each store. The users of stores that are
/// one, or that may be, are held together while its data change.
pub(super) fn join(
    discovery: &Discovery,
    reached: &dyn Stores,
    limit: Limit<'_>,
    plan: &mut InstallPlan,
) -> Vec<Problem> {
    let shown = discovery.shown();
    let identities = ask(&shown, discovery, reached, limit, plan);
    let is_one = |one: &str, other: &str| identities.get(one)?.is(identities.get(other)?);
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    for at in 0..plan.stores.len() {
        let Some(store) = plan
            .stores
            .get(at)
            .filter(|store| store.change.is_some())
            .cloned()
        else {
            continue;
        };
        let twins = shown.found.iter();
        let twins =
            twins.filter(|found| found.engine == store.engine && found.endpoint != store.endpoint);
        for twin in twins {
            let is_same = is_one(&store.endpoint, &twin.endpoint);
            if is_same == Some(false) {
                continue;
            }
            let mut planned = plan.stores.iter().enumerate();
            let planned = planned.find(|(_, one)| one.endpoint == twin.endpoint);
            let planned = planned.map(|(other, one)| (other, one.change.is_some()));
            let name = twin.names.join(", ");
            match (is_same, planned) {
                (Some(true), Some((other, true))) if other > at => {
                    problems.push(both(&store.name, twin));
                }
                (Some(true), Some((_, true))) => {}
                (Some(true), Some((other, false))) if plan.stores[at].is_dumped() => {
                    let excluded = twin.exclude.clone();
                    plan.stores[at]
                        .exclude
                        .retain(|name| excluded.contains(name));
                    plan.stores[other].terms.not_dumped = Some(format!(
                        "it is the store of {}, which is dumped",
                        store.name
                    ));
                }
                _ => {}
            }
            let users: Vec<String> = twin.users.iter().map(|(user, _)| user.clone()).collect();
            let joined = add_users(&mut plan.stores[at].users, users);
            notes.push(note(
                &store.name,
                &store.endpoint,
                &name,
                twin,
                is_same,
                &joined,
            ));
        }
    }
    plan.notes.extend(notes.into_iter().flatten());
    problems
}

/// Asks each server that matters who it is, and notes who else uses it.
fn ask(
    shown: &FoundStores,
    discovery: &Discovery,
    reached: &dyn Stores,
    limit: Limit<'_>,
    plan: &mut InstallPlan,
) -> BTreeMap<String, ServerIdentity> {
    let mut identities: BTreeMap<String, ServerIdentity> = BTreeMap::new();
    let changes = |plan: &InstallPlan, found: &FoundStore| {
        let mut changed = plan.stores.iter().filter(|store| store.change.is_some());
        changed.any(|store| store.engine == found.engine)
    };
    for found in &shown.found {
        let planned = plan
            .stores
            .iter()
            .any(|store| store.endpoint == found.endpoint);
        if !planned && !changes(plan, found) {
            continue;
        }
        let name = found.names.first().map_or("", String::as_str);
        let Ok(access) = discovery.access(name, &found.endpoint) else {
            continue;
        };
        let words = reached.words(access, limit);
        identities.insert(found.endpoint.clone(), words.identity);
        for store in &mut plan.stores {
            if store.endpoint == found.endpoint && store.elsewhere.is_none() {
                store.terms.others = Some(words.others.clone());
            }
        }
    }
    identities
}

/// Adds users and returns those that are new.
fn add_users(users: &mut Vec<String>, more: Vec<String>) -> Vec<String> {
    let mut added = Vec::new();
    for user in more {
        if !users.contains(&user) {
            users.push(user.clone());
            added.push(user);
        }
    }
    added
}

fn note(
    name: &str,
    endpoint: &str,
    twin_name: &str,
    twin: &FoundStore,
    is_same: Option<bool>,
    joined: &[String],
) -> Option<String> {
    if joined.is_empty() {
        return None;
    }
    let held = joined.join(", ");
    let other = &twin.endpoint;
    Some(if is_same == Some(true) {
        format!(
            "{twin_name} ({other}) is the same store as {name} ({endpoint}), as its server says: {held} \
             is held with it"
        )
    } else {
        format!(
            "whether {twin_name} ({other}) is the same store as {name} ({endpoint}) is not known: {held} \
             is held with it"
        )
    })
}

fn both(name: &str, twin: &FoundStore) -> Problem {
    Problem::new(
        format!(
            "{name} and {} ({}) are one store, as its server says, and this run changes its data in two \
             places: one dump would undo the other",
            twin.names.join(", "),
            twin.endpoint
        ),
        "write the same host, port and database in both configurations, then plan again",
    )
}
