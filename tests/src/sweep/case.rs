//! What is to be killed, and when: drawn from a seed and from the course of an undisturbed run.

use std::fmt;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::chance::Chance;
use super::watch::Timeline;

/// What a bundle upgrades to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cargo {
    /// 5.3.2, which works.
    Good,
    /// 5.4.1: the gateway never answers.
    Hangs,
    /// 5.4.3: the gateway's `%post` fails, and rpm exits with 0.
    PostFails,
    /// 5.3.2, whose dashboard migrates its data, with a pump that exits at once: the last one fails.
    FailsLate,
}

/// What dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Victim {
    /// Every installer: the one that was called, and the one in a unit.
    Installer,
    /// Only the one that was called, as when a connection is lost.
    Caller,
    Rpm,
    /// The installer, then rpm.
    Both,
    /// rpm, then the installer.
    BothRpmFirst,
    /// The whole host, which boots again.
    Power,
    /// Every installer is asked to end, as when a terminal closes.
    Hangup,
    /// Every installer is asked to end, as by Ctrl-C.
    Interrupt,
    /// Every installer is asked to end, as by `systemctl stop` or a shutdown.
    Terminate,
}

/// When.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Moment {
    /// So far into the run.
    After { permille: u64, millis: u64 },
    /// When the journal records `step:phase`, and so much later.
    Phase { mark: String, later_millis: u64 },
    /// So far into one of its rpm transactions.
    Rpm {
        number: usize,
        permille: u64,
        millis: u64,
    },
}

/// A kill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strike {
    pub victim: Victim,
    pub moment: Moment,
}

/// One case of the sweep. The first strike hits the run, the others hit its recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub seed: u64,
    pub cargo: Cargo,
    pub strikes: Vec<Strike>,
    /// Between a kill and the recovery.
    pub pause_millis: u64,
}

/// What the undisturbed runs looked like.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    pub(super) run: Timeline,
    /// From the first step of a revert on.
    pub(super) revert: Timeline,
}

impl Cargo {
    /// The cargoes of hosts without stores. There the last cargo has nothing to migrate and shows
    /// nothing new.
    pub(super) const PLAIN: [Self; 3] = [Self::Good, Self::Hangs, Self::PostFails];
    pub(super) const WITH_STORES: [Self; 4] =
        [Self::Good, Self::Hangs, Self::PostFails, Self::FailsLate];

    /// The versions of gateway and dashboard, and of the pump.
    pub(crate) const fn versions(self) -> (&'static str, &'static str) {
        match self {
            Self::Good => ("5.3.2", "1.9.0"),
            Self::Hangs => ("5.4.1", "1.10.0"),
            Self::PostFails => ("5.4.3", "1.10.0"),
            Self::FailsLate => ("5.3.2", "1.10.1"),
        }
    }

    /// Draws the cargo of a seed. With stores most runs come as far as the migration, or back from it.
    pub(super) fn of(seed: u64, with_stores: bool) -> Self {
        let mut chance = Chance::from_seed(seed);
        let late = [(Self::Good, 5), (Self::FailsLate, 4)];
        let early = [(Self::Hangs, 1), (Self::PostFails, 1)];
        let plain = [(Self::Good, 7), (Self::Hangs, 2), (Self::PostFails, 2)];
        if with_stores {
            chance.weighted(&[late, early].concat(), Self::Good)
        } else {
            chance.weighted(&plain, Self::Good)
        }
    }

    /// The cargo whose undisturbed run shows a whole revert.
    pub(super) const fn reverting(with_stores: bool) -> Self {
        if with_stores {
            Self::FailsLate
        } else {
            Self::Hangs
        }
    }
}

impl Victim {
    /// Whether no process is left that would finish the run.
    pub(super) const fn ends_the_run(self) -> bool {
        !matches!(self, Self::Rpm | Self::Caller)
    }

    /// Whether the called installer dies before it can report.
    pub(super) const fn kills_the_caller(self) -> bool {
        !matches!(self, Self::Rpm) && !self.asks()
    }

    /// Whether installers are asked to end: they take the time that a running rpm needs.
    pub(super) const fn asks(self) -> bool {
        matches!(self, Self::Hangup | Self::Interrupt | Self::Terminate)
    }

    pub(super) const fn signal(self) -> Signal {
        match self {
            Self::Hangup => Signal::HUP,
            Self::Interrupt => Signal::INT,
            Self::Terminate => Signal::TERM,
            _ => Signal::KILL,
        }
    }
}

impl Case {
    /// Draws the case of a seed. Neighbouring even seeds walk through the phases of the journal.
    pub(super) fn draw(seed: u64, cargo: Cargo, course: &Course) -> Self {
        let mut chance = Chance::from_seed(seed ^ 0x5eed_5eed);
        let victim = chance.weighted(
            &[
                (Victim::Installer, 4),
                (Victim::Caller, 1),
                (Victim::Rpm, 3),
                (Victim::Both, 2),
                (Victim::BothRpmFirst, 1),
                (Victim::Power, 2),
                (Victim::Hangup, 1),
                (Victim::Interrupt, 1),
                (Victim::Terminate, 1),
            ],
            Victim::Installer,
        );
        let walk = seed.is_multiple_of(2).then_some(seed / 2);
        let first = Strike {
            victim,
            moment: moment(&mut chance, victim, &course.run, walk),
        };
        let again = chance.weighted(&[(0, 6), (1, 3), (2, 2)], 0);
        let mut strikes = vec![first];
        for _ in 0..again {
            strikes.push(strike_at_recovery(&mut chance, &course.revert));
        }
        Self {
            seed,
            cargo,
            strikes,
            pause_millis: chance.weighted(&[(0, 3), (150, 1), (1200, 1)], 0),
        }
    }

