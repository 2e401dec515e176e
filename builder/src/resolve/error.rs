//! Requests that no plan can meet, with what exists instead.

use manifests::bundle::Target;
use manifests::printable::printable;
use manifests::product::{Component, Distro};

use super::Inputs;
use super::fleet::Unserved;
use super::previous::From;
use super::select::{candidates, newest_by_line, newest_matching, version, versions};
use crate::explain::{Exit, Explain, Explained};
use crate::repo::RepoPackage;

/// A plan that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// A distribution the product manifest does not know.
    #[error("unknown distribution `{name}`")]
    UnknownDistro {
        /// As given.
        name: String,
        /// What exists.
        known: Vec<Distro>,
    },
    /// A product manifest without its lead; its own check refuses this earlier.
    #[error("the product has no component `{0}`")]
    NoLead(String),
    /// A version or line that this distribution does not have.
    #[error("{component} {wanted} is not published for {target}")]
    NotPublished {
        /// The component.
        component: String,
        /// The version or line asked for.
        wanted: String,
        /// Distribution and architecture.
        target: String,
        /// What is published instead.
        instead: Box<Instead>,
    },
    /// A pin to a version that is not there.
    #[error("{component} {wanted}, which goes with {lead}, is not published for {target}")]
    PinNotPublished {
        /// The component.
        component: String,
        /// Lead and its version.
        lead: String,
        /// The pinned version.
        wanted: String,
        /// Distribution and architecture.
        target: String,
        /// What is published there.
        published: Box<[String]>,
    },
    /// Two files with one identity.
    #[error("the repository {repository} lists {} twice with different content", first.nevra)]
    Ambiguous {
        /// The repository.
        repository: String,
        /// One entry.
        first: Box<RepoPackage>,
        /// The other.
        second: Box<RepoPackage>,
    },
    /// A package that must have the version of another one is not published in that version.
    #[error(
        "{package} is not published in the version of {target}; published are {}",
        list(published)
    )]
    NotInStep {
        /// The package.
        package: String,
        /// The package that it goes with.
        target: String,
        /// The versions that are published.
        published: Box<[String]>,
    },
    /// A `--from` that names nothing earlier.
    #[error("--from {0} names no earlier published version")]
    FromMatchesNothing(From),
    /// Hosts that a bundle of this version cannot serve.
    #[error("{}", lines(.0))]
    Unserved(Vec<Unserved>),
    /// Every host has the target already.
    #[error("no host needs anything: {}", .0.join("; "))]
    NothingToDo(Vec<String>),
}

/// What exists where a version does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// The newest version of each line that is published there.
    pub here: Vec<String>,
    /// Distributions that do have it.
    pub elsewhere: Vec<String>,
}

impl Explain for ResolveError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn explain(&self) -> Explained {
        let (reason, next) = match self {
            Self::UnknownDistro { name, known } => (
                format!("`{name}` is not a distribution of this product"),
                format!("use one of {}", distro_list(known)),
            ),
            Self::NoLead(_) => (self.to_string(), "correct the product manifest".to_owned()),
            Self::NotPublished { instead, .. } => (self.to_string(), not_published_advice(instead)),
            Self::PinNotPublished { published, .. } => (
                format!("{self}; published are {}", list(published)),
                "correct the pin in the product manifest (--product FILE), or ask for a version \
                 whose pin is published"
                    .to_owned(),
            ),
            Self::Ambiguous { first, second, .. } => (
                format!("{self}: {} and {}", entry(first), entry(second)),
                "the package was pushed again under the same name: ask the vendor which one is \
                 right, and build from a lock that names it (--locked) or from a mirror that holds \
                 only that one (--repo-url)"
                    .to_owned(),
            ),
            Self::NotInStep { .. } => (
                self.to_string(),
                "ask for a version in which both are published, or correct `packages` of the component \
                 in the product manifest (--product FILE)"
                    .to_owned(),
            ),
            Self::FromMatchesNothing(_) => (
                self.to_string(),
                "`bundle versions` shows what is published; it must be older than the target"
                    .to_owned(),
            ),
            Self::Unserved(unserved) => (self.to_string(), cures(unserved)),
            Self::NothingToDo(_) => (
                self.to_string(),
                "ask for another --version, or leave these hosts alone".to_owned(),
            ),
        };
        Explained::new("cannot choose the packages", reason, next)
    }
}

fn lines(unserved: &[Unserved]) -> String {
    let lines: Vec<String> = unserved
        .iter()
        .map(|one| printable(&one.to_string()))
        .collect();
    match lines.as_slice() {
        [one] => one.clone(),
        several => format!("\n    {}", several.join("\n    ")),
    }
}

fn cures(unserved: &[Unserved]) -> String {
    let mut cures: Vec<&str> = unserved.iter().map(|one| one.obstacle.cure()).collect();
    cures.sort_unstable();
    cures.dedup();
    cures.join("; ")
}

fn distro_list(known: &[Distro]) -> String {
    let entries: Vec<String> = known
        .iter()
        .map(|distro| match distro.aliases.as_slice() {
            [] => distro.id.clone(),
            aliases => format!("{} ({})", distro.id, aliases.join(", ")),
        })
        .collect();
    entries.join(", ")
}

fn not_published_advice(instead: &Instead) -> String {
    let Instead { here, elsewhere } = instead;
    let place = if elsewhere.is_empty() {
        String::new()
    } else {
        format!("it is published for {}; ", elsewhere.join(", "))
    };
    format!(
        "{place}here the lines end with {}; `bundle versions` shows all",
        list(here)
    )
}

fn list(versions: &[String]) -> String {
    if versions.is_empty() {
        "nothing at all".to_owned()
    } else {
        versions.join(", ")
    }
}

fn entry(package: &RepoPackage) -> String {
    format!("{} at {}", package.checksum, package.url)
}

/// Makes the error of a missing version, with every other place of the index where it exists.
pub(super) fn not_published(
    inputs: &Inputs<'_>,
    target: &Target,
    component: &Component,
    published: &[&RepoPackage],
    wanted: &str,
) -> ResolveError {
    let mut elsewhere: Vec<String> = inputs
        .index
        .snapshots
        .iter()
        .filter(|snapshot| snapshot.repository == component.repository)
        .filter(|snapshot| (&snapshot.distro, snapshot.arch) != (&target.distro, target.arch))
        .filter_map(|snapshot| {
            let there = Target {
                distro: snapshot.distro.clone(),
                os_ids: Vec::new(),
                major: 0,
                arch: snapshot.arch,
            };
            let published = candidates(inputs.index, component, &there);
            let found = newest_matching(&published, wanted)?;
            Some(format!(
                "{} {} ({})",
                there.distro,
                there.arch,
                version(found)
            ))
        })
        .collect();
    elsewhere.sort();
    let lines = newest_by_line(published);
    ResolveError::NotPublished {
        component: component.name.clone(),
        wanted: wanted.to_owned(),
        target: format!("{} {}", target.distro, target.arch),
        instead: Box::new(Instead {
            here: versions(&lines),
            elsewhere,
        }),
    }
}
