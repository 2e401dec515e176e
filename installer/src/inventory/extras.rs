//! Finds a host's extras. No symlink is followed out of their directory.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use manifests::nevra::Arch;
use manifests::product::{Component, ExtraRule, ProductManifest};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::host::Services;
use crate::inventory::{OnDisk, look};
use crate::layout::Layout;
use crate::settings;

/// Limits of the search: the depth of directories, and the number of names.
const DEPTH_MAX: usize = 8;
const NAMES_MAX: usize = 20_000;

/// The extras found for one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundExtras {
    /// Id of the product manifest's rule.
    pub rule: String,
    /// Their directory, with symlinks resolved as far as it exists.
    pub directory: String,
    /// How completely it could be listed.
    pub listing: Listing,
    /// Owner and group of the directory.
    pub owner: (u32, u32),
    /// The files that the rule recognises.
    pub files: Vec<FoundFile>,
}

/// How completely a directory could be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listing {
    /// Completely.
    Whole,
    /// The directory does not exist.
    Absent,
    /// The caller may not list it.
    Forbidden(String),
    /// It cannot be listed.
    Failed(String),
}

/// An extra on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Absolute path.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// The state of its content, if the bundle contains a file of that name.
    pub content: Option<OnDisk>,
}

/// Finds the extras of every installed component. Contents are read only for files whose names are
/// `carried`.
pub fn find(
    services: &dyn Services,
    layout: &Layout,
    product: &ProductManifest,
    arch: Arch,
    is_installed: impl Fn(&Component) -> bool,
    carried: &BTreeSet<&str>,
) -> Vec<FoundExtras> {
    let looked_at = product.extras.iter().filter_map(|rule| {
        let component = product.component(&rule.component)?;
        let setting = rule.directory.as_ref()?;
        if !is_installed(component) {
            return None;
        }
        let settings = settings::load(services, layout, component).settings;
        let named = settings.get(setting);
        Some(look_into(
            layout,
            rule,
            arch,
            &absolute(&named, component),
            carried,
        ))
    });
    looked_at.collect()
}

/// Returns an absolute path. A relative one is below the directory of the component's program, in
/// which its service runs.
fn absolute(named: &str, component: &Component) -> String {
    let home = component
        .program
        .as_deref()
        .and_then(|p| p.rsplit_once('/'));
    let whole = if named.starts_with('/') {
        named.to_owned()
    } else {
        format!("{}/{named}", home.map_or("", |(home, _)| home))
    };
    let parts = whole.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |path, part| format!("{path}/{part}"))
}

fn look_into(
    layout: &Layout,
    rule: &ExtraRule,
    arch: Arch,
    named: &str,
    carried: &BTreeSet<&str>,
) -> FoundExtras {
    let mut found = FoundExtras {
        rule: rule.id.clone(),
        directory: named.to_owned(),
        listing: Listing::Whole,
        owner: (0, 0),
        files: Vec::new(),
    };
    if let Err(listing) = list(layout, rule, arch, carried, &mut found) {
        found.listing = listing;
    }
    found
}

fn list(
    layout: &Layout,
    rule: &ExtraRule,
    arch: Arch,
    carried: &BTreeSet<&str>,
    found: &mut FoundExtras,
) -> Result<(), Listing> {
    let failed = |path: &str, error: &io::Error| match error.kind() {
        ErrorKind::NotFound => Listing::Absent,
        ErrorKind::PermissionDenied => Listing::Forbidden(format!("cannot list {path}: {error}")),
        _ => Listing::Failed(format!("cannot list {path}: {error}")),
    };
    let named = found.directory.clone();
    if named.is_empty() || named.split('/').any(|part| part == "..") {
        return Err(Listing::Failed(format!(
            "`{named}` is not a directory of its own"
        )));
    }
    found.directory = resolve(layout, &named).map_err(|error| failed(&named, &error))?;
    let base = layout.at(&found.directory);
    let metadata = base.metadata().map_err(|error| failed(&named, &error))?;
    if !metadata.is_dir() {
        return Err(Listing::Failed(format!("{named} is not a directory")));
    }
    found.owner = (metadata.uid(), metadata.gid());
    let entries = WalkDir::new(&base).max_depth(DEPTH_MAX).sort_by_file_name();
    for (at, entry) in entries.into_iter().enumerate() {
        if at > NAMES_MAX {
            return Err(Listing::Failed(format!(
                "{named} has more than {NAMES_MAX} names"
            )));
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(&base).display().to_string();
                match error.io_error().map(|error| failed(&path, error)) {
                    // It was removed during the search.
                    Some(Listing::Absent) => continue,
                    Some(listing) => return Err(listing),
                    None => return Err(Listing::Failed(error.to_string())),
                }
            }
        };
        let below = entry.path().strip_prefix(&base).ok().and_then(Path::to_str);
        let name = entry.file_name().to_str();
        let (Some(below), Some(name)) = (below, name) else {
            continue;
        };
        if rule.recognise(name, arch).is_none() {
            continue;
        }
        // A symlink counts as the file that it points to, because the program that opens it sees
        // that file.
        let metadata = entry.path().metadata();
        let Some(metadata) = metadata.ok().filter(std::fs::Metadata::is_file) else {
            continue;
        };
        let path = format!("{}/{below}", found.directory);
        found.files.push(FoundFile {
            content: carried.contains(name).then(|| look(layout, &path)),
            mode: metadata.mode() & 0o777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            path,
        });
    }
    Ok(())
}

