//! Logins reach only the server they are for. The tests plant a canary and look for it everywhere a
//! build leaves something.

#![expect(
    clippy::disallowed_methods,
    reason = "a test writes files of secrets and runs the program"
)]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::program::{Run, User, text};
use crate::scripted::{Asked, Reply, Scripted, from_directory};
use crate::vendor::Vendor;

const CANARY: &str = "canary0f1d2c3";
/// `canary0f1d2c3:` as basic authentication.
const BASIC: &str = "Basic Y2FuYXJ5MGYxZDJjMzo=";

/// An origin that requires the canary and redirects to a network that must not see it.
struct Private {
    vendor: Vendor,
    network: Scripted,
    origin: Scripted,
}

fn private() -> Private {
    let vendor = Vendor::new();
    let root = vendor.path("");
    let network = Scripted::start(move |asked| from_directory(&root, asked));
    let (to, keys) = (network.url.clone(), vendor.path(""));
    let origin = Scripted::start(move |asked| {
        if asked.path.ends_with("gpgkey") {
            return from_directory(&keys, asked);
        }
        match asked.authorization.as_deref() {
            Some(BASIC) => Reply::to(&format!("{to}{}?Signature=signed", asked.path)),
            _ => Reply::status(401),
        }
    });
    Private {
        vendor,
        network,
        origin,
    }
}

/// One way to give a token to a build.
type Way<'a> = dyn Fn(&User, &Private) -> Run + 'a;

fn secret(user: &User, text: &str, mode: u32) -> PathBuf {
    let path = user.path("secret");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn build(user: &User, from: &Private, variables: &[(&str, &str)], more: &[&str]) -> Run {
    let (product, out) = (from.vendor.product(), user.bundle());
    let mut args = vec!["build", "--product", text(&product), "-o", text(&out)];
    args.extend(["--without-installer", "x86_64", "--version", "5.3"]);
    args.extend(["--distro", "el8", "--repo-url", &from.origin.url]);
    args.extend(more);
    user.run_with(variables, &args)
}

/// The run printed and left no secret, and no other server received it.
#[track_caller]
fn assert_secret(user: &User, run: &Run, from: &Private) {
    for word in [CANARY, BASIC, "Signature="] {
        assert!(
            !run.stdout.contains(word) && !run.stderr.contains(word),
            "{word}"
        );
        for dir in ["out", "cache", "config"] {
            search(&user.path(dir), word);
        }
    }
    let heard = |asked: &Asked| asked.authorization.is_some();
    assert!(!from.network.requests().iter().any(heard));
}

#[track_caller]
fn search(dir: &Path, word: &str) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, word);
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        if let Ok(mut packed) = zstd::Decoder::new(&bytes[..]) {
            let mut open = Vec::new();
            if packed.read_to_end(&mut open).is_ok() {
                bytes.extend(open);
            }
        }
        let found = bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes());
        assert!(!found, "{word} in {}", path.display());
    }
}

#[test]
fn every_way_to_give_a_token_opens_the_origin_and_leaves_no_trace() {
    let host = |from: &Private| from.origin.url.replace("http://", "");
    let ways: [&Way<'_>; 5] = [
        &|user, from| build(user, from, &[("BUNDLE_TOKEN", CANARY)], &[]),
        &|user, from| {
            let file = secret(user, CANARY, 0o600);
            build(user, from, &[("BUNDLE_TOKEN_FILE", text(&file))], &[])
        },
        &|user, from| {
            let file = secret(user, CANARY, 0o400);
            let named = format!("{}={}", host(from), text(&file));
            build(user, from, &[], &["--token-file", &named])
        },
        &|user, from| {
            let file = secret(user, &format!("machine 127.0.0.1 login {CANARY}"), 0o600);
            build(user, from, &[], &["--netrc", text(&file)])
        },
        &|user, from| {
            let file = secret(user, &format!("machine 127.0.0.1\nlogin {CANARY}"), 0o600);
            std::fs::rename(file, user.path(".netrc")).unwrap();
            build(user, from, &[], &[])
        },
    ];
    for way in ways {
        let (user, from) = (User::new(), private());
        let run = way(&user, &from);
        run.assert_ok();
        assert_secret(&user, &run, &from);
    }
}

