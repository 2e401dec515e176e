//! Fingerprints that the user accepts on the command line, and for which keys they count.

use std::fmt;
use std::str::FromStr;

use manifests::product::ProductManifest;

use super::{CarriedKey, Purpose, VendorKeyError, parse_pins};
use crate::repo::openpgp::{CertificateError, Fingerprint};

/// `FINGERPRINT`, for a key that the product manifest pins nothing for, or `ROLE=FINGERPRINT`, for
/// a key whose pins it extends. One role's key never speaks for another's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accepted {
    /// A repository's id, or `package:` with a package key's id.
    role: Option<String>,
    fingerprint: Fingerprint,
}

impl Accepted {
    /// Returns the fingerprint if it counts for a key of this purpose and with these pins.
    pub(super) fn counts_for(
        &self,
        purpose: &Purpose,
        pins: &[Fingerprint],
    ) -> Option<&Fingerprint> {
        let counts = match &self.role {
            Some(role) => *role == purpose.role(),
            None => pins.is_empty(),
        };
        counts.then_some(&self.fingerprint)
    }

    /// Checks that every named role is one of `known`.
    pub(super) fn check_roles(
        accepted: &[Self],
        known: impl Iterator<Item = String>,
    ) -> Result<(), VendorKeyError> {
        let known: Vec<String> = known.collect();
        for role in accepted.iter().filter_map(|one| one.role.as_ref()) {
            if !known.contains(role) {
                let role = role.clone();
                return Err(VendorKeyError::UnknownRole { role, known });
            }
        }
        Ok(())
    }
}

/// Checks the package keys that a lock carries as a build checks those it fetches: each is pinned
/// by the product manifest or was accepted by hand, and the lock records it.
pub fn check_carried(
    product: &ProductManifest,
    keys: &[CarriedKey],
    accepted: &[Accepted],
) -> Result<(), String> {
    let mut pins = Vec::new();
    let mut has_unpinned = product.package_keys.is_empty();
    for key in &product.package_keys {
        let own = parse_pins(&key.fingerprints).map_err(|error| error.to_string())?;
        has_unpinned |= own.is_empty();
        pins.extend(own);
    }
    for key in keys {
        let by_hand = accepted.iter().any(|one| {
            let counts = match &one.role {
                Some(role) => role.starts_with(PACKAGE),
                None => has_unpinned,
            };
            counts && one.fingerprint == key.fingerprint
        });
        if !by_hand && !pins.contains(&key.fingerprint) {
            return Err(format!(
                "its package key {} is neither pinned by its product manifest nor accepted in it",
                key.fingerprint
            ));
        }
    }
    Ok(())
}

const PACKAGE: &str = "package:";

impl Purpose {
    /// Returns the name under which a key of this purpose can be accepted.
    pub(super) fn role(&self) -> String {
        match self {
            Self::Metadata(repository) => repository.clone(),
            Self::Package(id) => format!("{PACKAGE}{id}"),
        }
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(role) = &self.role {
            write!(f, "{role}=")?;
        }
        write!(f, "{}", self.fingerprint)
    }
}

impl FromStr for Accepted {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let (role, fingerprint) = match text.split_once('=') {
            Some((role, fingerprint)) => (Some(role.to_owned()), fingerprint),
            None => (None, text),
        };
        Ok(Self {
            role,
            fingerprint: fingerprint.parse()?,
        })
    }
}

manifests::string_serde!(Accepted);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_key_counts_for_its_role_alone() {
        let fingerprint = "A".repeat(40);
        let pin: Fingerprint = "B".repeat(40).parse().unwrap();
        let pins = std::slice::from_ref(&pin);
        let metadata = Purpose::Metadata("relay".to_owned());
        let package = Purpose::Package("packages".to_owned());
        let counts = |text: &str, purpose: &Purpose, pins: &[Fingerprint]| {
            let accepted: Accepted = text.parse().unwrap();
            assert_eq!(accepted.to_string(), text);
            accepted.counts_for(purpose, pins).is_some()
        };
        let (relay, packages) = (
            format!("relay={fingerprint}"),
            format!("package:packages={fingerprint}"),
        );
        for (text, purpose, pins, expected) in [
            (&fingerprint, &metadata, &[][..], true),
            (&fingerprint, &package, &[], true),
            (&fingerprint, &metadata, pins, false),
            (&fingerprint, &package, pins, false),
            (&relay, &metadata, pins, true),
            (&relay, &package, pins, false),
            (&relay, &package, &[], false),
            (&packages, &package, pins, true),
            (&packages, &metadata, &[], false),
        ] {
            assert_eq!(counts(text, purpose, pins), expected, "{text} {purpose}");
        }
        assert!("relay=short".parse::<Accepted>().is_err());
    }
}
