//! Builds of packages: whether an RPM of the bundle is the installed one, and what a plan keeps of
//! it. Pure.

use std::collections::BTreeSet;

use manifests::bundle::BundledRpm;
use manifests::package_files::PackageFiles;

use super::PlannedRpm;
use crate::bundle::VerifiedMetadata;
use crate::host::InstalledPackage;
use crate::problem::Problem;

pub(super) fn duplicate(package: &str, several: &[&InstalledPackage]) -> Problem {
    let names: Vec<String> = several.iter().map(|one| one.nevra.to_string()).collect();
    Problem::new(
        format!(
            "{package} is installed more than once: {}",
            names.join(", ")
        ),
        "an earlier transaction was cut off: remove the duplicate with `rpm -e` and check `rpm -V`",
    )
}

pub(super) fn other_build(installed: &InstalledPackage) -> Problem {
    Problem::new(
        format!(
            "{} is installed, but it is another build than the bundle's",
            installed.nevra
        ),
        "the vendor published two packages under one name: rebuild the bundle for this distribution",
    )
}

/// The bundle does not carry the installed build.
pub(super) fn no_way_back(
    component: &str,
    installed: &InstalledPackage,
    served: &[String],
) -> Problem {
    let served = if served.is_empty() {
        "none".to_owned()
    } else {
        served.join(", ")
    };
    let (nevra, version) = (&installed.nevra, installed.nevra.evr().version());
    Problem::new(
        format!("{nevra} is installed and the bundle cannot bring it back (it carries {served})"),
        format!("rebuild it with `bundle build … --from {component}={version}`"),
    )
}

/// Refuses a package that was installed below another directory than its own: every path that the
/// product names would be wrong, and rpm installs the next version at the usual place.
pub(super) fn refuse_relocated(
    installed: &InstalledPackage,
    same: &PackageFiles,
) -> Result<(), Problem> {
    let digests = |package: &InstalledPackage| -> Vec<String> {
        let files = package.files.iter();
        let mut all: Vec<String> = files.map(|file| file.digest.clone()).collect();
        all.sort();
        all
    };
    let mut own: Vec<String> = same.files.iter().map(|file| file.digest.clone()).collect();
    own.sort();
    let moved = installed.files.iter().find(|file| {
        !file.digest.is_empty() && !same.files.iter().any(|usual| usual.path == file.path)
    });
    let Some(moved) = moved.filter(|_| digests(installed) == own) else {
        return Ok(());
    };
    let usual = same.files.iter().find(|usual| usual.digest == moved.digest);
    let usual = usual.map_or("another place", |usual| &usual.path);
    Err(Problem::new(
        format!(
            "{} is installed with another --prefix: it has {} in the place of {usual}",
            installed.nevra, moved.path
        ),
        format!(
            "this tool upgrades packages at their usual place alone: save its files, remove it with \
             `rpm -e {}`, install it again without --prefix, put its files back, and plan again",
            installed.nevra.name()
        ),
    ))
}

/// A NEVRA does not identify a build: vendors publish packages again under the same name.
pub(crate) fn is_build(
    installed: &InstalledPackage,
    rpm: &BundledRpm,
    list: &PackageFiles,
) -> bool {
    let digests = |path: &str| {
        list.files
            .iter()
            .find(|f| f.path == path)
            .map(|f| f.digest.as_str())
    };
    installed.nevra == rpm.nevra
        && installed.build_time == rpm.build_time
        && installed.files.len() == list.files.len()
        && installed
            .files
            .iter()
            .all(|file| digests(&file.path) == Some(&file.digest))
}

pub(super) fn planned_rpm(
    metadata: &VerifiedMetadata,
    rpm: &BundledRpm,
    list: &PackageFiles,
    program: Option<&str>,
) -> PlannedRpm {
    let program = program.and_then(|program| {
        list.files
            .iter()
            .find(|file| file.path == program)
            .and_then(|f| f.digest.parse().ok())
    });
    let directories: BTreeSet<String> = list
        .files
        .iter()
        .filter_map(|file| file.path.rsplit_once('/'))
        .map(|(dir, _)| {
            if dir.is_empty() {
                "/".to_owned()
            } else {
                dir.to_owned()
            }
        })
        .collect();
    PlannedRpm {
        nevra: rpm.nevra.clone(),
        build_time: rpm.build_time,
        sha256: rpm.sha256,
        size_bytes: metadata
            .manifest()
            .entry(&rpm.path)
            .map_or(0, |entry| entry.size),
        installed_bytes: list.installed_bytes,
        program_sha256: program,
        directories: directories.into_iter().collect(),
    }
}
