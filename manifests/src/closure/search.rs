//! The search: adds packages until every need is met, and takes a choice back that leads nowhere.

use std::collections::{BTreeSet, HashSet};

use crate::nevra::Nevra;
use crate::package_files::Dependency;

use super::index::Index;
use super::relation::overlaps;
use super::rich::Need;
use super::system::System;
use super::{Added, Closure, Missing};

/// Most choices that are taken back before the search gives up and reports what is missing.
const CHOICES_MAX: usize = 20_000;

/// Closes a set over what it needs. `roots` are places in the index ([`Index::find`]).
#[must_use]
pub fn close(index: &Index<'_>, system: &System, roots: &[usize]) -> Closure {
    let search = Search { index, system };
    let mut start = Draft::default();
    for &root in roots {
        start.add(root, None);
    }
    let mut choices = CHOICES_MAX;
    let mut missing = Vec::new();
    let draft = match search.strict(start.clone(), &mut choices) {
        Some(draft) => draft,
        None => search.lenient(start, &mut missing),
    };
    let draft = search.reduce(draft, roots.len(), &missing);
    let added = draft.chosen.iter().filter_map(|(at, why)| {
        let (nevra, why) = (&index.offer(*at).nevra, why.as_ref()?);
        Some(Added {
            offer: index.listed(*at),
            nevra: nevra.clone(),
            replaces: system.named(nevra.name()).cloned(),
            need: why.need.clone(),
            by: index.offer(why.by).nevra.clone(),
        })
    });
    Closure {
        added: added.collect(),
        conflicts: search.all_conflicts(&draft),
        obsoleted: search.obsoleted(&draft),
        missing,
    }
}

/// The need that a package was added for.
#[derive(Debug, Clone)]
struct Why {
    need: String,
    by: usize,
}

/// The set in the making, in order; roots were added for no need.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    chosen: Vec<(usize, Option<Why>)>,
    pub(super) set: BTreeSet<usize>,
}

impl Draft {
    fn add(&mut self, at: usize, why: Option<Why>) {
        if self.set.insert(at) {
            self.chosen.push((at, why));
        }
    }
}

pub(super) struct Search<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) system: &'a System,
}

/// A need that is not met yet.
struct Open {
    at: usize,
    package: String,
    text: String,
    options: Vec<usize>,
}

impl Open {
    fn why(&self) -> Why {
        Why {
            need: self.text.clone(),
            by: self.at,
        }
    }
}

impl<'a> Search<'a> {
    fn strict(&self, mut draft: Draft, choices: &mut usize) -> Option<Draft> {
        loop {
            let Some(open) = self.first_open(&draft, &[]) else {
                return Some(draft);
            };
            let why = Some(open.why());
            if let [only] = open.options[..] {
                draft.add(only, why);
                continue;
            }
            for option in open.options {
                *choices = choices.checked_sub(1)?;
                let mut next = draft.clone();
                next.add(option, why.clone());
                if let Some(done) = self.strict(next, choices) {
                    return Some(done);
                }
            }
            return None;
        }
    }

    /// Takes out what a later choice made needless, latest first, until nothing more can go.
    fn reduce(&self, mut draft: Draft, roots: usize, missing: &[Missing]) -> Draft {
        while let Some(fewer) = self.without_one(&draft, roots, missing) {
            draft = fewer;
        }
        draft
    }

    /// Takes one out, with those that only it kept working, unless something that stays needs it.
    fn without_one(&self, draft: &Draft, roots: usize, missing: &[Missing]) -> Option<Draft> {
        let keep: BTreeSet<usize> = draft.chosen.iter().take(roots).map(|(at, _)| *at).collect();
        let added = draft.chosen.iter().skip(roots).rev();
        added.map(|(at, _)| *at).find_map(|at| {
            let mut fewer = draft.clone();
            let mut out = at;
            loop {
                fewer.set.remove(&out);
                fewer.chosen.retain(|(other, _)| *other != out);
                let Some(open) = self.first_open(&fewer, missing) else {
                    return Some(fewer);
                };
                if keep.contains(&open.at) {
                    return None;
                }
                out = open.at;
            }
        })
    }

    /// Takes the first option always, and notes what has none.
    fn lenient(&self, mut draft: Draft, missing: &mut Vec<Missing>) -> Draft {
        while let Some(open) = self.first_open(&draft, missing) {
            match open.options.first() {
                Some(&option) => draft.add(option, Some(open.why())),
                None => missing.push(Missing {
                    package: open.package,
                    need: open.text,
                }),
            }
        }
        draft
    }

    /// Finds the first need that is neither met nor known to be missing.
    fn first_open(&self, draft: &Draft, missing: &[Missing]) -> Option<Open> {
        let gone = self.gone(draft);
        for (at, _) in &draft.chosen {
            let offer = self.index.offer(*at);
            let package = offer.nevra.to_string();
            for dependency in &offer.capabilities.requires {
                if dependency.name.starts_with("rpmlib(") {
                    continue;
                }
                let text = dependency.to_string();
                // What cannot be read cannot be met: it is reported as missing.
                let need = Need::of(dependency).unwrap_or(Need::Or(Vec::new()));
                let is_known = |m: &Missing| m.package == package && m.need == text;
                if self.is_met(&need, draft, &gone) || missing.iter().any(is_known) {
                    continue;
                }
                let mut options = Vec::new();
                self.options(&need, draft, &gone, &mut options);
                return Some(Open {
                    at: *at,
                    package,
                    text,
                    options,
                });
            }
        }
        None
    }

