//! What else a host needs so that rpm takes the target packages: a pure function of what is asked,
//! what repositories list, and what the host has.
//!
//! The choice is deterministic. Of several packages that meet a need: one that is chosen already, then
//! one whose name is installed there, then names in order; of one name the newest that works. A choice
//! whose own needs cannot be met is taken back. Weak dependencies (`Recommends`, …) and those on rpm
//! itself (`rpmlib(…)`) are not looked at; what an upgrade takes from other installed packages is left
//! to `rpm --test` on the host, which the installer runs.

mod clash;
mod index;
mod relation;
mod rich;
mod search;
mod system;

use std::fmt;

use manifests::nevra::{Arch, Nevra};
use serde::Serialize;
use url::Url;

use crate::printable::printable;
use crate::repo::{Capabilities, RepoPackage};

pub use index::Index;
pub use search::close;
pub use system::System;

/// A package that a repository lists, with what it offers and needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Id of the repository.
    pub repository: String,
    /// The package.
    pub package: RepoPackage,
    /// What it offers and needs.
    pub capabilities: Capabilities,
}

/// The closure for one kind of host, or for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closure {
    /// The distribution id.
    pub distro: String,
    /// The architecture.
    pub arch: Arch,
    /// The host, where one was described.
    pub host: Option<String>,
    /// What is needed beside the targets, in the order it was found.
    pub added: Vec<Added>,
    /// What nothing offers.
    pub missing: Vec<Missing>,
    /// What cannot live together.
    pub conflicts: Vec<String>,
    /// Installed packages that one of the set replaces by another name.
    pub obsoleted: Vec<String>,
}

/// A package that is needed beside the targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Added {
    /// The package.
    pub nevra: Nevra,
    /// Id of the repository.
    pub repository: String,
    /// Where it is.
    pub url: Url,
    /// Its size in bytes.
    pub size: u64,
    /// Which need of which package it meets.
    pub reason: String,
}

/// A need that nothing meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Who needs it.
    pub package: String,
    /// What.
    pub need: String,
}

impl fmt::Display for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (distro, arch) = (printable(&self.distro), self.arch);
        match &self.host {
            Some(host) => writeln!(f, "{distro} {arch}, {}", printable(host))?,
            None => writeln!(f, "{distro} {arch}, nothing known to be installed")?,
        }
        for added in &self.added {
            let reason = printable(&added.reason);
            let (nevra, repository) = (added.nevra.to_string(), printable(&added.repository));
            writeln!(f, "  needs     {nevra:<44} from {repository}: {reason}")?;
        }
        for missing in &self.missing {
            let (need, package) = (printable(&missing.need), printable(&missing.package));
            writeln!(f, "  MISSING   {need}, which {package} needs")?;
        }
        for (word, lines) in [("CONFLICT", &self.conflicts), ("replaces", &self.obsoleted)] {
            for line in lines {
                writeln!(f, "  {word:<9} {}", printable(line))?;
            }
        }
        if self.added.is_empty() && self.missing.is_empty() {
            writeln!(f, "  needs nothing more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