/// Returns the directory without symlinks, so that each file below it has one path.
fn resolve(layout: &Layout, path: &str) -> io::Result<String> {
    let root = layout.root().canonicalize()?;
    let real = layout.at(path).canonicalize()?;
    let below = real.strip_prefix(&root).ok().and_then(Path::to_str);
    let below = below.filter(|below| !below.is_empty());
    below
        .map(|below| format!("/{below}"))
        .ok_or_else(|| io::Error::other("it leads out of the host's root"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use manifests::digest::Sha256;
    use manifests::product::TYK;

    use super::*;
    use crate::host::NoSystemd;

    struct Host {
        _dir: tempfile::TempDir,
        layout: Layout,
    }

    #[expect(clippy::disallowed_methods, reason = "the test is the operator here")]
    fn host(files: &[(&str, &str)]) -> Host {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        for (path, text) in files {
            let path = layout.at(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Host { _dir: dir, layout }
    }

    fn found(host: &Host, carried: &[&str]) -> FoundExtras {
        let tyk = ProductManifest::from_toml(TYK).unwrap();
        let carried = carried.iter().copied().collect();
        let mut all = find(
            &NoSystemd,
            &host.layout,
            &tyk,
            Arch::X86_64,
            |_| true,
            &carried,
        );
        assert!(
            find(
                &NoSystemd,
                &host.layout,
                &tyk,
                Arch::X86_64,
                |_| false,
                &carried
            )
            .is_empty()
        );
        all.remove(0)
    }

    fn paths(found: &FoundExtras) -> Vec<&str> {
        found.files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn plugins_are_found_only_in_the_configured_directory() {
        let conf = "/opt/tyk-gateway/tyk.conf";
        let host = host(&[
            (conf, r#"{"middleware_path": "./own/"}"#),
            ("/opt/tyk-gateway/own/auth_v5.3.2_linux_amd64.so", "new"),
            ("/opt/tyk-gateway/own/deep/auth.so", "old"),
            ("/opt/tyk-gateway/own/sample.js", ""),
            ("/opt/tyk-gateway/middleware/other.so", ""),
            ("/srv/outside/linked.so", ""),
        ]);
        let link = host.layout.at("/opt/tyk-gateway/own/outside");
        std::os::unix::fs::symlink(host.layout.at("/srv/outside"), link).unwrap();
        let found = found(&host, &["auth_v5.3.2_linux_amd64.so"]);
        let own = "/opt/tyk-gateway/own";
        let versioned = format!("{own}/auth_v5.3.2_linux_amd64.so");
        assert_eq!(paths(&found), [&versioned, &format!("{own}/deep/auth.so")]);
        let content = OnDisk::Sha256(Sha256::of(b"new"));
        assert_eq!(found.files[0].content, Some(content));
        assert_eq!(found.files[1].content, None);
    }

    #[test]
    fn a_directory_behind_a_symlink_has_one_path_unless_it_is_outside_the_root() {
        let host = host(&[("/opt/tyk-gateway/plugins/auth.so", "")]);
        let link = host.layout.at("/opt/tyk-gateway/middleware");
        std::os::unix::fs::symlink("plugins", &link).unwrap();
        let there = found(&host, &[]);
        assert_eq!(paths(&there), ["/opt/tyk-gateway/plugins/auth.so"]);
        crate::secure_fs::remove_if_present(&link).unwrap();
        assert_eq!(found(&host, &[]).listing, Listing::Absent);
        std::os::unix::fs::symlink("/usr", &link).unwrap();
        assert!(matches!(found(&host, &[]).listing, Listing::Failed(_)));
    }
}
