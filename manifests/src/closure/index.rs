//! Everything that is offered, by capability.

use std::collections::HashMap;

use crate::nevra::{Arch, Nevra};
use crate::package_files::Dependency;

use super::Offer;
use super::relation::overlaps;

/// What is offered to machines of one architecture.
#[derive(Debug)]
pub struct Index<'a> {
    /// Each with its place in the list that the index was made of.
    offers: Vec<(usize, &'a Offer)>,
    by_capability: HashMap<&'a str, Vec<usize>>,
    by_file: HashMap<String, Vec<usize>>,
    merged_usr: bool,
}

/// Returns where a path is on a system whose `/bin` is a link into `/usr`.
pub(super) fn merged(path: &str) -> String {
    let is_moved = ["/bin/", "/sbin/", "/lib/", "/lib64/"]
        .iter()
        .any(|top| path.starts_with(top));
    if is_moved {
        format!("/usr{path}")
    } else {
        path.to_owned()
    }
}

impl<'a> Index<'a> {
    /// Makes the index: by name, of one name the newest first, whatever order they came in.
    #[must_use]
    pub fn new(offers: &'a [Offer], arch: Arch, merged_usr: bool) -> Self {
        let mut offers: Vec<(usize, &Offer)> = offers
            .iter()
            .enumerate()
            .filter(|(_, offer)| arch.accepts(offer.nevra.arch()))
            .collect();
        offers.sort_by(|(_, a), (_, b)| {
            let (x, y) = (&a.nevra, &b.nevra);
            let newest_first = y.evr().cmp(x.evr());
            let native_first = (x.arch() == "noarch").cmp(&(y.arch() == "noarch"));
            x.name()
                .cmp(y.name())
                .then(newest_first)
                .then(native_first)
                .then(a.source.cmp(&b.source))
        });
        let mut index = Self {
            offers,
            by_capability: HashMap::new(),
            by_file: HashMap::new(),
            merged_usr,
        };
        for (at, (_, offer)) in index.offers.iter().enumerate() {
            for provided in &offer.capabilities.provides {
                let known = index.by_capability.entry(&provided.name).or_default();
                if known.last() != Some(&at) {
                    known.push(at);
                }
            }
            for file in &offer.capabilities.files {
                let path = if merged_usr {
                    merged(file)
                } else {
                    file.clone()
                };
                index.by_file.entry(path).or_default().push(at);
            }
        }
        index
    }

    pub(super) fn offer(&self, at: usize) -> &'a Offer {
        self.offers[at].1
    }

    /// Returns where in the list that the index was made of an offer is.
    pub(super) fn listed(&self, at: usize) -> usize {
        self.offers[at].0
    }

    /// Returns the place of a package in the index: a root for [`super::close`].
    #[must_use]
    pub fn find(&self, nevra: &Nevra) -> Option<usize> {
        let mut offers = self.offers.iter();
        offers.position(|(_, offer)| offer.nevra == *nevra)
    }

    /// Returns who offers a capability or owns a file, best first.
    pub(super) fn providers(&self, need: &Dependency) -> Vec<usize> {
        let offering = self.by_capability.get(need.name.as_str()).into_iter();
        let mut found: Vec<usize> = offering
            .flatten()
            .copied()
            .filter(|at| {
                let provides = &self.offers[*at].1.capabilities.provides;
                provides.iter().any(|offer| overlaps(offer, need))
            })
            .collect();
        if need.name.starts_with('/') {
            let path = if self.merged_usr {
                merged(&need.name)
            } else {
                need.name.clone()
            };
            found.extend(self.by_file.get(&path).into_iter().flatten());
            found.sort_unstable();
            found.dedup();
        }
        found
    }
}
