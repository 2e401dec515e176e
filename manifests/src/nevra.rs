//! Package identities: name, epoch, version, release, architecture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::evr::Evr;
use crate::limits::NAME_MAX_BYTES;

/// A package's full name, `name-[epoch:]version-release.arch`. The order is by name, then rpm's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nevra {
    name: String,
    evr: Evr,
    arch: String,
}

/// A text that is not a NEVRA.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a package identity (name-[epoch:]version-release.arch): {reason}")]
pub struct NevraError {
    text: String,
    reason: String,
}

impl Nevra {
    /// Makes a NEVRA; a name or architecture outside rpm's alphabet is refused.
    pub fn new(name: &str, evr: Evr, arch: &str) -> Result<Self, NevraError> {
        let refuse = |reason: &str| NevraError {
            text: format!("{name}-{evr}.{arch}"),
            reason: reason.to_owned(),
        };
        if !is_package_name(name) {
            return Err(refuse("illegal package name"));
        }
        if arch.is_empty() || !arch.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(refuse("illegal architecture"));
        }
        Ok(Self {
            name: name.to_owned(),
            evr,
            arch: arch.to_owned(),
        })
    }

    /// Returns the package name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns epoch, version and release.
    #[must_use]
    pub const fn evr(&self) -> &Evr {
        &self.evr
    }

    /// Returns the architecture as rpm spells it (`x86_64`, `aarch64`, `noarch`).
    #[must_use]
    pub fn arch(&self) -> &str {
        &self.arch
    }

    /// Returns the conventional file name, `name-version-release.arch.rpm`: the epoch is left out.
    #[must_use]
    pub fn file_name(&self) -> String {
        let (version, release) = (self.evr.version(), self.evr.release());
        format!("{}-{version}-{release}.{}.rpm", self.name, self.arch)
    }
}

/// Whether `name` is a package name: rpm's alphabet, starting with a letter or digit.
#[must_use]
pub fn is_package_name(name: &str) -> bool {
    name.len() <= NAME_MAX_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}

impl FromStr for Nevra {
    type Err = NevraError;

    fn from_str(text: &str) -> Result<Self, NevraError> {
        let refuse = |reason: &str| NevraError {
            text: text.chars().take(200).collect(),
            reason: reason.into(),
        };
        let (rest, arch) = text
            .rsplit_once('.')
            .ok_or_else(|| refuse("no architecture"))?;
        let (rest, release) = rest.rsplit_once('-').ok_or_else(|| refuse("no release"))?;
        let (name, version) = rest.rsplit_once('-').ok_or_else(|| refuse("no version"))?;
        let evr: Evr = format!("{version}-{release}")
            .parse()
            .map_err(|e| refuse(&format!("{e}")))?;
        Self::new(name, evr, arch)
    }
}

crate::string_serde!(Nevra);

/// A machine architecture this project builds bundles for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// 64-bit ARM.
    Aarch64,
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
}

impl Arch {
    /// Every architecture, in order.
    pub const ALL: [Self; 2] = [Self::Aarch64, Self::X86_64];

    /// Returns rpm's (and the kernel's) spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Whether a package of architecture `package_arch` installs on this machine.
    #[must_use]
    pub fn accepts(self, package_arch: &str) -> bool {
        package_arch == "noarch" || package_arch == self.as_str()
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Arch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "x86_64" | "amd64" => Ok(Self::X86_64),
            "aarch64" | "arm64" => Ok(Self::Aarch64),
            _ => Err(format!(
                "unknown architecture `{text}`: known are x86_64 and aarch64"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nevra_survives_the_round_trip() {
        for text in ["tyk-gateway-5.3.0-1.x86_64", "a-b-c-2:1.0~rc1-1.el8.noarch"] {
            assert_eq!(text.parse::<Nevra>().unwrap().to_string(), text);
        }
        let nevra: Nevra = "tyk-gateway-1:5.3.0-1.x86_64".parse().unwrap();
        assert_eq!(nevra.name(), "tyk-gateway");
        assert_eq!(nevra.file_name(), "tyk-gateway-5.3.0-1.x86_64.rpm");
    }

    #[test]
    fn names_that_could_leave_a_directory_are_refused() {
        for bad in [
            "../x-1-1.x86_64",
            ".x-1-1.x86_64",
            "x/y-1-1.x86_64",
            "x-1-1",
            "x-1.x86_64",
            "",
        ] {
            assert!(bad.parse::<Nevra>().is_err(), "{bad}");
        }
    }
}
