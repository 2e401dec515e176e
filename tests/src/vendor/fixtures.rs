//! Everything the vendor has, built once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::cache::{self, CacheLock};
use super::keys::{self, PublicKey, SelfSignature};
use super::package::Workshop;
use super::recipe::{
    ARCHES, Artifact, DISTROS, Product, Profile, VARIED, Variant, artifacts, repos, rpm_file_name,
};
use super::{parallel, repository, service};

/// The prepared RPMs, repositories and keys.
#[derive(Clone, Debug)]
pub struct Fixtures {
    dir: PathBuf,
}

impl Fixtures {
    /// Builds the fixtures unless the cache has them, and waits for another process that does.
    pub fn prepare() -> Result<Self> {
        let cache = cache::dir()?;
        let dir = cache.join(cache::recipe_digest()?);
        if !dir.exists() {
            let lock = CacheLock::acquire(&cache)?;
            if !dir.exists() {
                build(&cache, &dir, &lock).context("cannot build the vendor's fixtures")?;
            }
        }
        Ok(Self { dir })
    }

    /// The RPM that the vendor publishes for a distribution (`el7`, `el8`, `el9`).
    pub fn rpm(&self, package: &str, version: &str, distro: &str, arch: &str) -> Result<PathBuf> {
        let found = artifacts().into_iter().find(|artifact| {
            artifact.variant.is_none()
                && artifact.package.name == package
                && artifact.release.version == version
                && artifact.arch == arch
                && artifact.build.distros.contains(&distro)
        });
        found
            .map(|artifact| self.rpms().join(artifact.path()))
            .with_context(|| format!("no {package} {version} for {distro} {arch}"))
    }

    /// Another build of [`rpm_file_name`]`("tyk-gateway", "5.3.1", "x86_64")`.
    #[must_use]
    pub fn variant(&self, variant: Variant) -> PathBuf {
        let (package, version, arch) = VARIED;
        self.rpms()
            .join(variant.tag())
            .join(rpm_file_name(package, version, arch))
    }

    /// The key that signs a product's RPMs.
    pub fn package_key(&self, product: Product) -> Result<PublicKey> {
        PublicKey::read(&self.keys(), &format!("package-{}", product.name()))
    }

    /// The key that signs a repository's metadata.
    pub fn metadata_key(&self, repo: &str) -> Result<PublicKey> {
        PublicKey::read(&self.keys(), &format!("metadata-{repo}"))
    }

    /// A key of a stranger, whom the product manifest does not name.
    pub fn stranger_key(&self) -> Result<PublicKey> {
        PublicKey::read(&self.keys(), "stranger")
    }

    /// The `<repo>/el/<8>/<arch>` directory of a repository, for use without a server.
    pub fn repo_dir(
        &self,
        profile: Profile,
        repo: &str,
        distro: &str,
        arch: &str,
    ) -> Result<PathBuf> {
        let dir = self
            .document_root(profile)
            .join(repository::leaf(repo, distro, arch));
        anyhow::ensure!(dir.is_dir(), "no repository {repo} for {distro} {arch}");
        Ok(dir)
    }

    pub(crate) fn document_root(&self, profile: Profile) -> PathBuf {
        self.dir.join("www").join(profile.name())
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    fn rpms(&self) -> PathBuf {
        self.dir.join("rpms")
    }
}

/// Fills a directory beside `dir`, then renames it.
fn build(cache: &Path, dir: &Path, lock: &CacheLock) -> Result<()> {
    let nfpm = cache::nfpm(cache, lock)?;
    let partial = tempfile::Builder::new()
        .prefix("partial-")
        .tempdir_in(cache)?;
    let root = partial.path();
    let [keys, rpms, scratch] = ["keys", "rpms", "scratch"].map(|name| root.join(name));
    for dir in [&keys, &rpms, &scratch] {
        fs::create_dir(dir)?;
    }
    make_keys(&keys)?;
    let program = scratch.join("fixture-service");
    service::compile(&program)?;
    let image = service::image(&program)?;
    let workshop = Workshop {
        nfpm: &nfpm,
        image: &image,
        keys: &keys,
        scratch: &scratch,
        rpms: &rpms,
    };
    parallel::for_each(&artifacts(), |artifact: &Artifact| workshop.build(artifact))?;
    for profile in Profile::ALL {
        repository::build_root(
            &root.join("www").join(profile.name()),
            profile,
            &rpms,
            &keys,
        )?;
    }
    fs::remove_dir_all(&scratch)?;
    let root = partial.keep();
    make_readable(&root)?;
    fs::rename(&root, dir).with_context(|| format!("cannot publish {}", dir.display()))
}

/// A temporary directory is private; the web server's and the lab's other users read this one.
fn make_readable(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?)
}

fn make_keys(dir: &Path) -> Result<()> {
    let mut keys = vec![(
        "stranger".to_owned(),
        "Somebody else <else@example.org>".to_owned(),
    )];
    for product in Product::ALL {
        let name = product.name();
        let uid = format!("Team {name} (package signing, lab) <{name}@example.org>");
        keys.push((format!("package-{name}"), uid));
    }
    for repo in repos() {
        let uid = format!("https://repo.example.org/{repo} (metadata, lab) <support@example.org>");
        keys.push((format!("metadata-{repo}"), uid));
    }
    parallel::for_each(&keys, |(name, uid)| {
        let metadata = name.starts_with("metadata-");
        let hash = if metadata {
            SelfSignature::Sha1
        } else {
            SelfSignature::Sha256
        };
        keys::generate(dir, name, uid, hash)
    })
}

/// The distributions and architectures that every repository serves.
impl Fixtures {
    /// Distribution names as [`Fixtures::rpm`] takes them.
    pub const DISTROS: [&'static str; 3] = DISTROS;
    /// Architectures as rpm names them.
    pub const ARCHES: [&'static str; 2] = ARCHES;
}
