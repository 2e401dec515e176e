//! The vendor's keys: fetched, compared with the pins, and never believed because they were there.

mod accepted;
mod error;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use manifests::limits::VENDOR_KEY_MAX_BYTES;
use manifests::nevra::Arch;
use manifests::product::{Distro, ProductManifest};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::repo::openpgp::{Certificate, Fingerprint, TrustedKeys};
use crate::repo::{self, Override, SourceError};
use crate::sniff::is_web_page;
use crate::transport::{Network, Request, Transport, TransportError};

pub use accepted::{Accepted, check_carried};
pub use error::VendorKeyError;

/// Keys of a build, all pinned.
#[derive(Debug, Clone)]
pub struct VendorKeys {
    /// Metadata keys by repository id.
    pub metadata: BTreeMap<String, TrustedKeys>,
    /// Package keys.
    pub packages: PackageKeys,
}

/// The keys that may have signed the packages.
#[derive(Debug, Clone)]
pub struct PackageKeys {
    /// Against these every package is checked.
    pub trusted: TrustedKeys,
    /// The same keys as the bundle carries them.
    pub carried: Vec<CarriedKey>,
}

/// A package key as a bundle and a lock carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedKey {
    /// `keys/vendor/<name>.asc`.
    pub name: String,
    /// Where it was read from.
    pub origin: String,
    /// The primary key's fingerprint.
    pub fingerprint: Fingerprint,
    /// The armored certificate.
    pub armored: String,
}

/// What a key is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Signs a repository's metadata.
    Metadata(String),
    /// Signs packages.
    Package(String),
}

/// Where a key is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An address.
    Url(Box<Url>),
    /// A file that the user named.
    File(PathBuf),
}

/// A key whose fingerprint is not among the pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// What it is for.
    pub purpose: Purpose,
    /// Where it was read from.
    pub origin: Origin,
    /// What the pins are.
    pub pins: Vec<Fingerprint>,
    /// What was found.
    pub found: Vec<Fingerprint>,
}

struct Wanted {
    purpose: Purpose,
    origin: Origin,
    pins: Vec<Fingerprint>,
}

/// Fetches the metadata keys of every repository.
pub fn fetch_metadata_keys(
    transport: &Transport,
    product: &ProductManifest,
    overrides: &[Override],
    accepted: &[Accepted],
    distros: &[&Distro],
    archs: &[Arch],
) -> Result<BTreeMap<String, TrustedKeys>, VendorKeyError> {
    let wanted = metadata_wanted(product, overrides, distros, archs)?;
    Accepted::check_roles(accepted, roles(product, &[]))?;
    let keys = establish(transport, &wanted, accepted)?;
    Ok(by_repository(&wanted, keys))
}

/// Fetches every key of a build. All keys that are not pinned are reported together.
pub fn fetch_all(
    transport: &Transport,
    product: &ProductManifest,
    overrides: &[Override],
    package_key_files: &[PathBuf],
    accepted: &[Accepted],
    distros: &[&Distro],
    archs: &[Arch],
) -> Result<VendorKeys, VendorKeyError> {
    let mut wanted = metadata_wanted(product, overrides, distros, archs)?;
    let metadata = wanted.len();
    wanted.extend(package_wanted(product, package_key_files)?);
    Accepted::check_roles(accepted, roles(product, &wanted))?;
    let mut keys = establish(transport, &wanted, accepted)?;
    let package_sets = keys.split_off(metadata);
    let carried = carried(&wanted[metadata..], &package_sets)?;
    Ok(VendorKeys {
        metadata: by_repository(&wanted, keys),
        packages: PackageKeys {
            trusted: TrustedKeys::union(package_sets),
            carried,
        },
    })
}

impl PackageKeys {
    /// Takes the keys that a lock carries, and of them what a build carries.
    pub fn from_carried(mut carried: Vec<CarriedKey>) -> Result<Self, VendorKeyError> {
        let mut sets = Vec::new();
        for key in &mut carried {
            let purpose = Purpose::Package(key.name.clone());
            let origin = Origin::File(PathBuf::from("(the lock)"));
            let unusable = |source| VendorKeyError::Certificate {
                purpose: purpose.clone(),
                origin: origin.clone(),
                source,
            };
            let found = Certificate::read_all(key.armored.as_bytes()).map_err(unusable)?;
            let pins = vec![key.fingerprint.clone()];
            let pinned = TrustedKeys::pin(found, &pins).map_err(|error| {
                VendorKeyError::NotPinned(vec![Unpinned {
                    purpose: purpose.clone(),
                    origin: origin.clone(),
                    pins: pins.clone(),
                    found: error.found,
                }])
            })?;
            let keys = pinned.minimised().map_err(unusable)?;
            if let Some(certificate) = keys.certificates().first() {
                key.armored = certificate.armored().map_err(unusable)?;
            }
            sets.push(keys);
        }
        Ok(Self {
            trusted: TrustedKeys::union(sets),
            carried,
        })
    }
}

