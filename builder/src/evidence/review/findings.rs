//! What deserves a look before everything else.

use std::collections::BTreeMap;

use manifests::bundle::{LintFlag, Role};
use manifests::package_files::PackagedFile;
use serde::Serialize;

use super::ROWS_MAX;
use super::shown::Shown;
use super::territory::Territory;
use crate::evidence::compare::mode;
use crate::evidence::{Facts, Part, lint};

/// Everything found of one kind.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    #[serde(flatten)]
    kind: Kind,
    pub(super) rows: Vec<Row>,
    /// How many rows are left out.
    pub(super) more: usize,
    pub(super) count: usize,
}

/// One thing that was found.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) what: Shown,
    pub(super) detail: Shown,
    /// Where.
    pub(super) packages: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct Kind {
    id: &'static str,
    title: &'static str,
    meaning: &'static str,
    /// What the first column holds.
    subject: &'static str,
}

const UNSIGNED: Kind = Kind {
    id: "unsigned",
    title: "Packages without a strong signature",
    meaning: "Only the repository's metadata vouches for these.",
    subject: "Package",
};
const PRIVILEGED: Kind = Kind {
    id: "privileged",
    title: "Setuid, setgid and capability files",
    meaning: "A user who runs such a program gets rights that are not their own.",
    subject: "File",
};
const OUTSIDE: Kind = Kind {
    id: "outside",
    title: "Files outside the product\u{2019}s tree",
    meaning: "They are not under a path that the product manifest names for the package.",
    subject: "File",
};
const WRITABLE: Kind = Kind {
    id: "writable",
    title: "World-writable files and directories",
    meaning: "Every local user can change these.",
    subject: "File",
};
const SPECIAL: Kind = Kind {
    id: "special",
    title: "Device files, pipes and sockets",
    meaning: "A package of a service has no need of these.",
    subject: "File",
};
const FLAGS: Kind = Kind {
    id: "flags",
    title: "Properties that some hosts refuse",
    meaning: "Checked on the builder; each host decides by its own policy.",
    subject: "Property",
};
const ONE_WAY: Kind = Kind {
    id: "one-way",
    title: "Components without a previous package",
    meaning: "If their upgrade fails, this bundle has nothing to go back to.",
    subject: "Component",
};
const BY_HAND: Kind = Kind {
    id: "by-hand",
    title: "Accepted by hand on the builder",
    meaning: "A person accepted these at the build; the product manifest does not.",
    subject: "What",
};

/// Rows with the packages they were found in.
#[derive(Default)]
struct Rows(BTreeMap<(Shown, Shown), Vec<Shown>>);

impl Rows {
    fn add(&mut self, what: &impl ToString, detail: &str, package: &impl ToString) {
        let key = (Shown::new(&what.to_string()), Shown::new(detail));
        let packages = self.0.entry(key).or_default();
        let package = Shown::new(&package.to_string());
        if !packages.contains(&package) {
            packages.push(package);
        }
    }

    fn finding(self, kind: Kind) -> Finding {
        let count = self.0.len();
        let rows = self.0.into_iter().take(ROWS_MAX);
        Finding {
            kind,
            rows: rows
                .map(|((what, detail), packages)| Row {
                    what,
                    detail,
                    packages,
                })
                .collect(),
            more: count.saturating_sub(ROWS_MAX),
            count,
        }
    }
}

/// Looks for everything; kinds of which nothing was found have no rows.
pub(super) fn all(facts: &Facts<'_>) -> Vec<Finding> {
    vec![
        unsigned(facts).finding(UNSIGNED),
        files(facts, |_, file| privilege(file)).finding(PRIVILEGED),
        outside(facts).finding(OUTSIDE),
        files(facts, |_, file| writable(file)).finding(WRITABLE),
        files(facts, |_, file| special(file)).finding(SPECIAL),
        flags(facts).finding(FLAGS),
        one_way(facts).finding(ONE_WAY),
        by_hand(facts).finding(BY_HAND),
    ]
}

