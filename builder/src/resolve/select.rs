//! Choosing among the published versions of one component.

use std::collections::BTreeMap;

use manifests::bundle::Target;
use manifests::evr::{compare_versions, is_on_line, line_of};
use manifests::product::Component;

use crate::repo::{RepoIndex, RepoPackage};

/// Returns what is published of a component for a target, oldest first.
pub(super) fn candidates<'a>(
    index: &'a RepoIndex,
    component: &Component,
    target: &Target,
) -> Vec<&'a RepoPackage> {
    let mut found = published(index, component, target);
    found.retain(|package| package.nevra.name() == component.package);
    found
}

/// Returns everything that a component's repository publishes for a target, oldest first.
pub(super) fn published<'a>(
    index: &'a RepoIndex,
    component: &Component,
    target: &Target,
) -> Vec<&'a RepoPackage> {
    let snapshot = index.snapshot(&component.repository, &target.distro, target.arch);
    let mut found: Vec<&RepoPackage> = snapshot
        .into_iter()
        .flat_map(|snapshot| &snapshot.packages)
        .collect();
    found.sort_by(|a, b| a.nevra.evr().cmp(b.nevra.evr()));
    found
}

pub(super) fn version(package: &RepoPackage) -> &str {
    package.nevra.evr().version()
}

/// Returns the newest package of a version or line. A version that exists is meant exactly, even
/// where others continue it at a dot (`2.9.4` and `2.9.4.3`).
pub(super) fn newest_matching<'a>(
    published: &[&'a RepoPackage],
    wanted: &str,
) -> Option<&'a RepoPackage> {
    let newest = |exact: bool| {
        published
            .iter()
            .rev()
            .find(|package| {
                if exact {
                    version(package) == wanted
                } else {
                    is_on_line(version(package), wanted)
                }
            })
            .copied()
    };
    newest(true).or_else(|| newest(false))
}

/// Returns the newest package that is not a pre-release.
pub(super) fn newest_release<'a>(published: &[&'a RepoPackage]) -> Option<&'a RepoPackage> {
    published
        .iter()
        .rev()
        .find(|package| !is_prerelease(package))
        .copied()
}

pub(super) fn is_prerelease(package: &RepoPackage) -> bool {
    version(package).contains('~')
}

/// Returns the distinct versions, oldest first.
pub(super) fn versions(published: &[&RepoPackage]) -> Vec<String> {
    let mut versions: Vec<String> = published.iter().map(|p| version(p).to_owned()).collect();
    versions.dedup();
    versions
}

/// Returns the newest release of each line, oldest line first.
pub(super) fn newest_by_line<'a>(published: &[&'a RepoPackage]) -> Vec<&'a RepoPackage> {
    let mut lines: BTreeMap<String, &RepoPackage> = BTreeMap::new();
    for package in published.iter().filter(|package| !is_prerelease(package)) {
        lines.insert(line_of(version(package)), package);
    }
    let mut lines: Vec<(String, &RepoPackage)> = lines.into_iter().collect();
    lines.sort_by(|a, b| compare_versions(&a.0, &b.0));
    lines.into_iter().map(|(_, package)| package).collect()
}
