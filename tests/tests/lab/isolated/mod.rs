//! The other tests stand on the isolated host, so its promises are tested here.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod cli;
mod inside;
mod layers;
mod life;
mod snapshots;

use std::path::Path;

use lab::isolated::{HostOptions, HostRecord, Image, IsolatedHost, Result};

const PROBE_SPEC: &str = "\
Name: lab-probe
Version: 1
Release: 1
Summary: A package to look at
License: None
BuildArch: noarch
%description
A package to look at.
%install
mkdir -p %{buildroot}/opt/lab-probe
echo one >%{buildroot}/opt/lab-probe/probe.conf
%files
%config(noreplace) /opt/lab-probe/probe.conf
";

fn boot(image: &Image, name: &str) -> IsolatedHost {
    IsolatedHost::boot(image, HostOptions::named(name)).unwrap()
}

fn install_probe(host: &IsolatedHost) -> Result<()> {
    host.write("/root/probe.spec", PROBE_SPEC, 0o644)?;
    host.check(&["rpmbuild", "--quiet", "-bb", "/root/probe.spec"])?;
    let rpm = "/root/rpmbuild/RPMS/noarch/lab-probe-1-1.noarch.rpm";
    host.check(&["rpm", "-U", rpm]).map(drop)
}

fn assert_gone(left: &HostRecord) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(left.id.as_str()));
    assert!(!left.root.exists());
    assert!(!left.is_running());
    for process in [left.leader, left.nspawn].into_iter().flatten() {
        assert!(!process.is_alive());
    }
    for tree in ["systemd", "unified", ""] {
        let cgroup = format!("/sys/fs/cgroup/{tree}/airgap-lab-{}", left.id);
        assert!(!Path::new(&cgroup).exists());
    }
}
