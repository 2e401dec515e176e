//! Waits until a service is healthy, and decides when to give up.

use std::time::Duration;

use manifests::product::{Component, Health};

use super::steady::{Seen, Steady};
use super::streak::Streak;
use super::{Expected, Ill, IllKind, look};
use crate::host::{Host, UnitState};
use crate::layout::Layout;

/// Most main processes that may come and go before a service counts as unable to stay up.
pub(super) const RESTARTS_MAX: u32 = 4;
/// Longest wait for a service without a health question, unless the operator sets another one.
const STEADY_BUDGET: Duration = Duration::from_secs(120);
/// Longest wait until a service that started just before the run is healthy.
const SETTLE: Duration = Duration::from_secs(15);
/// How long the illness of a service that runs for long has to last.
const HICCUP: Duration = Duration::from_secs(5);
/// How long a service may show the illness that it had before the run, until that is its state.
const AS_BEFORE: Duration = Duration::from_secs(30);
/// Pause between two looks at a service without a health question.
const LOOK: Duration = Duration::from_secs(1);
/// How often a wait reports what it waits for: in its first minute, and later.
const TELL: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(30)];

/// How long a wait may last, what ends it early, and who hears of it.
pub struct Patience<'a> {
    /// Longest wait, if the operator set one, seconds.
    pub budget_secs: Option<u64>,
    /// Whether the wait was asked to stop.
    pub stopped: &'a dyn Fn() -> bool,
    /// Whether a kind of illness is excused: such a service is not waited for to the end.
    pub excused: &'a dyn Fn(IllKind) -> bool,
    /// Hears at intervals what the wait is for.
    pub tell: &'a dyn Fn(String),
}

impl std::fmt::Debug for Patience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patience")
            .field("budget_secs", &self.budget_secs)
            .finish_non_exhaustive()
    }
}

/// Whether a service that is not well before a run gets no more time: it had time to settle, in this
/// wait or before. A bad answer of a service that runs for long may pass in a few seconds.
const fn is_settled(waited: Duration, age: Duration) -> bool {
    waited.as_secs() > SETTLE.as_secs()
        || (waited.as_secs() >= HICCUP.as_secs() && age.as_secs() > SETTLE.as_secs())
}

/// Returns how long the main process of a service has run.
fn age(host: &dyn Host, main_pid: u32) -> Duration {
    let process = (main_pid != 0).then(|| host.process(main_pid)).flatten();
    Duration::from_secs(process.map_or(0, |process| process.age_secs))
}

/// Checks a service before a run in the same way as after it. A service that has just started gets
/// time to settle. Otherwise it would count as unhealthy, and that would excuse an upgrade that
/// breaks it. `tell` hears of it if that takes time.
pub fn ask_before(
    host: &dyn Host,
    layout: &Layout,
    component: &Component,
    expected: Expected<'_>,
    tell: &dyn Fn(String),
) -> Result<(), Ill> {
    let Some(unit) = &component.unit else {
        return Ok(());
    };
    let started = host.steady_clock();
    let title = &component.title;
    let mut waited = 0;
    let mut waits = |last: &Ill| {
        waited += 1;
        if waited == 2 {
            let (secs, why) = (SETTLE.as_secs(), &last.why);
            tell(format!(
                "{title} to be well, for up to {secs} s; last: {why}"
            ));
        }
    };
    let Some(health) = &component.health else {
        return was_steady(host, unit, &mut waits);
    };
    loop {
        let verdict = look(host, layout, component, health, unit, expected);
        let Err(ill) = verdict else {
            return Ok(());
        };
        let main_pid = host.unit(unit).map_or(0, |state| state.main_pid);
        let waited = host.steady_clock().saturating_sub(started);
        if is_settled(waited, age(host, main_pid)) {
            return Err(ill);
        }
        waits(&ill);
        host.sleep(Duration::from_millis(health.interval_ms));
    }
}

/// Waits until a service is healthy and returns its main process (0 if it has none to watch). An
/// error is why the service was not healthy within its budget.
pub fn wait(
    host: &dyn Host,
    layout: &Layout,
    component: &Component,
    expected: Expected<'_>,
    patience: &Patience<'_>,
) -> Result<u32, Ill> {
    let Some(unit) = &component.unit else {
        return Ok(0);
    };
    let Some(health) = &component.health else {
        let own = patience.budget_secs.map(Duration::from_secs);
        let watch = Watch::new(host, component, patience, own.unwrap_or(STEADY_BUDGET));
        return stays_up(host, unit, watch);
    };
    let secs = patience.budget_secs.unwrap_or(health.budget_secs);
    let watch = Watch::new(host, component, patience, Duration::from_secs(secs));
    let ask = || look(host, layout, component, health, unit, expected);
    answers(host, unit, health, &ask, watch)
}

