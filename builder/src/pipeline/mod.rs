//! The build from beginning to end. Each step takes the value of the step before it.

mod finish;
mod request;
mod with_deps;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use manifests::nevra::Arch;
use manifests::product::{Distro, ProductManifest};

use crate::assemble::Beside;
use crate::download::{self, Cache, DownloadError, Failure, FailureKind, Wanted};
use crate::event::{Event, Observer};
use crate::explain::{Error, usage};
use crate::extras;
use crate::fit;
use crate::hosts::HostsError;
use crate::installers::{self, Installer, InstallerError};
use crate::interrupt;
use crate::keys::Signers;
use crate::lock::Lock;
use crate::output::{OutputError, Pending};
use crate::package::{self, DownloadedRpm, Requirements};
use crate::repo::vendor_keys::{self, PackageKeys, VendorKeyError, VendorKeys};
use crate::repo::{self, RepoIndex};
use crate::resolve::{self, ResolveError};
use crate::transport::Transport;

pub use request::{Built, Origin, Planned, Settings, Wish};
pub use with_deps::without_dependencies;

/// Reads the repositories and makes the plan.
pub fn plan(
    transport: &Transport,
    origin: &Origin,
    wish: &Wish,
    observer: &dyn Observer,
) -> Result<Planned, Error> {
    let own = without_dependencies(origin);
    let product = &own.product;
    let distros = resolve::distros(product, &wish.distros)?;
    observer.event(&Event::Stage("fetching the vendor's keys"));
    let keys = vendor_keys::fetch_all(
        transport,
        product,
        &own.overrides,
        &own.package_keys,
        &own.trusted,
        &distros,
        &wish.archs,
    )?;
    observer.event(&Event::Stage("reading and verifying repository metadata"));
    let index = read_index(transport, &own, &distros, &wish.archs, &keys)?;
    let choose = |index: &RepoIndex| {
        resolve::resolve(&resolve::Inputs {
            product,
            index,
            distros: distros.clone(),
            archs: wish.archs.clone(),
            version: &wish.version,
            from: &wish.from,
            fleet: &wish.fleet,
        })
    };
    let mut plan = match choose(&index) {
        Err(ResolveError::NotPublished { .. }) => {
            // The error can then name the other distributions that have it.
            choose(&widen(transport, &own, &keys, index))?
        }
        other => other?,
    };
    interrupt::check()?;
    // The sequence follows the product's own revisions: another vendor's have nothing to do with it.
    let revision = plan.newest_revision();
    let (mut dependencies, mut unfit) = (Vec::new(), Vec::new());
    if !wish.with_deps.is_empty() {
        (dependencies, unfit) = with_deps::add_to(&mut plan, transport, origin, wish, observer)?;
    }
    Ok(Planned {
        plan,
        keys: keys.packages,
        revision,
        dependencies,
        unfit,
    })
}

fn read_index(
    transport: &Transport,
    origin: &Origin,
    distros: &[&Distro],
    archs: &[Arch],
    keys: &VendorKeys,
) -> Result<RepoIndex, Error> {
    let sources = repo::sources_for(&origin.product, distros, archs, &origin.overrides)
        .map_err(VendorKeyError::Source)?;
    let mut names = package_names(&origin.product);
    let read =
        |names: &BTreeSet<String>| repo::fetch_index(transport, &sources, &keys.metadata, names);
    let index = read(&names)?;
    // Packages of other names that the product's replace: a host may run one of them.
    let all = index
        .snapshots
        .iter()
        .flat_map(|snapshot| &snapshot.packages);
    let replaced = all.flat_map(|package| &package.obsoletes);
    let replaced: BTreeSet<String> = replaced
        .map(|obsolete| obsolete.name.clone())
        .filter(|name| !names.contains(name))
        .collect();
    if replaced.is_empty() {
        return Ok(index);
    }
    names.extend(replaced);
    Ok(read(&names)?)
}

