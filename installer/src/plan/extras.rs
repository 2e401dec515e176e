//! Files beside packages, such as plugins built for one version: which of them a host has, which the
//! target version will load, which come with the bundle.

mod judge;

use manifests::digest::Sha256;
use serde::{Deserialize, Serialize};

use crate::inventory::OnDisk;

pub(crate) use judge::{add, cure};

/// Extras of the components of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// Those that come with the bundle.
    pub coming: Vec<PlannedExtra>,
    /// Those that are on the host already and that the target version will load.
    pub present: Vec<PresentExtra>,
}

/// An extra that is put on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedExtra {
    /// The component that loads it.
    pub component: String,
    /// Id of the product manifest's rule.
    pub rule: String,
    /// Its own part of its name.
    pub stem: String,
    /// Where it is put.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// How many there are.
    pub size_bytes: u64,
    /// Permission bits that it gets.
    pub mode: u32,
    /// Numeric owner that it gets.
    pub uid: u32,
    /// Numeric group that it gets.
    pub gid: u32,
    /// Modification time that it gets, seconds since 1970: the bundle's.
    pub modified: u64,
    /// The file beside it whose owner, mode and label it gets, if there is one.
    pub like: Option<String>,
    /// What is in its place.
    pub from: OnDisk,
}

/// An extra of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentExtra {
    /// The component that loads it.
    pub component: String,
    /// Id of the product manifest's rule.
    pub rule: String,
    /// Its own part of its name.
    pub stem: String,
    /// Where it is.
    pub path: String,
    /// Whether its name says that it is for the target version. If not, only a trial knows.
    pub is_named: bool,
}

impl Extras {
    /// Whether there is nothing to do and nothing to try.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.coming.is_empty() && self.present.is_empty()
    }

    /// Says to a person what is done.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.coming.iter().map(|planned| {
            let sign = match planned.from {
                OnDisk::Absent => '+',
                _ => '~',
            };
            let PlannedExtra {
                path,
                mode,
                uid,
                gid,
                ..
            } = planned;
            let kib = planned.size_bytes.div_ceil(1024);
            format!("{sign} {path}   ({kib} KiB, mode {mode:o}, owner {uid}:{gid})")
        })
    }
}
