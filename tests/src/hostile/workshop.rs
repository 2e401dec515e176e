//! What attacks are made of: good bundles, taken apart, and keys.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use manifests::bundle::{BundleManifest, Role};
use manifests::bundle_path::BundlePath;
use manifests::json::canonical;
use manifests::nevra::Arch;
use manifests::product::ProductManifest;
use serde_json::Value;

use super::archive::{Archive, Item};
use super::chain::Cast;
use super::contents::replace_target;
use crate::forge::{Contents, Forge, TestKey, entry};
use crate::vendor::{Fixtures, Product};

/// The component that every bundle of the corpus upgrades.
pub(super) const PACKAGE: &str = "relay-codec";

/// Two good bundles, taken apart, and the keys that sign.
#[derive(Debug)]
pub struct Workshop {
    /// Trusted by the enrolled root document.
    pub(super) key: TestKey,
    /// No root lists this key.
    pub(super) stranger: TestKey,
    /// Trusted together, two of two, by another enrolled root document.
    pub(super) pair: [TestKey; 2],
    /// Trusted for another product.
    pub(super) elsewhere: TestKey,
    pub(super) good: Parts,
    /// A bundle of the same product and version, built a day later.
    pub(super) other: Parts,
    forge: Forge,
    installed: Vec<PathBuf>,
    foreign_rpm: Vec<u8>,
    stranger_key: Vec<u8>,
}

/// A bundle in parts.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) manifest: BundleManifest,
    pub(super) contents: Contents,
}

impl Parts {
    /// The position of a path's last part, or its beginning, among the contents.
    pub(super) fn find(&self, start: &str) -> Result<usize> {
        let found = self
            .contents
            .iter()
            .position(|(path, _)| path.as_str().starts_with(start));
        found.with_context(|| format!("no {start} in the bundle"))
    }

    /// Makes the manifest list the contents as they are.
    pub(super) fn relist(&mut self) {
        let listed = self.contents.iter();
        self.manifest.entries = listed.map(|(path, bytes)| entry(path, bytes)).collect();
    }

    /// Adds a file after all others, and lists it.
    pub(super) fn add(&mut self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.contents.push((path.parse()?, bytes));
        self.relist();
        Ok(())
    }

    /// The manifest as JSON, to be changed into what no type can hold.
    pub(super) fn json(&self) -> Result<Value> {
        Ok(serde_json::to_value(&self.manifest)?)
    }
}

impl Workshop {
    /// Takes the vendor's fixtures and makes the good bundles.
    pub fn prepare() -> Result<Self> {
        let fixtures = Fixtures::prepare()?;
        let rpm = |name, version| fixtures.rpm(name, version, "el8", "x86_64");
        let mut product: ProductManifest = fixtures.product(Product::Acme, "http://127.0.0.1:9")?;
        product.components.truncate(1);
        for component in &mut product.components {
            PACKAGE.clone_into(&mut component.package);
            component.unit = None;
            component.program = None;
            component.health = None;
            component.backup.clear();
            component.config.clear();
            component.environment.clear();
            component.tools.clear();
        }
        let forge = Forge {
            product,
            vendor_keys: vec![fixtures.package_key(Product::Acme)?.file],
            rpms: vec![
                (rpm(PACKAGE, "2.0.0")?, Role::Target),
                (rpm(PACKAGE, "1.0.0")?, Role::Previous),
            ],
            distro: "el8".to_owned(),
            arch: Arch::X86_64,
            version: "2.0".to_owned(),
            lint: Vec::new(),
        };
        let installed = vec![rpm(PACKAGE, "1.0.0")?, rpm("relay-tables", "7.0.0")?];
        let (manifest, contents) = forge.collect()?;
        let good = Parts { manifest, contents };
        Ok(Self {
            key: TestKey::from_seed(1)?,
            stranger: TestKey::from_seed(9)?,
            pair: [TestKey::from_seed(2)?, TestKey::from_seed(3)?],
            elsewhere: TestKey::from_seed(4)?,
            other: other(&forge, &good)?,
            good,
            foreign_rpm: std::fs::read(rpm("relay-dump", "1.1.0")?)?,
            stranger_key: std::fs::read(fixtures.stranger_key()?.file)?,
            forge,
            installed,
        })
    }

    /// The good bundle: a program that refuses it proves nothing by refusing the others.
    pub fn good(&self) -> Result<Vec<u8>> {
        self.archive()?.pack()
    }

    /// The good bundle's archive, without its frame.
    pub fn good_tar(&self) -> Result<Vec<u8>> {
        Ok(self.archive()?.tar())
    }

    /// The RPMs that a host has on which the good bundle can be installed.
    #[must_use]
    pub fn installed(&self) -> &[PathBuf] {
        &self.installed
    }

