//! What is installed.

use std::collections::{HashMap, HashSet};

use crate::host_inventory::HostPackage;
use crate::nevra::Nevra;
use crate::package_files::Dependency;

use super::index::merged;
use super::relation::overlaps;

/// The installed packages of a host; none where no host was described.
#[derive(Debug, Default)]
pub struct System {
    pub(super) packages: Vec<Installed>,
    by_capability: HashMap<String, Vec<(usize, Dependency)>>,
    by_file: HashMap<String, Vec<usize>>,
    by_name: HashMap<String, usize>,
    /// Whether `/bin` is a link into `/usr`.
    pub merged_usr: bool,
}

#[derive(Debug)]
pub(super) struct Installed {
    pub(super) nevra: Nevra,
    pub(super) conflicts: Vec<Dependency>,
}

impl System {
    /// A host of which nothing is known but that its `/bin` is a link, as on every EL since 7.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            merged_usr: true,
            ..Self::default()
        }
    }

    /// Takes every installed package; `merged_usr` is whether `/bin` is a link into `/usr`.
    #[must_use]
    pub fn of(packages: &[HostPackage], merged_usr: bool) -> Self {
        let mut system = Self {
            merged_usr,
            ..Self::default()
        };
        for (at, package) in packages.iter().enumerate() {
            for provided in package.provides.iter().map(|text| Dependency::parse(text)) {
                let name = provided.name.clone();
                system
                    .by_capability
                    .entry(name)
                    .or_default()
                    .push((at, provided));
            }
            for path in &package.paths {
                let path = if system.merged_usr {
                    merged(path)
                } else {
                    path.clone()
                };
                system.by_file.entry(path).or_default().push(at);
            }
            system.by_name.insert(package.nevra.name().to_owned(), at);
            system.packages.push(Installed {
                nevra: package.nevra.clone(),
                conflicts: package
                    .conflicts
                    .iter()
                    .map(|text| Dependency::parse(text))
                    .collect(),
            });
        }
        system
    }

    /// Returns the installed package of a name.
    pub(super) fn named(&self, name: &str) -> Option<&Nevra> {
        self.by_name.get(name).map(|&at| &self.packages[at].nevra)
    }

    /// Returns who offers a capability or owns a file, of those whose names are not `gone`.
    pub(super) fn providers<'a>(
        &'a self,
        need: &'a Dependency,
        gone: &'a HashSet<&str>,
    ) -> impl Iterator<Item = usize> + 'a {
        let offering = self.by_capability.get(&need.name).into_iter().flatten();
        let offering = offering
            .filter(|(_, offer)| overlaps(offer, need))
            .map(|(at, _)| *at);
        let path = if self.merged_usr {
            merged(&need.name)
        } else {
            need.name.clone()
        };
        let owning = self.by_file.get(&path).into_iter().flatten().copied();
        offering
            .chain(owning)
            .filter(|at| !gone.contains(self.packages[*at].nevra.name()))
    }
}
