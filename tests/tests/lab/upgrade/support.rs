//! A host that runs 5.2, an installer on it, and bundles for it.

use std::io::Write as _;

use lab::forge::{Forge, TestKey};
use lab::isolated::{Finished, HostOptions, Image, IsolatedHost, RpmDatabase, Snapshot, baseline};
use lab::program;
use lab::stores::Stores;
use lab::vendor::{Fixtures, Product};
use manifests::bundle::Role;
use manifests::nevra::Arch;

pub(crate) const SERVICES: [(&str, u16, &str); 3] = [
    ("tyk-gateway.service", 8080, "/hello"),
    ("tyk-dashboard.service", 3000, "/hello"),
    ("tyk-pump.service", 8083, "/health"),
];

pub(crate) struct Site {
    pub(crate) host: IsolatedHost,
    pub(crate) fixtures: Fixtures,
}

/// Boots a host that runs 5.2.5, with the installer on it and the test root enrolled. Returns
/// `None` without root; in CI that fails.
pub(crate) fn site(name: &str) -> Option<Site> {
    site_with(name, &[])
}

/// The same, booted with further arguments for `systemd-nspawn`.
pub(crate) fn site_with(name: &str, nspawn_args: &[&str]) -> Option<Site> {
    site_on(RpmDatabase::Sqlite, name, nspawn_args)
}

/// The same, with an rpm that keeps such a database.
pub(crate) fn site_on(database: RpmDatabase, name: &str, nspawn_args: &[&str]) -> Option<Site> {
    let image = Image::prepare_with_or_skip(database)?;
    let fixtures = Fixtures::prepare().unwrap();
    let image = baseline::tyk_image(&image, &fixtures, "5.2.5").unwrap();
    let mut options = HostOptions::named(name);
    options.nspawn_args = nspawn_args.iter().map(|&arg| arg.to_owned()).collect();
    let host = IsolatedHost::boot(&image, options).unwrap();
    baseline::wait_for_tyk(&host, std::time::Duration::from_mins(2)).unwrap();
    host.copy_in(program::installer().unwrap(), "/root/install", 0o755)
        .unwrap();
    let root = TestKey::from_seed(1).unwrap().root_document().unwrap();
    let fingerprint = manifests::digest::Sha256::of(&root).to_string();
    host.write("/root/root.json", &root, 0o644).unwrap();
    let site = Site { host, fixtures };
    site.must_install(&[
        "trust",
        "add",
        "/root/root.json",
        "--fingerprint",
        &fingerprint,
    ]);
    Some(site)
}

/// Prints a result past the test's capture: the numbers are shown also when all tests pass.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Site {
    /// Runs the installer on the host, which must work.
    #[track_caller]
    pub(crate) fn must_install(&self, args: &[&str]) -> Finished {
        let finished = self.install(args);
        assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
        finished
    }

    /// Runs the installer on the host.
    pub(crate) fn install(&self, args: &[&str]) -> Finished {
        let command: Vec<&str> = std::iter::once("/root/install")
            .chain(args.iter().copied())
            .collect();
        let finished = self
            .host
            .command(&command)
            .deadline(std::time::Duration::from_secs(240))
            .run()
            .unwrap();
        println!(
            "$ install {}\n{}{}",
            args.join(" "),
            finished.stderr,
            finished.stdout
        );
        finished
    }

    pub(crate) fn forge(&self, gateway: &str, dashboard: &str, pump: &str) -> Forge {
        let address = "http://127.0.0.1:9";
        let product = if Stores::attach(&self.host).is_ok() {
            self.fixtures.product_with_data(Product::Tyk, address)
        } else {
            self.fixtures.product(Product::Tyk, address)
        };
        let rpm = |package: &str, version: &str| {
            self.fixtures
                .rpm(package, version, "el8", "x86_64")
                .unwrap()
        };
        Forge {
            product: product.unwrap(),
            vendor_keys: vec![self.fixtures.package_key(Product::Tyk).unwrap().file],
            rpms: vec![
                (rpm("tyk-gateway", gateway), Role::Target),
                (rpm("tyk-dashboard", dashboard), Role::Target),
                (rpm("tyk-pump", pump), Role::Target),
                (rpm("tyk-gateway", "5.2.5"), Role::Previous),
                (rpm("tyk-dashboard", "5.2.5"), Role::Previous),
                (rpm("tyk-pump", "1.8.3"), Role::Previous),
            ],
            distro: "el8".to_owned(),
            arch: Arch::X86_64,
            version: gateway.to_owned(),
            lint: Vec::new(),
        }
    }

    /// A bundle for this gateway of which one package is left: it changes that one alone.
    pub(crate) fn only(&self, package: &str, gateway: &str) -> Forge {
        let mut forge = self.forge(gateway, "5.3.2", "1.9.0");
        let is_its = |path: &std::path::Path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(package))
        };
        forge.rpms.retain(|(path, _)| is_its(path));
        forge
    }

    /// A bundle without the dashboard, which then stays at its version.
    pub(crate) fn without_dashboard(&self, gateway: &str, pump: &str) -> Forge {
        let mut forge = self.forge(gateway, "5.3.2", pump);
        let is_dashboards = |path: &std::path::Path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("tyk-dashboard"))
        };
        forge.rpms.retain(|(path, _)| !is_dashboards(path));
        forge
    }

    /// Carries a bundle onto the host.
    pub(crate) fn carry(&self, forge: &Forge) {
        self.carry_signed(forge, &TestKey::from_seed(1).unwrap());
    }

    /// Carries a bundle that `key` signed.
    pub(crate) fn carry_signed(&self, forge: &Forge, key: &TestKey) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bundle.tar.zst");
        forge.write(key, &file).unwrap();
        self.host
            .copy_in(&file, "/root/bundle.tar.zst", 0o644)
            .unwrap();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.host.snapshot(&["/run/airgap-bundle"]).unwrap()
    }

    /// The version in a service's answer, and that it is up.
    pub(crate) fn version(&self, service: usize) -> Option<String> {
        let (unit, port, path) = SERVICES[service];
        assert!(
            self.host.unit(unit).unwrap().is_active(),
            "{unit} is not active"
        );
        let (status, body) = self.host.http_get(port, path).unwrap();
        assert_eq!(status, 200, "{unit}: {body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body.pointer("/version")
            .and_then(|v| v.as_str())
            .map(str::to_owned)
    }

    pub(crate) fn nevras(&self) -> Vec<String> {
        let out = self.host.check(&["rpm", "-qa", "tyk-*"]).unwrap();
        let mut names: Vec<String> = out.lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}

/// Differences that a run may leave: the trust root, which stays enrolled by design.
pub(crate) fn changes(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    before.diff_except(after, &["/etc/airgap-bundle", "/var/lib/airgap-bundle"])
}
