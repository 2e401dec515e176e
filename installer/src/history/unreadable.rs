//! Runs that this installer cannot read: damaged runs, and runs of newer installers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{History, installer};
use crate::document;
use crate::failure::{Exit, Failure};
use crate::layout::Layout;

/// A run that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Its number.
    pub id: u64,
    /// Why it cannot be read.
    pub why: String,
    /// Which installer can read it, as far as that is known.
    pub next: String,
    ending: Ending,
}

/// How a run ended, as far as its report shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Ending {
    /// It changed the host.
    Done,
    /// The host is as it was before the run.
    AsBefore,
    /// It is closed, and the host is neither.
    Differs,
    Unknown,
}

/// The fields that matter in a report that cannot be read as a whole.
#[derive(Debug, Deserialize)]
struct OutcomeOnly {
    outcome: Value,
}

/// Whether the outcome of a closed run names anything that is not as it was.
fn has_differences(outcome: &Value) -> bool {
    let reverted = outcome.get("reverted");
    let names = ["differences", "data", "as_it_is"];
    reverted.is_some_and(|reverted| names.iter().any(|name| reverted.get(name).is_some()))
}

impl Unreadable {
    pub(super) fn look(layout: &Layout, id: u64, why: String) -> Self {
        let report = document::bytes(&layout.run(id).report()).unwrap_or_default();
        let ending =
            serde_json::from_slice(&report).map_or(Ending::Unknown, |found: OutcomeOnly| {
                let has = |name: &str| found.outcome.get(name).is_some();
                match found.outcome.as_str() {
                    Some("done") => Ending::Done,
                    None if has_differences(&found.outcome) => Ending::Differs,
                    None if has("unchanged") || has("reverted") => Ending::AsBefore,
                    _ => Ending::Unknown,
                }
            });
        Self {
            id,
            why,
            next: installer::advice(layout, id),
            ending,
        }
    }

    /// Refuses an action that is unsafe beside this run.
    #[must_use]
    pub fn refused(&self) -> Failure {
        let what = format!("run {} cannot be read, and may still be open", self.id);
        Failure::new(Exit::Refused, what, self.why.clone(), self.next.clone())
    }

    /// Whether the run may have changed the state that an undo of an earlier run finds.
    #[must_use]
    pub fn may_count(&self) -> bool {
        self.ending != Ending::AsBefore
    }
}

impl History {
    /// Returns the run that cannot be read and may be open. Only the newest run can be open,
    /// because no run starts while another is open.
    #[must_use]
    pub fn unreadable_open(&self) -> Option<&Unreadable> {
        let last = self.unreadable.last()?;
        let is_newest = self.runs.last().is_none_or(|run| run.id < last.id);
        (is_newest && last.ending == Ending::Unknown).then_some(last)
    }

    /// Returns a run later than `id` that cannot be read and may have changed the host.
    #[must_use]
    pub fn unreadable_after(&self, id: u64) -> Option<&Unreadable> {
        let mut later = self.unreadable.iter().filter(|run| run.id > id);
        later.find(|run| run.may_count())
    }
}
