//! How long a program may take.

use std::time::Duration;

/// How long a tool may take, and whether somebody asked to stop.
#[derive(Clone, Copy)]
pub struct Limit<'a> {
    /// Longest time.
    pub time: Duration,
    /// Whether to give up.
    pub stopped: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Limit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}
