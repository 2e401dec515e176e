//! Limits how long a program may run.

use std::time::Duration;

/// The longest time of a tool, and a check for a request to stop.
#[derive(Clone, Copy)]
pub struct Limit<'a> {
    /// Longest time.
    pub time: Duration,
    /// Whether to give up now.
    pub stopped: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Limit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}