/// Adds what other distributions publish, as far as their repositories answer.
fn widen(
    transport: &Transport,
    origin: &Origin,
    keys: &VendorKeys,
    mut index: RepoIndex,
) -> RepoIndex {
    for distro in &origin.product.distros {
        if index.snapshots.iter().any(|s| s.distro == distro.id) {
            continue;
        }
        let archs: BTreeSet<Arch> = index.snapshots.iter().map(|s| s.arch).collect();
        let archs: Vec<Arch> = archs.into_iter().collect();
        if let Ok(more) = read_index(transport, origin, &[distro], &archs, keys) {
            index.snapshots.extend(more.snapshots);
        }
    }
    index
}

/// Returns the names of the packages a product consists of.
#[must_use]
pub fn package_names(product: &ProductManifest) -> BTreeSet<String> {
    product
        .components
        .iter()
        .flat_map(|component| component.all_packages().map(str::to_owned))
        .collect()
}

/// Everything that goes into a bundle, fetched and checked.
struct Prepared {
    lock: Lock,
    rpms: Vec<DownloadedRpm>,
    beside: Beside,
}

/// Builds from the repositories.
pub fn build(
    transport: &Transport,
    origin: &Origin,
    wish: &Wish,
    settings: &Settings,
    observer: &Arc<dyn Observer>,
) -> Result<Built, Error> {
    check_writable(&settings.out)?;
    let signers = open_signers(settings, &**observer)?;
    let Prepared { lock, rpms, beside } = prepare(transport, origin, wish, settings, observer)?;
    finish::finish(lock, &rpms, &beside, signers, settings, &**observer)
}

/// Fetches and checks everything that a bundle would hold, and writes the lock alone.
pub fn lock(
    transport: &Transport,
    origin: &Origin,
    wish: &Wish,
    settings: &Settings,
    observer: &Arc<dyn Observer>,
) -> Result<Lock, Error> {
    let path = settings.lock.as_deref().unwrap_or(&settings.out);
    check_writable(path)?;
    let Prepared { lock, .. } = prepare(transport, origin, wish, settings, observer)?;
    Pending::with_bytes(path, &lock.to_bytes()?, 0o644)?.commit()?;
    Ok(lock)
}

fn prepare(
    transport: &Transport,
    origin: &Origin,
    wish: &Wish,
    settings: &Settings,
    observer: &Arc<dyn Observer>,
) -> Result<Prepared, Error> {
    // What is cheap to refuse is refused before anything is fetched.
    let earlier = finish::earlier(&origin.product, settings)?;
    let installers = installers::find(&settings.installers, &wish.archs)?;
    let planned = plan(transport, origin, wish, &**observer)?;
    if !planned.unfit.is_empty() {
        return Err(HostsError::Unfit(planned.unfit).into());
    }
    let Planned {
        mut plan,
        keys,
        revision,
        dependencies,
        ..
    } = planned;
    let extras = extras::find(&origin.product, &plan, &settings.extras)?;
    let beside = Beside { installers, extras };
    let wanted: Vec<Wanted> = plan
        .packages
        .iter()
        .map(|package| Wanted {
            package: package.clone(),
            locked: None,
        })
        .collect();
    let requirements = Requirements {
        keys: &keys.trusted,
        accept_unsigned: &settings.accept_unsigned,
    };
    let rpms = obtain(transport, &settings.cache, &wanted, requirements, observer)?;
    fit::check_targets(&plan.targets, &rpms)?;
    fit::check(&wish.fleet, &rpms, &dependencies)?;
    if let Some(earlier) = &earlier {
        finish::check_replaced(earlier, &mut plan, &rpms, settings)?;
    }
    let after = earlier.map(|earlier| earlier.next_sequence());
    let sequence = settings.sequence.or_else(|| after.max(revision));
    let chosen = finish::Chosen {
        plan,
        sequence,
        rpms: &rpms,
        keys: &keys,
        beside: &beside,
        hosts: wish.fleet.locked(&origin.product),
    };
    let lock = finish::lock(chosen, origin, settings)?;
    Ok(Prepared { lock, rpms, beside })
}

