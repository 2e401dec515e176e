//! Queries and changes systemd units. Old versions of systemd omit properties that they do not know
//! (systemd 219 on EL7 has no `show --value`).

use std::time::Duration;

use super::cmd;
use super::{HostError, UnitAction, UnitState};

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
}