#[test]
fn a_wrong_token_is_refused_and_not_repeated() {
    let (user, from) = (User::new(), private());
    let run = build(&user, &from, &[("BUNDLE_TOKEN", "canary-but-wrong")], &[]);
    run.assert_refused(1, &["401", "--token-file"]);
    assert!(!run.stderr.contains("canary-but-wrong"));
    build(&user, &from, &[], &[]).assert_refused(1, &["401", "BUNDLE_TOKEN"]);
}

#[test]
fn a_token_is_for_its_own_port_and_never_goes_out_unencrypted() {
    let (user, from) = (User::new(), private());
    let file = secret(&user, CANARY, 0o600);
    let other = format!("127.0.0.1:1={}", text(&file));
    build(&user, &from, &[], &["--token-file", &other]).assert_refused(1, &["401"]);
    // This server is never reached: the login is not even sent to the wrong address.
    let plain = ["--repo-url", "http://vendor.invalid/x"];
    let run = build(&user, &from, &[("BUNDLE_TOKEN", CANARY)], &plain);
    run.assert_refused(1, &["vendor.invalid", "unencrypted", "--unsafe-send"]);
    assert_secret(&user, &run, &from);
}

#[test]
fn files_that_others_can_read_or_that_are_wrong_are_refused() {
    let (user, from) = (User::new(), private());
    for mode in [0o640, 0o604] {
        let file = secret(&user, &format!("machine 127.0.0.1 login {CANARY}"), mode);
        let run = build(&user, &from, &[], &["--netrc", text(&file)]);
        run.assert_refused(2, &[text(&file), "chmod 600"]);
        let run = build(&user, &from, &[], &["--token-file", text(&file)]);
        run.assert_refused(2, &[text(&file), "chmod 600"]);
    }
    let file = secret(&user, &format!("machine h\n{CANARY} login x"), 0o600);
    let run = build(&user, &from, &[], &["--netrc", text(&file)]);
    run.assert_refused(2, &["line 2"]);
    assert_secret(&user, &run, &from);
    let file = secret(&user, &format!("{CANARY}\n{CANARY}"), 0o600);
    let run = build(&user, &from, &[], &["--token-file", text(&file)]);
    run.assert_refused(2, &["one line"]);
    assert_secret(&user, &run, &from);
    assert!(from.origin.requests().is_empty());
}

