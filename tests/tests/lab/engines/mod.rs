//! The engines of data stores against real servers: dumped, proven, changed, restored, compared.

#![expect(
    clippy::disallowed_methods,
    reason = "tests drive real programs and files"
)]

use std::path::Path;
use std::sync::LazyLock;

use installer::host::linux::LinuxHost;
use installer::layout::Layout;
use installer::stores::HostStores;

#[cfg(test)]
mod mongodb;
#[cfg(test)]
mod postgresql;
#[cfg(test)]
mod redis;

/// Returns the stores as this machine reaches them.
#[cfg(test)]
fn stores() -> HostStores<'static> {
    static MACHINE: LazyLock<(Layout, LinuxHost)> = LazyLock::new(|| {
        let layout = Layout::of_running(Path::new("/"));
        let host = LinuxHost::new(&layout);
        (layout, host)
    });
    HostStores::new(&MACHINE.1, &MACHINE.0)
}
