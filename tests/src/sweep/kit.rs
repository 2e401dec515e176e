//! What every case starts from: an image, an installer, a root document and one bundle per cargo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use manifests::bundle::Role;
use manifests::digest::Sha256;
use manifests::nevra::Arch;
use manifests::product::ProductManifest;
use tempfile::TempDir;

use super::case::Cargo;
use crate::forge::{Forge, TestKey};
use crate::isolated::{HostOptions, Image, IsolatedHost, RpmDatabase, baseline};
use crate::stores::{PostgresAccess, RedisAccess, Stores, StoresOptions};
use crate::vendor::{Fixtures, Product};

pub(super) const INSTALLER: &str = "/root/install";
pub(super) const BUNDLE: &str = "/root/bundle.tar.zst";
const BEFORE: (&str, &str) = ("5.2.5", "1.8.3");
const PACKAGES: [&str; 3] = ["tyk-gateway", "tyk-dashboard", "tyk-pump"];
const START_DEADLINE: Duration = Duration::from_mins(2);

/// Made once, used by all cases.
#[derive(Debug)]
pub(super) struct Kit {
    image: Image,
    fixtures: Fixtures,
    installer: PathBuf,
    pub(super) installer_digest: String,
    root: Vec<u8>,
    bundles: TempDir,
    has_stores: bool,
}

impl Kit {
    pub(super) fn prepare(installer: &Path, database: RpmDatabase) -> Result<Self> {
        let fixtures = Fixtures::prepare()?;
        let image = Image::prepare_with(database)?;
        let image = baseline::tyk_image(&image, &fixtures, BEFORE.0)?;
        Self::on(installer, fixtures, image, false)
    }

    /// The same with a Redis and a `PostgreSQL` on every host, both with a password, and data in them.
    pub(super) fn prepare_with_stores(installer: &Path, database: RpmDatabase) -> Result<Self> {
        let fixtures = Fixtures::prepare()?;
        let image = Image::prepare_with(database)?;
        let image = baseline::tyk_image(&image, &fixtures, BEFORE.0)?;
        let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
        Self::on(installer, fixtures, Stores::image(&image, options)?, true)
    }

    fn on(installer: &Path, fixtures: Fixtures, image: Image, has_stores: bool) -> Result<Self> {
        let bytes = std::fs::read(installer)
            .with_context(|| format!("cannot read the installer {}", installer.display()))?;
        let key = TestKey::from_seed(1)?;
        let kit = Self {
            image,
            fixtures,
            installer: installer.to_owned(),
            installer_digest: Sha256::of(&bytes).short() + if has_stores { "+stores" } else { "" },
            root: key.root_document()?,
            bundles: tempfile::tempdir()?,
            has_stores,
        };
        let cargoes: &[Cargo] = if has_stores {
            &Cargo::WITH_STORES
        } else {
            &Cargo::PLAIN
        };
        for &cargo in cargoes {
            kit.forge(cargo)?.write(&key, &kit.bundle(cargo))?;
        }
        Ok(kit)
    }

    pub(super) fn has_stores(&self) -> bool {
        self.has_stores
    }

    /// What the case of a seed upgrades to.
    pub(super) fn cargo(&self, seed: u64) -> Cargo {
        Cargo::of(seed, self.has_stores)
    }

    /// The cargo whose undisturbed run shows a whole revert.
    pub(super) fn reverting(&self) -> Cargo {
        Cargo::reverting(self.has_stores)
    }

    fn bundle(&self, cargo: Cargo) -> PathBuf {
        self.bundles.path().join(format!("{cargo}.tar.zst"))
    }

    fn forge(&self, cargo: Cargo) -> Result<Forge> {
        let rpms = |versions, role| {
            let rpms = self.rpms(versions)?;
            Ok::<_, anyhow::Error>(rpms.into_iter().map(move |rpm| (rpm, role)))
        };
        let mut all: Vec<(PathBuf, Role)> = rpms(cargo.versions(), Role::Target)?.collect();
        all.extend(rpms(BEFORE, Role::Previous)?);
        Ok(Forge {
            product: self.product(cargo)?,
            vendor_keys: vec![self.fixtures.package_key(Product::Tyk)?.file],
            rpms: all,
            distro: "el8".to_owned(),
            arch: Arch::X86_64,
            version: cargo.versions().0.to_owned(),
            lint: Vec::new(),
        })
    }

