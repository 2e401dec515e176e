//! What else a host needs so that rpm takes a set of packages: a pure function of the set, of what is
//! offered beside it, and of what the host has. A builder asks it with repositories, an installer with
//! what its bundle carries.
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

use serde::Serialize;

use crate::nevra::Nevra;
use crate::package_files::Dependency;

pub use index::Index;
pub use search::close;
pub use system::System;

/// What a package offers and needs. Weak dependencies are left out: nothing fails without them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What it offers.
    pub provides: Vec<Dependency>,
    /// What it needs.
    pub requires: Vec<Dependency>,
    /// What it cannot live with.
    pub conflicts: Vec<Dependency>,
    /// What it replaces.
    pub obsoletes: Vec<Dependency>,
    /// Those of its files that others may need by path.
    pub files: Vec<String>,
}

/// A package that can be had, with what it offers and needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The package.
    pub nevra: Nevra,
    /// Where it comes from; of two with the same identity the first in the alphabet is taken.
    pub source: String,
    /// What it offers and needs.
    pub capabilities: Capabilities,
}

/// What a set needs beside itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// What is needed, in the order it was found.
    pub added: Vec<Added>,
    /// What nothing offers.
    pub missing: Vec<Missing>,
    /// What cannot live together.
    pub conflicts: Vec<String>,
    /// Installed packages that one of the set replaces by another name.
    pub obsoleted: Vec<String>,
}

/// A package that is needed beside the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its place in the list of offers.
    pub offer: usize,
    /// The package.
    pub nevra: Nevra,
    /// The installed package of the same name, which it would replace.
    pub replaces: Option<Nevra>,
    /// The need that it meets.
    pub need: String,
    /// Whose need.
    pub by: Nevra,
}

/// Whether a package with this statement replaces an installed one.
#[must_use]
pub fn obsoletes(obsolete: &Dependency, installed: &Nevra) -> bool {
    relation::overlaps(&search::own(installed), obsolete)
}

/// A need that nothing meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Who needs it.
    pub package: String,
    /// What.
    pub need: String,
}

#[cfg(test)]
mod tests;
