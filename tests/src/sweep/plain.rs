//! The same kills without the installer: a plain `rpm -U`, killed, and put back by a plain rpm.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::case::{Case, Victim};
use super::kit::Kit;
use super::play::{Played, Struck};
use super::processes;
use super::watch::{self, Work};
use crate::isolated::IsolatedHost;

/// What a person does after a crash: waits a moment, so that rpm's names, made of the second,
/// differ.
const A_MOMENT: Duration = Duration::from_secs(2);
const RESTART: [&str; 5] = [
    "systemctl",
    "restart",
    "tyk-gateway.service",
    "tyk-dashboard.service",
    "tyk-pump.service",
];

fn transaction<'a>(flags: &[&'a str], rpms: &'a [String]) -> Vec<&'a str> {
    let words = ["rpm", "-U"].into_iter().chain(flags.iter().copied());
    words.chain(rpms.iter().map(String::as_str)).collect()
}

/// Kills a plain upgrade, goes back with `rpm -U --oldpackage --replacepkgs` and restarts everything.
pub(super) fn play(host: &IsolatedHost, kit: &Kit, case: &Case, played: &mut Played) -> Result<()> {
    let (before, after) = kit.carry_rpms(host)?;
    let mut work = Work::of(host.spawn(&transaction(&[], &after))?);
    for strike in &case.strikes {
        let has_come = work.await_moment(host, 0, &strike.moment)?;
        let processes = processes::list(host)?;
        let hit = has_come && strike.victim == Victim::Rpm && !processes.is_empty();
        processes.iter().for_each(processes::Process::kill);
        played.struck.push(Struck {
            strike: strike.clone(),
            phase: String::new(),
            hit,
        });
    }
    work.await_end(host)?;
    sleep(A_MOMENT);
    let flags = ["--oldpackage", "--replacepkgs"];
    let back = host.run(&transaction(&flags, &before))?;
    let reload = host.run(&["systemctl", "daemon-reload"])?;
    let restarted = host.run(&RESTART)?;
    played.transcript = format!("{back}\n{reload}\n{restarted}\n");
    Ok(())
}

/// Times an undisturbed plain upgrade.
pub(super) fn undisturbed(host: &IsolatedHost, kit: &Kit) -> Result<u64> {
    let (_, after) = kit.carry_rpms(host)?;
    Ok(watch::follow(host, host.spawn(&transaction(&[], &after))?)?.millis)
}
