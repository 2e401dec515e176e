//! The undisturbed runs: how long, by which steps, and how much disk they take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{scope, sleep};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::case::{Case, Key, Place};
use crate::isolated::{Ballast, HostOptions, IsolatedHost};
use crate::sweep::case::Cargo;
use crate::sweep::kit::{Kit, nevras};
use crate::sweep::picture::Picture;
use crate::sweep::play;
use crate::sweep::watch::Timeline;
use crate::vendor::for_each;

const LOOK: Duration = Duration::from_millis(2);

/// An undisturbed run.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    pub(super) line: Timeline,
    /// The most that it took of its disk at a time.
    needs_bytes: u64,
    after: Option<Picture>,
}

/// What is known of all of them.
#[derive(Debug)]
pub(super) struct Courses(Vec<(Place, Cargo, Course)>);

/// The runs that are measured: the good one on every disk, and one that reverts.
const MEASURED: [(Place, Cargo); 4] = [
    (Place::Root, Cargo::Good),
    (Place::Root, Cargo::PostFails),
    (Place::State, Cargo::Good),
    (Place::Packages, Cargo::Good),
];

impl Course {
    #[cfg(test)]
    pub(super) fn of(line: Timeline) -> Self {
        Self {
            line,
            ..Self::default()
        }
    }
}

impl Courses {
    pub(super) fn measure(kit: &Kit) -> Result<Self> {
        let found = Mutex::new(Vec::new());
        for_each(&MEASURED, |&(place, cargo)| {
            let course = measure(kit, place, cargo);
            let course =
                course.with_context(|| format!("undisturbed {cargo} on a disk for {place}"))?;
            found
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((place, cargo, course));
            Ok(())
        })?;
        Ok(Self(
            found.into_inner().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    /// The free space, in whole MiB, that a run on this disk needs.
    pub(super) fn needs_mib(&self, place: Place) -> u64 {
        let bytes = self
            .course(place, Cargo::Good)
            .map(|course| course.needs_bytes);
        bytes.unwrap_or(0).div_ceil(1 << 20)
    }

    /// What *Done* is.
    pub(super) fn done(&self, place: Place) -> Option<&Picture> {
        self.course(place, Cargo::Good)?.after.as_ref()
    }

    pub(super) fn case(&self, key: Key) -> Result<Case> {
        let course = self.course(Place::Root, key.cargo());
        Ok(Case::of(key, course.context("this was not measured")?))
    }

    fn course(&self, place: Place, cargo: Cargo) -> Option<&Course> {
        let mut courses = self.0.iter();
        let found = courses.find(|(at, of, _)| *at == place && *of == cargo);
        found.map(|(.., course)| course)
    }
}

/// Boots a host with a disk of its own for `place`, with the installer and a bundle on it.
pub(super) fn boot(kit: &Kit, name: &str, place: Place, cargo: Cargo) -> Result<IsolatedHost> {
    let host = kit.boot_with(HostOptions {
        disk: Some(place.disk()),
        ..HostOptions::named(name)
    })?;
    kit.carry(&host, cargo)?;
    Ok(host)
}

fn measure(kit: &Kit, place: Place, cargo: Cargo) -> Result<Course> {
    let host = boot(kit, &format!("full-course-{place}"), place, cargo)?;
    let ballast = host.ballast().context("a host without its disk")?;
    let (line, needs_bytes) = taken(ballast, || play::undisturbed(&host))?;
    let after = Picture::take(&host)?;
    if cargo == Cargo::Good {
        ensure!(
            Picture::nevras(&host)? == nevras(cargo.versions()) && after.is_well(),
            "an undisturbed run does not reach its target"
        );
    }
    Ok(Course {
        line: line?,
        needs_bytes,
        after: Some(after),
    })
}

/// Does something, and returns how much of the disk was taken at most meanwhile.
fn taken<T>(ballast: &Ballast, work: impl FnOnce() -> T) -> Result<(T, u64)> {
    let before = ballast.free_bytes()?;
    let is_over = AtomicBool::new(false);
    let lowest = || {
        let mut lowest = before;
        while !is_over.load(Ordering::Relaxed) {
            lowest = lowest.min(ballast.free_bytes().unwrap_or(before));
            sleep(LOOK);
        }
        lowest
    };
    scope(|scope| {
        let watch = scope.spawn(lowest);
        let outcome = work();
        is_over.store(true, Ordering::Relaxed);
        Ok((outcome, before - watch.join().unwrap_or(before)))
    })
}
