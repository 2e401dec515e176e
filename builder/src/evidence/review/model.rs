//! Everything on the page, in its order.

use std::collections::BTreeMap;

use serde::Serialize;

use super::changes::{self, Change};
use super::findings::{self, Finding};
use super::shown::{Shown, size};
use crate::evidence::licence::Licence;
use crate::evidence::{EvidenceError, Facts, Part, identity};

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct Sheet {
    title: Shown,
    product: Shown,
    version: Shown,
    channel: Shown,
    sequence: u64,
    time: Shown,
    tool_version: Shown,
    hosts: Vec<Shown>,
    targets: usize,
    previous: usize,
    total: Shown,
    inputs: Vec<Input>,
    findings: Vec<Finding>,
    packages: Vec<Package>,
    licences: Vec<LicenceRow>,
    changes: Vec<Change>,
    scriptlets: Vec<Scriptlet>,
    repositories: Vec<Repository>,
    keys: Vec<Key>,
    notes: Vec<Shown>,
}

/// Something the build was made from.
#[derive(Debug, Serialize)]
struct Input {
    name: Shown,
    sha256: Shown,
}

#[derive(Debug, Serialize)]
struct Package {
    nevra: Shown,
    summary: Shown,
    vendor: Shown,
    licence: Shown,
    size: Shown,
    files: usize,
    scriptlets: usize,
    sha256: Shown,
    target: bool,
    uses: Vec<Shown>,
    sources: Vec<Shown>,
    signer: Option<Shown>,
    build_time: Shown,
}

#[derive(Debug, Serialize)]
struct LicenceRow {
    stated: Option<Shown>,
    /// As SPDX writes it, if that is certain.
    expression: Option<Shown>,
    packages: Vec<Shown>,
}

