//! Files beside packages, as far as the product manifest allows them: each is for the very version
//! that the bundle brings.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use manifests::bundle::Role;
use manifests::bundle_path::{BundlePath, BundlePathError};
use manifests::digest::{Hasher, Sha256};
use manifests::limits::PAYLOAD_MAX_BYTES;
use manifests::nevra::Arch;
use manifests::product::{ExtraFormat, ExtraRule, ExtraTarget, ProductManifest};
use serde::{Deserialize, Serialize};

use crate::elf;
use crate::explain::{Exit, Explain, Explained};
use crate::plan::BuildPlan;

/// A file to carry that was found and hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// What it is.
    pub locked: LockedExtra,
    /// Where it is.
    pub path: PathBuf,
}

/// A carried file by what it was when it was taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedExtra {
    /// Id of the product manifest's rule.
    pub rule: String,
    /// Its file name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
}

impl LockedExtra {
    /// Returns its place in a bundle: `extras/<rule>/<name>`.
    pub fn bundle_path(&self) -> Result<BundlePath, BundlePathError> {
        format!("extras/{}/{}", self.rule, self.name).parse()
    }
}

/// A file that cannot be carried.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct ExtraError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: ExtraErrorKind,
}

/// What can be wrong with a file to carry.
#[derive(Debug, thiserror::Error)]
pub enum ExtraErrorKind {
    /// Cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// No rule knows such names.
    #[error("{0}")]
    NotAllowed(String),
    /// Two files of one name.
    #[error("a file of that name is given twice")]
    Twice,
    /// A name that no entry may have.
    #[error(transparent)]
    Name(#[from] BundlePathError),
    /// Bytes that are not what the rule asks for.
    #[error("it is not a shared object for {0}")]
    NotASharedObject(Arch),
    /// Larger than readers take.
    #[error("it has more than {PAYLOAD_MAX_BYTES} bytes")]
    TooLarge,
    /// Not in the lock.
    #[error("the lock names no file of this name with sha256 {0}")]
    NotLocked(Sha256),
    /// In the lock, and not given.
    #[error("the lock names this file with sha256 {0}, and it was not given")]
    Missing(Sha256),
}

impl Explain for ExtraError {
    fn exit(&self) -> Exit {
        match self.kind {
            ExtraErrorKind::NotLocked(_) => Exit::Verification,
            _ => Exit::Usage,
        }
    }

    fn explain(&self) -> Explained {
        let next = match &self.kind {
            ExtraErrorKind::Unreadable(_) => "check the path and its permissions",
            ExtraErrorKind::NotAllowed(_) | ExtraErrorKind::NotASharedObject(_) => {
                "name only files that hosts of this bundle can use; \
                 docs/product-manifest.md has the rules"
            }
            ExtraErrorKind::Twice => "name each file once",
            ExtraErrorKind::Name(_) => "give it a name of letters, digits and ._+~^-",
            ExtraErrorKind::TooLarge => "leave it out",
            ExtraErrorKind::NotLocked(_) | ExtraErrorKind::Missing(_) => {
                "pass the files of the locked build with --extra, or build without --locked"
            }
        };
        Explained::new("cannot take the extra files along", self.to_string(), next)
    }
}

/// Finds a rule for every file, looks at it and hashes it.
pub fn find(
    product: &ProductManifest,
    plan: &BuildPlan,
    files: &[PathBuf],
) -> Result<Vec<Extra>, ExtraError> {
    let mut found: Vec<Extra> = Vec::new();
    for path in files {
        let extra = take(product, plan, path).map_err(|kind| ExtraError {
            path: path.clone(),
            kind,
        })?;
        let same = |other: &Extra| {
            (&other.locked.rule, &other.locked.name) == (&extra.locked.rule, &extra.locked.name)
        };
        if found.iter().any(same) {
            return Err(ExtraError {
                path: path.clone(),
                kind: ExtraErrorKind::Twice,
            });
        }
        found.push(extra);
    }
    found.sort_by(|a, b| a.locked.cmp(&b.locked));
    Ok(found)
}

/// Finds the files of a lock among those given.
pub fn find_locked(
    product: &ProductManifest,
    plan: &BuildPlan,
    files: &[PathBuf],
    locked: &[LockedExtra],
) -> Result<Vec<Extra>, ExtraError> {
    let found = find(product, plan, files)?;
    if let Some(other) = found.iter().find(|extra| !locked.contains(&extra.locked)) {
        return Err(ExtraError {
            path: other.path.clone(),
            kind: ExtraErrorKind::NotLocked(other.locked.sha256),
        });
    }
    let is_given = |wanted: &LockedExtra| found.iter().any(|extra| extra.locked == *wanted);
    match locked.iter().find(|wanted| !is_given(wanted)) {
        Some(missing) => Err(ExtraError {
            path: PathBuf::from(&missing.name),
            kind: ExtraErrorKind::Missing(missing.sha256),
        }),
        None => Ok(found),
    }
}

fn take(product: &ProductManifest, plan: &BuildPlan, path: &Path) -> Result<Extra, ExtraErrorKind> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (rule, arch) = rule_for(product, plan, &name)?;
    let (start, size, sha256) = read(path)?;
    if rule.format == ExtraFormat::ElfSharedObject && !elf::is_shared_object(&start, arch) {
        return Err(ExtraErrorKind::NotASharedObject(arch));
    }
    let locked = LockedExtra {
        rule: rule.id.clone(),
        name: name.into_owned(),
        size,
        sha256,
    };
    locked.bundle_path()?;
    Ok(Extra {
        locked,
        path: path.to_owned(),
    })
}

