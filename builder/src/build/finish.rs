//! The last steps: the lock, then assembling, signing, writing and reading back.

use std::fs::File;
use std::path::PathBuf;

use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::product::ProductManifest;

use super::{Built, Origin, Settings};
use crate::archive::{self, ArchiveError};
use crate::assemble::assemble;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::installers::{Installer, InstallerError};
use crate::lock::{LOCK_TYPE, Lock, LockError, LockedInstaller, LockedRpm, tool_version};
use crate::output::{self, Pending};
use crate::package::DownloadedRpm;
use crate::plan::BuildPlan;
use crate::sign::{Opened, sign};
use crate::vendor_keys::PackageKeys;

/// What a build chose and fetched.
pub(super) struct Chosen<'a> {
    pub(super) plan: BuildPlan,
    pub(super) sequence: Option<u64>,
    pub(super) rpms: &'a [DownloadedRpm],
    pub(super) keys: &'a PackageKeys,
    pub(super) installers: &'a [Installer],
}

/// Writes down every input.
pub(super) fn lock(
    chosen: Chosen<'_>,
    origin: &Origin,
    settings: &Settings,
) -> Result<Lock, Error> {
    let Chosen { plan, rpms, .. } = chosen;
    let (keys, installers) = (chosen.keys, chosen.installers);
    let newest = rpms.iter().map(DownloadedRpm::build_time).max();
    let timestamp = settings.timestamp.or(newest).unwrap_or(0);
    let product = canonical(&origin.product).map_err(LockError::Json)?;
    let mut trusted_vendor_keys = origin.trusted.clone();
    trusted_vendor_keys.sort();
    trusted_vendor_keys.dedup();
    Ok(Lock {
        document: LOCK_TYPE.to_owned(),
        tool_version: tool_version(),
        sequence: chosen.sequence.unwrap_or(timestamp),
        timestamp,
        rpms: rpms
            .iter()
            .map(|rpm| LockedRpm {
                nevra: rpm.planned().nevra.clone(),
                sha256: rpm.sha256(),
            })
            .collect(),
        plan,
        product: origin.product.clone(),
        product_sha256: Sha256::of(&product),
        package_keys: keys.carried.clone(),
        trusted_vendor_keys,
        accepted_unsigned: settings.accept_unsigned.clone(),
        installers: installers
            .iter()
            .map(|installer| LockedInstaller {
                arch: installer.arch,
                sha256: installer.sha256,
            })
            .collect(),
    })
}

/// Returns one more than the earlier lock's sequence, unless `--sequence` makes it needless. A build
/// takes the higher of this and the metadata's revision: two builders that take turns, only one of
/// which has the earlier lock, must not overtake each other.
pub(super) fn after_earlier(
    product: &ProductManifest,
    settings: &Settings,
) -> Result<Option<u64>, LockError> {
    match (&settings.lock, settings.sequence) {
        (Some(path), None) => Lock::next_sequence(path, &product.name, &product.channel),
        _ => Ok(None),
    }
}

/// Assembles, signs and writes. Everything is written and verified before anything gets its name,
/// and the bundle gets its name last.
pub(super) fn finish(
    lock: Lock,
    rpms: &[DownloadedRpm],
    installers: &[Installer],
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Built, Error> {
    observer.event(&Event::Stage("writing and signing the bundle"));
    let unsigned = assemble(&lock, rpms, installers)?;
    let Opened { identity, created } = settings.keys.open_or_create()?;
    let page = unsigned.review_page().to_owned();
    let signed = sign(unsigned, &identity)?;
    let mut bundle = Pending::begin(&settings.out, 0o644)?;
    archive::write(&signed, bundle.file_mut(), settings.workers)?;
    observer.event(&Event::Stage("reading the bundle back"));
    let reopened = File::open(bundle.temporary_path()).map_err(|source| ArchiveError::Open {
        path: settings.out.clone(),
        source,
    })?;
    let bytes = reopened.metadata().map_or(0, |metadata| metadata.len());
    archive::verify(reopened, std::slice::from_ref(identity.root()))?;
    let mut files = vec![settings.out.clone()];
    let documents = Documents {
        lock: &lock,
        root: identity.root_bytes(),
        page: &page,
    };
    let mut pending = companions(&documents, installers, settings, &mut files)?;
    pending.push(bundle);
    for file in pending {
        file.commit()?;
    }
    Ok(Built {
        digest: signed.digest(),
        bytes,
        root_fingerprint: *identity.root().fingerprint(),
        key_id: identity.public().id().as_str().to_owned(),
        key_created: created,
        files,
        lock,
    })
}

/// What is written beside the bundle, but for the installers.
struct Documents<'a> {
    lock: &'a Lock,
    root: &'a [u8],
    page: &'a [u8],
}

/// Prepares the files beside the bundle.
fn companions(
    documents: &Documents<'_>,
    installers: &[Installer],
    settings: &Settings,
    files: &mut Vec<PathBuf>,
) -> Result<Vec<Pending>, Error> {
    let directory = output::directory_of(&settings.out).to_owned();
    let mut pending = Vec::new();
    let mut add = |path: PathBuf, bytes: &[u8], mode: u32| -> Result<(), Error> {
        pending.push(Pending::with_bytes(&path, bytes, mode)?);
        files.push(path);
        Ok(())
    };
    for installer in installers {
        let name = format!("install-{}", installer.arch);
        let bytes =
            std::fs::read(&installer.path).map_err(|source| InstallerError::Unreadable {
                path: installer.path.clone(),
                source,
            })?;
        if Sha256::of(&bytes) != installer.sha256 {
            return Err(ArchiveError::Changed(installer.path.clone()).into());
        }
        let sum = format!("{}  {name}\n", installer.sha256);
        add(directory.join(&name), &bytes, 0o755)?;
        add(
            directory.join(format!("{name}.sha256")),
            sum.as_bytes(),
            0o644,
        )?;
    }
    add(directory.join("root.json"), documents.root, 0o644)?;
    let page = output::beside(&settings.out, "review.html");
    add(page, documents.page, 0o644)?;
    if let Some(path) = &settings.lock {
        add(path.clone(), &documents.lock.to_bytes()?, 0o644)?;
    }
    Ok(pending)
}
