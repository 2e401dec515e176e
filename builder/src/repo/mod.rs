//! Yum repositories: from an address to a [`RepoIndex`] that was signed by a pinned key.

mod capabilities;
mod href;
mod open;
mod primary;
mod repomd;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use manifests::digest::Sha256;
use manifests::nevra::{Arch, Nevra};
use url::Url;

use crate::checksum::{Checksum, ChecksumError};
use crate::error::{Exit, Explained};
use crate::openpgp::{HashRule, SignatureError, SignedBy, TrustedKeys};
use crate::transport::{Request, Transport, TransportError, TransportErrorKind};

pub use capabilities::Capabilities;
pub use href::BadHref;
pub use open::OpenError;
pub use primary::PrimaryError;
pub use repomd::RepomdError;
pub use source::{Override, RepoSource, SourceError, base_url, key_url, sources_for};

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
    /// The packages the product may want from it.
    pub packages: Vec<RepoPackage>,
}

/// A package that a repository lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoPackage {
    /// The package.
    pub nevra: Nevra,
    /// Where it is.
    pub url: Url,
    /// Its size in bytes.
    pub size: u64,
    /// Its checksum.
    pub checksum: Checksum,
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
    /// Primary is not the one that the signed `repomd.xml` names.
    #[error("the package list does not match the checksum in the signed repomd.xml")]
    PrimaryChecksum,
    /// Primary cannot be decompressed.
    #[error("the package list cannot be opened: {0}")]
    PrimaryOpen(#[source] OpenError),
    /// Primary is not usable.
    #[error("the package list is not usable: {0}")]
    Primary(#[source] PrimaryError),
    /// A checksum of primary that is not usable.
    #[error("the package list has an unusable checksum: {0}")]
    Checksum(#[source] ChecksumError),
}

impl RepoError {
    /// Returns how the program ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match &self.kind {
            RepoErrorKind::Fetch(error) => fetch_exit(&error.kind),
            RepoErrorKind::Unsigned
            | RepoErrorKind::Signature(_)
            | RepoErrorKind::PrimaryChecksum => Exit::Verification,
            _ => Exit::Internal,
        }
    }

    /// Returns the error in three parts.
    #[must_use]
    pub fn explain(&self) -> Explained {
        let next = match &self.kind {
            RepoErrorKind::Fetch(error) => fetch_advice(&error.kind),
            RepoErrorKind::Unsigned | RepoErrorKind::Signature(_) => {
                "do not use this repository until its owner explains it; if a mirror dropped or \
                 damaged repomd.xml.asc, point --repo-url at the original"
            }
            RepoErrorKind::PrimaryChecksum => {
                "wait a minute and run the command again (a repository is inconsistent while it is \
                 being published); if it stays so, tell its owner"
            }
            _ => "check that the address is a yum repository; if it is, tell its owner",
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
            "check the address, the distribution and the architecture; --repo-url names another \
             place"
        }
        TransportErrorKind::Status(401 | 402) => {
            "the server wants credentials, which this version does not send; use a mirror that \
             needs none (--repo-url)"
        }
        _ => "check the network, the proxy and the address, then run the command again",
    }
}

/// Reads the repositories. Each address is fetched once, however many sources share it; nothing is
/// parsed before its signature or checksum was found good.
pub fn fetch_index(
    transport: &Transport,
    sources: &[RepoSource],
    keys: &BTreeMap<String, TrustedKeys>,
    packages: &BTreeSet<String>,
) -> Result<RepoIndex, RepoError> {
    let mut unique: Vec<&RepoSource> = Vec::new();
    for source in sources {
        if !unique
            .iter()
            .any(|u| u.url == source.url && u.repository == source.repository)
        {
            unique.push(source);
        }
    }
    let signed = fetch_repomds(transport, &unique, keys)?;
    let mut read = Vec::new();
    // One after the other: a list may be large, and nothing of it but the packages is kept.
    for repomd in &signed {
        let list = fetch_primary(transport, repomd)?;
        read.push((repomd, parse_primary(repomd, &list, packages)?));
    }
    let snapshot = |source: &RepoSource| {
        let of = |(repomd, _): &&(&SignedRepomd<'_>, Vec<RepoPackage>)| {
            repomd.source.url == source.url && repomd.source.repository == source.repository
        };
        let (repomd, packages) = read.iter().find(of)?;
        Some(RepoSnapshot {
            repository: source.repository.clone(),
            distro: source.distro.clone(),
            arch: source.arch,
            url: source.url.clone(),
            revision: repomd.repomd.revision,
            signed_by: repomd.signed_by.clone(),
            repomd_sha256: repomd.sha256,
            packages: packages
                .iter()
                .filter(|package| source.arch.accepts(package.nevra.arch()))
                .cloned()
                .collect(),
        })
    };
    Ok(RepoIndex {
        snapshots: sources.iter().filter_map(snapshot).collect(),
    })
}

/// A package of a list, with what it offers and needs.
pub type Listed = (RepoPackage, Capabilities);