    /// Whether the host has to pass another run afterwards, this time undisturbed.
    pub(super) fn is_tried_again(&self) -> bool {
        self.cargo == Cargo::Good && self.seed % 8 == 3
    }

    /// Draws the kill of a plain rpm: the same share of its time as [`Case::draw`] would take.
    pub(super) fn draw_plain(seed: u64, millis: u64) -> Self {
        let mut chance = Chance::from_seed(seed ^ 0x5eed_5eed);
        let permille = chance.below(1000);
        let moment = Moment::Rpm {
            number: 0,
            permille,
            millis: millis * permille / 1000,
        };
        Self {
            seed,
            cargo: Cargo::Good,
            strikes: vec![Strike {
                victim: Victim::Rpm,
                moment,
            }],
            pause_millis: 0,
        }
    }
}

fn strike_at_recovery(chance: &mut Chance, revert: &Timeline) -> Strike {
    let weights = [
        (Victim::Installer, 4),
        (Victim::Rpm, 3),
        (Victim::Both, 3),
        (Victim::Power, 1),
    ];
    let victim = chance.weighted(&weights, Victim::Installer);
    let walk = (chance.below(2) == 0).then(|| chance.below(1 << 20));
    Strike {
        victim,
        moment: moment(chance, victim, revert, walk),
    }
}

/// Draws a moment of an undisturbed course; `walk` chooses a phase of the journal.
fn moment(chance: &mut Chance, victim: Victim, line: &Timeline, walk: Option<u64>) -> Moment {
    let within_rpm = match victim {
        Victim::Rpm => 10,
        Victim::Both | Victim::BothRpmFirst => 7,
        _ => 3,
    };
    let is_in_rpm = chance.below(10) < within_rpm && !line.rpm_millis.is_empty();
    if is_in_rpm && (walk.is_none() || victim == Victim::Rpm) {
        let number = usize::try_from(chance.below(line.rpm_millis.len() as u64)).unwrap_or(0);
        let permille = chance.below(1000);
        let millis = line.rpm_millis.get(number).copied().unwrap_or(0) * permille / 1000;
        return Moment::Rpm {
            number,
            permille,
            millis,
        };
    }
    let at = walk.map(|walk| walk % (line.marks.len() as u64).max(1));
    let at = at.and_then(|at| usize::try_from(at).ok());
    if let Some((at, (mark, _))) = at.and_then(|at| Some((at, line.marks.get(at)?))) {
        let later = chance.below(line.reach_millis(at));
        return Moment::Phase {
            mark: mark.clone(),
            later_millis: chance.weighted(&[(0, 3), (later, 2)], 0),
        };
    }
    let permille = chance.below(1000);
    Moment::After {
        permille,
        millis: line.millis * permille / 1000,
    }
}

impl fmt::Display for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let late = if *self == Self::FailsLate {
            "-late"
        } else {
            ""
        };
        write!(f, "{}{late}", self.versions().0)
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Installer => "installer",
            Self::Caller => "caller",
            Self::Rpm => "rpm",
            Self::Both => "installer+rpm",
            Self::BothRpmFirst => "rpm+installer",
            Self::Power => "power",
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After { permille, millis } => write!(f, "{millis} ms ({permille}\u{2030})"),
            Self::Phase {
                mark,
                later_millis: 0,
            } => f.write_str(mark),
            Self::Phase { mark, later_millis } => write!(f, "{mark} +{later_millis} ms"),
            Self::Rpm {
                number, permille, ..
            } => write!(f, "rpm #{} {permille}\u{2030}", number + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course() -> Course {
        let line = Timeline {
            marks: (0..10).map(|at| (format!("step{at}:done"), at)).collect(),
            rpm_millis: vec![100, 200],
            millis: 5000,
            ..Timeline::default()
        };
        Course {
            run: line.clone(),
            revert: line,
        }
    }

    fn draw(seed: u64) -> Case {
        Case::draw(seed, Cargo::of(seed, false), &course())
    }

    #[test]
    fn a_seed_is_a_case() {
        assert_eq!(draw(12), draw(12));
        assert_ne!(draw(12), draw(13));
    }

    #[test]
    fn a_sweep_reaches_every_phase_victim_and_cargo() {
        let cases: Vec<Case> = (0..400).map(draw).collect();
        for (mark, _) in course().run.marks {
            let here = |case: &Case| matches!(&case.strikes[0].moment, Moment::Phase { mark: at, .. } if *at == mark);
            assert!(cases.iter().any(here), "{mark}");
        }
        for victim in [
            Victim::Installer,
            Victim::Caller,
            Victim::Rpm,
            Victim::Both,
            Victim::BothRpmFirst,
            Victim::Power,
            Victim::Hangup,
            Victim::Interrupt,
            Victim::Terminate,
        ] {
            assert!(cases.iter().any(|case| case.strikes[0].victim == victim));
        }
        for cargo in Cargo::PLAIN {
            assert!(cases.iter().any(|case| case.cargo == cargo));
        }
        for cargo in Cargo::WITH_STORES {
            assert!((0..100).any(|seed| Cargo::of(seed, true) == cargo));
        }
        assert!(cases.iter().any(|case| case.strikes.len() == 3));
    }

    #[test]
    fn rpm_dies_while_it_works() {
        let rpm = |case: &Case| case.strikes[0].victim == Victim::Rpm;
        let inside = |case: &Case| matches!(case.strikes[0].moment, Moment::Rpm { .. });
        let cases = (0..100).map(draw);
        assert!(cases.filter(rpm).all(|case| inside(&case)));
    }
}
