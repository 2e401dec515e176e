//! What a plan keeps of a package that comes, goes or changes beside a component's own change: a
//! needed one, one in lock step, or one that comes to the host for the first time. Pure.

use std::collections::BTreeMap;

use manifests::bundle::BundledRpm;
use manifests::package_files::PackagedFile;

use super::builds::planned_rpm;
use super::lint::refuse_by_lint;
use super::upgrade::Listed;
use super::{PlannedPackage, turned};
use crate::bundle::VerifiedMetadata;
use crate::host::InstalledFile;
use crate::inventory::Inventory;
use crate::plan::forecast::forecast;
use crate::problem::Problem;

/// The RPMs of both sides of a change.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) from: Option<Listed<'a>>,
    pub(super) to: Option<Listed<'a>>,
}

/// Plans the change of a package.
pub(super) fn plan(
    metadata: &VerifiedMetadata,
    inventory: &Inventory,
    name: &str,
    reason: &str,
    sides: Sides<'_>,
) -> Result<PlannedPackage, Problem> {
    let Sides { from, to } = sides;
    let rpms: Vec<&BundledRpm> = [from, to]
        .into_iter()
        .flatten()
        .map(|(rpm, _)| rpm)
        .collect();
    refuse_by_lint(&inventory.identity, &rpms)?;
    let files =
        |side: Option<Listed<'_>>| side.map_or_else(Vec::new, |(_, list)| list.files.clone());
    let (old, new) = (files(from), files(to));
    let (differing, own_directories) = differing(&old, &new);
    let installed = inventory.installed(name);
    let both = installed.first().zip(to);
    let (config, turned) = both.map_or_else(Default::default, |(installed, (_, list))| {
        let config = forecast(installed, &InstalledFile::of_list(list), inventory);
        (config, turned::find(&installed.files, list))
    });
    let planned =
        |side: Option<Listed<'_>>| side.map(|(rpm, list)| planned_rpm(metadata, rpm, list, None));
    Ok(PlannedPackage {
        name: name.to_owned(),
        reason: reason.to_owned(),
        from: planned(from),
        to: planned(to),
        config,
        files: differing,
        own_directories,
        bulk: bulk(&new),
        successor: None,
        turned,
    })
}

/// The suffixes under which rpm puts configuration aside.
const ASIDE: [&str; 3] = [".rpmnew", ".rpmsave", ".rpmorig"];

/// Returns the files and the directories that exist only before or only after a change.
fn differing(old: &[PackagedFile], new: &[PackagedFile]) -> (Vec<String>, Vec<String>) {
    let has = |all: &[PackagedFile], path: &str| all.iter().any(|file| file.path == path);
    let both = || old.iter().chain(new);
    let (directories, files): (Vec<&PackagedFile>, Vec<&PackagedFile>) = both()
        .filter(|file| !has(old, &file.path) || !has(new, &file.path))
        .partition(|file| file.is_directory());
    let config = both().filter(|file| file.config);
    let aside = config.flat_map(|file| ASIDE.map(|suffix| format!("{}{suffix}", file.path)));
    let mut files: Vec<String> = files.into_iter().map(|file| file.path.clone()).collect();
    files.extend(aside);
    files.sort();
    files.dedup();
    let directories = directories.into_iter().map(|file| file.path.clone());
    (files, directories.collect())
}

/// Returns the directory that holds most bytes of the package.
fn bulk(files: &[PackagedFile]) -> String {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_regular()) {
        let directory = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        *sizes.entry(directory).or_default() += file.size;
    }
    let most = sizes.into_iter().max_by_key(|(_, bytes)| *bytes);
    most.map_or_else(|| "/".to_owned(), |(directory, _)| format!("{directory}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_only_one_package_and_files_that_rpm_puts_aside_are_recorded() {
        let file = |path: &str, mode: u32, config: bool, size: u64| PackagedFile {
            path: path.to_owned(),
            mode,
            user: "root".to_owned(),
            group: "root".to_owned(),
            size,
            digest: String::new(),
            link: String::new(),
            capabilities: String::new(),
            config,
            noreplace: false,
            ghost: false,
        };
        let plain = |path: &str, size: u64| file(path, 0o100_644, false, size);
        let old = [plain("/opt/x/both", 1), plain("/opt/x/old", 1)];
        let new = [
            plain("/opt/x/both", 9),
            plain("/opt/x/new", 1),
            file("/etc/x.conf", 0o100_644, true, 5),
            file("/opt/y", 0o040_755, false, 0),
        ];
        let (files, directories) = differing(&old, &new);
        assert_eq!(
            files,
            [
                "/etc/x.conf",
                "/etc/x.conf.rpmnew",
                "/etc/x.conf.rpmorig",
                "/etc/x.conf.rpmsave",
                "/opt/x/new",
                "/opt/x/old"
            ]
        );
        assert_eq!(directories, ["/opt/y"]);
        assert_eq!(bulk(&new), "/opt/x/");
        assert_eq!(bulk(&[]), "/");
    }
}
