//! Keys that cannot be used, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use super::{Origin, Purpose, Unpinned};
use crate::explain::{Exit, Explain, Explained};
use crate::output::OutputError;
use crate::repo::openpgp::{CertificateError, Fingerprint};
use crate::repo::{SourceError, fetch_advice, fetch_exit};
use crate::transport::TransportError;

/// Keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VendorKeyError {
    /// The key's address does not answer.
    #[error("the {purpose} cannot be fetched: {source}")]
    Fetch {
        /// What it is for.
        purpose: Purpose,
        /// What went wrong.
        source: TransportError,
    },
    /// The key file cannot be read.
    #[error("the key file {} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Not a key.
    #[error("the {purpose} at {origin} is not usable: {source}")]
    Certificate {
        /// What it is for.
        purpose: Purpose,
        /// Where it was read from.
        origin: Origin,
        /// What is wrong.
        source: CertificateError,
    },
    /// A page for people instead of a key.
    #[error(
        "what is at {origin} for the {purpose} is a web page: a login portal or a blocking proxy answered"
    )]
    WebPage {
        /// What it is for.
        purpose: Purpose,
        /// Where it was read from.
        origin: Origin,
    },
    /// A key cannot be kept.
    #[error(transparent)]
    Keep(OutputError),
    /// Fingerprints that were neither pinned nor accepted.
    #[error("{}", not_pinned(.0))]
    NotPinned(Vec<Unpinned>),
    /// A fingerprint accepted for a key that the product does not have.
    #[error("a fingerprint is accepted for `{role}`, and the product has keys for {}", known.join(", "))]
    UnknownRole {
        /// As given.
        role: String,
        /// What exists.
        known: Vec<String>,
    },
    /// A pin in the product manifest that is no fingerprint.
    #[error("the product manifest pins {0}")]
    Pin(CertificateError),
    /// An address that cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
}

fn not_pinned(keys: &[Unpinned]) -> String {
    let lines: Vec<String> = keys
        .iter()
        .map(|key| {
            let found: Vec<&str> = key.found.iter().map(Fingerprint::as_str).collect();
            let expected = if key.pins.is_empty() {
                "no fingerprint is pinned for it".to_owned()
            } else {
                let pins: Vec<&str> = key.pins.iter().map(Fingerprint::as_str).collect();
                format!("the pinned fingerprint is {}", pins.join(" or "))
            };
            let (purpose, origin, found) = (&key.purpose, &key.origin, found.join(", "));
            format!("the {purpose} at {origin} has fingerprint {found}, and {expected}")
        })
        .collect();
    lines.join("; ")
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata(repository) => write!(f, "metadata key of {repository}"),
            Self::Package(id) => write!(f, "package key {id}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "{url}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Explain for VendorKeyError {
    fn exit(&self) -> Exit {
        match self {
            Self::Fetch { source, .. } => fetch_exit(&source.kind),
            Self::NotPinned(_)
            | Self::Certificate {
                source: CertificateError::Uncertified(_),
                ..
            } => Exit::Verification,
            Self::File { .. } | Self::UnknownRole { .. } | Self::Pin(_) | Self::Source(_) => {
                Exit::Usage
            }
            Self::WebPage { .. } => Exit::Verification,
            Self::Certificate { .. } | Self::Keep(_) => Exit::Internal,
        }
    }

    fn explain(&self) -> Explained {
        let next = match self {
            Self::Fetch { source, .. } => fetch_advice(&source.kind).to_owned(),
            Self::NotPinned(keys) => accept_advice(keys),
            Self::File { .. } => "name a readable OpenPGP public key with --package-key".to_owned(),
            Self::Certificate { .. } => {
                "check the address; --package-key FILE uses a package key from a file".to_owned()
            }
            Self::WebPage { .. } => {
                "log in to the network or set the proxy (HTTPS_PROXY), then run the command again; \
                 --package-key FILE uses a package key from a file"
                    .to_owned()
            }
            Self::Keep(_) => "make space or name another directory with --cache-dir".to_owned(),
            Self::UnknownRole { .. } => {
                "write --trust-vendor-key ROLE=FINGERPRINT with one of these roles".to_owned()
            }
            Self::Pin(_) => "write the whole fingerprint, 40 or 64 hexadecimal digits".to_owned(),
            Self::Source(error) => source_advice(error).to_owned(),
        };
        Explained::new("cannot establish the vendor's keys", self.to_string(), next)
    }
}

fn accept_advice(keys: &[Unpinned]) -> String {
    // Where nothing is pinned, the fingerprint alone is enough. A pin is only extended by name.
    let mut found: Vec<String> = keys
        .iter()
        .flat_map(|key| {
            let role = if key.pins.is_empty() {
                String::new()
            } else {
                format!("{}=", key.purpose.role())
            };
            let flag = move |found| format!("--trust-vendor-key {role}{found}");
            key.found.iter().map(flag)
        })
        .collect();
    found.sort();
    found.dedup();
    let changed = keys.iter().any(|key| !key.pins.is_empty());
    let warning = if changed {
        "A pinned key that changes is an alarm. "
    } else {
        ""
    };
    format!(
        "{warning}Compare the fingerprints with what the vendor publishes elsewhere; if they are \
         right, run the same command again with\n  {}",
        found.join(" ")
    )
}

const fn source_advice(error: &SourceError) -> &'static str {
    match error {
        SourceError::Address(_) => {
            "give an address such as https://host/path, or a directory such as /srv/mirror, without a query"
        }
        SourceError::Credentials(_) => {
            "leave them out of the address, where logs and locks would keep them, and give them with \
             --token-file, BUNDLE_TOKEN or a netrc"
        }
        SourceError::Repository { .. } => "use one of the listed names in --repo-url NAME=ADDRESS",
    }
}
