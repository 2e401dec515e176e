//! Decides whether a service without a health question is well: it runs, has told that it is ready,
//! and keeps its main process for longer than systemd waits before a restart.

use std::time::Duration;

use super::wait::RESTARTS_MAX;
use super::{Ill, IllKind};
use crate::host::UnitActivity;

/// Shortest time for which a service must run.
const STEADY: Duration = Duration::from_secs(10);
/// How much longer than its `RestartSec` a service must run.
const MARGIN: Duration = Duration::from_secs(5);
/// Most of a `RestartSec` that counts. A service that waits longer than this before it restarts is
/// seen to be down meanwhile.
const RESTART_MAX: Duration = Duration::from_secs(60);
/// How long a service that is to start may be seen inactive.
const INACTIVE: Duration = Duration::from_secs(10);

/// What one look at a service shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is well; its main process, 0 if it has none.
    Well(u32),
    /// It is not well yet.
    NotYet(Ill),
    /// It will not be well without help.
    Never(Ill),
}

/// Which start of a service was seen. What an old systemd does not know is left out on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Start {
    main_pid: u32,
    restarts: Option<u64>,
    started: Option<u64>,
    invocation: Option<String>,
}

/// What was seen of a service so far.
#[derive(Debug, Default)]
pub(super) struct Steady {
    /// The start that is watched, and since when it runs.
    runs: Option<(Start, Duration)>,
    /// How many looks in a row have shown it.
    looks: u32,
    /// How many starts were seen.
    starts: u32,
    inactive_since: Option<Duration>,
}

impl Steady {
    /// Whether the service was running at the last look.
    pub(super) const fn runs(&self) -> bool {
        self.looks > 0
    }

    /// Takes another look. `age` is how long the main process is known to run already.
    pub(super) fn see(&mut self, now: Duration, activity: &UnitActivity, age: Duration) -> Seen {
        let ill = |why: String| Ill::new(IllKind::Process, why);
        let has_ended = activity.active == "inactive" || activity.sub == "exited";
        if !has_ended {
            self.inactive_since = None;
        }
        let is_exited = activity.active == "active"
            && activity.sub == "exited"
            && activity.kind == "oneshot"
            && activity.remains;
        if is_exited {
            return Seen::Well(0);
        }
        if activity.active != "active" || activity.sub != "running" {
            self.looks = 0;
            let state = format!("{}, {}", activity.active, activity.sub);
            let why = match (activity.active.as_str(), activity.sub.as_str()) {
                ("failed", _) => return Seen::Never(ill("the unit failed".to_owned())),
                _ if has_ended => {
                    let since = *self.inactive_since.get_or_insert(now);
                    let why = format!("its program has ended, and the unit does not run ({state})");
                    if now.saturating_sub(since) >= INACTIVE {
                        return Seen::Never(ill(why));
                    }
                    why
                }
                (_, "auto-restart" | "auto-restart-queued") => {
                    format!("its program has ended, and systemd starts it again ({state})")
                }
                ("activating" | "reloading", _) => {
                    format!("it has not told systemd that it is ready ({state})")
                }
                _ => format!("it does not run ({state})"),
            };
            return Seen::NotYet(ill(why));
        }
        self.running(now, activity, age)
    }

    fn running(&mut self, now: Duration, activity: &UnitActivity, age: Duration) -> Seen {
        let start = Start {
            main_pid: activity.main_pid,
            restarts: activity.restarts,
            started: activity.started,
            invocation: activity.invocation.clone(),
        };
        let since = match &self.runs {
            Some((known, since)) if *known == start && self.looks > 0 => *since,
            known => {
                let is_new = known.as_ref().is_none_or(|(known, _)| *known != start);
                self.starts += u32::from(is_new);
                self.looks = 0;
                now.saturating_sub(age)
            }
        };
        let ran = now.saturating_sub(since);
        self.runs = Some((start, since));
        self.looks += 1;
        let ill = |why: String| Ill::new(IllKind::Process, why);
        if self.starts > RESTARTS_MAX {
            return Seen::Never(ill("its main process does not stay up".to_owned()));
        }
        let needed = needed(activity.restart_delay);
        if self.looks > 1 && ran >= needed {
            return Seen::Well(activity.main_pid);
        }
        Seen::NotYet(ill(format!(
            "it runs, for {} of {} s",
            ran.as_secs(),
            needed.as_secs()
        )))
    }
}

