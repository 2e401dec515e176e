//! Programs and files inside a host.

use std::time::Duration;

use lab::isolated::Image;

use crate::isolated::{boot, install_probe};

#[test]
fn rpm_works_for_root_and_answers_everyone() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
    let host = boot(&image, "rpm");
    install_probe(&host).unwrap();

    let as_root = host.run(&["rpm", "-qa"]).unwrap().must_succeed();
    let as_user = host
        .run_as("operator", &["rpm", "-qa"])
        .unwrap()
        .must_succeed();
    assert_eq!(as_root.stdout, "lab-probe-1-1.noarch\n");
    assert_eq!(as_user.stdout, as_root.stdout);
    assert_eq!(as_root.stderr, "");
    host.check(&["rpm", "--rebuilddb"]).unwrap();
    assert_eq!(host.check(&["rpm", "-qa"]).unwrap(), as_root.stdout);

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
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
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
    host.wait_until("output", Duration::from_mins(1), |_| {
        Ok(running.output()?.0 == "started\n")
    })
    .unwrap();
    assert!(running.is_running().unwrap());
    running.kill().unwrap();
    host.wait_until("both sleeps ending", Duration::from_mins(1), |host| {
        Ok(!host.run(&["pgrep", "sleep"])?.success())
    })
    .unwrap();
}

#[test]
fn files_are_resolved_inside_the_host() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
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
