//! Checksums as repository metadata states them: several algorithms, some of them weak.

use std::fmt;
use std::str::FromStr;

use manifests::digest::{Sha256, hex};
use sha2::Digest as _;

/// A checksum of repository metadata. SHA-1 occurs (packagecloud) and only locates a file: what a
/// build relies on is the SHA-256 it computes itself and the package signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checksum {
    algorithm: Algorithm,
    hex: String,
}

/// An algorithm that yum metadata names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Written `sha` or `sha1`.
    Sha1,
    /// Written `sha256`.
    Sha256,
    /// Written `sha512`.
    Sha512,
}

/// A checksum that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// MD5 or something newer than this build.
    #[error("checksum type `{0}` is not one of sha1, sha256, sha512")]
    Algorithm(String),
    /// Not hexadecimal of the right length.
    #[error("`{0}` is not a {1} checksum")]
    Value(String, Algorithm),
}

impl Algorithm {
    const fn hex_len(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl Checksum {
    /// Makes a checksum from the type and value of an XML `checksum` element.
    pub fn new(algorithm: &str, hex: &str) -> Result<Self, ChecksumError> {
        let algorithm = match algorithm {
            "sha" | "sha1" => Algorithm::Sha1,
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(ChecksumError::Algorithm(cut(algorithm))),
        };
        let digits = hex.len() == algorithm.hex_len()
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !digits {
            return Err(ChecksumError::Value(cut(hex), algorithm));
        }
        Ok(Self {
            algorithm,
            hex: hex.to_owned(),
        })
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the value in lower-case hexadecimal.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Whether it is the checksum of `bytes`.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hasher = Hasher::new(self.algorithm);
        hasher.update(bytes);
        hasher.finish() == *self
    }
}

fn cut(text: &str) -> String {
    text.chars().take(140).collect()
}

/// A checksum in progress.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// SHA-1 in progress.
    Sha1(sha1::Sha1),
    /// SHA-256 in progress.
    Sha256(sha2::Sha256),
    /// SHA-512 in progress.
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// Starts a checksum.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(sha1::Sha1::default()),
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::default()),
            Algorithm::Sha512 => Self::Sha512(sha2::Sha512::default()),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(h) => h.update(bytes),
            Self::Sha256(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
        }
    }

    /// Ends the computation.
    #[must_use]
    pub fn finish(self) -> Checksum {
        match self {
            Self::Sha1(h) => done(Algorithm::Sha1, &h.finalize()),
            Self::Sha256(h) => done(Algorithm::Sha256, &h.finalize()),
            Self::Sha512(h) => done(Algorithm::Sha512, &h.finalize()),
        }
    }
}

fn done(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
    let hex = hex(bytes);
    Checksum { algorithm, hex }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        })
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex)
    }
}

impl From<Sha256> for Checksum {
    fn from(sha256: Sha256) -> Self {
        Self {
            algorithm: Algorithm::Sha256,
            hex: sha256.to_string(),
        }
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let (algorithm, hex) = text
            .split_once(':')
            .ok_or_else(|| ChecksumError::Algorithm(cut(text)))?;
        Self::new(algorithm, hex)
    }
}

manifests::string_serde!(Checksum);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_empty_digests_are_computed() {
        for (kind, hex) in [
            ("sha", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (
                "sha256",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
        ] {
            let checksum = Checksum::new(kind, hex).unwrap();
            assert!(checksum.matches(b""));
            assert!(!checksum.matches(b"x"));
            assert_eq!(checksum.to_string().parse::<Checksum>().unwrap(), checksum);
        }
    }

    #[test]
    fn md5_and_malformed_values_are_refused() {
        assert!(Checksum::new("md5", "d41d8cd98f00b204e9800998ecf8427e").is_err());
        assert!(Checksum::new("sha256", "da39").is_err());
        assert!(Checksum::new("sha1", &"Z".repeat(40)).is_err());
    }
}
