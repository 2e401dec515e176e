//! Queries and changes systemd units. Old versions of systemd omit properties that they do not know
//! (systemd 219 on EL7 has no `show --value`).

use std::path::PathBuf;
use std::time::Duration;

use super::cmd;
use super::{HostError, UnitAction, UnitActivity, UnitState};

const ASK: Duration = Duration::from_secs(60);
/// A service may take `TimeoutStopSec` to stop. The unit decides; this only limits a hung manager.
const CHANGE: Duration = Duration::from_secs(900);
const PROPERTIES: &str = "LoadState,ActiveState,UnitFileState,MainPID,NRestarts,\
                          ExecMainStartTimestampMonotonic,TriggeredBy,\
                          RequiredBy,BoundBy,ConsistsOf";

pub(crate) fn unit(name: &str) -> Result<UnitState, HostError> {
    let finished = cmd::query("systemctl", &["show", "-p", PROPERTIES, name], ASK)?.success()?;
    Ok(parse_state(&finished.stdout))
}

fn parse_state(text: &str) -> UnitState {
    let mut state = UnitState::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "LoadState" => value.clone_into(&mut state.load),
            "ActiveState" => value.clone_into(&mut state.active),
            "UnitFileState" => value.clone_into(&mut state.file),
            "MainPID" => state.main_pid = value.parse().unwrap_or(0),
            "ExecMainStartTimestampMonotonic" => state.main_started = value.parse().unwrap_or(0),
            "NRestarts" => state.restarts = value.parse().ok(),
            "TriggeredBy" => state.triggered_by.extend(names(value)),
            "RequiredBy" | "BoundBy" | "ConsistsOf" => state.dependents.extend(names(value)),
            _ => {}
        }
    }
    state
}

const ACTIVITY: &str = "ActiveState,SubState,Type,RemainAfterExit,MainPID,NRestarts,RestartUSec,\
                        ExecMainStartTimestampMonotonic,InvocationID";

pub(crate) fn activity(name: &str) -> Result<UnitActivity, HostError> {
    let finished = cmd::query("systemctl", &["show", "-p", ACTIVITY, name], ASK)?.success()?;
    Ok(parse_activity(&finished.stdout))
}

fn parse_activity(text: &str) -> UnitActivity {
    let mut activity = UnitActivity::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "ActiveState" => value.clone_into(&mut activity.active),
            "SubState" => value.clone_into(&mut activity.sub),
            "Type" => value.clone_into(&mut activity.kind),
            "RemainAfterExit" => activity.remains = value == "yes",
            "MainPID" => activity.main_pid = value.parse().unwrap_or(0),
            "NRestarts" => activity.restarts = value.parse().ok(),
            "RestartUSec" => activity.restart_delay = time_span(value),
            "ExecMainStartTimestampMonotonic" => activity.started = value.parse().ok(),
            "InvocationID" if !value.is_empty() => activity.invocation = Some(value.to_owned()),
            _ => {}
        }
    }
    activity
}

/// Reads a time as systemd shows it, such as `1min 30s` or `100ms`; nothing if it is without end.
fn time_span(text: &str) -> Option<Duration> {
    let mut micros: u64 = 0;
    for word in text.split_whitespace() {
        let digits = word.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = word.split_at(digits);
        let each: u64 = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "min" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            "w" => 604_800_000_000,
            _ => return None,
        };
        micros = micros.checked_add(number.parse::<u64>().ok()?.checked_mul(each)?)?;
    }
    (!text.trim().is_empty()).then(|| Duration::from_micros(micros))
}

/// Asks the journal. A host may have none, or another way to keep its logs.
pub(crate) fn log(unit: &str, since: u64, lines: u32) -> Result<Vec<String>, HostError> {
    if !cmd::is_available("journalctl") {
        return Ok(Vec::new());
    }
    let (since, lines) = (format!("--since=@{since}"), lines.to_string());
    let args = [
        "--no-pager",
        "-q",
        "-o",
        "short-iso",
        "-u",
        unit,
        &since,
        "-n",
        &lines,
    ];
    let finished = cmd::query("journalctl", &args, ASK)?.success()?;
    Ok(finished.stdout.lines().map(str::to_owned).collect())
}

