//! Which previous packages a bundle carries: what a revert can go back to.

use std::fmt;
use std::str::FromStr;

use manifests::evr::{compare_versions, line_of};
use manifests::product::Versioning;

use super::select::{is_prerelease, newest_by_line, newest_matching, version};
use super::{Draft, Place, beside};
use crate::repo::RepoPackage;

/// Which installed versions a bundle shall serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromRule {
    /// The newest earlier patch of the line, and the newest of the nearest earlier line.
    Default,
    /// Every earlier patch of the line and the newest of each earlier line.
    Any,
    /// These.
    Versions(Vec<From>),
}

/// A version or line that hosts run today, of one component or of those that follow the lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The component; without one, those with the lead's version numbers.
    pub component: Option<String>,
    /// The version or line.
    pub version: String,
}

impl FromRule {
    /// Reads the values of `--from`.
    pub fn parse(values: &[String]) -> Result<Self, String> {
        if values.is_empty() {
            return Ok(Self::Default);
        }
        if values.iter().any(|value| value == "any") {
            if values.len() > 1 {
                return Err("`any` already includes every other version".to_owned());
            }
            return Ok(Self::Any);
        }
        let parsed: Result<Vec<From>, String> = values.iter().map(|v| v.parse()).collect();
        parsed.map(Self::Versions)
    }
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (component, version) = match text.split_once('=') {
            Some((component, version)) => (Some(component.to_owned()), version),
            None => (None, text),
        };
        if version.is_empty() || component.as_ref().is_some_and(String::is_empty) {
            return Err(format!("`{text}` is not [COMPONENT=]VERSION"));
        }
        Ok(Self {
            component,
            version: version.to_owned(),
        })
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.component {
            Some(component) => write!(f, "{component}={}", self.version),
            None => f.write_str(&self.version),
        }
    }
}

/// Chooses what goes back from `target` for one component of one target host.
pub(super) fn choose<'a>(
    place: &Place<'a>,
    target: &'a RepoPackage,
    draft: &mut Draft,
) -> Vec<&'a RepoPackage> {
    let own = place.candidates().into_iter();
    let own = own.filter(|package| package.nevra.evr() < target.nevra.evr());
    let mut earlier: Vec<&RepoPackage> = beside::predecessors(place, target);
    earlier.extend(own);
    earlier.sort_by(|a, b| a.nevra.evr().cmp(b.nevra.evr()));
    let mut chosen = match place.inputs.from {
        FromRule::Default => by_default(&earlier, target),
        FromRule::Any => any(&earlier, target),
        FromRule::Versions(wanted) => named(place, &earlier, target, wanted, draft),
    };
    if place.component.versioning == Versioning::Pinned {
        chosen.extend(beside_previous_leads(place, &earlier));
    }
    chosen.sort_by(|a, b| a.nevra.evr().cmp(b.nevra.evr()));
    chosen.dedup_by(|a, b| a.nevra == b.nevra);
    if chosen.is_empty() {
        draft.note(format!(
            "no earlier {} is carried: a host that has an older one cannot be reverted",
            place.name()
        ));
    }
    chosen
}

fn on_same_line(package: &RepoPackage, target: &RepoPackage) -> bool {
    !is_prerelease(package) && line_of(version(package)) == line_of(version(target))
}

fn by_default<'a>(earlier: &[&'a RepoPackage], target: &RepoPackage) -> Vec<&'a RepoPackage> {
    let patch = earlier.iter().rev().find(|p| on_same_line(p, target));
    let line = earlier_lines(earlier, target).pop();
    patch.copied().into_iter().chain(line).collect()
}

fn any<'a>(earlier: &[&'a RepoPackage], target: &RepoPackage) -> Vec<&'a RepoPackage> {
    let patches = earlier.iter().filter(|p| on_same_line(p, target)).copied();
    patches.chain(earlier_lines(earlier, target)).collect()
}

