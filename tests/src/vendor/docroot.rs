//! The tree that is served: the prepared one by links, with copies where something is changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Result;

use super::fault::{self, Fault, Flaw};
use super::fixtures::Fixtures;
use super::metadata::Compression;
use super::recipe::{ARCHES, DISTROS, Profile, repos};
use super::repository;

/// Fills an empty directory.
pub(crate) fn lay_out(
    root: &Path,
    fixtures: &Fixtures,
    profile: Profile,
    compression: Compression,
    faults: &[Fault],
) -> Result<()> {
    let prepared = fixtures.document_root(profile);
    symlink(prepared.join("keys"), root.join("keys"))?;
    for repo in repos() {
        fs::create_dir(root.join(repo))?;
        symlink(
            prepared.join(repo).join("gpgkey"),
            root.join(repo).join("gpgkey"),
        )?;
        for (distro, arch) in DISTROS
            .iter()
            .flat_map(|distro| ARCHES.map(|arch| (distro, arch)))
        {
            let leaf = repository::leaf(repo, distro, arch);
            let flaws: Vec<&Flaw> = faults
                .iter()
                .filter(|fault| fault.leaf() == leaf)
                .map(|fault| &fault.flaw)
                .collect();
            let (source, target) = (prepared.join(&leaf), root.join(&leaf));
            if flaws.is_empty() && compression == Compression::Gzip {
                fs::create_dir_all(target.parent().unwrap_or(root))?;
                symlink(&source, &target)?;
            } else {
                copy_leaf(&source, &target)?;
                fault::apply(&target, repo, &flaws, compression, fixtures)?;
            }
        }
    }
    Ok(())
}

/// RPMs are linked one by one, metadata are copied.
fn copy_leaf(source: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target.join("repodata"))?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            symlink(entry.path(), target.join(entry.file_name()))?;
        }
    }
    for entry in fs::read_dir(source.join("repodata"))? {
        let entry = entry?;
        fs::copy(
            entry.path(),
            target.join("repodata").join(entry.file_name()),
        )?;
    }
    Ok(())
}
