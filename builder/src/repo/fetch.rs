//! Fetching the metadata of repositories: signed table of contents first, then the package list, and
//! both again where a repository is published anew in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use backon::BackoffBuilder as _;
use manifests::closure::Capabilities;
use manifests::digest::Sha256;
use url::Url;

use super::{
    PRIMARY_MAX_BYTES, PrimaryError, REPOMD_MAX_BYTES, RepoError, RepoErrorKind, RepoIndex,
    RepoPackage, RepoSnapshot, RepoSource, RepomdError, SIGNATURE_MAX_BYTES, href, open, primary,
    repomd,
};
use crate::repo::openpgp::{HashRule, SignatureError, SignedBy, TrustedKeys};
use crate::sniff::is_web_page;
use crate::transport::{Network, Request, Transport, TransportError, TransportErrorKind};

/// Metadata keys by repository id.
type Keys = BTreeMap<String, TrustedKeys>;

/// A parsed `repomd.xml` whose bytes carried a signature that counts.
struct SignedRepomd<'a> {
    source: &'a RepoSource,
    repomd: repomd::Repomd,
    primary_url: Url,
    signed_by: SignedBy,
    sha256: Sha256,
    document: Vec<u8>,
    signature: Vec<u8>,
    /// The package list, if it was kept with the rest.
    kept_list: Option<Vec<u8>>,
}

/// Reads the repositories. Each address is fetched once, however many sources share it; nothing is
/// parsed before its signature or checksum was found good.
pub fn fetch_index(
    transport: &Transport,
    sources: &[RepoSource],
    keys: &Keys,
    packages: &BTreeSet<String>,
) -> Result<RepoIndex, RepoError> {
    let mut unique: Vec<&RepoSource> = Vec::new();
    for source in sources {
        if !unique.iter().any(|known| same_place(known, source)) {
            unique.push(source);
        }
    }
    let mut read = Vec::new();
    // One after the other: a list may be large, and nothing of it but the packages is kept.
    for repomd in obtain_repomds(transport, &unique, keys)? {
        read.push(read_list(transport, repomd, keys, |reader, base| {
            primary::parse(reader, base, packages)
        })?);
    }
    let snapshot = |source: &RepoSource| {
        let found = read
            .iter()
            .find(|(repomd, _)| same_place(repomd.source, source));
        found.map(|(repomd, packages)| snapshot(source, repomd, packages))
    };
    Ok(RepoIndex {
        snapshots: sources.iter().filter_map(snapshot).collect(),
    })
}

/// A package of a list, with what it offers and needs.
pub type Listed = (RepoPackage, Capabilities);

/// A repository with everything that it lists.
#[derive(Debug)]
pub struct WholeRepo {
    /// What it is; its packages are in `listed` alone.
    pub snapshot: RepoSnapshot,
    /// Every package.
    pub listed: Vec<Listed>,
}

/// Reads repositories whole: every package of every source, verified as [`fetch_index`] does it. A
/// list of 100,000 packages takes some hundred MiB.
pub fn fetch_offers(
    transport: &Transport,
    sources: &[RepoSource],
    keys: &Keys,
) -> Result<Vec<WholeRepo>, RepoError> {
    let all: Vec<&RepoSource> = sources.iter().collect();
    let mut read = Vec::new();
    for repomd in obtain_repomds(transport, &all, keys)? {
        let (repomd, listed) = read_list(transport, repomd, keys, |reader, base| {
            primary::parse_whole(reader, base)
        })?;
        let snapshot = snapshot(repomd.source, &repomd, &[]);
        read.push(WholeRepo { snapshot, listed });
    }
    Ok(read)
}

fn same_place(a: &RepoSource, b: &RepoSource) -> bool {
    a.url == b.url && a.repository == b.repository
}

fn snapshot(
    source: &RepoSource,
    repomd: &SignedRepomd<'_>,
    packages: &[RepoPackage],
) -> RepoSnapshot {
    let fitting = |package: &&RepoPackage| source.arch.accepts(package.nevra.arch());
    RepoSnapshot {
        repository: source.repository.clone(),
        distro: source.distro.clone(),
        arch: source.arch,
        url: source.url.clone(),
        revision: repomd.repomd.revision,
        signed_by: repomd.signed_by.clone(),
        repomd_sha256: repomd.sha256,
        packages: packages.iter().filter(fitting).cloned().collect(),
    }
}

fn obtain_repomds<'a>(
    transport: &Transport,
    sources: &[&'a RepoSource],
    keys: &Keys,
) -> Result<Vec<SignedRepomd<'a>>, RepoError> {
    let offline = transport.network() == Network::Offline;
    let (kept, fetched): (Vec<_>, Vec<_>) = sources
        .iter()
        .partition(|source| offline && source.url.scheme() != "file");
    let mut signed = fetch_repomds(transport, &fetched, keys)?;
    for source in kept {
        let found = kept_repomd(transport, source, keys).map_err(|kind| source.error(kind))?;
        signed.push(found);
    }
    Ok(signed)
}