/// How long a service must run to be well. Where its `RestartSec` is not known, the longest counts.
fn needed(restart_delay: Option<Duration>) -> Duration {
    let delay = restart_delay.unwrap_or(RESTART_MAX).min(RESTART_MAX);
    STEADY.max(delay + MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(pid: u32) -> UnitActivity {
        UnitActivity {
            active: "active".to_owned(),
            sub: "running".to_owned(),
            kind: "simple".to_owned(),
            main_pid: pid,
            restarts: Some(0),
            restart_delay: Some(Duration::from_millis(100)),
            started: Some(u64::from(pid)),
            ..UnitActivity::default()
        }
    }

    fn in_state(active: &str, sub: &str) -> UnitActivity {
        UnitActivity {
            active: active.to_owned(),
            sub: sub.to_owned(),
            main_pid: 0,
            ..running(0)
        }
    }

    /// Looks once a second and returns the second at which a verdict came, and whether it is well.
    fn verdict(at: impl Fn(u64) -> UnitActivity) -> Option<(u64, bool)> {
        let mut steady = Steady::default();
        (0..200).find_map(|second| {
            match steady.see(Duration::from_secs(second), &at(second), Duration::ZERO) {
                Seen::Well(_) => Some((second, true)),
                Seen::Never(_) => Some((second, false)),
                Seen::NotYet(_) => None,
            }
        })
    }

    #[test]
    fn a_service_that_keeps_running_is_well_after_its_time() {
        assert_eq!(verdict(|_| running(7)), Some((10, true)));
        let slow = |_| UnitActivity {
            restart_delay: Some(Duration::from_secs(20)),
            ..running(7)
        };
        assert_eq!(verdict(slow), Some((25, true)));
        let unknown = |_| UnitActivity {
            restart_delay: None,
            ..running(7)
        };
        assert_eq!(verdict(unknown), Some((65, true)));
    }

    #[test]
    fn a_program_that_ends_well_is_not_well() {
        let ends = |second| match second {
            0 => running(7),
            _ => in_state("inactive", "dead"),
        };
        assert_eq!(verdict(ends), Some((11, false)));
        let stays_exited = |_| UnitActivity {
            remains: true,
            ..in_state("active", "exited")
        };
        assert_eq!(verdict(stays_exited), Some((10, false)), "it is no oneshot");
    }

    #[test]
    fn a_oneshot_that_remains_is_well_at_once() {
        let done = |_| UnitActivity {
            kind: "oneshot".to_owned(),
            remains: true,
            ..in_state("active", "exited")
        };
        assert_eq!(verdict(done), Some((0, true)));
    }

    #[test]
    fn a_crash_loop_is_never_well() {
        // Down most of the time.
        let slow = |second: u64| match second % 10 {
            0 => running(u32::try_from(second).unwrap_or(0) + 1),
            _ => in_state("activating", "auto-restart"),
        };
        assert_eq!(verdict(slow), Some((40, false)));
        // Down so shortly that no look sees it.
        let fast = |second: u64| running(u32::try_from(second / 8).unwrap_or(0) + 1);
        assert_eq!(verdict(fast), Some((32, false)));
    }

    #[test]
    fn a_service_that_never_tells_that_it_is_ready_is_not_well() {
        assert_eq!(verdict(|_| in_state("activating", "start")), None);
    }

    #[test]
    fn one_that_dies_after_seven_seconds_is_not_well() {
        let dies = |second| match second {
            0..7 => running(7),
            _ => in_state("failed", "failed"),
        };
        assert_eq!(verdict(dies), Some((7, false)));
    }

    #[test]
    fn the_age_of_a_process_counts_before_a_run() {
        let mut steady = Steady::default();
        let age = Duration::from_secs(3600);
        let mut see = |second| steady.see(age + Duration::from_secs(second), &running(7), age);
        assert!(matches!(see(0), Seen::NotYet(_)));
        assert_eq!(see(1), Seen::Well(7));
    }
}