/// Builds from a lock: no metadata is read, and the bytes are those of the first build.
pub fn build_locked(
    transport: &Transport,
    mut lock: Lock,
    settings: &Settings,
    observer: &Arc<dyn Observer>,
) -> Result<Built, Error> {
    check_writable(&settings.out)?;
    let signers = open_signers(settings, &**observer)?;
    let beside = Beside {
        installers: locked_installers(&lock, &settings.installers)?,
        extras: extras::find_locked(&lock.product, &lock.plan, &settings.extras, &lock.extras)?,
    };
    let keys = PackageKeys::from_carried(std::mem::take(&mut lock.package_keys))?;
    lock.package_keys.clone_from(&keys.carried);
    let wanted: Vec<Wanted> = lock
        .plan
        .packages
        .iter()
        .zip(&lock.rpms)
        .map(|(package, rpm)| Wanted {
            package: package.clone(),
            locked: Some(rpm.sha256),
        })
        .collect();
    let requirements = Requirements {
        keys: &keys.trusted,
        accept_unsigned: &lock.accepted_unsigned,
    };
    let rpms = obtain(transport, &settings.cache, &wanted, requirements, observer)?;
    fit::check_targets(&lock.plan.targets, &rpms)?;
    finish::finish(lock, &rpms, &beside, signers, settings, &**observer)
}

/// Opens the keys before anything is fetched. The key of the first build is made at its end, once
/// everything else is there.
fn open_signers(settings: &Settings, observer: &dyn Observer) -> Result<Option<Signers>, Error> {
    let signers = settings.keys.open_if_any(&settings.request)?;
    let Some(signers) = signers else {
        return Ok(None);
    };
    for note in signers.notes() {
        observer.event(&Event::Note(note));
    }
    if settings.split.is_some() && !signers.are_enough() {
        return Err(usage(
            "cannot build in parts",
            format!(
                "the bundle would have {} of {} signatures, and parts cannot get more later",
                signers.ids().len(),
                signers.threshold()
            ),
            "name more keys with --key; or build it whole, have it signed with `bundle sign`, and then \
             use `bundle split`",
        ));
    }
    Ok(Some(signers))
}

/// Makes a file where the result will be, and drops it.
fn check_writable(path: &Path) -> Result<(), OutputError> {
    Pending::begin(path, 0o600).map(drop)
}

fn locked_installers(
    lock: &Lock,
    choice: &installers::Choice,
) -> Result<Vec<Installer>, InstallerError> {
    let archs: Vec<Arch> = lock.installers.iter().map(|locked| locked.arch).collect();
    let found = installers::find(choice, &archs)?;
    for (installer, locked) in found.iter().zip(&lock.installers) {
        if installer.sha256 != locked.sha256 {
            return Err(InstallerError::NotLocked {
                arch: locked.arch,
                expected: locked.sha256,
                found: installer.sha256,
            });
        }
    }
    Ok(found)
}

/// Downloads and checks every package; every failure of either kind is reported.
fn obtain(
    transport: &Transport,
    cache: &Path,
    wanted: &[Wanted],
    requirements: Requirements<'_>,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<DownloadedRpm>, Error> {
    observer.event(&Event::Stage("downloading packages"));
    let cache = Cache::open(cache)?;
    observer.event(&Event::Downloads {
        files: wanted.len(),
        bytes: wanted.iter().map(|wanted| wanted.package.size).sum(),
    });
    let received = download::fetch_all(transport, &cache, wanted, observer)?;
    observer.event(&Event::Stage("checking package signatures and digests"));
    let (mut rpms, mut failures) = (Vec::new(), Vec::new());
    for (wanted, file) in wanted.iter().zip(&received) {
        interrupt::check()?;
        match package::check(wanted.package.clone(), file, requirements) {
            Ok(rpm) => rpms.push(rpm),
            Err(error) => failures.push(Failure {
                nevra: wanted.package.nevra.to_string(),
                url: wanted.package.url.clone(),
                kind: FailureKind::Package(error.into()),
            }),
        }
    }
    if failures.is_empty() {
        return Ok(rpms);
    }
    let attempted = wanted.len();
    Err(DownloadError {
        attempted,
        failures,
    }
    .into())
}
