//! From power-on to the last trace removed.

use std::time::Duration;

use lab::isolated::{ElMajor, Ending, HostOptions, HostRecord, Image, IsolatedHost, list};

use crate::isolated::{assert_gone, boot};

#[test]
fn boots_to_running_with_nothing_but_loopback() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
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
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
    let options = HostOptions::named("disguise").os_major(ElMajor::El7);
    let host = IsolatedHost::boot(&image, options).unwrap();
    let claims = host
        .check(&["sh", "-c", ". /etc/os-release; echo $ID:$VERSION_ID"])
        .unwrap();
    assert_eq!(claims, "centos:7\n");
}

#[test]
fn each_boot_starts_from_the_same_bytes() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
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
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
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
fn power_loss_keeps_what_was_synced_and_boots_again() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
    let mut host = boot(&image, "power");
    let boot_id = host.read("/proc/sys/kernel/random/boot_id").unwrap();
    host.check(&[
        "sh",
        "-c",
        "echo kept >/var/kept && sync; echo volatile >/run/volatile",
    ])
    .unwrap();
    let running = host.spawn(&["sleep", "60"]).unwrap();

    host.power_off_hard().unwrap();
    let ended = running.wait(Duration::from_secs(30)).unwrap();
    assert!(!ended.success(), "it went with the host: {ended:?}");
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
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
    let mut host = boot(&image, "reboot");
    host.write("/var/kept", "x", 0o644).unwrap();
    host.check(&["systemctl", "reboot", "--no-block"]).unwrap();
    let ending = host.wait_down(Duration::from_mins(1)).unwrap();
    assert_eq!(ending, Some(Ending::AskedForReboot));
    host.boot_again().unwrap();
    assert!(host.exists("/var/kept"));
}

#[test]
fn nothing_is_left_behind_even_by_a_panic() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
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
