//! The state of a unit, in systemd's own words.

use std::collections::BTreeMap;
use std::fmt;

use super::error::Result;
use super::guest::Guest;

const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,UnitFileState,MainPID";

/// One unit. A unit that does not exist has `load` `not-found`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked` …
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating` …
    pub active: String,
    /// `running`, `dead`, `exited` …
    pub sub: String,
    /// `enabled`, `disabled`, `masked`, `static` …; empty when there is no unit file.
    pub enabled: String,
    /// The main process as the host numbers it; 0 when the unit has no main process.
    pub main_pid: u32,
}

impl UnitState {
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }

    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled == "enabled"
    }

    fn parse(shown: &str) -> Self {
        let properties: BTreeMap<&str, &str> = shown
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let text = |name: &str| properties.get(name).copied().unwrap_or_default().to_owned();
        Self {
            load: text("LoadState"),
            active: text("ActiveState"),
            sub: text("SubState"),
            enabled: text("UnitFileState"),
            main_pid: text("MainPID").parse().unwrap_or(0),
        }
    }
}

/// The state without the pid, which differs from boot to boot.
impl fmt::Display for UnitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} ({}) {}",
            self.load, self.active, self.sub, self.enabled
        )
    }
}

impl Guest {
    /// Asks systemd about a unit.
    pub fn unit(&self, name: &str) -> Result<UnitState> {
        let shown = self.check(&["systemctl", "show", PROPERTIES, "--", name])?;
        Ok(UnitState::parse(&shown))
    }
}
