//! Fetching RPMs: several at a time, each over several connections, into a cache named by content.
//!
//! `ledger` knows which bytes are there, `transfer` fetches the others, `one` tries again and judges.

mod cache;
mod ledger;
mod note;
mod one;
mod transfer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use manifests::digest::Sha256;
use tokio::sync::Semaphore;
use url::Url;

use crate::checksum::Checksum;
use crate::event::Observer;
use crate::explain::{Error, Exit, Explain, Explained};
use crate::output::OutputError;
use crate::plan::PlannedPackage;
use crate::repo::fetch_advice;
use crate::transport::{Transport, TransportErrorKind};

pub use cache::Cache;

/// A file whose size, checksum and (if locked) SHA-256 are as expected. Only this room makes one.
///
/// ```compile_fail
/// let forged = builder::download::ReceivedFile { path: "/tmp/x.rpm".into() };
/// ```
#[derive(Debug)]
pub struct ReceivedFile {
    path: PathBuf,
    sha256: Sha256,
}

impl ReceivedFile {
    /// Stands in for a download in tests of later steps.
    #[cfg(test)]
    pub(crate) fn fake(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        Self {
            path: path.to_owned(),
            sha256: Sha256::of(&bytes),
        }
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its SHA-256.
    #[must_use]
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }
}

/// A file to fetch.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The package as planned.
    pub package: PlannedPackage,
    /// The SHA-256 that a lock demands.
    pub locked: Option<Sha256>,
}

/// Packages that could not be fetched or did not pass; all of them.
#[derive(Debug, thiserror::Error)]
#[error("{} of {attempted} packages failed", failures.len())]
pub struct DownloadError {
    /// How many were asked for.
    pub attempted: usize,
    /// What failed.
    pub failures: Vec<Failure>,
}

/// One package that failed.
#[derive(Debug, thiserror::Error)]
#[error("{nevra} from {url}: {kind}")]
pub struct Failure {
    /// The package.
    pub nevra: String,
    /// Its address.
    pub url: Url,
    /// Why.
    pub kind: FailureKind,
}

/// Why a package failed.
#[derive(Debug, thiserror::Error)]
pub enum FailureKind {
    /// The transfer.
    #[error("{0}")]
    Fetch(#[from] TransportErrorKind),
    /// Listed with another size.
    #[error("it has {found} bytes and the signed metadata gives {expected}")]
    Size {
        /// In the metadata.
        expected: u64,
        /// Received; for a file that is too long, where the reading stopped.
        found: u64,
    },
    /// Listed with another checksum.
    #[error("its checksum is {found} and the signed metadata gives {expected}")]
    Checksum {
        /// In the metadata.
        expected: Checksum,
        /// Received.
        found: Checksum,
    },
    /// Not the bytes that the lock names: the package was replaced.
    #[error("its sha256 is {found} and the lock gives {expected}: it was replaced under its name")]
    Replaced {
        /// In the lock.
        expected: Sha256,
        /// Received.
        found: Sha256,
    },
    /// A page for people.
    #[error(
        "it is a web page and not an RPM: a login portal, a blocking proxy or a wrong address answered"
    )]
    WebPage,
    /// Nothing.
    #[error("it has zero bytes")]
    Empty,
    /// The cache directory.
    #[error(transparent)]
    Store(#[from] OutputError),
    /// The package itself.
    #[error("{0}")]
    Package(Error),
}

impl FailureKind {
    /// Whether another attempt may help.
    const fn is_passing(&self) -> bool {
        matches!(self, Self::Fetch(kind) if kind.is_passing())
    }