pub(crate) fn started_program(name: &str) -> Result<Option<PathBuf>, HostError> {
    let finished = cmd::query("systemctl", &["show", "-p", "ExecStart", name], ASK)?.success()?;
    Ok(parse_program(&finished.stdout))
}

/// Reads `ExecStart={ path=/usr/bin/x ; argv[]=/usr/bin/x -v ; … }`.
fn parse_program(text: &str) -> Option<PathBuf> {
    let rest = text.trim().strip_prefix("ExecStart={ path=")?;
    let (path, _) = rest.split_once(" ; argv[]=")?;
    Some(PathBuf::from(path))
}

fn names(value: &str) -> impl Iterator<Item = String> {
    value.split_whitespace().map(str::to_owned)
}

pub(crate) fn instances(template: &str) -> Result<Vec<String>, HostError> {
    let Some((stem, suffix)) = template.split_once("@.") else {
        return Ok(Vec::new());
    };
    let pattern = format!("{stem}@*.{suffix}");
    let args = [
        "list-units",
        "--all",
        "--plain",
        "--no-legend",
        "--no-pager",
        &pattern,
    ];
    let finished = cmd::query("systemctl", &args, ASK)?.success()?;
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    Ok(finished.stdout.lines().filter_map(first).collect())
}

pub(crate) fn change(action: UnitAction, unit: &str) -> Result<(), HostError> {
    let args: &[&str] = match action {
        UnitAction::Start => &["start", "--no-block", unit],
        UnitAction::Stop => &["stop", unit],
        UnitAction::ResetFailed => &["reset-failed", unit],
        UnitAction::Enable => &["enable", unit],
        UnitAction::Disable => &["disable", unit],
        UnitAction::Mask => &["mask", unit],
    };
    let finished = cmd::query("systemctl", args, CHANGE)?;
    // If there is nothing to reset, that is not a failure.
    if action != UnitAction::ResetFailed {
        finished.success()?;
    }
    Ok(())
}

pub(crate) fn daemon_reload() -> Result<(), HostError> {
    cmd::query("systemctl", &["daemon-reload"], CHANGE)?.success()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_systemd_leaves_properties_out() {
        let state = parse_state("LoadState=loaded\nActiveState=active\nMainPID=12\n");
        assert!(state.exists() && state.is_up());
        assert_eq!((state.main_pid, state.restarts), (12, None));
        assert_eq!(parse_state("NRestarts=3\n").restarts, Some(3));
        assert!(!parse_state("LoadState=not-found\nActiveState=inactive\n").exists());
    }

    #[test]
    fn what_a_service_does_is_read_from_new_and_old_systemd() {
        let new = parse_activity(
            "Type=notify\nRestartUSec=1min 30s\nRemainAfterExit=no\nMainPID=12\nNRestarts=2\n\
             ExecMainStartTimestampMonotonic=99\nActiveState=activating\nSubState=start\n\
             InvocationID=abc\n",
        );
        assert_eq!(new.restart_delay, Some(Duration::from_secs(90)));
        assert_eq!((new.restarts, new.started), (Some(2), Some(99)));
        assert_eq!(new.invocation.as_deref(), Some("abc"));
        assert_eq!((new.kind.as_str(), new.sub.as_str()), ("notify", "start"));
        let old = parse_activity("RestartUSec=100ms\nRemainAfterExit=yes\nMainPID=0\n");
        assert_eq!(old.restart_delay, Some(Duration::from_millis(100)));
        assert_eq!((old.restarts, old.invocation), (None, None));
        assert!(old.remains);
        for endless in ["infinity", "", "5 parsecs"] {
            assert_eq!(time_span(endless), None, "{endless}");
        }
    }

    #[test]
    fn the_started_program_is_read() {
        let text = "ExecStart={ path=/opt/a b/x ; argv[]=/opt/a b/x -v ; ignore_errors=no ; \
                    start_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }\n";
        assert_eq!(parse_program(text), Some(PathBuf::from("/opt/a b/x")));
        assert_eq!(parse_program("ExecStart=\n"), None);
    }
}
