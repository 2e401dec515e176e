//! The last steps: the lock, then assembling, signing, writing and reading back.

use std::io::Read;
use std::path::{Path, PathBuf};

use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::product::ProductManifest;

use super::{Built, Origin, Settings};
use crate::archive::{self, ArchiveError};
use crate::assemble::{Beside, SignedBundle, assemble, sign};
use crate::download::{DownloadError, Failure, FailureKind};
use crate::event::{Counted, Event, Observer};
use crate::explain::Error;
use crate::hosts::LockedHost;
use crate::installers::{Installer, InstallerError};
use crate::keys::{Opened, Signers};
use crate::lock::{Earlier, LOCK_TYPE, Lock, LockError, LockedInstaller, LockedRpm, tool_version};
use crate::output::{self, OutputError, Pending};
use crate::package::DownloadedRpm;
use crate::parts::{self, Disk, PartSize, PartsReader, PartsWriter, PendingParts};
use crate::plan::BuildPlan;
use crate::repo::vendor_keys::PackageKeys;

/// What a build chose and fetched.
pub(super) struct Chosen<'a> {
    pub(super) plan: BuildPlan,
    pub(super) sequence: Option<u64>,
    pub(super) rpms: &'a [DownloadedRpm],
    pub(super) keys: &'a PackageKeys,
    pub(super) beside: &'a Beside,
    pub(super) hosts: Vec<LockedHost>,
}

/// Writes down every input.
pub(super) fn lock(
    chosen: Chosen<'_>,
    origin: &Origin,
    settings: &Settings,
) -> Result<Lock, Error> {
    let Chosen { plan, rpms, .. } = chosen;
    let (keys, beside, hosts) = (chosen.keys, chosen.beside, chosen.hosts);
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
        hosts,
        installers: beside
            .installers
            .iter()
            .map(|installer| LockedInstaller {
                arch: installer.arch,
                sha256: installer.sha256,
            })
            .collect(),
        extras: beside.extras.iter().map(|e| e.locked.clone()).collect(),
    })
}

/// Reads the lock that the new one will replace. A build takes the higher of its sequence plus one
/// and the metadata's revision: two builders that take turns, only one of which has the earlier lock,
/// must not overtake each other. With `--sequence` a damaged one is passed over.
pub(super) fn earlier(
    product: &ProductManifest,
    settings: &Settings,
) -> Result<Option<Earlier>, LockError> {
    let Some(path) = &settings.lock else {
        return Ok(None);
    };
    match Earlier::read(path, &product.name, &product.channel) {
        Err(_) if settings.sequence.is_some() => Ok(None),
        read => read,
    }
}

/// Compares what was fetched with the earlier lock: a package with other bytes under its old name is
/// an alarm, unless it was accepted by name. The notes then record it.
pub(super) fn check_replaced(
    earlier: &Earlier,
    plan: &mut BuildPlan,
    rpms: &[DownloadedRpm],
    settings: &Settings,
) -> Result<(), DownloadError> {
    let mut failures = Vec::new();
    for rpm in rpms {
        let (planned, found) = (rpm.planned(), rpm.sha256());
        let before = earlier.digest_of(&planned.nevra, &planned.uses);
        let Some(expected) = before.filter(|before| *before != found) else {
            continue;
        };
        let nevra = planned.nevra.to_string();
        if settings.accept_replaced.contains(&nevra) {
            plan.notes.push(format!(
                "{nevra} was replaced under its name and accepted: sha256 {expected} before, {found} now"
            ));
            continue;
        }
        failures.push(Failure {
            nevra,
            url: planned.url.clone(),
            kind: FailureKind::Replaced { expected, found },
        });
    }
    if failures.is_empty() {
        return Ok(());
    }
    let attempted = rpms.len();
    Err(DownloadError {
        attempted,
        failures,
    })
}

