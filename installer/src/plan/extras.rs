//! Files beside packages, such as plugins built for one version: those that a host has, those that
//! the target version will load, and those that come with the bundle.

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
    /// Those that the host already has and the target version will load.
    pub present: Vec<PresentExtra>,
}

/// An extra that the run writes to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedExtra {
    /// The component that loads it.
    pub component: String,
    /// Id of the product manifest's rule.
    pub rule: String,
    /// The part of its name that identifies it.
    pub stem: String,
    /// Its path on the host.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// The size of the file in bytes.
    pub size_bytes: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Its numeric owner.
    pub uid: u32,
    /// Its numeric group.
    pub gid: u32,
    /// Its modification time, seconds since 1970: the time of the bundle.
    pub modified: u64,
    /// The existing file whose owner, mode and label it gets, if there is one.
    pub like: Option<String>,
    /// What is at its path now.
    pub from: OnDisk,
}

/// An extra of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentExtra {
    /// The component that loads it.
    pub component: String,
    /// Id of the product manifest's rule.
    pub rule: String,
    /// The part of its name that identifies it.
    pub stem: String,
    /// Its path.
    pub path: String,
    /// Whether its name shows that it is for the target version. Otherwise only a trial can find
    /// out.
    pub is_named: bool,
}

impl Extras {
    /// Whether nothing has to be written or tried.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.coming.is_empty() && self.present.is_empty()
    }

    /// Describes the change for a person.
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
