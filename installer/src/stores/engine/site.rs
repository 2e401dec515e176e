//! Where an engine works, and for how long.

use std::time::Duration;

use crate::host::Host;
use crate::layout::Layout;
use crate::stores::Limit;

/// The host on which an engine works, and a limit that all its calls share.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) layout: &'a Layout,
    limit: Limit<'a>,
    /// When the limit is reached, by the host's steady clock.
    end: Duration,
}

impl<'a> Site<'a> {
    pub(super) fn new(host: &'a dyn Host, layout: &'a Layout, limit: Limit<'a>) -> Self {
        Self {
            host,
            layout,
            limit,
            end: host.steady_clock().saturating_add(limit.time),
        }
    }

    /// Returns the whole time that was allowed.
    pub(super) const fn whole_time(&self) -> Duration {
        self.limit.time
    }

    /// Returns what is left of the limit.
    pub(super) fn left(&self) -> Limit<'a> {
        let time = self.end.saturating_sub(self.host.steady_clock());
        Limit { time, ..self.limit }
    }

    /// Whether the limit is reached or the run was asked to stop.
    pub(super) fn is_over(&self) -> bool {
        self.left().time.is_zero() || (self.limit.stopped)()
    }
}