/// Asks until enough answers in a row are good.
fn answers(
    host: &dyn Host,
    unit: &str,
    health: &Health,
    ask: &dyn Fn() -> Result<u32, Ill>,
    mut watch: Watch<'_>,
) -> Result<u32, Ill> {
    let mut streak = Streak::default();
    let mut last = Ill::new(IllKind::Stopped, "it was never asked");
    loop {
        let verdict = ask();
        let state = host.unit(unit).unwrap_or_default();
        streak.see(verdict.as_ref().ok().map(|pid| (*pid, state.restarts)));
        if streak.length >= health.consecutive {
            return Ok(streak.process.0);
        }
        let is_ill = verdict.is_err();
        last = verdict.err().unwrap_or(last);
        let never = |why: &str| {
            let why = format!("{why}; last: {}{}", last.why, again(&state));
            Err(Ill::new(IllKind::Process, why))
        };
        if streak.processes > RESTARTS_MAX {
            return never("its main process does not stay up");
        }
        if state.active == "failed" {
            return never("the unit failed");
        }
        if let Some(end) = watch.ends(is_ill, &last) {
            return Err(with_time(end, watch.waited(), &again(&state)));
        }
        watch.pause(&last.why, Duration::from_millis(health.interval_ms));
    }
}

/// A service without a health question must run, with one main process, for long enough.
fn stays_up(host: &dyn Host, unit: &str, mut watch: Watch<'_>) -> Result<u32, Ill> {
    let mut steady = Steady::default();
    loop {
        let seen = match host.unit_activity(unit) {
            Ok(activity) => steady.see(host.steady_clock(), &activity, Duration::ZERO),
            Err(error) => Seen::NotYet(Ill::new(IllKind::Process, error.to_string())),
        };
        let last = match seen {
            Seen::Well(pid) => return Ok(pid),
            Seen::Never(ill) => return Err(ill),
            Seen::NotYet(ill) => ill,
        };
        // One that runs is given the rest of its time: only what does not run can be late.
        if let Some(end) = watch.ends(!steady.runs(), &last)
            && (end.kind == IllKind::Stopped || !steady.runs())
        {
            return Err(with_time(end, watch.waited(), ""));
        }
        watch.pause(&last.why, LOOK);
    }
}

/// Whether a service without a health question runs steadily before a run. The time that its
/// process has already run counts.
fn was_steady(host: &dyn Host, unit: &str, waits: &mut dyn FnMut(&Ill)) -> Result<(), Ill> {
    let mut steady = Steady::default();
    let started = host.steady_clock();
    let mut ran = Duration::ZERO;
    loop {
        let now = host.steady_clock();
        let seen = match host.unit_activity(unit) {
            Ok(activity) => {
                ran = age(host, activity.main_pid);
                steady.see(now, &activity, ran)
            }
            Err(error) => Seen::NotYet(Ill::new(IllKind::Process, error.to_string())),
        };
        let waited = now.saturating_sub(started);
        match seen {
            Seen::Well(_) => return Ok(()),
            Seen::Never(ill) => return Err(ill),
            Seen::NotYet(ill) if !steady.runs() && is_settled(waited, ran) => {
                return Err(ill);
            }
            Seen::NotYet(ill) => {
                waits(&ill);
                host.sleep(LOOK);
            }
        }
    }
}

/// The clock of one wait.
struct Watch<'a> {
    host: &'a dyn Host,
    patience: &'a Patience<'a>,
    title: &'a str,
    budget: Duration,
    started: Duration,
    told: Duration,
}

impl<'a> Watch<'a> {
    fn new(
        host: &'a dyn Host,
        component: &'a Component,
        patience: &'a Patience<'a>,
        budget: Duration,
    ) -> Self {
        Self {
            host,
            patience,
            title: &component.title,
            budget,
            started: host.steady_clock(),
            told: Duration::ZERO,
        }
    }

    fn waited(&self) -> Duration {
        self.host.steady_clock().saturating_sub(self.started)
    }

    /// Returns why the wait ends without health, if it ends now.
    fn ends(&self, is_ill: bool, last: &Ill) -> Option<Ill> {
        if (self.patience.stopped)() {
            return Some(Ill::new(IllKind::Stopped, "the run was told to stop"));
        }
        let is_as_before =
            is_ill && self.waited() >= AS_BEFORE && (self.patience.excused)(last.kind);
        (is_as_before || self.waited() >= self.budget).then(|| last.clone())
    }

    /// Reports the wait if it is time, and sleeps.
    fn pause(&mut self, last: &str, time: Duration) {
        let waited = self.waited();
        let each = TELL[usize::from(waited >= Duration::from_secs(60))];
        if waited >= self.told + each {
            self.told = waited;
            let left = self.budget.saturating_sub(waited).as_secs();
            let (title, waited) = (self.title, waited.as_secs());
            (self.patience.tell)(format!(
                "{title} to be healthy: {waited} s so far, {left} s left; last: {last}"
            ));
        }
        self.host.sleep(time);
    }
}

fn with_time(ill: Ill, waited: Duration, more: &str) -> Ill {
    if ill.kind == IllKind::Stopped {
        return ill;
    }
    Ill {
        why: format!("{} (after {} s{more})", ill.why, waited.as_secs()),
        ..ill
    }
}

/// Returns how often systemd had to restart a service, which suggests that it starts and then
/// crashes.
fn again(state: &UnitState) -> String {
    match state.restarts {
        Some(times) if times > 0 => format!("; systemd restarts: {times}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each service that was ill for hours cost a preflight and a baseline 15 s.
    #[test]
    fn only_a_service_that_has_just_started_gets_time_to_settle() {
        let settled =
            |waited, age| is_settled(Duration::from_secs(waited), Duration::from_secs(age));
        assert!(
            !settled(0, 3600) && !settled(4, 3600),
            "a failover is short"
        );
        assert!(settled(5, 3600));
        assert!(!settled(15, 10));
        assert!(settled(16, 10));
    }
}