    /// Whether the bytes that came are not the right ones.
    const fn is_about_bytes(&self) -> bool {
        matches!(
            self,
            Self::Size { .. } | Self::Checksum { .. } | Self::Replaced { .. } | Self::Empty
        )
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Size { .. }
            | Self::Checksum { .. }
            | Self::Replaced { .. }
            | Self::WebPage
            | Self::Empty => Exit::Verification,
            Self::Package(error) => error.exit(),
            Self::Fetch(TransportErrorKind::Interrupted(_)) => Exit::Interrupted,
            Self::Fetch(_) | Self::Store(_) => Exit::Internal,
        }
    }

    fn advice(&self) -> String {
        let advice = match self {
            Self::Fetch(TransportErrorKind::NotFound) => {
                "the repository lists a file that it does not have: ask for another version, or use \
                 a mirror that has it (--repo-url)"
            }
            Self::Fetch(
                kind @ (TransportErrorKind::Status(401 | 402 | 407)
                | TransportErrorKind::PlainLogin(_)
                | TransportErrorKind::Offline),
            ) => fetch_advice(kind),
            Self::Fetch(_) => {
                "check the network and run the command again; what is there already is reused"
            }
            Self::WebPage => {
                "open the address in a browser from this machine: log in to the network or set the \
                 proxy (HTTPS_PROXY), then run the command again"
            }
            Self::Size { .. } | Self::Checksum { .. } | Self::Empty => {
                "a proxy or mirror may have damaged it: try another path to the original; if it \
                 stays so, report it to the vendor, and do not use the file"
            }
            Self::Replaced { .. } => {
                "ask the vendor why the package changed; if the new bytes are meant, lock anew with \
                 --accept-replaced and the package's full name"
            }
            Self::Store(_) => "make space or name another directory with --cache-dir",
            Self::Package(error) => return error.explain().next,
        };
        advice.to_owned()
    }
}

impl Explain for DownloadError {
    fn exit(&self) -> Exit {
        let exits: Vec<Exit> = self.failures.iter().map(|f| f.kind.exit()).collect();
        [Exit::Interrupted, Exit::Verification, Exit::Usage]
            .into_iter()
            .find(|exit| exits.contains(exit))
            .unwrap_or(Exit::Internal)
    }

    fn explain(&self) -> Explained {
        let reasons: Vec<String> = self.failures.iter().map(ToString::to_string).collect();
        let mut advice: Vec<String> = self.failures.iter().map(|f| f.kind.advice()).collect();
        advice.sort_unstable();
        advice.dedup();
        Explained::new(
            format!("cannot obtain the packages: {self}"),
            reasons.join("\n  "),
            advice.join("\n  "),
        )
    }
}

/// Fetches every file or reports every failure.
pub fn fetch_all(
    transport: &Transport,
    cache: &Cache,
    wanted: &[Wanted],
    observer: &Arc<dyn Observer>,
) -> Result<Vec<ReceivedFile>, DownloadError> {
    let shared = one::Shared {
        transport: transport.clone(),
        cache: cache.clone(),
        observer: Arc::clone(observer),
        files: wanted.len(),
    };
    let results = transport.runtime().block_on(async {
        let permits = Arc::new(Semaphore::new(transport.jobs()));
        let tasks: Vec<_> = wanted
            .iter()
            .enumerate()
            .map(|(index, wanted)| {
                let (shared, permits) = (shared.clone(), Arc::clone(&permits));
                let wanted = wanted.clone();
                tokio::spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    one::obtain(&shared, &wanted, index).await
                })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            let lost = |e: tokio::task::JoinError| {
                Err(TransportErrorKind::Truncated(e.to_string()).into())
            };
            results.push(task.await.unwrap_or_else(lost));
        }
        results
    });
    let (mut received, mut failures) = (Vec::new(), Vec::new());
    for (result, wanted) in results.into_iter().zip(wanted) {
        match result {
            Ok(file) => received.push(file),
            Err(kind) => failures.push(Failure {
                nevra: wanted.package.nevra.to_string(),
                url: wanted.package.url.clone(),
                kind,
            }),
        }
    }
    if failures.is_empty() {
        Ok(received)
    } else {
        Err(DownloadError {
            attempted: wanted.len(),
            failures,
        })
    }
}