/// Returns the names of every key that can be accepted.
fn roles(product: &ProductManifest, wanted: &[Wanted]) -> impl Iterator<Item = String> {
    let repositories = product.repositories.iter();
    let metadata = repositories.map(|one| Purpose::Metadata(one.id.clone()));
    let keys = product.package_keys.iter();
    let package = keys.map(|one| Purpose::Package(one.id.clone()));
    let more = wanted.iter().map(|one| one.purpose.clone());
    let all: std::collections::BTreeSet<String> = metadata
        .chain(package)
        .chain(more)
        .map(|purpose| purpose.role())
        .collect();
    all.into_iter()
}

/// Joins the keys of each repository.
fn by_repository(wanted: &[Wanted], keys: Vec<TrustedKeys>) -> BTreeMap<String, TrustedKeys> {
    let mut sets: BTreeMap<String, Vec<TrustedKeys>> = BTreeMap::new();
    for (key, set) in wanted.iter().zip(keys) {
        if let Purpose::Metadata(repository) = &key.purpose {
            sets.entry(repository.clone()).or_default().push(set);
        }
    }
    let union = |(repository, sets)| (repository, TrustedKeys::union(sets));
    sets.into_iter().map(union).collect()
}

fn metadata_wanted(
    product: &ProductManifest,
    overrides: &[Override],
    distros: &[&Distro],
    archs: &[Arch],
) -> Result<Vec<Wanted>, VendorKeyError> {
    let mut wanted = Vec::new();
    for repository in &product.repositories {
        let pins = parse_pins(&repository.key_fingerprints)?;
        for url in repo::key_urls(product, repository, overrides, distros, archs)? {
            wanted.push(Wanted {
                purpose: Purpose::Metadata(repository.id.clone()),
                origin: Origin::Url(Box::new(url)),
                pins: pins.clone(),
            });
        }
    }
    Ok(wanted)
}

fn package_wanted(
    product: &ProductManifest,
    files: &[PathBuf],
) -> Result<Vec<Wanted>, VendorKeyError> {
    if files.is_empty() {
        let from_url = |key: &manifests::product::PackageKey| {
            let url = Url::parse(&key.url).map_err(|_| SourceError::Address(key.url.clone()))?;
            Ok(Wanted {
                purpose: Purpose::Package(key.id.clone()),
                origin: Origin::Url(Box::new(url)),
                pins: parse_pins(&key.fingerprints)?,
            })
        };
        return product.package_keys.iter().map(from_url).collect();
    }
    // Files replace the published keys in their order; what may be accepted stays the same.
    let mut pins = Vec::new();
    for key in &product.package_keys {
        pins.extend(parse_pins(&key.fingerprints)?);
    }
    let from_file = |(at, file): (usize, &PathBuf)| Wanted {
        purpose: Purpose::Package(match product.package_keys.get(at) {
            Some(key) => key.id.clone(),
            None => format!("package-key-{}", at + 1),
        }),
        origin: Origin::File(file.clone()),
        pins: pins.clone(),
    };
    Ok(files.iter().enumerate().map(from_file).collect())
}

fn parse_pins(texts: &[String]) -> Result<Vec<Fingerprint>, VendorKeyError> {
    let parse = |text: &String| text.parse().map_err(VendorKeyError::Pin);
    texts.iter().map(parse).collect()
}

