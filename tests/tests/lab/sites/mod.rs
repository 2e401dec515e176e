//! Hosts as sites have them: what differs from the host that the other tests upgrade, one kind for
//! each file.

#![expect(
    clippy::unwrap_used,
    reason = "tests drive real programs, and fail by panicking"
)]

mod behind;
mod craft;
mod dry_run;
mod first;
mod going_back;
mod health;
mod left_alone;
mod meddle;
mod mounts;
mod paths;
mod recovery;
mod running;
mod settings;
mod shared;
mod site_file;
mod waits;
mod wrapped;

use std::time::Duration;

use lab::forge::Forge;

use crate::upgrade::support::{SERVICES, Site};

/// Writes a drop-in of a service and starts the service again.
fn drop_in(site: &Site, unit: &str, text: &str) {
    let path = format!("/etc/systemd/system/{unit}.d/site.conf");
    site.host.write(&path, text, 0o644).unwrap();
    site.host.check(&["systemctl", "daemon-reload"]).unwrap();
    site.host
        .check(&["systemctl", "--no-block", "restart", unit])
        .unwrap();
}

/// Waits until a service answers again.
fn wait_for(site: &Site, service: usize) {
    let (unit, port, path) = SERVICES[service];
    site.host
        .wait_until(unit, Duration::from_secs(60), |guest| {
            Ok(guest.http_get(port, path)?.0 == 200)
        })
        .unwrap();
}

/// A bundle that changes the pump alone.
fn only_pump(site: &Site) -> Forge {
    site.only("tyk-pump", "5.3.2")
}

/// A bundle that changes the gateway alone.
fn only_gateway(site: &Site, version: &str) -> Forge {
    site.only("tyk-gateway", version)
}
