//! The disk that every machine starts from: a host that runs 5.2.5, with an installer, bundles and an
//! enrolled trust root.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab makes disks below its cache"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use manifests::bundle::Role;
use manifests::digest::Sha256;
use manifests::nevra::Arch;
use manifests::product::ProductManifest;
use tempfile::TempDir;

use super::parts::run;
use crate::forge::{Forge, TestKey};
use crate::isolated::cache::key;
use crate::isolated::{HostOptions, Image, IsolatedHost, baseline};
use crate::sweep::Cargo;
use crate::vendor::{Fixtures, Product};

pub(super) const INSTALLER: &str = "/root/install";
const AGENT: &str = include_str!("guest/agent.sh");
const AGENT_UNIT: &str = include_str!("guest/agent.service");
const UNIT: &str = "/usr/lib/systemd/system/lab-agent.service";
const WANTS: &str = "/usr/lib/systemd/system/sysinit.target.wants";
const ROOT_DOCUMENT: &str = "/root/root.json";
const START_DEADLINE: Duration = Duration::from_mins(10);
const DISK_BYTES: u64 = 1 << 30;
const BEFORE: (&str, &str) = ("5.2.5", "1.8.3");
const PACKAGES: [&str; 3] = ["tyk-gateway", "tyk-dashboard", "tyk-pump"];

/// Bumped when the making changes.
const VERSION: &str = "2";

/// What the sweep's machines may install.
pub(super) const CARGOES: [Cargo; 2] = [Cargo::Good, Cargo::Hangs];

/// What goes onto the disk.
#[derive(Debug)]
pub(super) struct Load {
    image: Image,
    installer: PathBuf,
    root: Vec<u8>,
    bundles: TempDir,
    pub(super) key: String,
}

impl Load {
    pub(super) fn gather(installer: &Path) -> Result<Self> {
        let fixtures = Fixtures::prepare()?;
        let image = baseline::tyk_image(&Image::prepare()?, &fixtures, BEFORE.0)?;
        let signer = TestKey::from_seed(1)?;
        let root = signer.root_document()?;
        let bundles = tempfile::tempdir()?;
        let digest = |path: &Path| -> Result<String> {
            let bytes = fs::read(path);
            let bytes = bytes.with_context(|| format!("cannot read {}", path.display()))?;
            Ok(Sha256::of(&bytes).to_string())
        };
        let mut digests = vec![digest(installer)?, Sha256::of(&root).to_string()];
        for cargo in CARGOES {
            let file = bundles.path().join(cargo.to_string());
            forge(&fixtures, cargo)?.write(&signer, &file)?;
            digests.push(digest(&file)?);
        }
        let mut recipe = vec![VERSION, image.key(), AGENT, AGENT_UNIT];
        recipe.extend(digests.iter().map(String::as_str));
        Ok(Self {
            key: key(&recipe),
            image,
            installer: installer.to_owned(),
            root,
            bundles,
        })
    }

    /// Makes the disk: a host is booted, loaded and shut down in good order, and what it leaves is
    /// copied into a file system.
    pub(super) fn write(&self, disk: &Path) -> Result<()> {
        let mut host = IsolatedHost::boot(&self.image, HostOptions::named("vm-disk"))?;
        baseline::wait_for_tyk(&host, START_DEADLINE)?;
        self.carry(&host)?;
        host.shut_down()?;
        File::create(disk)?.set_len(DISK_BYTES)?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-d"])
            .args([host.root(), disk]))?;
        Ok(())
    }

    fn carry(&self, host: &IsolatedHost) -> Result<()> {
        host.copy_in(&self.installer, INSTALLER, 0o755)?;
        for cargo in CARGOES {
            let name = cargo.to_string();
            host.copy_in(self.bundles.path().join(&name), bundle(cargo), 0o644)?;
        }
        host.write(ROOT_DOCUMENT, &self.root, 0o644)?;
        let fingerprint = Sha256::of(&self.root).to_string();
        let add = ["trust", "add", ROOT_DOCUMENT, "--fingerprint", &fingerprint];
        host.check(&[&[INSTALLER], add.as_slice()].concat())?;
        host.write("/usr/lib/lab-agent", AGENT, 0o755)?;
        host.write(UNIT, AGENT_UNIT, 0o644)?;
        host.check(&["mkdir", "-p", WANTS])?;
        host.check(&["ln", "-s", UNIT, WANTS])?;
        Ok(())
    }
}

/// Where a bundle is in the machine.
pub(super) fn bundle(cargo: Cargo) -> String {
    format!("/root/{cargo}.tar.zst")
}

fn forge(fixtures: &Fixtures, cargo: Cargo) -> Result<Forge> {
    let rpms = |(lead, pump): (&'static str, &'static str), role: Role| {
        let versions = [lead, lead, pump];
        PACKAGES.into_iter().zip(versions).map(move |of| (of, role))
    };
    let wanted = rpms(cargo.versions(), Role::Target).chain(rpms(BEFORE, Role::Previous));
    let rpms: Result<Vec<(PathBuf, Role)>> = wanted
        .map(|((package, version), role)| {
            Ok((fixtures.rpm(package, version, "el8", "x86_64")?, role))
        })
        .collect();
    Ok(Forge {
        product: product(fixtures, cargo)?,
        vendor_keys: vec![fixtures.package_key(Product::Tyk)?.file],
        rpms: rpms?,
        distro: "el8".to_owned(),
        arch: Arch::X86_64,
        version: cargo.versions().0.to_owned(),
        lint: Vec::new(),
    })
}

/// The lab's product for a machine that is many times slower than a real one: patient with a
/// service that works, and quick to give up on one that does not.
fn product(fixtures: &Fixtures, cargo: Cargo) -> Result<ProductManifest> {
    let mut product = fixtures.product(Product::Tyk, "http://127.0.0.1:9")?;
    let parts = product.components.iter_mut();
    for health in parts.filter_map(|part| part.health.as_mut()) {
        health.consecutive = 1;
        health.interval_ms = 300;
        health.timeout_ms = 20_000;
        health.budget_secs = if cargo == Cargo::Good { 900 } else { 60 };
    }
    Ok(product)
}
