//! Runs `bundle build` of the gateway 5.3.1 for el8, and judges the result.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lab::program;
use lab::vendor::{Fault, Fixtures, Flaw, Product, Vendor, VendorOptions, rpm_file_name};
use manifests::digest::Sha256;
use tempfile::TempDir;

pub(crate) const LEAF: &str = "tyk-gateway/el/8/x86_64";

/// Prepared once for all tests.
pub(crate) fn fixtures() -> &'static Fixtures {
    static FIXTURES: OnceLock<Fixtures> = OnceLock::new();
    FIXTURES.get_or_init(|| Fixtures::prepare().unwrap())
}

fn bundle_program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| program::built("builder", "bundle").unwrap())
}

/// The RPM that the flaws are about.
pub(crate) fn rpm() -> String {
    rpm_file_name("tyk-gateway", "5.3.1", "x86_64")
}

pub(crate) fn vendor(flaw: Flaw) -> Vendor {
    let faults = vec![Fault::at("tyk-gateway", "el8", "x86_64", flaw)];
    start(VendorOptions {
        faults,
        ..VendorOptions::default()
    })
}

pub(crate) fn start(options: VendorOptions) -> Vendor {
    Vendor::start(fixtures(), options).unwrap()
}

/// A user with a home.
pub(crate) struct Builder {
    pub(crate) home: TempDir,
}

/// What a build left.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("out")).unwrap();
        Self { home }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    /// Builds from `base` with more arguments and variables.
    pub(crate) fn build(&self, base: &str, more: &[&str], variables: &[(&str, &str)]) -> Run {
        let product = fixtures().product_toml(Product::Tyk, base).unwrap();
        std::fs::write(self.path("product.toml"), product).unwrap();
        let request = ["build", "--version", "5.3.1", "--distro", "el8"];
        let rest = ["--product", "product.toml", "--out", "out/bundle.tar.zst"];
        self.run(&[&request[..], &rest, more].concat(), variables)
    }

    pub(crate) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let output = Command::new(bundle_program())
            .args(arguments)
            .args(["--without-installer", "x86_64", "--timeout", "2"])
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Run {
            code: output.status.code(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks that the bundle is there, verifies, and carries exactly these bytes as the gateway
    /// 5.3.1.
    #[track_caller]
    pub(crate) fn assert_right(&self, run: &Run, gateway: &Path) {
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let verified = Command::new(bundle_program())
            .args(["verify", "out/bundle.tar.zst"])
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .output()
            .unwrap();
        assert!(verified.status.success(), "{verified:?}");
        let lock = std::fs::read_to_string(self.path("out/bundle.lock.json")).unwrap();
        let expected = Sha256::of(&std::fs::read(gateway).unwrap()).to_string();
        assert!(
            lock.contains(&expected),
            "{} is not carried",
            gateway.display()
        );
        assert!(!lock.contains("Signature="), "a redirect's address is kept");
    }

    /// Checks the exit code, the three parts, some words, and that there is no bundle.
    #[track_caller]
    pub(crate) fn assert_refused(&self, run: &Run, code: i32, words: &[&str]) {
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        for word in ["error: ", "why: ", "next: "].iter().chain(words) {
            assert!(run.stderr.contains(word), "no {word:?}: {}", run.stderr);
        }
        let left = std::fs::read_dir(self.path("out")).unwrap().count();
        assert_eq!(left, 0, "something was written");
    }
}

/// The gateway 5.3.1 as published.
pub(crate) fn published() -> PathBuf {
    fixtures()
        .rpm("tyk-gateway", "5.3.1", "el8", "x86_64")
        .unwrap()
}
