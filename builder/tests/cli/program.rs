//! Running `bundle` in an environment of its own.

#![expect(
    clippy::disallowed_methods,
    reason = "a test runs the program and makes directories for it"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::snapshots;
use crate::vendor::{Vendor, names};

/// A user with a home and an empty directory for the results.
pub(crate) struct User {
    home: TempDir,
}

/// The result of a run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl User {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("out")).unwrap();
        Self { home }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.path("out/bundle.tar.zst")
    }

    /// Runs the program with another umask and time zone.
    pub(crate) fn run_as(&self, umask: &str, zone: &str, args: &[&str]) -> Run {
        self.run_in(umask, &[("TZ", zone)], args)
    }

    /// Runs the program with more environment variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Run {
        self.run_in("022", variables, args)
    }

    fn run_in(&self, umask: &str, variables: &[(&str, &str)], args: &[&str]) -> Run {
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &script, env!("CARGO_BIN_EXE_bundle")])
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .envs(variables.iter().copied())
            .current_dir(self.home.path());
        Run::of(&command.output().unwrap())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_as("022", "UTC", args)
    }

    /// `bundle build` of a vendor's product, with more arguments.
    pub(crate) fn build(&self, vendor: &Vendor, more: &[&str]) -> Run {
        let (product, out) = (vendor.product(), self.bundle());
        let mut args = vec!["build", "--product", text(&product), "-o", text(&out)];
        args.extend(["--without-installer", "x86_64"]);
        args.extend(more);
        self.run(&args)
    }

    /// The usual request.
    pub(crate) fn build_el8(&self, vendor: &Vendor) -> Run {
        self.build(vendor, &["--version", "5.3", "--distro", "el8"])
    }

    /// The usual request, from another address, with more arguments.
    pub(crate) fn build_from(&self, vendor: &Vendor, url: &str, more: &[&str]) -> Run {
        let request = ["--version", "5.3", "--distro", "el8", "--repo-url", url];
        self.build(vendor, &[&request[..], more].concat())
    }

    /// The usual request, from another address, on its way.
    pub(crate) fn start_from(&self, vendor: &Vendor, url: &str, more: &[&str]) -> Child {
        let request = ["--version", "5.3", "--distro", "el8", "--repo-url", url];
        self.start(vendor, &[&request[..], more].concat())
    }

    fn start(&self, vendor: &Vendor, more: &[&str]) -> Child {
        let (product, out) = (vendor.product(), self.bundle());
        Command::new(env!("CARGO_BIN_EXE_bundle"))
            .args(["build", "--product", text(&product), "-o", text(&out)])
            .args(["--without-installer", "x86_64"])
            .args(more)
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// `bundle build`, ended by SIGINT as soon as it listens to that.
    pub(crate) fn interrupted(&self, vendor: &Vendor, more: &[&str]) -> Run {
        let child = self.start(vendor, more);
        for _ in 0..3000 {
            if catches_interrupts(child.id()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let id = i32::try_from(child.id()).unwrap();
        let process = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
        Run::of(&child.wait_with_output().unwrap())
    }

    /// Checks that the output directory holds no file, not even a temporary one.
    pub(crate) fn assert_nothing_written(&self) {
        assert_eq!(names(&self.path("out")), Vec::<String>::new());
    }
}

/// Whether a process has a handler for SIGINT.
fn catches_interrupts(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = u64::from_str_radix(mask.unwrap_or_default().trim(), 16).unwrap();
    mask & (1 << (rustix::process::Signal::INT.as_raw() - 1)) != 0
}

impl Run {
    fn of(output: &Output) -> Self {
        let run = Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        if let Some(code @ 1..) = run.code {
            snapshots::compare("errors", &format!("exit code {code}\n{}", run.stderr));
        }
        run
    }

    #[track_caller]
    pub(crate) fn assert_ok(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Compares the printed result with its snapshot.
    pub(crate) fn assert_as_before(&self) -> &Self {
        snapshots::compare("results", &self.stdout);
        self
    }

    /// Checks the exit code, the three parts in order, and words that the error must hold.
    #[track_caller]
    pub(crate) fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        let places: Vec<Option<usize>> = ["error: ", "why: ", "next: "]
            .iter()
            .map(|part| {
                let at_line = |line: &str| line.trim_start().starts_with(part);
                self.stderr.lines().position(at_line)
            })
            .collect();
        let rising = places.iter().all(Option::is_some) && places.is_sorted();
        assert!(rising, "three parts are missing: {}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?}: {}", self.stderr);
        }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
