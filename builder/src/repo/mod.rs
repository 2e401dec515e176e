//! Yum repositories: from an address to a [`RepoIndex`] that was signed by a pinned key.

mod capabilities;
mod event_bound;
mod fetch;
mod href;
mod open;
pub mod openpgp;
mod primary;
mod repomd;
mod source;
pub mod vendor_keys;

use manifests::digest::Sha256;
use manifests::nevra::{Arch, Nevra};
use manifests::package_files::Dependency;
use serde::Serialize;
use url::Url;

use crate::checksum::Checksum;
use crate::explain::{Exit, Explain, Explained};
use crate::output::OutputError;
use crate::repo::openpgp::{SignatureError, SignedBy};
use crate::transport::{TransportError, TransportErrorKind};

pub use fetch::{Listed, WholeRepo, fetch_index, fetch_offers};
pub use href::BadHref;
pub use open::{OpenError, reader as open_list};
pub use primary::{PrimaryError, read as read_list};
pub use repomd::{PrimaryEntry, Repomd, RepomdError, parse as read_repomd};
pub use source::{
    Override, RepoSource, SourceError, base_address, base_url, key_urls, sources_for,
};

const REPOMD_MAX_BYTES: u64 = 4 * 1024 * 1024;
const SIGNATURE_MAX_BYTES: u64 = 64 * 1024;
const PRIMARY_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What the repositories of a build publish, as signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoIndex {
    /// One entry per repository, distribution and architecture.
    pub snapshots: Vec<RepoSnapshot>,
}

/// One repository at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoSnapshot {
    /// The product manifest's repository id.
    pub repository: String,
    /// The distribution it was read for.
    pub distro: String,
    /// The architecture it was read for.
    pub arch: Arch,
    /// Its address.
    pub url: Url,
    /// The `<revision>` of its metadata.
    pub revision: Option<u64>,
    /// Who signed the metadata.
    pub signed_by: SignedBy,
    /// The digest of `repomd.xml`.
    pub repomd_sha256: Sha256,
    /// The packages that the product may take from it.
    pub packages: Vec<RepoPackage>,
}

/// A package that a repository lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepoPackage {
    /// The package.
    pub nevra: Nevra,
    /// Where it is.
    pub url: Url,
    /// Its size in bytes.
    pub size: u64,
    /// Its checksum.
    pub checksum: Checksum,
    /// Packages of other names that it replaces.
    #[serde(skip)]
    pub obsoletes: Vec<Dependency>,
}

impl RepoIndex {
    /// Returns the snapshot of a repository for a distribution and architecture.
    #[must_use]
    pub fn snapshot(&self, repository: &str, distro: &str, arch: Arch) -> Option<&RepoSnapshot> {
        self.snapshots
            .iter()
            .find(|s| s.repository == repository && s.distro == distro && s.arch == arch)
    }
}

/// A repository that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("repository {repository} at {url}: {kind}")]
pub struct RepoError {
    /// The product manifest's repository id.
    pub repository: String,
    /// Its address.
    pub url: Box<Url>,
    /// What is wrong.
    pub kind: RepoErrorKind,
}

/// What can be wrong with a repository.
#[derive(Debug, thiserror::Error)]
pub enum RepoErrorKind {
    /// A metadata file cannot be fetched.
    #[error("{0}")]
    Fetch(#[source] TransportError),
    /// There is no `repomd.xml.asc`.
    #[error("its metadata is not signed: repomd.xml.asc is missing")]
    Unsigned,
    /// The metadata signature does not count.
    #[error("its metadata signature is not acceptable: {0}")]
    Signature(#[source] SignatureError),
    /// `repomd.xml` is not usable.
    #[error("repomd.xml is not usable: {0}")]
    Repomd(#[source] RepomdError),
    /// A page for people instead of a file.
    #[error("{0} is a web page: a login portal, a blocking proxy or a wrong address answered")]
    WebPage(&'static str),
    /// No bytes.
    #[error("{0} has zero bytes")]
    Empty(&'static str),
    /// Verified metadata cannot be kept.
    #[error(transparent)]
    Keep(OutputError),
    /// Primary is not the one that the signed `repomd.xml` names.
    #[error("the package list does not match the checksum in the signed repomd.xml")]
    PrimaryChecksum,
    /// Primary cannot be decompressed.
    #[error("the package list cannot be opened: {0}")]
    PrimaryOpen(#[source] OpenError),
    /// Primary is not usable.
    #[error("the package list is not usable: {0}")]
    Primary(#[source] PrimaryError),
}

impl Explain for RepoError {
    fn exit(&self) -> Exit {
        match &self.kind {
            RepoErrorKind::Fetch(error) => fetch_exit(&error.kind),
            RepoErrorKind::Unsigned
            | RepoErrorKind::Signature(_)
            | RepoErrorKind::WebPage(_)
            | RepoErrorKind::Empty(_)
            | RepoErrorKind::PrimaryChecksum => Exit::Verification,
            _ => Exit::Internal,
        }
    }

    fn explain(&self) -> Explained {
        let next = match &self.kind {
            RepoErrorKind::Fetch(error) => fetch_advice(&error.kind),
            RepoErrorKind::Unsigned | RepoErrorKind::Signature(_) => {
                "do not use this repository until its owner explains it; if a mirror dropped or \
                 damaged repomd.xml.asc, point --repo-url at the original"
            }
            RepoErrorKind::PrimaryChecksum => {
                "wait a minute and run the command again (a repository is inconsistent while it is \
                 being published); if it stays so, report it to its owner"
            }
            RepoErrorKind::Keep(_) => "make space or name another directory with --cache-dir",
            RepoErrorKind::WebPage(_) | RepoErrorKind::Empty(_) => {
                "open the address in a browser from this machine: log in to the network or set the \
                 proxy (HTTPS_PROXY), then run the command again"
            }
            _ => "check that the address is a yum repository; if it is, report this to its owner",
        };
        Explained::new(
            format!(
                "cannot read the repository {} at {}",
                self.repository, self.url
            ),
            self.kind.to_string(),
            next,
        )
    }
}

pub(crate) const fn fetch_exit(kind: &TransportErrorKind) -> Exit {
    match kind {
        TransportErrorKind::Interrupted(_) => Exit::Interrupted,
        _ => Exit::Internal,
    }
}

pub(crate) const fn fetch_advice(kind: &TransportErrorKind) -> &'static str {
    match kind {
        TransportErrorKind::NotFound => {
            "check the address, the distribution and the architecture; --repo-url, or --with-deps for \
             dependencies, names another place"
        }
        TransportErrorKind::Status(401 | 402) => {
            "the server asks for a login: name its read token with --token-file, BUNDLE_TOKEN or a netrc; \
             if you did, it may be the wrong one, or meant for another host (docs/sources.md)"
        }
        TransportErrorKind::Status(407) => {
            "put the proxy's user name and password into the proxy variable of the environment"
        }
        TransportErrorKind::PlainLogin(_) => {
            "use an https address; where that is impossible, --unsafe-send-credentials-over-plain-http \
             sends it all the same, readable for everyone on the way"
        }
        TransportErrorKind::Offline => {
            "run the command once without --offline where there is a network, or name the cache that \
             has it with --cache-dir"
        }
        TransportErrorKind::Interrupted(_) => "run the same command again",
        _ => "check the network, the proxy and the address, then run the command again",
    }
}