    /// The root documents that the host has enrolled: one key; two of two keys; one key for another
    /// product; one that others follow.
    pub fn roots(&self) -> Result<Vec<Vec<u8>>> {
        let mut pair = self.pair[0].root();
        let second = self.pair[1].root();
        pair.keys.extend(second.keys);
        pair.release.keys.extend(second.release.keys);
        pair.release.threshold = 2;
        let mut elsewhere = self.elsewhere.root();
        elsewhere.release.products = vec!["another-product".to_owned()];
        Ok(vec![
            self.key.root_document()?,
            canonical(&pair)?,
            canonical(&elsewhere)?,
            Cast::enrolled()?,
        ])
    }

    pub(super) const fn forge(&self) -> &Forge {
        &self.forge
    }

    /// A good package of the vendor that is not the product's.
    pub(super) fn foreign_rpm(&self) -> &[u8] {
        &self.foreign_rpm
    }

    /// A key, armored, that signed none of the packages.
    pub(super) fn stranger_key(&self) -> &[u8] {
        &self.stranger_key
    }

    /// The good bundle as an archive.
    pub(super) fn archive(&self) -> Result<Archive> {
        self.sign(&self.good)
    }

    /// Signs parts whose manifest describes them.
    pub(super) fn sign(&self, parts: &Parts) -> Result<Archive> {
        self.sign_bytes(&canonical(&parts.manifest)?, &parts.contents)
    }

    /// Signs any bytes as a manifest, with the trusted key.
    pub(super) fn sign_bytes(&self, manifest: &[u8], contents: &Contents) -> Result<Archive> {
        assemble(manifest, &[signature(&self.key, manifest)], contents)
    }

    /// Signs a manifest that no type can hold.
    pub(super) fn sign_json(&self, manifest: &Value) -> Result<Vec<u8>> {
        let bytes = canonical(manifest)?;
        self.sign_bytes(&bytes, &self.good.contents)?.pack()
    }

    /// Signs text as a manifest.
    pub(super) fn sign_text(&self, manifest: &[u8]) -> Result<Vec<u8>> {
        self.sign_bytes(manifest, &self.good.contents)?.pack()
    }

    /// The good bundle after a change that the manifest follows, signed.
    pub(super) fn signed(&self, change: impl FnOnce(&mut Parts) -> Result<()>) -> Result<Vec<u8>> {
        let mut parts = self.good.clone();
        change(&mut parts)?;
        self.sign(&parts)?.pack()
    }

    /// The good bundle's manifest after a change, signed, with the good contents.
    pub(super) fn signed_json(
        &self,
        change: impl FnOnce(&mut Value) -> Result<()>,
    ) -> Result<Vec<u8>> {
        let mut manifest = self.good.json()?;
        change(&mut manifest)?;
        self.sign_json(&manifest)
    }

    /// The good archive after an unsigned change.
    pub(super) fn changed(
        &self,
        change: impl FnOnce(Archive) -> Result<Archive>,
    ) -> Result<Vec<u8>> {
        change(self.archive()?)?.pack()
    }
}

/// The same product and version, built again: another build of the target package, which has the size
/// of the first, other words about the product, and another vendor key of the same size.
fn other(forge: &Forge, good: &Parts) -> Result<Parts> {
    let mut parts = good.clone();
    parts.manifest.sequence += 1;
    let package = parts.find("packages/")?;
    let mut bytes = parts.contents[package].1.clone();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    replace_target(&mut parts, bytes)?;
    let key = parts.find("keys/")?;
    if let Some(last) = parts.contents[key].1.last_mut() {
        *last ^= 0x20;
    }
    let mut product = forge.product.clone();
    product.title.push_str(" (a day later)");
    let at = parts.find("product.json")?;
    parts.contents[at].1 = canonical(&product)?;
    parts.relist();
    Ok(parts)
}

/// A signature as a file of a bundle.
pub(super) fn signature(key: &TestKey, bytes: &[u8]) -> (String, Vec<u8>) {
    (signature_path(key), key.sign(bytes))
}

pub(super) fn signature_path(key: &TestKey) -> String {
    format!("signatures/{}.sig", key.public().id())
}

/// Puts an archive together.
pub(super) fn assemble(
    manifest: &[u8],
    signatures: &[(String, Vec<u8>)],
    contents: &[(BundlePath, Vec<u8>)],
) -> Result<Archive> {
    let mut items = vec![Item::good("manifest.json", manifest)?];
    for (path, bytes) in signatures {
        items.push(Item::good(path, bytes)?);
    }
    for (path, bytes) in contents {
        items.push(Item::good(path.as_str(), bytes)?);
    }
    Ok(Archive::new(items))
}

impl Workshop {
    /// A root document that would be usable, of a key that is not enrolled alone.
    pub(super) fn another_root(&self) -> manifests::trust::RootDocument {
        self.pair[0].root()
    }
}