fn unsigned(facts: &Facts<'_>) -> Rows {
    let mut rows = Rows::default();
    for part in &facts.parts {
        let nevra = &part.rpm.nevra;
        if part.rpm.signer.is_none() {
            rows.add(nevra, "carries no package signature", nevra);
        } else if part.rpm.lint.contains(&LintFlag::Sha1Signature) {
            rows.add(nevra, "its signature uses SHA-1", nevra);
        }
    }
    rows
}

/// Every file that `look` remarks on.
fn files(facts: &Facts<'_>, look: impl Fn(&Part<'_>, &PackagedFile) -> Option<String>) -> Rows {
    let mut rows = Rows::default();
    for part in &facts.parts {
        for file in &part.files.files {
            if let Some(detail) = look(part, file) {
                rows.add(&file.path, &detail, &part.rpm.nevra);
            }
        }
    }
    rows
}

fn owned(file: &PackagedFile) -> String {
    let mut text = format!("{} {}:{}", mode(file.mode), file.user, file.group);
    if !file.link.is_empty() {
        text += &format!(" \u{2192} {}", file.link);
    }
    text
}

fn is_link(file: &PackagedFile) -> bool {
    file.mode & 0o170_000 == 0o120_000
}

fn privilege(file: &PackagedFile) -> Option<String> {
    // The set-group-id bit of a directory passes its group on and gives no user a right.
    let bits = !is_link(file) && !file.is_directory() && file.mode & 0o6000 != 0;
    if !bits && file.capabilities.is_empty() {
        return None;
    }
    let mut text = owned(file);
    if !file.capabilities.is_empty() {
        text += &format!(" capabilities {}", file.capabilities);
    }
    Some(text)
}

fn writable(file: &PackagedFile) -> Option<String> {
    (!is_link(file) && file.mode & 0o002 != 0).then(|| owned(file))
}

fn special(file: &PackagedFile) -> Option<String> {
    let kind = file.mode & 0o170_000;
    let usual = file.is_regular() || is_link(file) || file.is_directory();
    (kind != 0 && !usual).then(|| owned(file))
}

fn outside(facts: &Facts<'_>) -> Rows {
    let product = &facts.lock.product;
    let territories: BTreeMap<&str, Territory> = facts
        .parts
        .iter()
        .map(|part| part.rpm.nevra.name())
        .map(|name| (name, Territory::of(product, name)))
        .collect();
    files(facts, |part, file| {
        let territory = territories.get(part.rpm.nevra.name())?;
        (!territory.holds(file)).then(|| owned(file))
    })
}

fn flags(facts: &Facts<'_>) -> Rows {
    let mut rows = Rows::default();
    for part in &facts.parts {
        let worth_a_row = |flag: &&LintFlag| **flag != LintFlag::Unsigned;
        for flag in part.rpm.lint.iter().filter(worth_a_row) {
            rows.add(&flag_name(*flag), lint(*flag), &part.rpm.nevra);
        }
    }
    rows
}

const fn flag_name(flag: LintFlag) -> &'static str {
    match flag {
        LintFlag::PayloadNotForEl7 => "payload-not-for-el7",
        LintFlag::NoSha256Header => "no-sha256-header",
        LintFlag::NoPayloadDigest => "no-payload-digest",
        LintFlag::Md5FileDigests => "md5-file-digests",
        LintFlag::Sha1Signature => "sha1-signature",
        LintFlag::Unsigned => "unsigned",
    }
}

fn one_way(facts: &Facts<'_>) -> Rows {
    let plan = &facts.lock.plan;
    let mut rows = Rows::default();
    for target in &plan.targets {
        let previous = plan.packages_for(target, Role::Previous);
        for (purpose, package) in plan.packages_for(target, Role::Target) {
            let has = previous
                .iter()
                .any(|(other, _)| other.component == purpose.component);
            if !has {
                let host = format!("on {} {}", target.distro, target.arch);
                rows.add(&purpose.component, &host, &package.nevra);
            }
        }
    }
    rows
}

fn by_hand(facts: &Facts<'_>) -> Rows {
    let mut rows = Rows::default();
    for accepted in &facts.lock.trusted_vendor_keys {
        rows.add(accepted, "vendor key, --trust-vendor-key", &"all packages");
    }
    for name in &facts.lock.accepted_unsigned {
        rows.add(name, "may lack a strong signature", name);
    }
    rows
}