    /// The lab's product with health checks that give up early on a service that never answers: a
    /// sweep has many runs. A service that works gets more time, because on a busy machine services
    /// are slow.
    fn product(&self, cargo: Cargo) -> Result<ProductManifest> {
        let address = "http://127.0.0.1:9";
        let mut product = if self.has_stores {
            self.fixtures.product_with_data(Product::Tyk, address)?
        } else {
            self.fixtures.product(Product::Tyk, address)?
        };
        let parts = product.components.iter_mut();
        for health in parts.filter_map(|part| part.health.as_mut()) {
            health.consecutive = 2;
            health.interval_ms = 100;
            health.timeout_ms = 1000;
            health.budget_secs = match cargo {
                Cargo::Good => 30,
                _ if self.has_stores => 15,
                _ => 8,
            };
        }
        Ok(product)
    }

    fn rpms(&self, (lead, pump): (&str, &str)) -> Result<Vec<PathBuf>> {
        let versions = [lead, lead, pump];
        PACKAGES
            .iter()
            .zip(versions)
            .map(|(package, version)| self.fixtures.rpm(package, version, "el8", "x86_64"))
            .collect()
    }

    /// Copies the RPMs before and after into a host, and returns their paths.
    pub(super) fn carry_rpms(&self, host: &IsolatedHost) -> Result<(Vec<String>, Vec<String>)> {
        let carry = |versions| -> Result<Vec<String>> {
            let mut carried = Vec::new();
            for rpm in self.rpms(versions)? {
                let name = rpm.file_name().context("an RPM without a name")?;
                let path = format!("/root/{}", name.display());
                host.copy_in(&rpm, &path, 0o644)?;
                carried.push(path);
            }
            Ok(carried)
        };
        Ok((carry(BEFORE)?, carry(Cargo::Good.versions())?))
    }

    /// Boots a host whose services answer.
    pub(super) fn boot(&self, name: &str) -> Result<IsolatedHost> {
        self.boot_with(HostOptions::named(name))
    }

    pub(super) fn boot_with(&self, options: HostOptions) -> Result<IsolatedHost> {
        let host = IsolatedHost::boot(&self.image, options)?;
        baseline::wait_for_tyk(&host, START_DEADLINE)?;
        if self.has_stores {
            // The data are not in the image: some of the keys expire.
            let stores = Stores::attach(&host)?;
            stores.fill_redis(&host)?;
            stores.wait_until_well(&host)?;
        }
        Ok(host)
    }

    /// Brings the installer and a bundle, and enrols the root that signed it.
    pub(super) fn carry(&self, host: &IsolatedHost, cargo: Cargo) -> Result<()> {
        host.copy_in(&self.installer, INSTALLER, 0o755)?;
        host.copy_in(self.bundle(cargo), BUNDLE, 0o644)?;
        host.write("/root/root.json", &self.root, 0o644)?;
        // A child that another thread forked in this moment still has the copy open for writing.
        // Until it executes another program, the copy cannot be executed.
        host.wait_until("the installer executable", START_DEADLINE, |guest| {
            Ok(guest.run(&[INSTALLER, "--version"])?.code() == Some(0))
        })?;
        let fingerprint = Sha256::of(&self.root).to_string();
        let enrol = [
            INSTALLER,
            "trust",
            "add",
            "/root/root.json",
            "--fingerprint",
            &fingerprint,
        ];
        host.check(&enrol)?;
        Ok(())
    }
}

/// NEVRAs of the three packages, sorted, as `rpm -qa` prints them.
pub(super) fn nevras((lead, pump): (&str, &str)) -> Vec<String> {
    let mut names: Vec<String> = PACKAGES
        .iter()
        .zip([lead, lead, pump])
        .map(|(package, version)| format!("{package}-{version}-1.x86_64"))
        .collect();
    names.sort();
    names
}

pub(super) fn nevras_before() -> Vec<String> {
    nevras(BEFORE)
}