/// Reads repositories whole: every package of every source, verified as [`fetch_index`] does it. A
/// list of 100,000 packages takes some hundred MiB.
pub fn fetch_offers(
    transport: &Transport,
    sources: &[RepoSource],
    keys: &BTreeMap<String, TrustedKeys>,
) -> Result<Vec<(RepoSource, Vec<Listed>)>, RepoError> {
    let all: Vec<&RepoSource> = sources.iter().collect();
    let mut read = Vec::new();
    for repomd in fetch_repomds(transport, &all, keys)? {
        let bytes = fetch_primary(transport, &repomd)?;
        let whole = || {
            let open_size = repomd.repomd.primary.open_size;
            let reader = open::reader(&bytes, open_size).map_err(RepoErrorKind::PrimaryOpen)?;
            primary::parse_whole(reader, &repomd.source.url).map_err(RepoErrorKind::Primary)
        };
        let listed = whole().map_err(|kind| repomd.source.error(kind))?;
        read.push((repomd.source.clone(), listed));
    }
    Ok(read)
}

/// A parsed `repomd.xml` whose bytes carried a signature that counts.
struct SignedRepomd<'a> {
    source: &'a RepoSource,
    repomd: repomd::Repomd,
    primary_url: Url,
    signed_by: SignedBy,
    sha256: Sha256,
}

fn fetch_repomds<'a>(
    transport: &Transport,
    sources: &[&'a RepoSource],
    keys: &BTreeMap<String, TrustedKeys>,
) -> Result<Vec<SignedRepomd<'a>>, RepoError> {
    let requests = sources.iter().flat_map(|source| pair(source));
    let mut fetched = transport.fetch_all(requests.collect()).into_iter();
    let mut signed = Vec::new();
    for source in sources {
        let (Some(document), Some(signature)) = (fetched.next(), fetched.next()) else {
            continue;
        };
        let repomd = match verify_repomd(source, document, signature, keys) {
            // The two are published one after the other: look once more before the alarm.
            Err(RepoErrorKind::Signature(SignatureError::Mismatch(_))) => {
                let mut again = transport.fetch_all(pair(source).into()).into_iter();
                let (Some(document), Some(signature)) = (again.next(), again.next()) else {
                    continue;
                };
                verify_repomd(source, document, signature, keys)
            }
            other => other,
        };
        signed.push(repomd.map_err(|kind| source.error(kind))?);
    }
    Ok(signed)
}

/// Returns the requests for `repomd.xml` and its signature.
fn pair(source: &RepoSource) -> [Request; 2] {
    [
        Request {
            url: source.file("repodata/repomd.xml"),
            limit_bytes: REPOMD_MAX_BYTES,
        },
        Request {
            url: source.file("repodata/repomd.xml.asc"),
            limit_bytes: SIGNATURE_MAX_BYTES,
        },
    ]
}

fn verify_repomd<'a>(
    source: &'a RepoSource,
    document: Result<Vec<u8>, TransportError>,
    signature: Result<Vec<u8>, TransportError>,
    keys: &BTreeMap<String, TrustedKeys>,
) -> Result<SignedRepomd<'a>, RepoErrorKind> {
    let document = document.map_err(RepoErrorKind::Fetch)?;
    let signature = signature.map_err(|error| match error.kind {
        TransportErrorKind::NotFound => RepoErrorKind::Unsigned,
        _ => RepoErrorKind::Fetch(error),
    })?;
    let signed_by = keys
        .get(&source.repository)
        .ok_or(SignatureError::Missing)
        .and_then(|keys| keys.verify(&document, &signature, HashRule::Strong))
        .map_err(RepoErrorKind::Signature)?;
    let repomd = repomd::parse(&document).map_err(RepoErrorKind::Repomd)?;
    let primary_url = href::join(&source.url, &repomd.primary.href)
        .map_err(|error| RepoErrorKind::Repomd(RepomdError::Href(error)))?;
    Ok(SignedRepomd {
        source,
        repomd,
        primary_url,
        signed_by,
        sha256: Sha256::of(&document),
    })
}

fn fetch_primary(transport: &Transport, repomd: &SignedRepomd<'_>) -> Result<Vec<u8>, RepoError> {
    let fail = |kind| repomd.source.error(kind);
    let primary = &repomd.repomd.primary;
    let request = Request {
        url: repomd.primary_url.clone(),
        limit_bytes: primary
            .size
            .map_or(PRIMARY_MAX_BYTES, |size| size.min(PRIMARY_MAX_BYTES)),
    };
    // One byte more than the signed size is as wrong as another checksum.
    let bytes = transport
        .fetch_one(request)
        .map_err(|error| match error.kind {
            TransportErrorKind::TooLarge(_) => fail(RepoErrorKind::PrimaryChecksum),
            _ => fail(RepoErrorKind::Fetch(error)),
        })?;
    if !primary.checksum.matches(&bytes) {
        return Err(fail(RepoErrorKind::PrimaryChecksum));
    }
    Ok(bytes)
}

fn parse_primary(
    repomd: &SignedRepomd<'_>,
    bytes: &[u8],
    wanted: &BTreeSet<String>,
) -> Result<Vec<RepoPackage>, RepoError> {
    let parse = || {
        let open_size = repomd.repomd.primary.open_size;
        let reader = open::reader(bytes, open_size).map_err(RepoErrorKind::PrimaryOpen)?;
        primary::parse(reader, &repomd.source.url, wanted).map_err(RepoErrorKind::Primary)
    };
    parse().map_err(|kind| repomd.source.error(kind))
}
