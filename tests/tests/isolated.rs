//! The isolated host is what the other tests stand on, so it is tested for what it promises.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::time::Duration;

use lab::isolated::{
    ElMajor, HostOptions, HostRecord, Image, IsolatedHost, Result, list, unavailable,
};

/// Skips where the host cannot run, but never in CI.
macro_rules! image_or_skip {
    () => {
        match unavailable() {
            None => Image::prepare().unwrap(),
            Some(reason) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                panic!("in CI this must run: {reason}")
            }
            Some(reason) => return println!("skipped: {reason}"),
        }
    };
}

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

#[test]
fn boots_to_running_with_nothing_but_loopback() {
    let image = image_or_skip!();
    let host = boot(&image, "loopback");

    assert_eq!(
        host.check(&["systemctl", "is-system-running"]).unwrap(),
        "running\n"
    );
    let links = host.check(&["ls", "/sys/class/net"]).unwrap();
    let routes = host
        .check(&["ip", "route", "show", "table", "all", "type", "unicast"])
        .unwrap();
    assert_eq!((links.as_str(), routes.as_str()), ("lo\n", ""));
    let away = host
        .run(&["curl", "-sS", "-m", "3", "http://192.0.2.1/"])
        .unwrap();
    assert_eq!(away.code(), Some(7), "{away}");

    assert!(host.unit("redis-server.service").unwrap().is_active());
    assert!(host.unit("redis-server.service").unwrap().is_enabled());
    assert_eq!(host.check(&["redis-cli", "ping"]).unwrap(), "PONG\n");
    assert_eq!(host.unit("no-such.service").unwrap().load, "not-found");
}

#[test]
fn claims_to_be_the_enterprise_linux_that_was_asked_for() {
    let image = image_or_skip!();
    let options = HostOptions::named("disguise").os_major(ElMajor::El7);
    let host = IsolatedHost::boot(&image, options).unwrap();
    let claims = host
        .check(&["sh", "-c", ". /etc/os-release; echo $ID:$VERSION_ID"])
        .unwrap();
    assert_eq!(claims, "centos:7\n");
}

#[test]
fn rpm_works_for_root_and_answers_everyone() {
    let image = image_or_skip!();
    let host = boot(&image, "rpm");
    install_probe(&host).unwrap();

    let as_root = host.run(&["rpm", "-qa"]).unwrap().must_succeed();
    let as_user = host
        .run_as("operator", &["rpm", "-qa"])
        .unwrap()
        .must_succeed();
    assert_eq!(as_root.stdout, "lab-probe-1-1.noarch\n");
    assert_eq!(as_user.stdout, as_root.stdout);

    assert_eq!(
        host.run_as("operator", &["id", "-un"]).unwrap().stdout,
        "operator\n"
    );
    assert_eq!(
        host.run_as("operator", &["sh", "-c", "echo $HOME"])
            .unwrap()
            .stdout,
        "/home/operator\n"
    );
    let erase = host
        .run_as("operator", &["rpm", "-e", "lab-probe"])
        .unwrap();
    assert!(!erase.success());
}

#[test]
fn programs_get_input_and_environment_and_a_deadline() {
    let image = image_or_skip!();
    let host = boot(&image, "commands");

    let greeting = host
        .command(&[
            "sh",
            "-c",
            "read line; echo $line $WHO; echo oops >&2; exit 3",
        ])
        .stdin("hello\n")
        .env("WHO", "world")
        .run()
        .unwrap();
    assert_eq!(greeting.code(), Some(3));
    assert_eq!(
        (greeting.stdout.as_str(), greeting.stderr.as_str()),
        ("hello world\n", "oops\n")
    );
    assert!(greeting.ok().unwrap_err().to_string().contains("oops"));

    let late = host
        .command(&["sleep", "60"])
        .deadline(Duration::from_millis(300))
        .run();
    assert!(
        late.unwrap_err()
            .to_string()
            .contains("`sleep 60` took longer")
    );
    let mut running = host.spawn(&["sh", "-c", "echo started; sleep 60"]).unwrap();
    host.wait_until("output", Duration::from_secs(5), |_| {
        Ok(running.output()?.0 == "started\n")
    })
    .unwrap();
    assert!(running.is_running().unwrap());
    running.kill().unwrap();
    host.wait_until("both sleeps ending", Duration::from_secs(5), |host| {
        Ok(!host.run(&["pgrep", "sleep"])?.success())
    })
    .unwrap();
}

