//! Which disk is full, how full, and from when on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::course::Course;
use crate::isolated::{DiskOptions, Holds};
use crate::sweep::case::{Cargo, Moment};
use crate::sweep::chance::Chance;

/// Larger than anything that a run needs.
pub(super) const DISK_MIB: u64 = 256;
const KIB_PER_MIB: u64 = 1024;

/// What the small disk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The state directory alone.
    State,
    /// The packages' files and the rpm database.
    Packages,
    /// The whole host.
    Root,
}

/// How a disk becomes full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Filling {
    /// So much is free when the run starts.
    Before { mib: u64 },
    /// So much is left at a moment of the run.
    During {
        moment: Moment,
        kib: u64,
        /// Whether space that becomes free afterwards is taken away, too.
        is_kept: bool,
    },
}

/// What distinguishes a case from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Key {
    /// A disk with so many MiB free.
    Size(Place, u64),
    /// A disk that fills up during the run.
    Seed(u64),
}

/// One case of the sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub key: Key,
    pub place: Place,
    pub cargo: Cargo,
    pub filling: Filling,
}

impl Place {
    pub const ALL: [Self; 3] = [Self::State, Self::Packages, Self::Root];

    pub(super) const fn disk(self) -> DiskOptions {
        let holds = match self {
            Self::State => Holds::Trees(&["/var/lib/airgap-bundle"]),
            Self::Packages => Holds::Trees(&["/opt", "/var/lib/rpm"]),
            Self::Root => Holds::Root,
        };
        DiskOptions {
            mib: DISK_MIB,
            holds,
        }
    }
}

impl Key {
    pub(super) fn cargo(self) -> Cargo {
        match self {
            Self::Size(..) => Cargo::Good,
            Self::Seed(seed) => {
                let mut chance = Chance::from_seed(seed ^ 0xca60);
                chance.weighted(&[(Cargo::Good, 2), (Cargo::PostFails, 1)], Cargo::Good)
            }
        }
    }
}

impl Case {
    /// The case of a key; `course` is what an undisturbed run of its cargo looks like.
    pub(super) fn of(key: Key, course: &Course) -> Self {
        let (place, filling) = match key {
            Key::Size(place, mib) => (place, Filling::Before { mib }),
            Key::Seed(seed) => draw(seed, course),
        };
        Self {
            key,
            place,
            cargo: key.cargo(),
            filling,
        }
    }

    /// Whether the host has to pass another run afterwards, with all the space that it needs.
    pub(super) fn is_tried_again(&self) -> bool {
        let number = match self.key {
            Key::Size(_, mib) => mib,
            Key::Seed(seed) => seed,
        };
        self.cargo == Cargo::Good && number % 8 == 3
    }
}

/// Neighbouring seeds walk through the places, and each place through the phases of the journal; every
/// third disk fills up in the middle of an rpm transaction.
fn draw(seed: u64, course: &Course) -> (Place, Filling) {
    let mut chance = Chance::from_seed(seed ^ 0xf111_f111);
    let place = match seed % 3 {
        0 => Place::Root,
        1 => Place::State,
        _ => Place::Packages,
    };
    let walk = seed / 3;
    let moment = if chance.below(3) == 0 && !course.line.rpm_millis.is_empty() {
        let number = usize::try_from(walk % course.line.rpm_millis.len() as u64).unwrap_or(0);
        let permille = chance.below(1000);
        Moment::Rpm {
            number,
            permille,
            millis: course.line.rpm_millis[number] * permille / 1000,
        }
    } else {
        let at = walk % (course.line.marks.len() as u64).max(1);
        let mark = usize::try_from(at)
            .ok()
            .and_then(|at| course.line.marks.get(at));
        Moment::Phase {
            mark: mark.map_or_else(String::new, |(mark, _)| mark.clone()),
            later_millis: 0,
        }
    };
    let some = chance.below(KIB_PER_MIB);
    let more = chance.below(8 * KIB_PER_MIB);
    let filling = Filling::During {
        moment,
        kib: chance.weighted(&[(0, 5), (some, 3), (more, 2)], 0),
        is_kept: chance.below(3) == 0,
    };
    (place, filling)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "state",
            Self::Packages => "packages",
            Self::Root => "root",
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(place, mib) => write!(f, "{place} {mib} MiB"),
            Self::Seed(seed) => write!(f, "seed {seed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::watch::Timeline;

    fn course() -> Course {
        Course::of(Timeline {
            marks: (0..10).map(|at| (format!("step{at}:done"), at)).collect(),
            rpm_millis: vec![100, 200],
            millis: 5000,
            ..Timeline::default()
        })
    }

    #[test]
    fn a_seed_is_a_case_and_a_sweep_reaches_everything() {
        let case = |seed| Case::of(Key::Seed(seed), &course());
        assert_eq!(case(12), case(12));
        let cases: Vec<Case> = (0..300).map(case).collect();
        for place in Place::ALL {
            let here = || cases.iter().filter(|case| case.place == place);
            for (mark, _) in course().line.marks {
                assert!(here().any(|case| matches!(
                    &case.filling,
                    Filling::During { moment: Moment::Phase { mark: at, .. }, .. } if *at == mark
                )));
            }
            assert!(
                here().any(|case| matches!(case.filling, Filling::During { is_kept: true, .. }))
            );
            assert!(here().any(|case| case.cargo == Cargo::PostFails));
        }
    }
}
