//! Yum repositories as packagecloud lays them out: `<repo>/el/<8>/<arch>/`, indexed by
//! `createrepo_c`, with a detached signature over `repomd.xml`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::command::run;
use super::keys::{self, Signer};
use super::parallel;
use super::recipe::{ARCHES, Artifact, DISTROS, Product, Profile, artifacts, repos};

/// One `el/<8>/<arch>` of one repository, relative to a document root.
#[must_use]
pub(crate) fn leaf(repo: &str, distro: &str, arch: &str) -> String {
    let major = distro.strip_prefix("el").unwrap_or(distro);
    format!("{repo}/el/{major}/{arch}")
}

/// Builds the document root of a profile.
pub(crate) fn build_root(root: &Path, profile: Profile, rpms: &Path, keys: &Path) -> Result<()> {
    for artifact in artifacts() {
        publish(root, profile, rpms, &artifact)?;
    }
    fs::create_dir_all(root.join("keys"))?;
    for product in Product::ALL {
        let key = format!("package-{}.asc", product.name());
        fs::copy(keys.join(&key), root.join("keys").join(key_name(product)))?;
    }
    for repo in repos() {
        fs::copy(
            keys.join(format!("metadata-{repo}.asc")),
            root.join(repo).join("gpgkey"),
        )?;
        let signer = Signer::new(&keys::secret_file(keys, &format!("metadata-{repo}")))?;
        let leaves: Vec<PathBuf> = DISTROS
            .iter()
            .flat_map(|distro| ARCHES.map(|arch| root.join(leaf(repo, distro, arch))))
            .collect();
        parallel::for_each(&leaves, |dir| {
            index(dir, repo)?;
            signer.sign(&dir.join("repodata/repomd.xml"))
        })?;
    }
    Ok(())
}

/// The name of a product's package key below `/keys/`.
pub(crate) fn key_name(product: Product) -> &'static str {
    match product {
        Product::Tyk => "package.asc",
        Product::Acme => "acme.asc",
    }
}

/// Links an RPM into every distribution that gets this build.
fn publish(root: &Path, profile: Profile, rpms: &Path, artifact: &Artifact) -> Result<()> {
    let listed = artifact.variant.is_none()
        && (artifact.release.profile == Profile::Good || profile == Profile::Bad);
    for distro in artifact.build.distros.iter().filter(|_| listed) {
        let dir = root.join(leaf(artifact.package.repo, distro, artifact.arch));
        fs::create_dir_all(&dir)?;
        let source = rpms.join(artifact.path());
        fs::hard_link(&source, dir.join(artifact.file_name()))
            .with_context(|| format!("cannot publish {}", source.display()))?;
    }
    Ok(())
}

/// Writes `repodata/` with sha1 for packages. What packagecloud uses for the metadata files is not
/// known, so one repository has sha1 there too and the others sha256.
pub(crate) fn index(dir: &Path, repo: &str) -> Result<()> {
    let repomd_checksum = if repo == "tyk-pump" { "sha1" } else { "sha256" };
    run(Command::new("createrepo_c")
        .args([
            "--quiet",
            "--no-database",
            "--simple-md-filenames",
            "--checksum",
            "sha1",
        ])
        .args(["--repomd-checksum", repomd_checksum])
        .args(["--revision", "1743152400", "--set-timestamp-to-revision"])
        .arg(dir))
    .map(drop)
}
