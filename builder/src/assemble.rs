//! From checked RPMs to the unsigned bundle: every byte of it is decided here. Then it is signed.

mod signed;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use manifests::bundle::{
    BoundsError, BundleManifest, BundledRpm, Encoding, Entry, FORMAT, MANIFEST_TYPE, check_bounds,
};
use manifests::bundle_path::{BundlePath, BundlePathError};
use manifests::digest::Sha256;
use manifests::format::{PRODUCT_PATH, SUMS_PATH, Section};
use manifests::json::canonical;
use manifests::limits::MANIFEST_MAX_BYTES;
use semver::Version;

use crate::evidence::{self, EvidenceError};
use crate::explain::{Exit, Explain, Explained};
use crate::extras::Extra;
use crate::installers::Installer;
use crate::lock::Lock;
use crate::package::DownloadedRpm;

pub(crate) use signed::front;
pub use signed::{SignedBundle, sign};

/// The oldest installer that understands what this build writes.
const MINIMUM_INSTALLER: Version = Version::new(0, 1, 0);

/// A complete bundle without a signature. It cannot be written to a file.
///
/// ```compile_fail
/// fn write(bundle: builder::assemble::UnsignedBundle, file: &mut std::fs::File) {
///     builder::archive::write(&bundle, file).unwrap();
/// }
/// ```
/// ```compile_fail
/// let forged = builder::assemble::UnsignedBundle::default();
/// ```
#[derive(Debug)]
#[must_use]
pub struct UnsignedBundle {
    manifest: BundleManifest,
    manifest_bytes: Vec<u8>,
    contents: Vec<Content>,
}

/// One entry with its bytes, in file order.
#[derive(Debug)]
pub struct Content {
    /// As the manifest lists it.
    pub entry: Entry,
    /// Where the bytes are.
    pub source: Source,
}

/// Where an entry's bytes are.
#[derive(Debug)]
pub enum Source {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file, which is hashed again while it is copied.
    File(PathBuf),
}

