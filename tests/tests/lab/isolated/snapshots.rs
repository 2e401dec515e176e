//! A host before and after.

use lab::isolated::Image;

use crate::isolated::{boot, install_probe};

#[test]
fn a_snapshot_sees_content_mode_owner_packages_and_units() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
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