/// A scriptlet with every package that has it, word for word.
#[derive(Debug, Serialize)]
struct Scriptlet {
    phase: Shown,
    interpreter: Shown,
    packages: Vec<Shown>,
    target: bool,
    lines: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct Repository {
    id: Shown,
    host: Shown,
    url: Shown,
    revision: Option<u64>,
    sha256: Shown,
    signer: Shown,
    certification: Option<Shown>,
}

#[derive(Debug, Serialize)]
struct Key {
    name: Shown,
    fingerprint: Shown,
    origin: Shown,
}

impl Sheet {
    pub(super) fn new(facts: &Facts<'_>) -> Result<Self, EvidenceError> {
        let (lock, plan) = (facts.lock, &facts.lock.plan);
        let targets = facts.parts.iter().filter(|part| part.is_target()).count();
        Ok(Self {
            title: Shown::new(&plan.title),
            product: Shown::new(&plan.product),
            version: Shown::new(&plan.version),
            channel: Shown::new(&plan.channel),
            sequence: lock.sequence,
            time: Shown::new(&identity::time(lock.timestamp)?),
            tool_version: Shown::new(&lock.tool_version),
            hosts: plan
                .targets
                .iter()
                .map(|t| Shown::new(&format!("{} {}", t.distro, t.arch)))
                .collect(),
            targets,
            previous: facts.parts.len() - targets,
            total: size(facts.parts.iter().map(Part::size).sum()),
            inputs: inputs(facts),
            findings: findings::all(facts),
            packages: facts
                .parts
                .iter()
                .map(package)
                .collect::<Result<_, EvidenceError>>()?,
            licences: licences(facts),
            changes: changes::all(facts),
            scriptlets: scriptlets(facts),
            repositories: repositories(facts),
            keys: keys(facts),
            notes: plan.notes.iter().map(Shown::new).collect(),
        })
    }
}

fn inputs(facts: &Facts<'_>) -> Vec<Input> {
    let lock = facts.lock;
    let input = |name: &str, sha256: &manifests::digest::Sha256| Input {
        name: Shown::new(name),
        sha256: Shown::new(sha256),
    };
    let mut all = vec![
        input("Lock", &facts.lock_sha256),
        input("Product manifest (product.json)", &lock.product_sha256),
    ];
    all.extend(
        facts
            .installers
            .iter()
            .map(|i| input(&format!("Installer for {}", i.arch), &i.sha256)),
    );
    all.extend(lock.extras.iter().map(|extra| {
        let name = format!(
            "{} ({}), vouched for by the builder alone",
            extra.name, extra.rule
        );
        input(&name, &extra.sha256)
    }));
    all
}

fn package(part: &Part<'_>) -> Result<Package, EvidenceError> {
    let (rpm, about) = (part.rpm, &part.files.about);
    let uses = rpm.uses.iter().map(|u| {
        let role = u.role.word();
        Shown::new(&format!(
            "{role} of {} on {} {}",
            u.component, u.distro, u.arch
        ))
    });
    let sources = part.sources.iter();
    Ok(Package {
        nevra: Shown::new(&rpm.nevra),
        summary: Shown::new(&about.summary),
        vendor: Shown::new(&about.vendor),
        licence: Shown::new(&about.licence),
        size: size(part.size()),
        files: part.files.files.len(),
        scriptlets: part.files.scriptlets.len(),
        sha256: Shown::new(&rpm.sha256),
        target: part.is_target(),
        uses: uses.collect(),
        sources: sources.map(|s| Shown::new(&s.url)).collect(),
        signer: rpm.signer.as_ref().map(Shown::new),
        build_time: Shown::new(&identity::time(rpm.build_time)?),
    })
}

fn licences(facts: &Facts<'_>) -> Vec<LicenceRow> {
    let mut found: BTreeMap<&str, Vec<Shown>> = BTreeMap::new();
    for part in &facts.parts {
        let packages = found.entry(part.files.about.licence.trim()).or_default();
        packages.push(Shown::new(&part.rpm.nevra));
    }
    let row = |(stated, packages): (&str, Vec<Shown>)| LicenceRow {
        stated: (!stated.is_empty()).then(|| Shown::new(stated)),
        expression: match Licence::read(stated) {
            Licence::Expression(expression) => Some(Shown::new(&expression)),
            Licence::Named(_) | Licence::Unstated => None,
        },
        packages,
    };
    found.into_iter().map(row).collect()
}

fn scriptlets(facts: &Facts<'_>) -> Vec<Scriptlet> {
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut all: Vec<Scriptlet> = Vec::new();
    for part in &facts.parts {
        for found in &part.files.scriptlets {
            let text = (&*found.phase, &*found.interpreter, &*found.body);
            let at = *places.entry(text).or_insert_with(|| {
                all.push(Scriptlet {
                    phase: Shown::new(&found.phase),
                    interpreter: Shown::new(&found.interpreter),
                    packages: Vec::new(),
                    target: false,
                    lines: Shown::lines(&found.body),
                });
                all.len() - 1
            });
            if let Some(scriptlet) = all.get_mut(at) {
                scriptlet.packages.push(Shown::new(&part.rpm.nevra));
                scriptlet.target |= part.is_target();
            }
        }
    }
    all
}

fn repositories(facts: &Facts<'_>) -> Vec<Repository> {
    let describe = |found: &crate::plan::PlannedRepository| Repository {
        id: Shown::new(&found.id),
        host: Shown::new(&format!("{} {}", found.distro, found.arch)),
        url: Shown::new(&found.url),
        revision: found.revision,
        sha256: Shown::new(&found.repomd_sha256),
        signer: Shown::new(&found.signer),
        certification: found.signer_certification_hash.as_ref().map(Shown::new),
    };
    facts.lock.plan.repositories.iter().map(describe).collect()
}

fn keys(facts: &Facts<'_>) -> Vec<Key> {
    let keys = facts.lock.package_keys.iter().map(|key| Key {
        name: Shown::new(&key.name),
        fingerprint: Shown::new(&key.fingerprint),
        origin: Shown::new(&key.origin),
    });
    keys.collect()
}
