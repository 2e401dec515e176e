//! When the power goes, and what the disk had not yet written: drawn from a seed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::disk::CARGOES;
use crate::sweep::{Cargo, Chance};

const WHOLE: u64 = 1000;

/// When the power of a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Moment {
    /// So many thousandths of an undisturbed run's time after its start.
    Time { permille: u64 },
    /// When the disk had taken so many thousandths of the writes and flushes of an undisturbed run.
    /// That run's own log holds the state of the disk then.
    Recorded { permille: u64 },
    /// As soon as the installer has ended.
    Ended,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { permille } => write!(f, "{permille}\u{2030} of the time"),
            Self::Recorded { permille } => write!(f, "{permille}\u{2030} of the writes"),
            Self::Ended => f.write_str("at the end"),
        }
    }
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub seed: u64,
    pub cargo: Cargo,
    pub moment: Moment,
    /// The cuts after the first: when in the boot and the recovery, in thousandths.
    pub again: Vec<u64>,
    /// How much of what is in the disk's cache is lost.
    pub lost_percent: u64,
}

impl Case {
    /// Draws the case of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::from_seed(seed ^ 0xdead_bea7);
        let [good, hangs] = CARGOES;
        let cargo = chance.weighted(&[(good, 3), (hangs, 1)], good);
        let kind = chance.weighted(&[(0, 5), (1, 5), (2, 1)], 0);
        let permille = chance.below(WHOLE);
        let again = chance.weighted(&[(0, 5), (1, 3), (2, 1)], 0);
        Self {
            seed,
            cargo,
            moment: match kind {
                0 => Moment::Time { permille },
                1 => Moment::Recorded { permille },
                _ => Moment::Ended,
            },
            again: (0..again).map(|_| chance.below(WHOLE)).collect(),
            lost_percent: chance.weighted(&[(0, 2), (50, 3), (100, 2)], 50),
        }
    }

    /// A generator of its own for what each cut loses.
    pub(super) fn losses(&self) -> Chance {
        Chance::from_seed(self.seed ^ 0x0010_57b1_7e55)
    }
}

/// The share of a whole.
pub(super) fn share(whole: u64, permille: u64) -> u64 {
    whole * permille / WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_case_is_drawn() {
        let cases: Vec<Case> = (1..=200).map(Case::draw).collect();
        assert_eq!(cases, (1..=200).map(Case::draw).collect::<Vec<_>>());
        let count = |is: fn(&Case) -> bool| cases.iter().filter(|case| is(case)).count();
        assert!(count(|case| case.moment == Moment::Ended) > 5);
        assert!(count(|case| matches!(case.moment, Moment::Recorded { .. })) > 50);
        assert!(count(|case| case.cargo == Cargo::Hangs) > 20);
        assert!(count(|case| case.again.len() == 2) > 5);
        assert!(count(|case| case.lost_percent == 100) > 20);
    }
}