    /// Names of installed packages that the set replaces.
    pub(super) fn gone(&self, draft: &Draft) -> HashSet<&'a str> {
        let mut gone = HashSet::new();
        for at in &draft.set {
            let offer = self.index.offer(*at);
            gone.insert(offer.nevra.name());
            gone.extend(offer.capabilities.obsoletes.iter().filter_map(|obsolete| {
                let installed = self.system.named(&obsolete.name)?;
                overlaps(&own(installed), obsolete).then_some(obsolete.name.as_str())
            }));
        }
        gone
    }

    fn is_met(&self, need: &Need, draft: &Draft, gone: &HashSet<&str>) -> bool {
        let met = |need: &Need| self.is_met(need, draft, gone);
        let or_else = |other: &Option<Box<Need>>| other.as_ref().is_none_or(|other| met(other));
        match need {
            Need::Plain(_) | Need::With(_) | Need::Without(..) => {
                let chosen = self
                    .single(need)
                    .into_iter()
                    .any(|at| draft.set.contains(&at));
                chosen
                    || self
                        .single_installed(need, gone)
                        .into_iter()
                        .next()
                        .is_some()
            }
            Need::And(all) => all.iter().all(met),
            Need::Or(any) => any.iter().any(met),
            Need::If(then, condition, other) => {
                if met(condition) {
                    met(then)
                } else {
                    or_else(other)
                }
            }
            Need::Unless(then, condition, other) => {
                if met(condition) {
                    other.as_ref().is_some_and(|other| met(other))
                } else {
                    met(then)
                }
            }
        }
    }

    /// Collects the packages that bring a need nearer, best first.
    fn options(&self, need: &Need, draft: &Draft, gone: &HashSet<&str>, found: &mut Vec<usize>) {
        let met = |need: &Need| self.is_met(need, draft, gone);
        match need {
            Need::Plain(_) | Need::With(_) | Need::Without(..) => {
                let mut fitting = self.single(need);
                fitting.retain(|at| self.fits(*at, draft, gone) && !found.contains(at));
                fitting.sort_by_key(|at| {
                    let name = self.index.offer(*at).nevra.name();
                    (self.system.named(name).is_none(), *at)
                });
                found.extend(fitting);
            }
            Need::And(all) => {
                if let Some(open) = all.iter().find(|part| !met(part)) {
                    self.options(open, draft, gone, found);
                }
            }
            Need::Or(any) => {
                for part in any {
                    self.options(part, draft, gone, found);
                }
            }
            // Where the one side cannot be had, a condition that comes true leads to the other.
            Need::If(then, condition, other) => match other {
                _ if met(condition) => self.options(then, draft, gone, found),
                Some(other) => {
                    self.options(other, draft, gone, found);
                    self.options(condition, draft, gone, found);
                }
                None => {}
            },
            Need::Unless(then, condition, other) => match other {
                Some(other) if met(condition) => self.options(other, draft, gone, found),
                None if met(condition) => {}
                _ => {
                    self.options(then, draft, gone, found);
                    if other.is_some() {
                        self.options(condition, draft, gone, found);
                    }
                }
            },
        }
    }

    /// Returns the packages that meet by themselves what one package has to.
    fn single(&self, need: &Need) -> Vec<usize> {
        match need {
            Need::Plain(dependency) => self.index.providers(dependency),
            Need::With(all) => {
                let mut sets = all.iter().map(|part| self.single(part));
                let first = sets.next().unwrap_or_default();
                sets.fold(first, |kept, set| {
                    kept.into_iter().filter(|at| set.contains(at)).collect()
                })
            }
            Need::Without(with, without) => {
                let others = self.single(without);
                let mut kept = self.single(with);
                kept.retain(|at| !others.contains(at));
                kept
            }
            _ => Vec::new(),
        }
    }

    /// The same among what is installed and stays.
    fn single_installed(&self, need: &Need, gone: &HashSet<&str>) -> Vec<usize> {
        match need {
            Need::Plain(dependency) => self.system.providers(dependency, gone).collect(),
            Need::With(all) => {
                let mut sets = all.iter().map(|part| self.single_installed(part, gone));
                let first = sets.next().unwrap_or_default();
                sets.fold(first, |kept, set| {
                    kept.into_iter().filter(|at| set.contains(at)).collect()
                })
            }
            Need::Without(with, without) => {
                let others = self.single_installed(without, gone);
                let mut kept = self.single_installed(with, gone);
                kept.retain(|at| !others.contains(at));
                kept
            }
            _ => Vec::new(),
        }
    }

    /// Whether a package can join the set: no second version of a name, nothing older than what is
    /// installed, no conflict.
    fn fits(&self, at: usize, draft: &Draft, gone: &HashSet<&str>) -> bool {
        let nevra = &self.index.offer(at).nevra;
        let installed = self.system.named(nevra.name());
        let is_older = installed.is_some_and(|installed| installed.evr() > nevra.evr());
        let name_is_taken = draft
            .set
            .iter()
            .any(|&other| other != at && self.index.offer(other).nevra.name() == nevra.name());
        let clashes = || {
            let pairs = draft
                .set
                .iter()
                .any(|&other| self.clash(at, other).is_some() || self.clash(other, at).is_some());
            pairs || !self.installed_conflicts(at, gone).is_empty()
        };
        !is_older && !name_is_taken && !clashes()
    }
}

/// What a package is to those that obsolete it: its name and version, not what it provides.
pub(super) fn own(nevra: &Nevra) -> Dependency {
    let (epoch, version, release) = (
        nevra.evr().epoch(),
        nevra.evr().version(),
        nevra.evr().release(),
    );
    Dependency {
        name: nevra.name().to_owned(),
        comparison: "=".to_owned(),
        version: format!("{epoch}:{version}-{release}"),
    }
}
