//! On what terms a data store is dumped and restored: who else uses it, and what a person decided.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{DataChange, PlannedStore};
use crate::problem::Problem;
use crate::site_file::{Chosen, is_standing};
use crate::stores::Others;

/// On what terms a store is dumped and restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreTerms {
    /// The other hosts that used it before the run; nothing if the server was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<Others>,
    /// Why its data may be replaced although other hosts use them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<String>,
    /// Why a person restores it and not a revert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<String>,
    /// Why it is not dumped, without a decision of a person: the run leaves its data alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_dumped: Option<String>,
    /// Why its data stay although the run goes back over a change of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// How many bytes its dump may take, as the server was asked before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dump_bytes: Option<u64>,
}

impl StoreTerms {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an operator decided about stores, by name, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreConsent {
    /// Stores whose data may be replaced although other hosts use them.
    pub shared: BTreeMap<String, String>,
    /// Stores that a person restores.
    pub by_hand: BTreeMap<String, String>,
    /// Where these came from.
    pub chosen: Vec<Chosen>,
}

const RESTORE_SHARED: &str = "restore-shared";
const RESTORED_BY_HAND: &str = "restored-by-hand";

impl StoreConsent {
    /// Returns the terms of a store that has one of these names.
    pub(super) fn terms(&self, names: &[String]) -> StoreTerms {
        let find = |map: &BTreeMap<String, String>| {
            let mut reasons = names.iter().filter_map(|name| map.get(name));
            reasons.next().cloned()
        };
        StoreTerms {
            shared: find(&self.shared),
            by_hand: find(&self.by_hand),
            ..StoreTerms::default()
        }
    }

    /// Returns what is said about stores that are not among the known ones, each with its key.
    pub(super) fn unknown<'c>(
        &'c self,
        known: &'c BTreeSet<String>,
    ) -> impl Iterator<Item = (&'static str, &'c String)> {
        let shared = self.shared.keys().map(|name| (RESTORE_SHARED, name));
        let by_hand = self.by_hand.keys().map(|name| (RESTORED_BY_HAND, name));
        let all = shared.chain(by_hand);
        all.filter(|(_, name)| !known.contains(*name))
    }

    /// Refuses what is said about a store that the plan does not have, and what contradicts itself.
    /// What the site says of stores of other hosts is no mistake.
    pub(super) fn check(
        &self,
        known: &BTreeSet<String>,
        stores: &[PlannedStore],
        problems: &mut Vec<Problem>,
    ) {
        let names: Vec<&str> = stores.iter().map(|store| store.name.as_str()).collect();
        let mistaken = self
            .unknown(known)
            .filter(|(key, name)| !is_standing(&self.chosen, key, name));
        let mistaken: BTreeSet<&String> = mistaken.map(|(_, name)| name).collect();
        problems.extend(mistaken.into_iter().map(|name| not_used(name, &names)));
        for store in stores {
            let StoreTerms {
                shared, by_hand, ..
            } = &store.terms;
            let said = [
                (shared, "--restore-shared"),
                (by_hand, "--restored-by-hand"),
                (&store.elsewhere, "--backed-up-elsewhere"),
            ];
            let said = said.iter().filter(|(reason, _)| reason.is_some());
            let switches: Vec<&str> = said.map(|(_, switch)| *switch).collect();
            if switches.len() > 1 {
                problems.push(Problem::new(
                    format!(
                        "{} has {}: only one can hold",
                        store.name,
                        switches.join(" and ")
                    ),
                    format!(
                        "decide who restores the data of {}, and leave the others out",
                        store.name
                    ),
                ));
            }
        }
    }
}

/// A decision about a store that no changing component uses.
pub(super) fn not_used(name: &str, known: &[&str]) -> Problem {
    Problem::new(
        format!("no data store {name} is used by what changes"),
        format!("name one of these, or none: {}", known.join(", ")),
    )
}

/// Returns which other hosts use a store, if any may.
fn who(others: &Others) -> Option<String> {
    (!others.are_none()).then(|| match others {
        Others::Known(list) => format!("other hosts use that store: {}", list.join(", ")),
        Others::NotKnown(why) => format!("whether other hosts use that store is not known ({why})"),
    })
}

impl PlannedStore {
    /// Returns which other hosts use the store, if the run changes its data and any may.
    #[must_use]
    pub fn is_shared_with(&self) -> Option<String> {
        self.change
            .as_ref()
            .and(self.terms.others.as_ref())
            .and_then(who)
    }