/// Takes what an earlier build kept, through the same checks.
fn kept_repomd<'a>(
    transport: &Transport,
    source: &'a RepoSource,
    keys: &Keys,
) -> Result<SignedRepomd<'a>, RepoErrorKind> {
    let parts = transport.kept().and_then(|kept| kept.find(&source.url));
    let Some(Ok([document, signature, list])) = parts.map(<[Vec<u8>; 3]>::try_from) else {
        return Err(RepoErrorKind::Fetch(TransportError {
            url: Box::new(source.file("repodata/repomd.xml")),
            kind: TransportErrorKind::Offline,
        }));
    };
    let mut repomd = verify_repomd(source, Ok(document), Ok(signature), keys)?;
    repomd.kept_list = Some(list);
    Ok(repomd)
}

fn fetch_repomds<'a>(
    transport: &Transport,
    sources: &[&'a RepoSource],
    keys: &Keys,
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
    keys: &Keys,
) -> Result<SignedRepomd<'a>, RepoErrorKind> {
    let document = document.map_err(RepoErrorKind::Fetch)?;
    let signature = signature.map_err(|error| match error.kind {
        TransportErrorKind::NotFound => RepoErrorKind::Unsigned,
        _ => RepoErrorKind::Fetch(error),
    })?;
    name_what_it_is_instead("repomd.xml", &document)?;
    name_what_it_is_instead("repomd.xml.asc", &signature)?;
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
        document,
        signature,
        kept_list: None,
    })
}

fn name_what_it_is_instead(file: &'static str, bytes: &[u8]) -> Result<(), RepoErrorKind> {
    if bytes.is_empty() {
        return Err(RepoErrorKind::Empty(file));
    }
    if is_web_page(bytes) {
        return Err(RepoErrorKind::WebPage(file));
    }
    Ok(())
}

/// Fetches and parses the package list. A repository that is published anew meanwhile names a list
/// that is gone or has other bytes: then everything starts from `repomd.xml` again, a few times.
fn read_list<'a, T>(
    transport: &Transport,
    mut repomd: SignedRepomd<'a>,
    keys: &Keys,
    read: impl Fn(&mut dyn BufRead, &Url) -> Result<T, PrimaryError>,
) -> Result<(SignedRepomd<'a>, T), RepoError> {
    let mut pauses = transport.backoff().build();
    let list = loop {
        let moved_on = match fetch_primary(transport, &mut repomd) {
            Ok(list) => break list,
            Err(error) if has_moved_on(&error.kind) => error,
            Err(error) => return Err(error),
        };
        let Some(pause) = pauses.next() else {
            return Err(moved_on);
        };
        let source = repomd.source;
        transport.pause(pause).map_err(|kind| {
            let url = Box::new(source.url.clone());
            source.error(RepoErrorKind::Fetch(TransportError { url, kind }))
        })?;
        match fetch_repomds(transport, &[source], keys)?.pop() {
            Some(newer) => repomd = newer,
            None => return Err(moved_on),
        }
    };
    let packages = parse_primary(&repomd, &list, read)?;
    keep(transport, &repomd, &list)?;
    Ok((repomd, packages))
}

/// Whether an error is what a repository that changes half-way looks like.
fn has_moved_on(kind: &RepoErrorKind) -> bool {
    match kind {
        RepoErrorKind::PrimaryChecksum => true,
        RepoErrorKind::Fetch(error) => matches!(
            error.kind,
            TransportErrorKind::NotFound | TransportErrorKind::RedirectedAway
        ),
        _ => false,
    }
}

fn keep(transport: &Transport, repomd: &SignedRepomd<'_>, list: &[u8]) -> Result<(), RepoError> {
    let source = repomd.source;
    let online = transport.network() == Network::Online && source.url.scheme() != "file";
    match transport.kept().filter(|_| online) {
        Some(kept) => kept
            .keep(&source.url, &[&repomd.document, &repomd.signature, list])
            .map_err(|error| source.error(RepoErrorKind::Keep(error))),
        None => Ok(()),
    }
}

fn fetch_primary(
    transport: &Transport,
    repomd: &mut SignedRepomd<'_>,
) -> Result<Vec<u8>, RepoError> {
    let source = repomd.source;
    let fail = |kind| source.error(kind);
    let primary = &repomd.repomd.primary;
    let bytes = if let Some(list) = repomd.kept_list.take() {
        list
    } else {
        let most = primary.size.unwrap_or(PRIMARY_MAX_BYTES);
        let request = Request {
            url: repomd.primary_url.clone(),
            limit_bytes: most.min(PRIMARY_MAX_BYTES),
        };
        // One byte more than the signed size is as wrong as another checksum.
        transport
            .fetch_one(request)
            .map_err(|error| match error.kind {
                TransportErrorKind::TooLarge(_) => fail(RepoErrorKind::PrimaryChecksum),
                _ => fail(RepoErrorKind::Fetch(error)),
            })?
    };
    if primary.checksum.matches(&bytes) {
        return Ok(bytes);
    }
    name_what_it_is_instead("the package list", &bytes).map_err(fail)?;
    Err(fail(RepoErrorKind::PrimaryChecksum))
}

fn parse_primary<T>(
    repomd: &SignedRepomd<'_>,
    bytes: &[u8],
    read: impl Fn(&mut dyn BufRead, &Url) -> Result<T, PrimaryError>,
) -> Result<T, RepoError> {
    let parse = || {
        let open_size = repomd.repomd.primary.open_size;
        let mut reader = open::reader(bytes, open_size).map_err(RepoErrorKind::PrimaryOpen)?;
        read(&mut reader, &repomd.source.url).map_err(RepoErrorKind::Primary)
    };
    parse().map_err(|kind| repomd.source.error(kind))
}
