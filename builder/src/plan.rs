//! The build plan: exactly which RPMs a bundle will hold, from where, and why. Pure data.

use std::fmt;

use manifests::bundle::{Role, Target, Use};
use manifests::digest::Sha256;
use manifests::nevra::{Arch, Nevra};
use manifests::printable::printable;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::checksum::Checksum;
use crate::repo::openpgp::Fingerprint;
use crate::repo::{RepoPackage, RepoSnapshot};

/// What a build will fetch and carry. `--plan` prints this value and a build executes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildPlan {
    /// The product's name.
    pub product: String,
    /// The product's name for people.
    pub title: String,
    /// Release channel.
    pub channel: String,
    /// What was asked for, such as `5.3`.
    pub version: String,
    /// The hosts it is for, sorted.
    pub targets: Vec<Target>,
    /// The metadata the choice was made from.
    pub repositories: Vec<PlannedRepository>,
    /// Every RPM once: targets first, in upgrade order, then previous ones, then dependencies.
    pub packages: Vec<PlannedPackage>,
    /// What a person should know about the choice.
    pub notes: Vec<String>,
}

/// A repository as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRepository {
    /// The product manifest's repository id.
    pub id: String,
    /// The distribution.
    pub distro: String,
    /// The architecture.
    pub arch: Arch,
    /// Its address.
    pub url: Url,
    /// The `<revision>` of its metadata.
    pub revision: Option<u64>,
    /// The digest of `repomd.xml`.
    pub repomd_sha256: Sha256,
    /// Who signed it.
    pub signer: Fingerprint,
    /// The hash of the signer's own certification, such as `SHA1`; recorded, not judged.
    pub signer_certification_hash: Option<String>,
}

/// An RPM to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPackage {
    /// The package.
    pub nevra: Nevra,
    /// Where it is; never the target of a redirect.
    pub url: Url,
    /// Its size in bytes.
    pub size: u64,
    /// The checksum in the signed metadata.
    pub checksum: Checksum,
    /// Id of the repository.
    pub repository: String,
    /// For whom and what, sorted.
    pub uses: Vec<Use>,
}

impl PlannedPackage {
    /// Plans a package that a repository lists.
    #[must_use]
    pub fn of(package: &RepoPackage, repository: &str, purpose: Use) -> Self {
        Self {
            nevra: package.nevra.clone(),
            url: package.url.clone(),
            size: package.size,
            checksum: package.checksum.clone(),
            repository: repository.to_owned(),
            uses: vec![purpose],
        }
    }
}

impl PlannedRepository {
    /// Takes what a plan keeps of a repository.
    #[must_use]
    pub fn of(snapshot: &RepoSnapshot) -> Self {
        Self {
            id: snapshot.repository.clone(),
            distro: snapshot.distro.clone(),
            arch: snapshot.arch,
            url: snapshot.url.clone(),
            revision: snapshot.revision,
            repomd_sha256: snapshot.repomd_sha256,
            signer: snapshot.signed_by.fingerprint.clone(),
            signer_certification_hash: snapshot.signed_by.certification_hash.clone(),
        }
    }
}

/// Adds a package to a list of them.
///
/// A file is the same file for every distribution that lists it with the same checksum: one is
/// fetched, and its SHA-256 and package signature speak for it.
pub fn add(packages: &mut Vec<PlannedPackage>, package: PlannedPackage) {
    let same = |known: &&mut PlannedPackage| {
        known.nevra == package.nevra
            && known.checksum == package.checksum
            && known.size == package.size
    };
    let Some(known) = packages.iter_mut().find(same) else {
        packages.push(package);
        return;
    };
    // The first address in the alphabet is taken, so that order does not matter.
    if package.url < known.url {
        known.url = package.url;
    }
    for purpose in package.uses {
        if !known.uses.contains(&purpose) {
            known.uses.push(purpose);
        }
    }
}

impl BuildPlan {
    /// Adds a package; [`Self::sort`] puts it in its place.
    pub fn add(&mut self, package: PlannedPackage) {
        add(&mut self.packages, package);
    }

    /// Puts the packages in order.
    pub fn sort(&mut self) {
        for package in &mut self.packages {
            package.uses.sort();
        }
        let rank = |package: &PlannedPackage| {
            let best = package.uses.iter().map(|u| (u.role, u.order)).min();
            (best, package.nevra.clone(), package.checksum.clone())
        };
        self.packages.sort_by_key(rank);
    }

    /// Puts the repositories in order.
    pub fn sort_repositories(&mut self) {
        self.repositories
            .sort_by(|a, b| (&a.id, &a.distro, a.arch).cmp(&(&b.id, &b.distro, b.arch)));
    }

    /// Returns the packages of one target in one role, in upgrade order.
    #[must_use]
    pub fn packages_for(&self, target: &Target, role: Role) -> Vec<(&Use, &PlannedPackage)> {
        let mut found: Vec<(&Use, &PlannedPackage)> = self
            .packages
            .iter()
            .flat_map(|package| package.uses.iter().map(move |purpose| (purpose, package)))
            .filter(|(purpose, _)| {
                purpose.role == role
                    && purpose.distro == target.distro
                    && purpose.arch == target.arch
            })
            .collect();
        found.sort_by(|a, b| {
            let newest_first = b.1.nevra.evr().cmp(a.1.nevra.evr());
            a.0.order.cmp(&b.0.order).then(newest_first)
        });
        found
    }

    /// Returns the sum of all sizes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let sizes = self.packages.iter().map(|package| package.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// Returns the highest metadata revision, if the repositories state one.
    #[must_use]
    pub fn newest_revision(&self) -> Option<u64> {
        self.repositories.iter().filter_map(|r| r.revision).max()
    }
}

impl fmt::Display for BuildPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [title, version, channel] =
            [&self.title, &self.version, &self.channel].map(|text| printable(text));
        writeln!(f, "{title} {version} ({channel})")?;
        for target in &self.targets {
            writeln!(f, "\n{} {}", printable(&target.distro), target.arch)?;
            for role in Role::ALL {
                let word = role.word();
                for (purpose, package) in self.packages_for(target, role) {
                    writeln!(
                        f,
                        "  {word:<9} {:<10} {:<44} {:>12} bytes",
                        printable(&purpose.component),
                        package.nevra.to_string(),
                        package.size
                    )?;
                }
            }
        }
        writeln!(f, "\nfrom")?;
        for repository in &self.repositories {
            let revision = repository
                .revision
                .map_or("no revision".to_owned(), |r| format!("revision {r}"));
            writeln!(
                f,
                "  {} ({revision}, signed by {})",
                repository.url, repository.signer
            )?;
        }
        let (count, bytes) = (self.packages.len(), self.total_bytes());
        write!(f, "\n{count} files, {bytes} bytes")?;
        for note in &self.notes {
            write!(f, "\nnote: {}", printable(note))?;
        }
        Ok(())
    }
}