/// Assembles, signs and writes. Everything is written and verified before anything gets its name,
/// and the bundle gets its name last.
pub(super) fn finish(
    lock: Lock,
    rpms: &[DownloadedRpm],
    beside: &Beside,
    signers: Option<Signers>,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Built, Error> {
    observer.event(&Event::Stage("writing and signing the bundle"));
    let unsigned = assemble(&lock, rpms, beside)?;
    let Opened { signers, created } = match signers {
        Some(signers) => Opened {
            signers,
            created: false,
        },
        None => settings.keys.open_or_create(&settings.request)?,
    };
    let page = unsigned.review_page().to_owned();
    let signed = sign(unsigned, &signers)?;
    let carried = match settings.split {
        Some(size) => write_parts(&signed, &signers, size, settings, observer)?,
        None => write_whole(&signed, &signers, settings, observer)?,
    };
    let mut files = Vec::new();
    let documents = Documents {
        lock: &lock,
        root: signers.root_bytes(),
        page: &page,
    };
    let pending = companions(&documents, &beside.installers, settings, &mut files)?;
    for file in pending {
        file.commit()?;
    }
    let bytes = carried.bytes();
    let files = [carried.commit(&settings.out)?, files].concat();
    let flags = rpms.iter().flat_map(|rpm| {
        let nevra = &rpm.planned().nevra;
        rpm.lint().iter().map(|flag| (nevra.clone(), *flag))
    });
    Ok(Built {
        flags: flags.collect(),
        digest: signed.digest(),
        bytes,
        root_fingerprint: *signers.root().fingerprint(),
        key_ids: signers.ids(),
        threshold: signers.threshold(),
        key_created: created,
        files,
        lock,
    })
}

/// What the bundle became; it has no name yet.
enum Carried {
    Whole(Pending, u64),
    Parts(Box<PendingParts>),
}

impl Carried {
    const fn bytes(&self) -> u64 {
        match self {
            Self::Whole(_, bytes) => *bytes,
            Self::Parts(parts) => parts.document().size,
        }
    }

    /// Gives it its name. An earlier bundle of that name, whole or in parts, goes: one of the two
    /// would be mistaken for the other.
    fn commit(self, out: &Path) -> Result<Vec<PathBuf>, OutputError> {
        match self {
            Self::Whole(bundle, _) => {
                parts::remove_set(out)?;
                bundle.commit()?;
                Ok(vec![out.to_owned()])
            }
            Self::Parts(parts) => {
                output::remove(out)?;
                parts.commit()
            }
        }
    }
}

const READ_BACK: &str = "checking";

fn name_of(settings: &Settings) -> String {
    let name = settings.out.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// RPMs are compressed already: the file has about as many bytes as its entries.
fn writing<'a, T>(
    output: T,
    signed: &SignedBundle,
    settings: &Settings,
    observer: &'a dyn Observer,
) -> Counted<'a, T> {
    let entries = signed.unsigned().manifest().entries.iter();
    let bytes = entries.map(|entry| entry.size).sum();
    Counted::begin(output, "writing", &name_of(settings), bytes, observer)
}

fn write_whole(
    signed: &SignedBundle,
    signers: &Signers,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Carried, Error> {
    let mut bundle = Pending::begin(&settings.out, 0o644)?;
    let mut output = writing(bundle.file_mut(), signed, settings, observer);
    archive::write(signed, &mut output, settings.workers)?;
    drop(output);
    observer.event(&Event::Stage("reading the bundle back"));
    let reopened = bundle.reopen().map_err(|source| ArchiveError::Open {
        path: settings.out.clone(),
        source,
    })?;
    let bytes = reopened.metadata().map_or(0, |metadata| metadata.len());
    let reopened = Counted::begin(reopened, READ_BACK, &name_of(settings), bytes, observer);
    read_back(reopened, signers)?;
    Ok(Carried::Whole(bundle, bytes))
}

fn write_parts(
    signed: &SignedBundle,
    signers: &Signers,
    size: PartSize,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Carried, Error> {
    let mut writer = PartsWriter::begin(&settings.out, size)?;
    let mut output = writing(&mut writer, signed, settings, observer);
    let written = archive::write(signed, &mut output, settings.workers);
    drop(output);
    written.map_err(|e| writer.explain(e))?;
    let product = &signed.unsigned().manifest().product;
    let parts = writer.finish(product, signed.digest(), signers)?;
    observer.event(&Event::Stage("reading the parts back"));
    let mut reader = PartsReader::new(Disk, parts.temporary());
    let size = parts.document().size;
    let counted = Counted::begin(&mut reader, READ_BACK, &name_of(settings), size, observer);
    read_back(counted, signers)?;
    reader.finish().map_err(ArchiveError::from)?;
    Ok(Carried::Parts(Box::new(parts)))
}

/// Verifies as a host does; what still lacks signatures is checked in everything else.
fn read_back(input: impl Read, signers: &Signers) -> Result<(), ArchiveError> {
    if signers.are_enough() {
        archive::verify(input, std::slice::from_ref(signers.root())).map(drop)
    } else {
        archive::check(input).map(drop)
    }
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