    /// Returns why the run must not begin without a decision: it changes data that other hosts use.
    #[must_use]
    pub fn undecided(&self) -> Option<Problem> {
        let change = self.change.as_ref()?;
        let StoreTerms {
            others,
            shared,
            by_hand,
            ..
        } = &self.terms;
        let who = who(others.as_ref()?)?;
        if self.elsewhere.is_some() || shared.is_some() || by_hand.is_some() {
            return None;
        }
        let name = &self.name;
        let stop = "stop their services for the time of the run";
        Some(match change {
            DataChange::Migrated { .. } => Problem::new(
                format!(
                    "this run changes the data of {name} for good, and {who}. A revert would put older \
                     data under them"
                ),
                format!(
                    "{stop}; or let a revert do so with --restore-shared {name}=REASON; or restore the \
                     dump yourself, should it come to that, with --restored-by-hand {name}=REASON"
                ),
            ),
            DataChange::Restored { .. } => Problem::new(
                format!("this run puts older data into {name}, and {who}"),
                format!("{stop}; or allow it with --restore-shared {name}=REASON"),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use manifests::product::Engine;

    use super::*;
    use crate::history::test_runs::past_run;
    use crate::plan::{PlanKind, outranked};
    use crate::site_file::Origin;

    fn store(others: Others) -> PlannedStore {
        PlannedStore {
            name: "dashboard-main".to_owned(),
            title: "rows".to_owned(),
            engine: Engine::Postgresql,
            endpoint: "postgresql x".to_owned(),
            users: vec!["dashboard".to_owned()],
            group: "dashboard".to_owned(),
            may_be_empty: false,
            cache: false,
            exclude: Vec::new(),
            elsewhere: None,
            change: Some(DataChange::Migrated {
                title: "rewritten".to_owned(),
            }),
            terms: StoreTerms {
                others: Some(others),
                ..StoreTerms::default()
            },
        }
    }

    /// H-05: a revert of one node put older data under the other, live.
    #[test]
    fn data_that_other_hosts_use_need_a_decision_before_they_change() {
        let found = || Others::Known(vec!["10.77.0.1 (2 sessions)".to_owned()]);
        let problem = store(found()).undecided().unwrap();
        assert!(
            problem.what.contains("10.77.0.1 (2 sessions)"),
            "{problem:?}"
        );
        for switch in ["--restore-shared", "--restored-by-hand"] {
            let words = format!("{switch} dashboard-main=REASON");
            assert!(problem.cure.contains(&words), "{problem:?}");
        }
        assert!(
            store(Others::NotKnown("why".to_owned()))
                .undecided()
                .is_some()
        );
        assert_eq!(store(Others::Known(Vec::new())).undecided(), None);
        let mut unchanged = store(found());
        unchanged.change = None;
        assert_eq!(unchanged.undecided(), None);
        let reason = Some("it is the only one".to_owned());
        for decide in [
            |terms: &mut StoreTerms, reason| terms.shared = reason,
            |terms: &mut StoreTerms, reason| terms.by_hand = reason,
        ] {
            let mut store = store(found());
            decide(&mut store.terms, reason.clone());
            assert_eq!(store.undecided(), None);
        }
    }

    #[test]
    fn a_decision_names_a_store_and_only_one_holds() {
        let reason = |name: &str| BTreeMap::from([(name.to_owned(), "a good reason".to_owned())]);
        let consent = StoreConsent {
            shared: reason("dashboard-main"),
            by_hand: reason("dashboard-main"),
            ..StoreConsent::default()
        };
        let mut one = store(Others::Known(Vec::new()));
        one.terms = consent.terms(std::slice::from_ref(&one.name));
        let known = BTreeSet::from([one.name.clone()]);
        let mut problems = Vec::new();
        consent.check(&known, &[one], &mut problems);
        assert!(
            problems[0].what.contains("only one can hold"),
            "{problems:?}"
        );
        problems.clear();
        consent.check(&BTreeSet::new(), &[], &mut problems);
        assert!(
            problems[0].what.contains("no data store dashboard-main"),
            "{problems:?}"
        );
    }

    /// A site's file with one kind of consent and a flag of another kind were two decisions.
    #[test]
    fn the_nearest_source_decides_about_a_store() {
        let choice = |key: &str, from| Chosen {
            key: key.to_owned(),
            name: Some("dashboard-main".to_owned()),
            value: "a good reason".to_owned(),
            from,
        };
        let decide = |elsewhere_from, by_hand_from| {
            let mut one = store(Others::Known(Vec::new()));
            one.elsewhere = Some("a good reason".to_owned());
            one.terms.by_hand = Some("a good reason".to_owned());
            let chosen = [
                choice("backed-up-elsewhere", elsewhere_from),
                choice(RESTORED_BY_HAND, by_hand_from),
            ];
            let mut plan = past_run(1, PlanKind::Upgrade, None).plan;
            plan.chosen = chosen.to_vec();
            let names = [one.name.clone()];
            outranked::set_aside(&mut one, &names, &chosen, &mut plan);
            let consent = StoreConsent::default();
            let mut problems = Vec::new();
            let known = BTreeSet::from(names);
            consent.check(&known, std::slice::from_ref(&one), &mut problems);
            (one, plan, problems)
        };
        let (one, plan, problems) = decide(Origin::SiteFile, Origin::CommandLine);
        assert!(
            problems.is_empty() && one.elsewhere.is_none(),
            "{problems:?}"
        );
        assert!(one.terms.by_hand.is_some());
        assert_eq!(plan.chosen.len(), 1);
        let words = "--restored-by-hand (from the command line) counts";
        assert!(plan.notes.concat().contains(words), "{:?}", plan.notes);
        let (one, ..) = decide(Origin::Environment, Origin::SiteFile);
        assert!(one.elsewhere.is_some() && one.terms.by_hand.is_none());
        let (_, _, problems) = decide(Origin::CommandLine, Origin::CommandLine);
        assert!(
            problems[0].what.contains("only one can hold"),
            "{problems:?}"
        );
    }
}
