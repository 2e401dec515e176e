//! What a new build takes from the earlier lock at its place, whichever version of this program wrote it.

use std::path::Path;

use manifests::bundle::Use;
use manifests::digest::Sha256;
use manifests::nevra::Nevra;
use serde::Deserialize;

use super::{LOCK_FAMILY, LockError, LockedRpm, read_file};

/// An earlier lock of the same product and channel.
#[derive(Debug, Deserialize)]
pub struct Earlier {
    #[serde(rename = "type")]
    document: String,
    sequence: u64,
    plan: EarlierPlan,
    #[serde(default)]
    rpms: Vec<LockedRpm>,
}

#[derive(Debug, Deserialize)]
struct EarlierPlan {
    product: String,
    channel: String,
    #[serde(default)]
    packages: Vec<EarlierPackage>,
}

#[derive(Debug, Deserialize)]
struct EarlierPackage {
    nevra: Nevra,
    #[serde(default)]
    uses: Vec<Use>,
}

impl Earlier {
    /// Reads the lock at `path`, if one is there and is of this product and channel. A lock that is
    /// there and cannot be read is an error: hosts refuse a bundle whose sequence fell back.
    pub fn read(path: &Path, product: &str, channel: &str) -> Result<Option<Self>, LockError> {
        let bytes = match read_file(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(path, &error)),
        };
        let lock: Self = serde_json::from_slice(&bytes).map_err(|e| refused(path, &e))?;
        if !lock.document.starts_with(LOCK_FAMILY) {
            let reason = format!("its type is `{}`", lock.document);
            return Err(refused(path, &reason));
        }
        let same = lock.plan.product == product && lock.plan.channel == channel;
        Ok(same.then_some(lock))
    }

    /// Returns the sequence that comes after it.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.sequence.saturating_add(1)
    }

    /// Returns the digest that the same package, for a host of the same kind, had then. Vendors
    /// publish other bytes under one name for another distribution: that is no replacement.
    #[must_use]
    pub fn digest_of(&self, nevra: &Nevra, uses: &[Use]) -> Option<Sha256> {
        let packages = self.plan.packages.iter().zip(&self.rpms);
        let host = |one: &Use, other: &Use| one.distro == other.distro && one.arch == other.arch;
        packages
            .filter(|(package, rpm)| package.nevra == *nevra && rpm.nevra == *nevra)
            .find(|(package, _)| {
                let mut known = package.uses.iter();
                known.any(|one| uses.iter().any(|other| host(one, other)))
            })
            .map(|(_, rpm)| rpm.sha256)
    }
}

fn refused(path: &Path, reason: &impl ToString) -> LockError {
    LockError::Earlier {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Explain as _;
    use crate::lock::LOCK_TYPE;

    fn sequence(path: &Path) -> Result<Option<u64>, LockError> {
        let earlier = Earlier::read(path, "relay", "stable")?;
        Ok(earlier.map(|earlier| earlier.next_sequence()))
    }

    #[test]
    fn only_what_is_needed_of_an_earlier_lock_is_read_and_damage_is_no_absence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle.lock.json");
        let next = |text: &str| {
            let pending = crate::output::Pending::with_bytes(&path, text.as_bytes(), 0o600);
            pending.unwrap().commit().unwrap();
            sequence(&path)
        };
        assert_eq!(sequence(&path).unwrap(), None);
        let lock = |kind: &str, product: &str| {
            format!(
                "{{\"type\":\"{kind}\",\"sequence\":7,\"later\":[],\
                 \"plan\":{{\"product\":\"{product}\",\"channel\":\"stable\"}}}}"
            )
        };
        assert_eq!(next(&lock(LOCK_TYPE, "relay")).unwrap(), Some(8));
        let later = lock("airgap-bundle/lock/2", "relay");
        assert_eq!(next(&later).unwrap(), Some(8));
        assert_eq!(next(&lock(LOCK_TYPE, "other")).unwrap(), None);
        for damaged in ["", "{", &lock("root/1", "relay"), "{\"sequence\":1}"] {
            let error = next(damaged).unwrap_err();
            assert!(error.explain().next.contains("--sequence"), "{error}");
        }
        assert!(sequence(dir.path()).is_err());
    }
}
