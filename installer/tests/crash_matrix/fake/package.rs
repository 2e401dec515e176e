//! What the fake rpm finds in an RPM file: a description of the package in JSON.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use installer::bundle::StagedRpm;
use installer::host::payload::PayloadFiles;
use manifests::digest::Sha256;
use manifests::nevra::Nevra;
use serde::{Deserialize, Serialize};

/// A package: its header and its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) nevra: Nevra,
    pub(crate) build_time: u64,
    /// Names of packages that it replaces.
    pub(crate) obsoletes: Vec<String>,
    pub(crate) files: Vec<Packaged>,
    pub(crate) scriptlets: Vec<Scriptlet>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Packaged {
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) content: String,
    pub(crate) kind: FileKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FileKind {
    Plain,
    Config,
    NoReplace,
}

/// A scriptlet: what it does, and whether it exits with an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scriptlet {
    pub(crate) when: When,
    pub(crate) does: Vec<Deed>,
    pub(crate) fails: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum When {
    Pre,
    Post,
    Preun,
    Postun,
}

/// Something that vendors' scriptlets do. None of it makes the scriptlet fail: they end every line
/// with `|| :`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Deed {
    Reload,
    Restart(String),
    Stop(String),
    Enable(String),
    Disable(String),
    /// Makes a file that no package knows.
    Make(String),
    /// Rewrites the data of the store, as a migration would.
    RewriteData,
}

impl Package {
    /// Returns the bytes of the RPM file.
    pub(crate) fn to_rpm(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a package is plain data")
    }

    /// Reads the package of an RPM that the installer hands over.
    pub(crate) fn read(rpm: &StagedRpm) -> Self {
        let length = rpm.file().metadata().expect("an open file").len();
        let mut bytes = vec![0; usize::try_from(length).expect("a small file")];
        rpm.file()
            .read_exact_at(&mut bytes, 0)
            .expect("an open file");
        serde_json::from_slice(&bytes).expect("an RPM of the scene")
    }

    pub(crate) fn name(&self) -> &str {
        self.nevra.name()
    }

    /// Returns when it was built: the time of its files.
    pub(crate) const fn built(&self) -> Duration {
        Duration::from_secs(self.build_time)
    }

    pub(crate) fn file(&self, path: &str) -> Option<&Packaged> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(crate) fn scriptlet(&self, when: When) -> Option<&Scriptlet> {
        self.scriptlets
            .iter()
            .find(|scriptlet| scriptlet.when == when)
    }

    /// Returns the wanted ones of its files.
    pub(crate) fn payload(&self, wanted: &BTreeSet<String>, limit_bytes: u64) -> PayloadFiles {
        let mut found = PayloadFiles::default();
        let files = self.files.iter();
        for file in files.filter(|file| wanted.contains(&file.path)) {
            if file.content.len() as u64 > limit_bytes {
                found.too_large.insert(file.path.clone());
            } else {
                let content = file.content.clone().into_bytes();
                found.contents.insert(file.path.clone(), content);
            }
        }
        found
    }

    /// Returns the directories that hold its files.
    pub(crate) fn directories(&self) -> Vec<String> {
        let parents = self
            .files
            .iter()
            .filter_map(|file| file.path.rsplit_once('/'));
        let mut found: Vec<String> = parents.map(|(parent, _)| parent.to_owned()).collect();
        found.sort();
        found.dedup();
        found
    }
}

impl Packaged {
    pub(crate) fn digest(&self) -> Sha256 {
        Sha256::of(self.content.as_bytes())
    }

    pub(crate) fn is_config(&self) -> bool {
        self.kind != FileKind::Plain
    }
}

impl When {
    /// Returns the scriptlet's name in rpm's messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pre => "%pre",
            Self::Post => "%post",
            Self::Preun => "%preun",
            Self::Postun => "%postun",
        }
    }

    /// Whether its failure fails the element; rpm only warns of the others.
    pub(crate) const fn is_critical(self) -> bool {
        matches!(self, Self::Pre | Self::Preun)
    }
}
