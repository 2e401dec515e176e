//! What the first component's new version needs beside itself.

use crate::fake::package::{Deed, FileKind, Package, Packaged, Scriptlet, When};
use crate::scene::{BUILT, Scene};

/// Where what is needed lies: a directory of its own, and one that is there already.
pub(crate) const NEEDED: &str = "/usr/lib/needed";
pub(crate) const NEEDED_BESIDE: &str = "/usr/lib/beside";
const CODEC: &str = "/usr/lib/codec";

impl Scene {
    /// Returns what the first component's new version needs, before and after, if it needs
    /// something. The first package is new to the host; one of its files is there already and
    /// belongs to no package. The second is a newer version of a package that the host has, with an
    /// edited configuration.
    pub(crate) fn needed(&self) -> Vec<(Option<Package>, Package)> {
        if !self.has_need {
            return Vec::new();
        }
        let names = [
            format!("{NEEDED}/one.so"),
            format!("{NEEDED}/two.so"),
            format!("{NEEDED_BESIDE}/tool"),
        ];
        let codec = |version: &str, names: &[&str]| {
            let mut files: Vec<String> =
                names.iter().map(|name| format!("{CODEC}/{name}")).collect();
            files.push("/etc/codec.conf".to_owned());
            library("codec", version, &files)
        };
        let mut needed = library("needed", "3.1", &names);
        // The cache lies in the package's own directory, which rpm then leaves.
        needed.scriptlets[0].does = vec![Deed::Make(format!("{NEEDED}/cache"))];
        vec![
            (None, needed),
            (
                Some(codec("1.0", &["codec.so", "old.txt"])),
                codec("2.0", &["codec.so", "formats.txt"]),
            ),
        ]
    }
}

/// A package without a service. Its configuration has another default in every version.
fn library(name: &str, version: &str, paths: &[String]) -> Package {
    let file = |path: &String| Packaged {
        content: format!("{path} of {name} {version}\n"),
        path: path.clone(),
        mode: 0o644,
        kind: if path.starts_with("/etc/") {
            FileKind::NoReplace
        } else {
            FileKind::Plain
        },
    };
    let does_nothing = |when| Scriptlet {
        when,
        does: Vec::new(),
        fails: false,
    };
    Package {
        nevra: format!("{name}-{version}-1.x86_64")
            .parse()
            .expect("a NEVRA"),
        build_time: BUILT[0],
        obsoletes: Vec::new(),
        files: paths.iter().map(file).collect(),
        scriptlets: [When::Post, When::Preun].map(does_nothing).to_vec(),
    }
}