fn earlier_lines<'a>(earlier: &[&'a RepoPackage], target: &RepoPackage) -> Vec<&'a RepoPackage> {
    let own = line_of(version(target));
    newest_by_line(earlier)
        .into_iter()
        .filter(|package| compare_versions(&line_of(version(package)), &own).is_lt())
        .collect()
}

fn named<'a>(
    place: &Place<'a>,
    earlier: &[&'a RepoPackage],
    target: &'a RepoPackage,
    wanted: &[From],
    draft: &mut Draft,
) -> Vec<&'a RepoPackage> {
    let mut chosen = Vec::new();
    let pinned = place.component.versioning == Versioning::Pinned;
    for from in wanted {
        match &from.component {
            Some(component) if *component != place.component.name => {}
            None if pinned => chosen.extend(beside_lead(place, earlier, target, from)),
            _ => {
                let found = newest_matching(earlier, &from.version);
                draft.mark_from(from, found.is_some());
                if found.is_none() {
                    let name = place.name();
                    draft.note(format!(
                        "{from} is not an earlier published version of {name}"
                    ));
                }
                chosen.extend(found);
            }
        }
    }
    // A component that no value speaks about is still to be revertible.
    let spoken_for = wanted.iter().any(|from| match &from.component {
        Some(component) => *component == place.component.name,
        None => true,
    });
    if spoken_for {
        chosen
    } else {
        by_default(earlier, target)
    }
}

/// Returns the previous packages of a pinned component for a previous version of the lead: the pin
/// of that version, else the default.
fn beside_lead<'a>(
    place: &Place<'a>,
    earlier: &[&'a RepoPackage],
    target: &RepoPackage,
    from: &From,
) -> Vec<&'a RepoPackage> {
    let product = place.inputs.product;
    let lead = product.component(&product.lead).map(|lead| {
        let published = super::candidates(place.inputs.index, lead, place.target);
        newest_matching(&published, &from.version).map_or(&*from.version, version)
    });
    let pin = lead.and_then(|lead| product.pinned(&place.component.name, lead));
    match pin.and_then(|pin| newest_matching(earlier, &pin.version)) {
        Some(package) => vec![package],
        None => by_default(earlier, target),
    }
}

/// Returns what goes with each previous version of the lead that is carried for the same host: who
/// runs that version runs its pin, however many newer ones there are.
fn beside_previous_leads<'a>(
    place: &Place<'a>,
    earlier: &[&'a RepoPackage],
) -> Vec<&'a RepoPackage> {
    let product = place.inputs.product;
    let pin = |lead: &RepoPackage| product.pinned(&place.component.name, version(lead));
    previous_leads(place)
        .into_iter()
        .filter_map(pin)
        .filter_map(|pin| newest_matching(earlier, &pin.version))
        .collect()
}

/// Returns the previous versions of the lead, as [`choose`] chooses them.
fn previous_leads<'a>(place: &Place<'a>) -> Vec<&'a RepoPackage> {
    let inputs = place.inputs;
    let Some(lead) = inputs.product.component(&inputs.product.lead) else {
        return Vec::new();
    };
    let published = super::candidates(inputs.index, lead, place.target);
    let Some(target) = newest_matching(&published, inputs.version) else {
        return Vec::new();
    };
    let is_earlier = |package: &&&RepoPackage| package.nevra.evr() < target.nevra.evr();
    let earlier: Vec<&RepoPackage> = published.iter().filter(is_earlier).copied().collect();
    let FromRule::Versions(wanted) = inputs.from else {
        return match inputs.from {
            FromRule::Any => any(&earlier, target),
            _ => by_default(&earlier, target),
        };
    };
    let mut of_lead = wanted
        .iter()
        .filter(|from| from.component.as_ref().is_none_or(|c| *c == lead.name))
        .peekable();
    if of_lead.peek().is_none() {
        return by_default(&earlier, target);
    }
    of_lead
        .filter_map(|from| newest_matching(&earlier, &from.version))
        .collect()
}
