//! Names of bundle entries, from a closed alphabet.

use std::fmt;
use std::str::FromStr;

use crate::digest::Sha256;
use crate::limits::PATH_MAX_BYTES;
use crate::nevra::Arch;

/// The path of an entry inside a bundle: relative, at most four parts, each part
/// `[A-Za-z0-9][A-Za-z0-9._+~^-]*`. No value of this type can name a parent, an absolute path or
/// a hidden file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePath(String);

/// A name that no bundle entry may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a bundle path: {reason}")]
pub struct BundlePathError {
    text: String,
    reason: &'static str,
}

const PARTS_MAX: usize = 4;

impl BundlePath {
    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Whether the path lies below the top-level directory `dir` (given without a slash).
    #[must_use]
    pub fn is_under(&self, dir: &str) -> bool {
        self.0
            .strip_prefix(dir)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns the place of a package: `packages/<16 hex>/<file>`.
    pub fn for_package(sha256: &Sha256, file_name: &str) -> Result<Self, BundlePathError> {
        format!("packages/{}/{file_name}", sha256.short()).parse()
    }

    /// Returns the place of a package's file list: `files/<sha256>.json`.
    #[must_use]
    pub fn for_package_files(sha256: &Sha256) -> Self {
        Self(format!("files/{sha256}.json"))
    }

    /// Returns the place of the carried installer for `arch`.
    #[must_use]
    pub fn for_installer(arch: Arch) -> Self {
        Self(format!("installer/{arch}/install"))
    }

    /// Whether the entry is stored with mode 0755; everything else is 0644.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.is_under("installer") && self.file_name() == "install"
    }
}

fn is_part(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphanumeric())
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+~^-".contains(c))
}

impl FromStr for BundlePath {
    type Err = BundlePathError;

    fn from_str(text: &str) -> Result<Self, BundlePathError> {
        let refuse = |reason| BundlePathError {
            text: text.chars().take(80).collect(),
            reason,
        };
        if text.len() > PATH_MAX_BYTES {
            return Err(refuse("it is too long"));
        }
        if text.split('/').count() > PARTS_MAX {
            return Err(refuse("it is too deep"));
        }
        if !text.split('/').all(is_part) {
            return Err(refuse(
                "a part is empty, starts with no letter or digit, or has an illegal character",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::string_serde!(BundlePath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        let long = "a".repeat(201);
        let bad = [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            ".hidden",
            "a/.b",
            "a b",
            "a\0b",
            "a\\b",
            "C:a",
            "-rf",
            "a/b/c/d/e",
            "ä",
            long.as_str(),
        ];
        for name in bad {
            assert!(name.parse::<BundlePath>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn only_the_installer_is_executable() {
        assert!(BundlePath::for_installer(Arch::X86_64).is_executable());
        let package = BundlePath::for_package(&Sha256::of(b""), "install").unwrap();
        assert!(!package.is_executable());
        assert!(package.is_under("packages"));
        assert!(!package.is_under("pack"));
    }
}
