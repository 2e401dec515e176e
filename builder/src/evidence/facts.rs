//! The facts that every document is made from.

use std::collections::{BTreeMap, BTreeSet};

use manifests::bundle::{BundledRpm, Role, Use};
use manifests::digest::Sha256;
use manifests::package_files::PackageFiles;
use url::Url;

use super::EvidenceError;
use crate::installers::Installer;
use crate::lock::Lock;
use crate::package::DownloadedRpm;
use crate::plan::PlannedPackage;

/// The lock, and the facts of the checked RPMs.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) lock: &'a Lock,
    pub(crate) lock_sha256: Sha256,
    /// In file order: targets first.
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) installers: &'a [Installer],
}

/// One RPM of the bundle.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) rpm: &'a BundledRpm,
    pub(crate) files: &'a PackageFiles,
    /// Where it was fetched from; more than once if repositories list the same bytes.
    pub(crate) sources: Vec<&'a PlannedPackage>,
}

impl<'a> Facts<'a> {
    pub(super) fn collect(
        lock: &'a Lock,
        bundled: &'a [BundledRpm],
        rpms: &'a [DownloadedRpm],
        installers: &'a [Installer],
    ) -> Result<Self, EvidenceError> {
        let mut parts = Vec::new();
        for rpm in bundled {
            let mut same = rpms.iter().filter(|r| r.sha256() == rpm.sha256).peekable();
            if let Some(first) = same.peek() {
                let files = first.files();
                let sources = same.map(DownloadedRpm::planned).collect();
                parts.push(Part {
                    rpm,
                    files,
                    sources,
                });
            }
        }
        Self::new(lock, parts, installers)
    }

    /// Addresses were checked when they were read; a lock may have been edited since.
    pub(super) fn new(
        lock: &'a Lock,
        parts: Vec<Part<'a>>,
        installers: &'a [Installer],
    ) -> Result<Self, EvidenceError> {
        for repository in &lock.plan.repositories {
            refuse_credentials(&repository.url, &format!("repository {}", repository.id))?;
        }
        for package in &lock.plan.packages {
            refuse_credentials(&package.url, &package.nevra.to_string())?;
        }
        for key in &lock.package_keys {
            if let Ok(url) = Url::parse(&key.origin) {
                refuse_credentials(&url, &format!("key {}", key.name))?;
            }
        }
        let lock_sha256 = Sha256::of(&lock.to_bytes()?);
        Ok(Self {
            lock,
            lock_sha256,
            parts,
            installers,
        })
    }

    /// Returns, for each part, the parts that offer what it needs on a host that gets both.
    pub(super) fn needs(&self) -> Vec<BTreeSet<usize>> {
        let mut offers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, part) in self.parts.iter().enumerate() {
            for offer in &part.files.provides {
                offers.entry(&offer.name).or_default().push(at);
            }
        }
        let wanted = |at: usize, part: &Part<'_>| {
            let names = part.files.requires.iter().map(|need| need.name.as_str());
            names
                .filter_map(|name| offers.get(name))
                .flatten()
                .copied()
                .filter(|&other| other != at && meet(part, &self.parts[other]))
                .collect()
        };
        let parts = self.parts.iter().enumerate();
        parts.map(|(at, part)| wanted(at, part)).collect()
    }
}

/// Whether two RPMs come to one host together.
fn meet(one: &Part<'_>, other: &Part<'_>) -> bool {
    let same = |a: &Use, b: &Use| a.distro == b.distro && a.arch == b.arch && a.role == b.role;
    one.rpm
        .uses
        .iter()
        .any(|a| other.rpm.uses.iter().any(|b| same(a, b)))
}

fn refuse_credentials(url: &Url, what: &str) -> Result<(), EvidenceError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(EvidenceError::Credential {
        what: what.to_owned(),
        host: url.host_str().unwrap_or_default().to_owned(),
    })
}

impl Part<'_> {
    /// Whether a host may end with it.
    pub(crate) fn is_target(&self) -> bool {
        let ends_with = |u: &Use| matches!(u.role, Role::Target | Role::Dependency);
        self.rpm.uses.iter().any(ends_with)
    }

    /// Returns its size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.sources.first().map_or(0, |source| source.size)
    }

    /// Returns the distributions it is for.
    pub(super) fn distros(&self) -> BTreeSet<&str> {
        self.rpm.uses.iter().map(|u| u.distro.as_str()).collect()
    }

    /// Returns the project's page, if the package gives the address of a web page.
    pub(super) fn website(&self) -> Option<Url> {
        let url = Url::parse(&self.files.about.url).ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        (plain && matches!(url.scheme(), "http" | "https")).then_some(url)
    }
}
