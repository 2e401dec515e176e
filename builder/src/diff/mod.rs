//! What differs between two verified bundles. The value is the documented JSON (docs/bundle-diff.md).

mod package;
mod side;
mod text;

use std::collections::BTreeSet;

use manifests::bundle::{BundledRpm, Role, Target};
use manifests::digest::Sha256;
use manifests::format::Section;
use manifests::nevra::Nevra;
use serde::Serialize;

pub use package::PackageDiff;
pub use side::Side;

/// The type the document names.
pub const DIFF_TYPE: &str = "airgap-bundle/diff/1";

/// The differences from `a` to `b`.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// Always [`DIFF_TYPE`].
    #[serde(rename = "type")]
    pub document: &'static str,
    /// The first bundle.
    pub a: About,
    /// The second one.
    pub b: About,
    /// Kinds of host, of either bundle.
    pub targets: Vec<TargetDiff>,
    /// Entries other than packages, such as `product.json`, whose bytes differ.
    pub entries: Vec<EntryDiff>,
}

/// A bundle, as its signed manifest describes it.
#[derive(Debug, Serialize)]
pub struct About {
    /// The product.
    pub product: String,
    /// What was asked for.
    pub version: String,
    /// Release channel.
    pub channel: String,
    /// The sequence; hosts refuse a lower one.
    pub sequence: u64,
    /// The digest of the manifest.
    pub digest: Sha256,
    /// Whose signatures were valid.
    pub signers: Vec<String>,
}

/// The differences for one kind of host.
#[derive(Debug, Serialize)]
pub struct TargetDiff {
    /// The distribution.
    pub distro: String,
    /// The architecture.
    pub arch: String,
    /// `both`, `a` or `b`: which bundles are for it.
    pub carried_by: &'static str,
    /// What hosts end with, in upgrade order; unchanged ones too.
    pub packages: Vec<PackageDiff>,
    /// Packages to go back to that only `b` carries.
    pub previous_added: Vec<Nevra>,
    /// Packages to go back to that only `a` carries.
    pub previous_removed: Vec<Nevra>,
}

/// An entry that is not the same in both.
#[derive(Debug, Serialize)]
pub struct EntryDiff {
    /// Its name.
    pub path: String,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
}

/// Compares two bundles.
#[must_use]
pub fn diff(a: &Side, b: &Side) -> Diff {
    let keys: BTreeSet<(String, String)> = [a, b]
        .iter()
        .flat_map(|side| side.manifest().targets.iter())
        .map(|t| (t.distro.clone(), t.arch.to_string()))
        .collect();
    Diff {
        document: DIFF_TYPE,
        a: about(a),
        b: about(b),
        targets: keys.into_iter().map(|key| target(a, b, key)).collect(),
        entries: entries(a, b),
    }
}

impl Diff {
    /// Shows it to people.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::render(self)
    }
}

fn about(side: &Side) -> About {
    let manifest = side.manifest();
    About {
        product: manifest.product.clone(),
        version: manifest.version.clone(),
        channel: manifest.channel.clone(),
        sequence: manifest.sequence,
        digest: *side.verified().digest(),
        signers: side
            .verified()
            .signers()
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

fn target(a: &Side, b: &Side, (distro, arch): (String, String)) -> TargetDiff {
    let of = |side: &Side| {
        let mut targets = side.manifest().targets.iter();
        let found = targets.find(|t| t.distro == distro && t.arch.to_string() == arch);
        found.cloned()
    };
    let (in_a, in_b) = (of(a), of(b));
    let new_state = |side, of: Option<&Target>| {
        let targets = rpms(side, of, Role::Target);
        let named = |(_, rpm): (String, BundledRpm)| (rpm.nevra.name().to_owned(), rpm);
        let dependencies = rpms(side, of, Role::Dependency).into_iter().map(named);
        targets.into_iter().chain(dependencies).collect::<Vec<_>>()
    };
    let (before, after) = (new_state(a, in_a.as_ref()), new_state(b, in_b.as_ref()));
    let mut components: Vec<&String> = Vec::new();
    for (name, _) in after.iter().chain(&before) {
        if !components.contains(&name) {
            components.push(name);
        }
    }
    let find = |list: &[(String, BundledRpm)], name: &str| {
        let found = list.iter().find(|(component, _)| component == name);
        found.map(|(_, rpm)| rpm.clone())
    };
    let packages = components
        .iter()
        .filter_map(|name| {
            let old = find(&before, name).map(|rpm| (a, rpm));
            let new = find(&after, name).map(|rpm| (b, rpm));
            package::compare(name, old, new)
        })
        .collect();
    let previous = |side, of: Option<&Target>| -> BTreeSet<String> {
        let replaced = rpms(side, of, Role::PreviousDependency);
        let rpms = rpms(side, of, Role::Previous).into_iter().chain(replaced);
        rpms.map(|(_, rpm)| rpm.nevra.to_string()).collect()
    };
    let (old, new) = (previous(a, in_a.as_ref()), previous(b, in_b.as_ref()));
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.difference(other)
            .filter_map(|text| text.parse().ok())
            .collect()
    };
    TargetDiff {
        carried_by: match (in_a.is_some(), in_b.is_some()) {
            (true, true) => "both",
            (true, false) => "a",
            (false, _) => "b",
        },
        packages,
        previous_added: only(&new, &old),
        previous_removed: only(&old, &new),
        distro,
        arch,
    }
}

fn rpms(side: &Side, target: Option<&Target>, role: Role) -> Vec<(String, BundledRpm)> {
    let Some(target) = target else {
        return Vec::new();
    };
    side.manifest()
        .rpms_for(target, role)
        .map(|(purpose, rpm)| (purpose.component.clone(), rpm.clone()))
        .collect()
}

fn entries(a: &Side, b: &Side) -> Vec<EntryDiff> {
    let listed = |side: &Side| -> BTreeSet<(String, Sha256)> {
        let entries = side.manifest().entries.iter();
        entries
            .filter(|entry| {
                let section = Section::of(&entry.path);
                !matches!(
                    section,
                    Some(Section::Packages | Section::Files | Section::Sums)
                )
            })
            .map(|entry| (entry.path.to_string(), entry.sha256))
            .collect()
    };
    let (old, new) = (listed(a), listed(b));
    let has =
        |list: &BTreeSet<(String, Sha256)>, name: &str| list.iter().any(|(path, _)| path == name);
    let changed: BTreeSet<&String> = old
        .symmetric_difference(&new)
        .map(|(path, _)| path)
        .collect();
    changed
        .into_iter()
        .map(|path| EntryDiff {
            path: path.clone(),
            change: match (has(&old, path), has(&new, path)) {
                (true, true) => "changed",
                (true, false) => "removed",
                (false, _) => "added",
            },
        })
        .collect()
}
