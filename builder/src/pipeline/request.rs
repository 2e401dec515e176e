//! What a build is asked for, and what it gives.

use std::path::PathBuf;

use manifests::bundle::LintFlag;
use manifests::digest::Sha256;
use manifests::nevra::{Arch, Nevra};
use manifests::product::ProductManifest;
use manifests::signature::KeyId;

use crate::dependencies::Dependencies;
use crate::hosts::{Fleet, Unfit};
use crate::installers;
use crate::keys::{KeyStore, Request};
use crate::lock::Lock;
use crate::parts::PartSize;
use crate::plan::BuildPlan;
use crate::repo::Override;
use crate::repo::vendor_keys::{Accepted, PackageKeys};
use crate::resolve::FromRule;

/// Where a product's packages come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The product.
    pub product: ProductManifest,
    /// Places that replace the product manifest's.
    pub overrides: Vec<Override>,
    /// Package keys from files.
    pub package_keys: Vec<PathBuf>,
    /// Fingerprints accepted on the command line.
    pub trusted: Vec<Accepted>,
}

/// What to build.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Distribution ids or aliases.
    pub distros: Vec<String>,
    /// Architectures.
    pub archs: Vec<Arch>,
    /// Version or line.
    pub version: String,
    /// Which previous packages to carry.
    pub from: FromRule,
    /// The hosts to build for, if they are known.
    pub fleet: Fleet,
    /// Repositories to close the targets over, by address or id; without any, dependencies stay out.
    pub with_deps: Vec<String>,
    /// Packages to carry for a component that does not need them.
    pub tools: Vec<String>,
}

/// How to build it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bundle.
    pub out: PathBuf,
    /// Write parts of this size instead of one file.
    pub split: Option<PartSize>,
    /// The lock; nothing when one is given.
    pub lock: Option<PathBuf>,
    /// A fixed sequence.
    pub sequence: Option<u64>,
    /// `SOURCE_DATE_EPOCH`.
    pub timestamp: Option<u64>,
    /// Packages that may lack a strong signature.
    pub accept_unsigned: Vec<String>,
    /// Packages that may have other bytes than in the earlier lock.
    pub accept_replaced: Vec<String>,
    /// The carried installers.
    pub installers: installers::Choice,
    /// The carried files beside packages.
    pub extras: Vec<PathBuf>,
    /// Where RPMs are kept.
    pub cache: PathBuf,
    /// Where our key is kept.
    pub keys: KeyStore,
    /// Who signs.
    pub request: Request,
    /// Compression threads.
    pub workers: u32,
}

/// A finished build.
#[derive(Debug)]
pub struct Built {
    /// What was built.
    pub lock: Lock,
    /// The digest of the manifest.
    pub digest: Sha256,
    /// The size of the bundle in bytes.
    pub bytes: u64,
    /// The fingerprint of the root document.
    pub root_fingerprint: Sha256,
    /// The ids of the signing keys.
    pub key_ids: Vec<KeyId>,
    /// How many signatures a host asks for.
    pub threshold: usize,
    /// Whether that key was made by this build.
    pub key_created: bool,
    /// What hosts may refuse, or what deserves a look.
    pub flags: Vec<(Nevra, LintFlag)>,
    /// The bundle, or the list of its parts; then the files beside it.
    pub files: Vec<PathBuf>,
}

/// A plan and the keys its packages are checked with.
#[derive(Debug)]
pub struct Planned {
    /// What to fetch.
    pub plan: BuildPlan,
    /// The package keys.
    pub keys: PackageKeys,
    /// The highest revision of the product's own metadata.
    pub revision: Option<u64>,
    /// What else the targets need.
    pub dependencies: Vec<Dependencies>,
    /// Packages that would not work on a host.
    pub unfit: Vec<Unfit>,
}
