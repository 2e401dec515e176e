//! Services whose main process is not the package's program: something runs it.

use crate::sites::{drop_in, only_pump, wait_for};
use crate::upgrade::support::site;

const PUMP: &str = "tyk-pump.service";
const PROGRAM: &str = "/opt/tyk-pump/tyk-pump";
const CONF: &str = "/opt/tyk-pump/pump.conf";

#[test]
fn a_program_below_a_wrapper_is_the_packages_program() {
    let Some(site) = site("wrapped") else { return };
    let shell = format!("/bin/sh -c '{PROGRAM} -c {CONF}; exit 3'");
    let perl = format!("/usr/bin/perl -e 'exit system @ARGV' {PROGRAM} -c {CONF}");
    let python = format!(
        "/usr/bin/python3 -c 'import subprocess, sys; subprocess.run(sys.argv[1:])' {PROGRAM} -c \
         {CONF}"
    );
    let script = format!("#!/bin/sh\nexec {PROGRAM} \"$@\"\n");
    site.host
        .write("/usr/local/bin/launch", script, 0o755)
        .unwrap();
    let launched = format!("/usr/local/bin/launch -c {CONF}");
    site.carry(&only_pump(&site));
    for command in [shell, perl, python, launched] {
        let interpreter = command.split(' ').next().unwrap();
        if !site.host.exists(interpreter) {
            println!("{interpreter} is not on this host: left out");
            continue;
        }
        drop_in(
            &site,
            PUMP,
            &format!("[Service]\nExecStart=\nExecStart={command}\n"),
        );
        wait_for(&site, 2);
        let run = site.must_install(&["/root/bundle.tar.zst"]);
        assert!(
            run.stdout.contains("and healthy"),
            "{command}: {}",
            run.stdout
        );
        let runs = site.must_install(&["--output", "json", "history"]).stdout;
        let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
        let last = runs.as_array().unwrap().len().to_string();
        site.must_install(&["undo", &last]);
    }
}

/// A wrapper that names the package's program and runs another one.
#[test]
fn a_wrapper_that_runs_another_program_is_not_well() {
    let Some(site) = site("wrapped-other") else {
        return;
    };
    site.carry(&only_pump(&site));
    let command = format!("/bin/sh -c '/usr/bin/sleep infinity; {PROGRAM} -c {CONF}'");
    drop_in(
        &site,
        PUMP,
        &format!("[Service]\nExecStart=\nExecStart={command}\n"),
    );
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    assert!(
        run.stderr.contains("nothing in the unit runs that program"),
        "{}",
        run.stderr
    );
}
