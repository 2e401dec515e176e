//! Versions as rpm compares them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::limits::NAME_MAX_BYTES;

/// Epoch, version and release of a package. Equality and order are rpm's
/// (`rpmvercmp` over each part; crate `rpm-version`), so `1.0` equals `1.00`.
#[derive(Debug, Clone)]
pub struct Evr {
    epoch: u32,
    version: String,
    release: String,
}

/// A text that is not an `[epoch:]version-release`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an epoch:version-release: {reason}")]
pub struct EvrError {
    text: String,
    reason: &'static str,
}

impl Evr {
    /// Makes an EVR; parts outside rpm's alphabet are refused.
    pub fn new(epoch: u32, version: &str, release: &str) -> Result<Self, EvrError> {
        let refuse = |reason| EvrError {
            text: format!("{epoch}:{version}-{release}"),
            reason,
        };
        if !is_part(version) {
            return Err(refuse(
                "the version is empty, too long or has an illegal character",
            ));
        }
        if !is_part(release) {
            return Err(refuse(
                "the release is empty, too long or has an illegal character",
            ));
        }
        Ok(Self {
            epoch,
            version: version.to_owned(),
            release: release.to_owned(),
        })
    }

    /// Returns the epoch; an absent one is 0, as in rpm.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Returns the upstream version, such as `5.3.2`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the release, such as `1` or `1.el8`.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }
}

/// Version and release hold the characters rpm allows there and no `-`.
fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_MAX_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+~^".contains(c))
}

/// Compares two version (or release) strings as rpm does: `5.3.10` is newer than `5.3.9`,
/// `5.3.0~rc1` older than `5.3.0`.
#[must_use]
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    rpm_version::Evr::new("0", a, "1").cmp(&rpm_version::Evr::new("0", b, "1"))
}

/// Whether `version` lies on `line`: equal to it, or continuing it at a dot. `5.3.10` lies on `5.3`
/// and on `5.3.10`, not on `5.3.1`. Pre-releases (`5.3.0~rc1`) lie on no line but their own.
#[must_use]
pub fn is_on_line(version: &str, line: &str) -> bool {
    match version.strip_prefix(line) {
        Some("") => true,
        Some(rest) => rest.starts_with('.') && !rest.contains('~'),
        None => false,
    }
}

/// Returns the line a version belongs to: its first two dotted parts.
#[must_use]
pub fn line_of(version: &str) -> String {
    let parts: Vec<&str> = version.split('.').take(2).collect();
    parts.join(".")
}

impl Ord for Evr {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_versions(&self.version, &other.version))
            .then_with(|| compare_versions(&self.release, &other.release))
    }
}

impl PartialOrd for Evr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Evr {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Evr {}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}:", self.epoch)?;
        }
        write!(f, "{}-{}", self.version, self.release)
    }
}

impl FromStr for Evr {
    type Err = EvrError;

    fn from_str(text: &str) -> Result<Self, EvrError> {
        let refuse = |reason| EvrError {
            text: text.chars().take(80).collect(),
            reason,
        };
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (
                epoch
                    .parse()
                    .map_err(|_| refuse("the epoch is not a number"))?,
                rest,
            ),
            None => (0, text),
        };
        let (version, release) = rest
            .split_once('-')
            .ok_or_else(|| refuse("there is no `-` before a release"))?;
        Self::new(epoch, version, release)
    }
}

crate::string_serde!(Evr);

#[cfg(test)]
mod tests {
    use super::*;

    fn evr(text: &str) -> Evr {
        text.parse().unwrap()
    }

    #[test]
    fn order_is_rpms_and_not_the_alphabets() {
        let rising = [
            "5.0.9-1",
            "5.0.10-1",
            "5.3.0~rc1-1",
            "5.3.0-1",
            "5.3.0^git1-1",
            "5.3.1-1",
            "1:1.0-1",
        ];
        for pair in rising.windows(2) {
            assert!(evr(pair[0]) < evr(pair[1]), "{pair:?}");
        }
        assert_eq!(evr("1.0-1"), evr("0:1.00-1"));
    }

    #[test]
    fn a_line_continues_at_a_dot_only() {
        assert!(is_on_line("5.3.10", "5.3"));
        assert!(is_on_line("5.3.10", "5.3.10"));
        assert!(!is_on_line("5.3.10", "5.3.1"));
        assert!(!is_on_line("5.30.0", "5.3"));
        assert!(!is_on_line("5.3.0~rc1", "5.3"));
        assert!(is_on_line("5.3.0~rc1", "5.3.0~rc1"));
        assert_eq!(line_of("2.9.4.3"), "2.9");
    }

    #[test]
    fn malformed_texts_are_refused() {
        for bad in [
            "", "5.3", "a:5-1", "5.3-", "-1", "5.3/..-1", "5.3 -1", "5-3-1",
        ] {
            assert!(bad.parse::<Evr>().is_err(), "{bad}");
        }
    }
}
