//! Decides by their names which extras the target version of a component will load. Pure.

use std::collections::BTreeMap;

use manifests::bundle::Entry;
use manifests::product::{ExtraName, ExtraRule, ExtraTarget};

use super::{Extras, PlannedExtra, PresentExtra};
use crate::bundle::VerifiedMetadata;
use crate::inventory::extras::{FoundExtras, FoundFile, Listing};
use crate::inventory::{Inventory, OnDisk};
use crate::plan::{Consent, InstallPlan, PlannedComponent};
use crate::problem::Problem;

/// The facts by which a rule's extras are judged.
struct Case<'a> {
    rule: &'a ExtraRule,
    planned: &'a PlannedComponent,
    target: ExtraTarget<'a>,
    found: &'a FoundExtras,
    /// What the bundle carries for the target, by file name.
    carried: BTreeMap<&'a str, &'a Entry>,
    /// When the bundle was made.
    modified: u64,
}

/// The files of one extra in one directory.
#[derive(Debug, Default)]
struct Versions<'a> {
    installed: Option<&'a FoundFile>,
    target: Option<&'a FoundFile>,
    plain: Option<&'a FoundFile>,
}

/// Plans what comes with the bundle, and adds a problem for every extra that the target version will
/// not find.
pub(crate) fn add(
    metadata: &VerifiedMetadata,
    inventory: &Inventory,
    consent: &Consent,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let (arch, manifest) = (plan.arch, metadata.manifest());
    let mut found_here = Vec::new();
    for found in &inventory.extras {
        let mut rules = metadata.product().extras.iter();
        let Some(rule) = rules.find(|rule| rule.id == found.rule) else {
            continue;
        };
        let Some((at, planned)) = planned(plan, &rule.component) else {
            continue;
        };
        let planned = planned.clone();
        let Some(to) = &planned.to else {
            continue;
        };
        let target = ExtraTarget {
            version: to.nevra.evr().version(),
            arch,
        };
        let case = Case {
            rule,
            planned: &planned,
            target,
            found,
            carried: carried(&manifest.entries, rule, target),
            modified: manifest.timestamp,
        };
        let extras = case.judge(&mut plan.notes, &mut found_here);
        let group = &mut plan.groups[at].extras;
        group.coming.extend(extras.coming);
        group.present.extend(extras.present);
    }
    let has_any = plan.groups.iter().any(|group| !group.extras.is_empty());
    if let Some(reason) = &consent.extras_ignored_because
        && (has_any || !found_here.is_empty())
    {
        plan.extras_ignored_because = Some(reason.clone());
        let ignored = found_here.drain(..).map(|problem: Problem| problem.what);
        plan.notes.extend(ignored);
        // Trials find more problems after the plan was shown.
        plan.notes.push(format!(
            "files that would not load are ignored, because: {reason}"
        ));
    }
    problems.append(&mut found_here);
}

fn planned<'a>(plan: &'a InstallPlan, component: &str) -> Option<(usize, &'a PlannedComponent)> {
    let mut groups = plan.groups.iter().enumerate();
    groups.find_map(|(at, group)| {
        let mut components = group.components.iter();
        let found = components.find(|planned| planned.component.name == component);
        Some((at, found?))
    })
}

fn carried<'a>(
    entries: &'a [Entry],
    rule: &ExtraRule,
    target: ExtraTarget<'_>,
) -> BTreeMap<&'a str, &'a Entry> {
    let directory = format!("extras/{}/", rule.id);
    let named = |entry: &'a Entry| Some((entry.path.as_str().strip_prefix(&directory)?, entry));
    let all = entries.iter().filter_map(named);
    all.filter(|(name, _)| rule.accepts(name, target)).collect()
}

impl<'a> Case<'a> {
    fn judge(&self, notes: &mut Vec<String>, problems: &mut Vec<Problem>) -> Extras {
        let mut extras = Extras::default();
        let (title, version) = (&self.rule.title, self.target.version);
        match &self.found.listing {
            Listing::Whole => {}
            Listing::Absent if self.carried.is_empty() => return extras,
            Listing::Absent if self.is_brought() => {}
            Listing::Absent => {
                problems.push(Problem::new(
                    format!(
                        "the bundle carries a {title} for {}, whose directory {} does not exist",
                        self.planned.component.title, self.found.directory
                    ),
                    "make the directory, or correct the setting that names it",
                ));
                return extras;
            }
            Listing::Forbidden(why) => {
                notes.push(format!(
                    "whether every {title} loads into {version} is not known: {why}"
                ));
                return extras;
            }
            Listing::Failed(why) => {
                problems.push(Problem::new(
                    format!("whether every {title} loads into {version} is not known: {why}"),
                    "correct the setting that names the directory, or what is in it",
                ));
                return extras;
            }
        }
        let all = self.versions();
        for (name, entry) in &self.carried {
            for directory in self.places(&all, name) {
                extras.coming.extend(self.coming(&directory, name, entry));
            }
        }
        for ((directory, stem), versions) in &all {
            let is_here = |planned: &PlannedExtra| {
                let place = planned.path.rsplit_once('/').map(|(place, _)| place);
                planned.stem == *stem && place == Some(*directory)
            };
            if !extras.coming.iter().any(is_here) {
                self.judge_one(stem, versions, &mut extras, problems);
            }
        }
        extras
    }

