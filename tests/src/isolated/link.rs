//! A cable between two hosts, whose networks are otherwise their own.

#![expect(clippy::disallowed_methods, reason = "the lab connects its hosts")]

use std::process::Command;

use super::error::{HostError, Result};
use super::guest::Guest;

const INTERFACE: &str = "cable0";

/// Connects two hosts and gives each an address, such as `10.77.0.1/24`.
pub fn link(one: &Guest, other: &Guest, addresses: [&str; 2]) -> Result<()> {
    let [here, there] = [one.leader()?.pid, other.leader()?.pid].map(|pid| pid.to_string());
    let argv = [
        "link", "add", INTERFACE, "netns", &here, "type", "veth", "peer", "name", INTERFACE,
        "netns", &there,
    ];
    let made = Command::new("ip").args(argv).output();
    let made = made.map_err(|source| HostError::Spawn {
        argv: "ip".to_owned(),
        source,
    })?;
    if !made.status.success() {
        return Err(HostError::Malformed {
            path: "ip".into(),
            reason: String::from_utf8_lossy(&made.stderr).into_owned(),
        });
    }
    for (guest, address) in [one, other].into_iter().zip(addresses) {
        guest.check(&["ip", "address", "add", address, "dev", INTERFACE])?;
        guest.check(&["ip", "link", "set", INTERFACE, "up"])?;
    }
    Ok(())
}