fn establish(
    transport: &Transport,
    wanted: &[Wanted],
    accepted: &[Accepted],
) -> Result<Vec<TrustedKeys>, VendorKeyError> {
    let requests = wanted.iter().filter_map(|key| match &key.origin {
        Origin::Url(url) => Some(Request {
            url: (**url).clone(),
            limit_bytes: VENDOR_KEY_MAX_BYTES,
        }),
        Origin::File(_) => None,
    });
    let mut fetched = obtain(transport, requests.collect()).into_iter();
    let (mut trusted, mut unpinned) = (Vec::new(), Vec::new());
    for key in wanted {
        let bytes = match &key.origin {
            Origin::File(path) => read_key(path)?,
            Origin::Url(_) => match fetched.next() {
                Some(Err(source)) => {
                    let purpose = key.purpose.clone();
                    return Err(VendorKeyError::Fetch { purpose, source });
                }
                Some(Ok(bytes)) => bytes,
                None => Vec::new(),
            },
        };
        let unusable = |source| VendorKeyError::Certificate {
            purpose: key.purpose.clone(),
            origin: key.origin.clone(),
            source,
        };
        if is_web_page(&bytes) {
            return Err(VendorKeyError::WebPage {
                purpose: key.purpose.clone(),
                origin: key.origin.clone(),
            });
        }
        let found = Certificate::read_all(&bytes).map_err(unusable)?;
        let by_hand = |one| Accepted::counts_for(one, &key.purpose, &key.pins);
        let accepted = accepted.iter().filter_map(by_hand);
        let allowed: Vec<Fingerprint> = key.pins.iter().chain(accepted).cloned().collect();
        match TrustedKeys::pin(found, &allowed) {
            Ok(keys) => {
                trusted.push(keys.minimised().map_err(unusable)?);
                keep(transport, &key.origin, &bytes)?;
            }
            Err(error) => unpinned.push(Unpinned {
                purpose: key.purpose.clone(),
                origin: key.origin.clone(),
                pins: key.pins.clone(),
                found: error.found,
            }),
        }
    }
    if unpinned.is_empty() {
        Ok(trusted)
    } else {
        Err(VendorKeyError::NotPinned(unpinned))
    }
}

/// Fetches keys, or takes what was kept of them where there is no network.
fn obtain(transport: &Transport, requests: Vec<Request>) -> Vec<Result<Vec<u8>, TransportError>> {
    if transport.network() == Network::Online {
        return transport.fetch_all(requests);
    }
    let one = |request: Request| {
        let kept = transport.kept().and_then(|kept| kept.find(&request.url));
        match kept.and_then(|mut parts| parts.pop()) {
            Some(bytes) if request.url.scheme() != "file" => Ok(bytes),
            _ => transport.fetch_one(request),
        }
    };
    requests.into_iter().map(one).collect()
}

/// Keeps a key whose fingerprint was accepted.
fn keep(transport: &Transport, origin: &Origin, bytes: &[u8]) -> Result<(), VendorKeyError> {
    match (transport.kept(), origin) {
        (Some(kept), Origin::Url(url))
            if url.scheme() != "file" && transport.network() == Network::Online =>
        {
            kept.keep(url, &[bytes]).map_err(VendorKeyError::Keep)
        }
        _ => Ok(()),
    }
}

fn read_key(path: &Path) -> Result<Vec<u8>, VendorKeyError> {
    let read = || {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(VENDOR_KEY_MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| VendorKeyError::File {
        path: path.to_owned(),
        source,
    })
}

/// Only pinned certificates are carried, each in a file of its own: the host imports all of them.
fn carried(wanted: &[Wanted], sets: &[TrustedKeys]) -> Result<Vec<CarriedKey>, VendorKeyError> {
    let mut carried = Vec::new();
    for (key, set) in wanted.iter().zip(sets) {
        let Purpose::Package(id) = &key.purpose else {
            continue;
        };
        for (at, certificate) in set.certificates().iter().enumerate() {
            let armored = certificate
                .armored()
                .map_err(|source| VendorKeyError::Certificate {
                    purpose: key.purpose.clone(),
                    origin: key.origin.clone(),
                    source,
                })?;
            carried.push(CarriedKey {
                name: if at == 0 {
                    id.clone()
                } else {
                    format!("{id}-{}", at + 1)
                },
                origin: match &key.origin {
                    Origin::Url(url) => url.to_string(),
                    // A path of the build machine does not belong in a lock.
                    Origin::File(path) => path
                        .file_name()
                        .map(|name| name.to_string_lossy().into_owned())
                        .unwrap_or_default(),
                },
                fingerprint: certificate.fingerprint().clone(),
                armored,
            });
        }
    }
    Ok(carried)
}