#[test]
fn files_are_resolved_inside_the_host() {
    let image = image_or_skip!();
    let host = boot(&image, "files");

    // Absolute links, `..` and the host's own mounts all stay inside.
    host.check(&["ln", "-s", "/etc/os-release", "/opt/absolute"])
        .unwrap();
    let claims = String::from_utf8(host.read("/opt/absolute").unwrap()).unwrap();
    assert!(claims.contains("centos"), "{claims}");
    assert_eq!(host.read("/../../opt/absolute").unwrap(), claims.as_bytes());
    host.write("/run/new/deep/file", "x", 0o640).unwrap();
    assert_eq!(
        host.check(&["stat", "-c", "%a", "/run/new/deep/file"])
            .unwrap(),
        "640\n"
    );
    assert!(!host.root().join("run/new").exists());

    host.copy_in("/bin/sh", "/usr/local/bin/probe", 0o755)
        .unwrap();
    let mut running = host
        .spawn(&["/usr/local/bin/probe", "-c", "read x; echo"])
        .unwrap();
    host.copy_in("/bin/sh", "/usr/local/bin/probe", 0o755)
        .unwrap();
    running.kill().unwrap();
    host.remove("/usr/local/bin/probe").unwrap();
    assert!(!host.exists("/usr/local/bin/probe"));
}

#[test]
fn each_boot_starts_from_the_same_bytes() {
    let image = image_or_skip!();
    let first = boot(&image, "reset");
    first.write("/etc/left-behind", "x", 0o644).unwrap();
    first.check(&["rm", "/etc/rpm/macros"]).unwrap();
    first.stop().unwrap();

    let second = boot(&image, "reset");
    assert!(!second.exists("/etc/left-behind"));
    assert!(second.exists("/etc/rpm/macros"));
}

#[test]
fn hosts_live_side_by_side() {
    let image = image_or_skip!();
    let [one, two] = ["one", "two"].map(|name| boot(&image, name));
    one.check(&["redis-cli", "set", "who", "one"]).unwrap();
    assert_eq!(two.check(&["redis-cli", "get", "who"]).unwrap(), "\n");

    // Their systemds do not reach into each other's cgroups.
    one.check(&["systemctl", "stop", "redis-server"]).unwrap();
    assert!(two.unit("redis-server").unwrap().is_active());
    assert_eq!(
        one.run(&["pgrep", "-c", "redis-server"]).unwrap().stdout,
        "0\n"
    );
}

#[test]
fn a_snapshot_sees_content_mode_owner_packages_and_units() {
    let image = image_or_skip!();
    let host = boot(&image, "snapshot");
    install_probe(&host).unwrap();
    let before = host.snapshot(&["/srv"]).unwrap();
    assert_eq!(before.packages.len(), 1);
    assert_eq!(
        before.diff(&host.snapshot(&["/srv"]).unwrap()),
        Vec::<String>::new()
    );

    host.check(&["sh", "-c", "echo two >/opt/lab-probe/probe.conf"])
        .unwrap();
    host.check(&["chmod", "600", "/etc/default/redis-server"])
        .unwrap();
    host.check(&["chown", "operator", "/opt/lab-probe"])
        .unwrap();
    host.check(&["ln", "-s", "target", "/srv/link"]).unwrap();
    host.check(&["systemctl", "disable", "--now", "redis-server"])
        .unwrap();
    let difference = before.diff(&host.snapshot(&["/srv"]).unwrap()).join("\n");

    for expected in [
        "/etc/default/redis-server: mode 0644 -> 0600",
        "/opt/lab-probe: owner 0:0 -> 1000:0",
        "/opt/lab-probe/probe.conf: content",
        "/srv/link: new (symlink 0777 0:0 target)",
        "rpm -V new: ",
        "unit redis-server.service: loaded active (running) enabled -> loaded inactive (dead) disabled",
    ] {
        assert!(
            difference.contains(expected),
            "no {expected:?} in\n{difference}"
        );
    }
}