/// A bundle that cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A name that no entry may have.
    #[error(transparent)]
    Path(#[from] BundlePathError),
    /// A document that cannot be written.
    #[error("a document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Documents that cannot be written.
    #[error("the evidence cannot be written: {0}")]
    Evidence(#[from] EvidenceError),
    /// A bundle that every host would refuse.
    #[error("hosts would refuse the bundle: {0}")]
    TooLarge(#[from] BoundsError),
    /// A manifest that is too long to be read.
    #[error("hosts would refuse the bundle: its manifest has more than {MANIFEST_MAX_BYTES} bytes")]
    ManifestTooLarge,
    /// A manifest that readers would refuse.
    #[error("the bundle manifest would be refused: {0}")]
    Inconsistent(String),
}

impl Explain for AssembleError {
    fn exit(&self) -> Exit {
        match self {
            Self::Path(_) | Self::TooLarge(_) | Self::ManifestTooLarge => Exit::Usage,
            Self::Evidence(error) => error.exit(),
            Self::Json(_) | Self::Inconsistent(_) => Exit::Internal,
        }
    }

    fn explain(&self) -> Explained {
        let next = match self {
            Self::Path(_) => "give the key or package a name of letters, digits and ._+~^-",
            Self::TooLarge(_) | Self::ManifestTooLarge => {
                "build a bundle for each distribution and architecture, or carry fewer previous \
                 packages: name what the hosts run with --from"
            }
            Self::Evidence(error) => error.advice(),
            _ => "this is a bug: please report it with the lock",
        };
        Explained::new("cannot put the bundle together", self.to_string(), next)
    }
}

/// What a bundle carries beside packages.
#[derive(Debug, Default)]
pub struct Beside {
    /// One installer per architecture.
    pub installers: Vec<Installer>,
    /// Files that the product manifest allows.
    pub extras: Vec<Extra>,
}

/// Puts a bundle together. The same lock, RPMs and files give the same value.
pub fn assemble(
    lock: &Lock,
    rpms: &[DownloadedRpm],
    beside: &Beside,
) -> Result<UnsignedBundle, AssembleError> {
    let bundled = bundled_rpms(rpms)?;
    let mut contents = Contents::default();
    contents.bytes(PRODUCT_PATH.parse()?, canonical(&lock.product)?);
    for key in &lock.package_keys {
        let path = format!("keys/vendor/{}.asc", key.name).parse()?;
        contents.bytes(path, key.armored.clone().into_bytes());
    }
    for rpm in rpms {
        let path = BundlePath::for_package_files(&rpm.sha256());
        contents.bytes(path, canonical(rpm.files())?);
    }
    for (path, bytes) in evidence::documents(lock, &bundled, rpms, &beside.installers)? {
        contents.bytes(path, bytes);
    }
    for installer in &beside.installers {
        let (size, sha256) = (installer.size, installer.sha256);
        let path = BundlePath::for_installer(installer.arch);
        contents.file(path, size, sha256, installer.path.clone());
    }
    for rpm in rpms {
        let path = BundlePath::for_package(&rpm.sha256(), &rpm.planned().nevra.file_name())?;
        let size = rpm.planned().size;
        contents.file(path, size, rpm.sha256(), rpm.path().to_owned());
    }
    for extra in &beside.extras {
        let (size, sha256) = (extra.locked.size, extra.locked.sha256);
        contents.file(
            extra.locked.bundle_path()?,
            size,
            sha256,
            extra.path.clone(),
        );
    }
    let contents = contents.finish(SUMS_PATH.parse()?, &bundled);
    let manifest = manifest(lock, &contents, bundled);
    check_bounds(&manifest.entries)?;
    manifest.check().map_err(AssembleError::Inconsistent)?;
    let manifest_bytes = canonical(&manifest)?;
    if manifest_bytes.len() as u64 > MANIFEST_MAX_BYTES {
        return Err(AssembleError::ManifestTooLarge);
    }
    Ok(UnsignedBundle {
        manifest,
        manifest_bytes,
        contents,
    })
}

fn manifest(lock: &Lock, contents: &[Content], rpms: Vec<BundledRpm>) -> BundleManifest {
    let plan = &lock.plan;
    BundleManifest {
        document: MANIFEST_TYPE.to_owned(),
        format: FORMAT,
        product: plan.product.clone(),
        title: plan.title.clone(),
        version: plan.version.clone(),
        channel: plan.channel.clone(),
        sequence: lock.sequence,
        timestamp: lock.timestamp,
        expires: None,
        minimum_installer: MINIMUM_INSTALLER,
        tool_version: lock.tool_version.clone(),
        targets: plan.targets.clone(),
        entries: contents
            .iter()
            .map(|content| content.entry.clone())
            .collect(),
        rpms,
    }
}

/// Returns the manifest's list of RPMs, in plan order. Files that turn out to be the same (listed
/// under different checksums) are one RPM with the uses of both.
fn bundled_rpms(rpms: &[DownloadedRpm]) -> Result<Vec<BundledRpm>, AssembleError> {
    let mut bundled: Vec<BundledRpm> = Vec::new();
    for rpm in rpms {
        let planned = rpm.planned();
        if let Some(known) = bundled.iter_mut().find(|b| b.sha256 == rpm.sha256()) {
            let uses: BTreeSet<_> = known.uses.iter().chain(&planned.uses).cloned().collect();
            known.uses = uses.into_iter().collect();
            continue;
        }
        bundled.push(BundledRpm {
            path: BundlePath::for_package(&rpm.sha256(), &planned.nevra.file_name())?,
            sha256: rpm.sha256(),
            nevra: planned.nevra.clone(),
            build_time: rpm.build_time(),
            signer: rpm.signer().map(ToString::to_string),
            header: rpm.header_digests().clone(),
            lint: rpm.lint().to_vec(),
            uses: planned.uses.clone(),
        });
    }
    Ok(bundled)
}

#[derive(Default)]
struct Contents(Vec<Content>);

impl Contents {
    fn bytes(&mut self, path: BundlePath, bytes: Vec<u8>) {
        let (size, sha256) = (bytes.len() as u64, Sha256::of(&bytes));
        self.add(path, size, sha256, Source::Bytes(bytes));
    }

    fn file(&mut self, path: BundlePath, size: u64, sha256: Sha256, file: PathBuf) {
        self.add(path, size, sha256, Source::File(file));
    }

    /// Adds an entry once, however many packages share it.
    fn add(&mut self, path: BundlePath, size: u64, sha256: Sha256, source: Source) {
        if self.0.iter().any(|content| content.entry.path == path) {
            return;
        }
        let entry = Entry {
            path,
            size,
            sha256,
            encoding: Encoding::Plain,
        };
        self.0.push(Content { entry, source });
    }

    /// Adds the sums and puts everything in file order: by section, then by path, but packages in
    /// the order in which hosts install them.
    fn finish(mut self, sums: BundlePath, rpms: &[BundledRpm]) -> Vec<Content> {
        let mut lines: Vec<(String, Sha256)> = self
            .0
            .iter()
            .map(|content| &content.entry)
            .filter(|entry| {
                let section = Section::of(&entry.path);
                matches!(
                    section,
                    Some(Section::Packages | Section::Extras | Section::Installer)
                )
            })
            .map(|entry| (entry.path.to_string(), entry.sha256))
            .collect();
        lines.sort();
        let mut text = String::new();
        for (path, sha256) in &lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{sha256}  {path}");
        }
        self.bytes(sums, text.into_bytes());
        let place = |content: &Content| {
            let path = content.entry.path.clone();
            let among = rpms.iter().position(|rpm| rpm.path == path);
            (Section::of(&path), among, path)
        };
        self.0.sort_by_key(place);
        self.0
    }
}

impl UnsignedBundle {
    /// Returns the manifest.
    #[must_use]
    pub const fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// Returns the exact bytes to sign.
    #[must_use]
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.manifest_bytes
    }

    /// Returns the review page, for a copy beside the bundle.
    #[must_use]
    pub fn review_page(&self) -> &[u8] {
        let is_page = |content: &&Content| content.entry.path.as_str() == evidence::REVIEW_PATH;
        match self.contents.iter().find(is_page).map(|page| &page.source) {
            Some(Source::Bytes(page)) => page,
            _ => &[],
        }
    }

    /// Returns the entries in file order.
    #[must_use]
    pub fn contents(&self) -> &[Content] {
        &self.contents
    }
}