#[test]
fn the_token_never_stands_in_the_arguments_of_a_build() {
    let user = User::new();
    let stuck = Scripted::start(|_| Reply::whole(b"some bytes").cut(3).stalling());
    let file = secret(&user, CANARY, 0o600);
    let vendor = Vendor::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_bundle"))
        .args([
            "build",
            "--version",
            "5.3",
            "--distro",
            "el8",
            "--repo-url",
            &stuck.url,
        ])
        .args([
            "--product",
            text(&vendor.product()),
            "--token-file",
            text(&file),
        ])
        .args(["--without-installer", "x86_64", "-o", text(&user.bundle())])
        .env_clear()
        .env("HOME", user.path(""))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..1000 {
        if !stuck.requests().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let heard = stuck
        .requests()
        .iter()
        .any(|asked| asked.authorization.as_deref() == Some(BASIC));
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    let shown = ["cmdline", "environ"].map(|name| std::fs::read(proc.join(name)).unwrap());
    let children = std::fs::read_to_string(proc.join(format!("task/{}/children", child.id())));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(heard);
    for bytes in shown {
        assert!(!String::from_utf8_lossy(&bytes).contains(CANARY));
    }
    assert_eq!(
        children.unwrap_or_default().trim(),
        "",
        "it starts no other program"
    );
}

/// Plants every kind of secret at once, over a build that breaks off, its continuation, and every
/// command that reads its result. None of them is printed, kept or passed on.
#[test]
fn no_secret_is_in_what_a_broken_build_leaves_or_in_what_is_made_of_a_good_one() {
    let user = User::new();
    let vendor = Vendor::new();
    let broken = Arc::new(AtomicBool::new(true));
    let (root, breaks) = (vendor.path(""), Arc::clone(&broken));
    let begun = Mutex::new(BTreeSet::new());
    let network = Scripted::start(move |asked| {
        let reply = from_directory(&root, asked);
        if !asked.path.contains(".rpm") || !breaks.load(Ordering::SeqCst) {
            return reply;
        }
        // The server sends part of it and then stays silent.
        let is_first = begun.lock().unwrap().insert(asked.path.clone());
        if is_first {
            reply.cut(1000)
        } else {
            Reply::status(403)
        }
    });
    let (to, keys) = (network.url.clone(), vendor.path(""));
    let origin = Scripted::start(move |asked| match asked.authorization.as_deref() {
        _ if asked.path.ends_with("gpgkey") => from_directory(&keys, asked),
        Some(BASIC) => Reply::to(&format!("{to}{}", asked.path)),
        _ => Reply::status(401),
    });
    let netrc = secret(
        &user,
        &format!("machine other login me password {CANARY}"),
        0o600,
    );
    let proxy = format!("http://user:{CANARY}@127.0.0.1:1");
    let variables = [
        ("BUNDLE_TOKEN", CANARY),
        ("NETRC", text(&netrc)),
        ("https_proxy", proxy.as_str()),
        ("all_proxy", proxy.as_str()),
        ("no_proxy", "127.0.0.0/8"),
    ];
    let from = Private {
        vendor,
        network,
        origin,
    };
    let build = |more: &[&str]| build(&user, &from, &variables, more);
    let run = build(&["--output", "json"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_secret(&user, &run, &from);
    let kept = std::fs::read_dir(user.path("cache/airgap-bundle")).map(Iterator::count);
    assert!(kept.is_ok_and(|kept| kept > 0), "something was begun");
    broken.store(false, Ordering::SeqCst);
    let run = build(&["--output", "json"]);
    run.assert_ok();
    assert_secret(&user, &run, &from);

    read_with_every_command(&user, &variables, &from);
}

/// Runs every command that reads a bundle, and looks for secrets in what it leaves.
fn read_with_every_command(user: &User, variables: &[(&str, &str)], from: &Private) {
    let (bundle, all) = (user.bundle(), user.path("out/all"));
    let commands: [&[&str]; 6] = [
        &["inspect", text(&bundle)],
        &["--output", "json", "verify", text(&bundle)],
        &["extract", text(&bundle), "--to", text(&all)],
        &["diff", text(&bundle), text(&bundle)],
        &["digest", text(&bundle)],
        &["split", text(&bundle), "--size", "1M"],
    ];
    for command in commands {
        let run = user.run_with(variables, command);
        run.assert_ok();
        assert_secret(user, &run, from);
    }
    assert!(all.join("manifest.json").exists());
}

/// The kernel's trace proves it: the build is one program from its start to its end.
#[test]
fn a_build_starts_no_other_program() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: no strace here");
        return;
    }
    let (user, from) = (User::new(), private());
    let (log, product, out) = (user.path("programs"), from.vendor.product(), user.bundle());
    let traced = Command::new("strace")
        .args([
            "-f",
            "-q",
            "-v",
            "-s",
            "100000",
            "-e",
            "trace=execve,execveat",
        ])
        .args(["-o", text(&log), env!("CARGO_BIN_EXE_bundle")])
        .args(["build", "--product", text(&product), "-o", text(&out)])
        .args(["--without-installer", "x86_64", "--version", "5.3"])
        .args(["--distro", "el8", "--repo-url", &from.origin.url])
        .env_clear()
        .env("HOME", user.path(""))
        .env("BUNDLE_TOKEN", CANARY)
        .output()
        .unwrap();
    assert!(traced.status.success(), "{traced:?}");
    let programs = std::fs::read_to_string(log).unwrap();
    assert_eq!(programs.matches("execve").count(), 1, "{programs}");
}