#[test]
fn a_layer_is_installed_once_and_stacked() {
    let image = image_or_skip!();
    let recipe = format!("test {}", std::process::id());
    let mut installed = 0;
    let layered = image
        .layer("probe", &recipe, |host| {
            installed += 1;
            install_probe(host)
        })
        .unwrap();
    let again = image
        .layer("probe", &recipe, |_| -> Result<()> {
            panic!("built twice")
        })
        .unwrap();
    assert_eq!(installed, 1);

    for image in [&layered, &again] {
        let host = boot(image, "layered");
        assert_eq!(
            host.check(&["rpm", "-q", "lab-probe"]).unwrap(),
            "lab-probe-1-1.noarch\n"
        );
        host.check(&["rpm", "-e", "lab-probe"]).unwrap();
    }
    assert!(
        !boot(&image, "bare")
            .run(&["rpm", "-q", "lab-probe"])
            .unwrap()
            .success()
    );
    layered.remove_layer().unwrap();
}

#[test]
fn a_failed_layer_is_not_kept() {
    let image = image_or_skip!();
    let build = |fail: bool| {
        let recipe = format!("failing {}", std::process::id());
        image.layer("failing", &recipe, move |_| {
            if fail { Err("no luck") } else { Ok(()) }
        })
    };
    assert!(build(true).unwrap_err().to_string().contains("failing"));
    build(false).unwrap().remove_layer().unwrap();
}

#[test]
fn power_loss_keeps_what_was_synced_and_boots_again() {
    let image = image_or_skip!();
    let mut host = boot(&image, "power");
    let boot_id = host.read("/proc/sys/kernel/random/boot_id").unwrap();
    host.check(&[
        "sh",
        "-c",
        "echo kept >/var/kept && sync; echo volatile >/run/volatile",
    ])
    .unwrap();
    let mut running = host.spawn(&["sleep", "60"]).unwrap();

    host.power_off_hard().unwrap();
    assert!(!running.is_running().unwrap());
    assert!(
        host.run(&["true"])
            .unwrap_err()
            .to_string()
            .contains("not running")
    );
    assert_eq!(host.read("/var/kept").unwrap(), b"kept\n");

    host.boot_again().unwrap();
    assert_eq!(host.read("/var/kept").unwrap(), b"kept\n");
    assert!(!host.exists("/run/volatile"));
    assert_ne!(
        host.read("/proc/sys/kernel/random/boot_id").unwrap(),
        boot_id
    );
    assert!(host.boot_again().is_err(), "it is on already");
}

#[test]
fn a_reboot_from_inside_ends_and_can_be_followed() {
    let image = image_or_skip!();
    let mut host = boot(&image, "reboot");
    host.write("/var/kept", "x", 0o644).unwrap();
    host.check(&["systemctl", "reboot", "--no-block"]).unwrap();
    let ending = host.wait_down(Duration::from_mins(1)).unwrap();
    assert_eq!(format!("{ending:?}"), "Some(AskedForReboot)");
    host.boot_again().unwrap();
    assert!(host.exists("/var/kept"));
}

#[test]
fn nothing_is_left_behind_even_by_a_panic() {
    let image = image_or_skip!();
    let mut left = None;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let host = boot(&image, "panic");
        left = Some(HostRecord::read(host.id()).unwrap());
        panic!("a test fails");
    }));
    assert!(panicked.is_err());
    let left = left.unwrap();
    assert_gone(&left);
    assert!(list().unwrap().iter().all(|record| record.id != left.id));
}

fn assert_gone(left: &HostRecord) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(left.id.as_str()));
    assert!(!left.root.exists());
    assert!(!left.is_running());
    for process in [left.leader, left.nspawn].into_iter().flatten() {
        assert!(!Path::new(&format!("/proc/{}", process.pid)).exists());
    }
    for tree in ["systemd", "unified", ""] {
        let cgroup = format!("/sys/fs/cgroup/{tree}/airgap-lab-{}", left.id);
        assert!(!Path::new(&cgroup).exists());
    }
}
