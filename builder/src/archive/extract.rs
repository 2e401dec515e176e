//! Taking entries out of a bundle: they appear, all of them, once the whole bundle is verified.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use manifests::bundle::{BundleManifest, Entry};
use manifests::bundle_path::BundlePath;
use manifests::format::MANIFEST_PATH;
use manifests::reader::{Front, Visitor};
use manifests::trust::VerifiedManifest;

use super::ArchiveError;
use crate::output::{OutputError, PendingTree};

/// What to take out.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Entries by name, or directories; with no target either, everything.
    pub paths: Vec<String>,
    /// The packages of these targets, written `el8-x86_64`.
    pub targets: Vec<String>,
}

/// Writes the selected entries into a directory that has no name yet.
#[derive(Debug)]
pub struct Extraction {
    selection: Selection,
    tree: PendingTree,
    packages: BTreeSet<BundlePath>,
    current: Option<File>,
    written: Vec<(BundlePath, u64)>,
}

impl Extraction {
    /// Prepares a directory beside `to`, which must not be there.
    pub fn begin(to: &Path, selection: Selection) -> Result<Self, OutputError> {
        Ok(Self {
            selection,
            tree: PendingTree::begin(to)?,
            packages: BTreeSet::new(),
            current: None,
            written: Vec::new(),
        })
    }

    /// Gives the directory its name, and returns what was written. Only for a verified bundle.
    pub fn commit(self) -> Result<Vec<(BundlePath, u64)>, OutputError> {
        self.tree.commit()?;
        Ok(self.written)
    }

    fn selects(&self, path: &BundlePath) -> bool {
        let Selection { paths, targets } = &self.selection;
        let named = |wish: &String| covers(wish, path);
        (paths.is_empty() && targets.is_empty())
            || paths.iter().any(named)
            || self.packages.contains(path)
    }

    fn whole(&mut self, path: &BundlePath, bytes: &[u8]) -> Result<(), ArchiveError> {
        if self.selects(path) {
            let mut file = self.tree.file(path)?;
            file.write_all(bytes)
                .and_then(|()| file.sync_all())
                .map_err(|source| self.tree.failed(path, source))?;
            self.written.push((path.clone(), bytes.len() as u64));
        }
        Ok(())
    }

    /// Every wish must mean something, or a typing error would pass for an empty directory.
    fn check_wishes(&self, manifest: &BundleManifest) -> Result<(), ArchiveError> {
        let front = [MANIFEST_PATH, "signatures", "trust"];
        let met = |wish: &String| {
            front.contains(&wish.trim_end_matches('/'))
                || manifest
                    .entries
                    .iter()
                    .any(|entry| covers(wish, &entry.path))
        };
        match self.selection.paths.iter().find(|wish| !met(wish)) {
            Some(wish) => Err(ArchiveError::NotCarried(format!("`{wish}`"))),
            None => Ok(()),
        }
    }

    fn choose_packages(&mut self, manifest: &BundleManifest) -> Result<(), ArchiveError> {
        for target in &self.selection.targets {
            let of_target = manifest.rpms.iter().filter(|rpm| {
                let name = |purpose: &manifests::bundle::Use| {
                    format!("{}-{}", purpose.distro, purpose.arch) == *target
                };
                rpm.uses.iter().any(name)
            });
            let known = self.packages.len();
            self.packages.extend(of_target.map(|rpm| rpm.path.clone()));
            let is_target = |t: &manifests::bundle::Target| format!("{}-{}", t.distro, t.arch);
            if self.packages.len() == known
                && !manifest.targets.iter().any(|t| is_target(t) == *target)
            {
                let targets: Vec<String> = manifest.targets.iter().map(is_target).collect();
                let what = format!("packages for `{target}`; it is for {}", targets.join(", "));
                return Err(ArchiveError::NotCarried(what));
            }
        }
        Ok(())
    }
}

/// Whether a wish names the entry or a directory above it.
fn covers(wish: &str, path: &BundlePath) -> bool {
    let wish = wish.trim_end_matches('/');
    path.as_str() == wish || path.is_under(wish)
}

impl Visitor for Extraction {
    type Error = ArchiveError;

    fn manifest(&mut self, front: &Front, verified: &VerifiedManifest) -> Result<(), ArchiveError> {
        self.check_wishes(verified.manifest())?;
        self.choose_packages(verified.manifest())?;
        let own = |text: String| text.parse::<BundlePath>();
        if let Ok(path) = own(MANIFEST_PATH.to_owned()) {
            self.whole(&path, &front.manifest)?;
        }
        for signature in &front.signatures {
            if let Ok(path) = own(format!("signatures/{}.sig", signature.key_id())) {
                self.whole(&path, signature.as_bytes())?;
            }
        }
        for (name, bytes) in front.chain.files() {
            if let Ok(path) = own(format!("trust/{name}")) {
                self.whole(&path, &bytes)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        if self.selects(&entry.path) {
            self.current = Some(self.tree.file(&entry.path)?);
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        match &mut self.current {
            Some(file) => file.write_all(bytes).map_err(ArchiveError::Write),
            None => Ok(()),
        }
    }

    fn end(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        if let Some(file) = self.current.take() {
            file.sync_all().map_err(ArchiveError::Write)?;
            self.written.push((entry.path.clone(), entry.size));
        }
        Ok(())
    }
}
