//! How the last component's new version comes to the host.

use crate::scene::{Part, Scene};

/// How the last component's new version comes to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comes {
    /// Its package is upgraded.
    Upgraded,
    /// It is installed for the first time.
    Anew,
    /// Its package replaces one of another name.
    Renamed,
}

impl Comes {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Upgraded => "",
            Self::Anew => ", one anew",
            Self::Renamed => ", one renamed",
        }
    }
}

impl Scene {
    /// Whether the run installs a component for the first time.
    pub(crate) fn is_anew(&self, part: &Part) -> bool {
        self.comes == Comes::Anew && self.is_last(part)
    }

    /// Whether the run gives a component's package another name.
    pub(crate) fn is_renamed(&self, part: &Part) -> bool {
        self.comes == Comes::Renamed && self.is_last(part)
    }

    /// Returns the name of a component's package, and the names that it replaces.
    pub(crate) fn names(&self, part: &Part, side: usize) -> (String, Vec<String>) {
        let old = format!("old-{}", part.name);
        match (self.is_renamed(part), side) {
            (true, 0) => (old, Vec::new()),
            (true, _) => (part.name.to_owned(), vec![old]),
            (false, _) => (part.name.to_owned(), Vec::new()),
        }
    }

    fn is_last(&self, part: &Part) -> bool {
        self.parts()
            .last()
            .is_some_and(|last| last.name == part.name)
    }
}
