//! A bundle writer of the lab's own: it packs any RPMs into a format 1 bundle, signed with a marked
//! test key, so that the installer is tested against a second implementation of the format, and
//! against bundles that the builder would refuse to make.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab drives real programs and files"
)]

mod header;
mod parts;
mod seal;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use manifests::bundle::{
    BundleManifest, BundledRpm, Encoding, Entry, FORMAT, HeaderDigests, LintFlag, MANIFEST_TYPE,
    Role, Target, Use,
};
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::format::{header_for, padding};
use manifests::json::canonical;
use manifests::nevra::Arch;
use manifests::package_files::PackageFiles;
use manifests::product::ProductManifest;

pub use parts::split;
pub use seal::{Seal, TestKey, fingerprint, revoke, root_document, sign_root};

/// Time of every forged entry.
pub(crate) const TIMESTAMP: u64 = 1_700_000_000;

/// What a forged bundle holds.
#[derive(Debug, Clone)]
pub struct Forge {
    /// The product manifest.
    pub product: ProductManifest,
    /// Armored vendor keys.
    pub vendor_keys: Vec<PathBuf>,
    /// RPMs with the role each has; the component is found by the package's name.
    pub rpms: Vec<(PathBuf, Role)>,
    /// The distribution, such as `el8`.
    pub distro: String,
    /// The architecture.
    pub arch: Arch,
    /// The version that the bundle claims.
    pub version: String,
    /// The bundle's notes about packages, by the start of their name and version.
    pub lint: Vec<(String, LintFlag)>,
}

/// Files in the order in which they are written.
pub(crate) type Contents = Vec<(BundlePath, Vec<u8>)>;

impl Forge {
    /// Writes the bundle, signed with `key`.
    pub fn write(&self, key: &TestKey, out: &Path) -> Result<()> {
        self.write_sealed(
            &Seal {
                keys: vec![key],
                sequence: 1,
                ..Seal::default()
            },
            out,
        )
    }

    /// Writes the bundle without any signature.
    pub fn write_unsigned(&self, out: &Path) -> Result<()> {
        self.write_sealed(
            &Seal {
                sequence: 1,
                ..Seal::default()
            },
            out,
        )
    }

    /// Writes the bundle with this seal.
    pub fn write_sealed(&self, seal: &Seal<'_>, out: &Path) -> Result<()> {
        let (mut manifest, contents) = self.collect()?;
        manifest.sequence = seal.sequence;
        let manifest_bytes = canonical(&manifest)?;
        let mut tar = Vec::new();
        append(&mut tar, "manifest.json", &manifest_bytes)?;
        for (path, bytes) in seal.files(&manifest_bytes) {
            append(&mut tar, &path, &bytes)?;
        }
        for (path, bytes) in &contents {
            append(&mut tar, path.as_str(), bytes)?;
        }
        tar.extend([0; 1024]);
        fs::write(out, compress(&tar)?).with_context(|| format!("cannot write {}", out.display()))
    }

    pub(crate) fn collect(&self) -> Result<(BundleManifest, Contents)> {
        let distro = self
            .product
            .distro(&self.distro)
            .context("unknown distribution")?;
        let target = Target {
            distro: distro.id.clone(),
            os_ids: distro.os_ids.clone(),
            major: distro.major,
            arch: self.arch,
        };
        let mut contents = vec![("product.json".parse()?, canonical(&self.product)?)];
        for (at, key) in self.vendor_keys.iter().enumerate() {
            contents.push((format!("keys/vendor/key{at}.asc").parse()?, fs::read(key)?));
        }
        let mut rpms = Vec::new();
        let mut packages = Vec::new();
        for (path, role) in &self.rpms {
            let bytes =
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let header = header::read(path, Sha256::of(&bytes))?;
            let rpm = self.describe(&header, *role, &target)?;
            contents.push((
                BundlePath::for_package_files(&rpm.sha256),
                canonical(&header.files)?,
            ));
            packages.push((rpm.path.clone(), bytes));
            rpms.push(rpm);
        }
        contents.extend(packages);
        let entries = contents
            .iter()
            .map(|(path, bytes)| entry(path, bytes))
            .collect();
        Ok((self.manifest(target, entries, rpms), contents))
    }

    fn describe(&self, header: &header::Header, role: Role, target: &Target) -> Result<BundledRpm> {
        let PackageFiles {
            nevra, rpm: sha256, ..
        } = &header.files;
        let order = self
            .product
            .components
            .iter()
            .position(|c| c.all_packages().any(|own| own == nevra.name()))
            .or_else(|| self.replacing(nevra.name()));
        let order = order.with_context(|| format!("{nevra} belongs to no component"))?;
        let purpose = Use {
            distro: target.distro.clone(),
            arch: target.arch,
            role,
            order: u32::try_from(order)?,
            component: self.product.components[order].name.clone(),
        };
        Ok(BundledRpm {
            path: BundlePath::for_package(sha256, &nevra.file_name())?,
            sha256: *sha256,
            nevra: nevra.clone(),
            build_time: header.build_time,
            signer: None,
            header: HeaderDigests {
                sha1: None,
                sha256: None,
                payload_sha256: None,
            },
            lint: self
                .lint
                .iter()
                .filter(|(start, _)| nevra.to_string().starts_with(start.as_str()))
                .map(|(_, flag)| *flag)
                .collect(),
            uses: vec![purpose],
        })
    }

    /// Returns the component whose target replaces a package of another name.
    fn replacing(&self, package: &str) -> Option<usize> {
        let targets = self.rpms.iter().filter(|(_, role)| *role == Role::Target);
        let mut names = targets.filter_map(|(path, _)| {
            let header = header::read(path, Sha256::of(b"")).ok()?;
            let mut obsoletes = header.files.obsoletes.iter();
            obsoletes
                .any(|obsolete| obsolete.name == package)
                .then_some(header.files.nevra)
        });
        let by = names.next()?;
        let mut components = self.product.components.iter();
        components.position(|c| c.all_packages().any(|own| own == by.name()))
    }

    fn manifest(
        &self,
        target: Target,
        entries: Vec<Entry>,
        rpms: Vec<BundledRpm>,
    ) -> BundleManifest {
        let version = semver::Version::new(0, 1, 0);
        BundleManifest {
            document: MANIFEST_TYPE.to_owned(),
            format: FORMAT,
            product: self.product.name.clone(),
            title: self.product.title.clone(),
            version: self.version.clone(),
            channel: self.product.channel.clone(),
            sequence: 1,
            timestamp: TIMESTAMP,
            expires: None,
            minimum_installer: version.clone(),
            tool_version: version,
            targets: vec![target],
            entries,
            rpms,
        }
    }
}

/// Describes a file of a bundle.
pub(crate) fn entry(path: &BundlePath, bytes: &[u8]) -> Entry {
    let (path, size, sha256) = (path.clone(), bytes.len() as u64, Sha256::of(bytes));
    Entry {
        path,
        size,
        sha256,
        encoding: Encoding::Plain,
    }
}

/// Appends one entry to a tar stream.
pub fn append(tar: &mut Vec<u8>, path: &str, bytes: &[u8]) -> Result<()> {
    tar.extend(header_for(&path.parse()?, bytes.len() as u64, TIMESTAMP)?);
    tar.extend(bytes);
    tar.extend(vec![0; padding(bytes.len() as u64)]);
    Ok(())
}

/// Compresses a tar stream as a bundle is compressed.
pub fn compress(tar: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
    encoder.window_log(20)?;
    encoder.include_checksum(true)?;
    encoder.write_all(tar)?;
    Ok(encoder.finish()?)
}