/// Finds the rule that a name is after, and the architecture that it is for.
fn rule_for<'a>(
    product: &'a ProductManifest,
    plan: &BuildPlan,
    name: &str,
) -> Result<(&'a ExtraRule, Arch), ExtraErrorKind> {
    let mut wanted = Vec::new();
    for rule in &product.extras {
        for (version, arch) in versions(plan, &rule.component) {
            let target = ExtraTarget {
                version: &version,
                arch,
            };
            if rule.accepts(name, target) {
                return Ok((rule, arch));
            }
            wanted.push(format!(
                "{} for {} {version} ({arch}) is called {}: {}",
                rule.title,
                rule.component,
                rule.expected(target),
                rule.cure_for(target)
            ));
        }
    }
    wanted.dedup();
    let reason = if wanted.is_empty() {
        "the product manifest allows no files beside packages here".to_owned()
    } else {
        format!(
            "no host of this bundle would use it; a {}",
            wanted.join("; a ")
        )
    };
    Err(ExtraErrorKind::NotAllowed(reason))
}

/// Returns the versions that a component gets, by architecture, each once.
fn versions(plan: &BuildPlan, component: &str) -> Vec<(String, Arch)> {
    let mut found = Vec::new();
    for target in &plan.targets {
        for (purpose, package) in plan.packages_for(target, Role::Target) {
            let version = (package.nevra.evr().version().to_owned(), target.arch);
            if purpose.component == component && !found.contains(&version) {
                found.push(version);
            }
        }
    }
    found
}

fn read(path: &Path) -> Result<(Vec<u8>, u64, Sha256), ExtraErrorKind> {
    let file = File::open(path).map_err(ExtraErrorKind::Unreadable)?;
    let mut file = file.take(PAYLOAD_MAX_BYTES + 1);
    let (mut hasher, mut size, mut start) = (Hasher::default(), 0_u64, Vec::new());
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let taken = file.read(&mut buffer).map_err(ExtraErrorKind::Unreadable)?;
        if taken == 0 {
            break;
        }
        if start.len() < elf::START_BYTES {
            start.extend_from_slice(&buffer[..taken.min(elf::START_BYTES)]);
        }
        hasher.update(&buffer[..taken]);
        size += taken as u64;
    }
    if size > PAYLOAD_MAX_BYTES {
        return Err(ExtraErrorKind::TooLarge);
    }
    Ok((start, size, hasher.finish()))
}