    fn judge_one(
        &self,
        stem: &str,
        versions: &Versions<'_>,
        extras: &mut Extras,
        problems: &mut Vec<Problem>,
    ) {
        let mut is_there = |file: &FoundFile, is_named| {
            extras.present.push(PresentExtra {
                component: self.planned.component.name.clone(),
                rule: self.rule.id.clone(),
                stem: stem.to_owned(),
                path: file.path.clone(),
                is_named,
            });
        };
        match versions {
            Versions {
                target: Some(file), ..
            } => is_there(file, true),
            Versions {
                plain: Some(file), ..
            } => is_there(file, false),
            Versions {
                installed: Some(file),
                ..
            } => {
                let wanted = self.rule.expected(self.target).replace("NAME", stem);
                problems.push(Problem::new(
                    format!(
                        "{} is for {} {}; {} {} would look for {wanted}, which is neither beside it \
                         nor in the bundle",
                        file.path,
                        self.planned.component.title,
                        self.from(),
                        self.planned.component.title,
                        self.target.version
                    ),
                    cure(self.rule, self.target),
                ));
            }
            // Files of versions that are not used any more.
            _ => {}
        }
    }

    /// Returns the version that is installed.
    fn from(&self) -> &str {
        let from = self.planned.from.as_ref();
        from.map_or("", |from| from.nevra.evr().version())
    }

    /// Sorts the host's files by directory and stem.
    fn versions(&self) -> BTreeMap<(&'a str, &'a str), Versions<'a>> {
        let from = self.from();
        let mut all: BTreeMap<_, Versions<'_>> = BTreeMap::new();
        for file in &self.found.files {
            let Some((directory, name)) = file.path.rsplit_once('/') else {
                continue;
            };
            match self.rule.recognise(name, self.target.arch) {
                Some(ExtraName::Versioned { stem, version }) => {
                    let versions = all.entry((directory, stem)).or_default();
                    if version == self.target.version {
                        versions.target.get_or_insert(file);
                    }
                    if version == from {
                        versions.installed.get_or_insert(file);
                    }
                }
                Some(ExtraName::Plain { stem }) => {
                    all.entry((directory, stem)).or_default().plain = Some(file);
                }
                Some(ExtraName::Elsewhere) | None => {}
            }
        }
        all
    }

    fn stem<'n>(&self, name: &'n str) -> &'n str {
        match self.rule.recognise(name, self.target.arch) {
            Some(ExtraName::Versioned { stem, .. } | ExtraName::Plain { stem }) => stem,
            Some(ExtraName::Elsewhere) | None => name,
        }
    }

    /// A build goes beside every other build of its name; a new one goes into the directory itself.
    fn places(&self, all: &BTreeMap<(&str, &str), Versions<'_>>, name: &str) -> Vec<String> {
        let stem = self.stem(name);
        let beside = all.keys().filter(|(_, known)| *known == stem);
        let mut places: Vec<String> = beside.map(|(place, _)| (*place).to_owned()).collect();
        if places.is_empty() {
            places.push(self.found.directory.clone());
        }
        places
    }

    /// Plans a file, unless the host already has it.
    fn coming(&self, directory: &str, name: &str, entry: &Entry) -> Option<PlannedExtra> {
        let path = format!("{directory}/{name}");
        let files = &self.found.files;
        let same = files.iter().find(|file| file.path == path);
        let from = same
            .and_then(|file| file.content.clone())
            .unwrap_or(OnDisk::Absent);
        if from == OnDisk::Sha256(entry.sha256) {
            return None;
        }
        let stem = self.stem(name).to_owned();
        let of_stem = |file: &&FoundFile| {
            let (place, name) = file.path.rsplit_once('/').unwrap_or_default();
            place == directory && self.stem(name) == stem
        };
        let model = same
            .or_else(|| {
                files
                    .iter()
                    .filter(of_stem)
                    .min_by_key(|file| self.age(file))
            })
            .or_else(|| files.first());
        let (uid, gid) = self.found.owner;
        let (mode, uid, gid) = model.map_or((0o644, uid, gid), |m| (m.mode, m.uid, m.gid));
        Some(PlannedExtra {
            component: self.planned.component.name.clone(),
            rule: self.rule.id.clone(),
            stem,
            path,
            sha256: entry.sha256,
            size_bytes: entry.size,
            mode,
            uid,
            gid,
            modified: self.modified,
            like: model.map(|model| model.path.clone()),
            from,
        })
    }

    /// Ranks a file as the model for the next one: the file that is loaded today comes before files
    /// that no version loads.
    fn age(&self, file: &FoundFile) -> u8 {
        let name = file.path.rsplit_once('/').map_or("", |(_, name)| name);
        let from = self.from();
        match self.rule.recognise(name, self.target.arch) {
            Some(ExtraName::Versioned { version, .. }) if version == from => 0,
            Some(ExtraName::Plain { .. }) => 1,
            _ => 2,
        }
    }

    /// Whether the new package creates the directory.
    fn is_brought(&self) -> bool {
        let directory = &self.found.directory;
        let mut made = self.planned.to.iter().flat_map(|to| &to.directories);
        made.any(|made| made == directory || made.starts_with(&format!("{directory}/")))
    }
}

/// Returns what to do about an extra that the target version does not load.
pub(crate) fn cure(rule: &ExtraRule, target: ExtraTarget<'_>) -> String {
    format!(
        "{}; then carry it: `bundle build … --extra {}`. If nothing uses it any more, remove it, or \
         keep it and give the reason with --ignore-plugins-because",
        rule.cure_for(target),
        rule.expected(target)
    )
}

#[cfg(test)]
mod tests;
