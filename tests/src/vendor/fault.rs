//! What can be wrong with a repository.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::fixtures::Fixtures;
use super::keys::{self, Signer};
use super::metadata::{self, Compression};
use super::recipe::{VARIED, Variant, rpm_file_name};
use super::{repository, stutter};

/// A flaw in one `el/<8>/<arch>` of one repository.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) repo: String,
    pub(crate) distro: String,
    pub(crate) arch: String,
    pub(crate) flaw: Flaw,
}

impl Fault {
    /// For example `Fault::at("tyk-gateway", "el8", "x86_64", Flaw::MissingSignature)`.
    #[must_use]
    pub fn at(repo: &str, distro: &str, arch: &str, flaw: Flaw) -> Self {
        let [repo, distro, arch] = [repo, distro, arch].map(str::to_owned);
        Self {
            repo,
            distro,
            arch,
            flaw,
        }
    }

    pub(crate) fn leaf(&self) -> String {
        repository::leaf(&self.repo, &self.distro, &self.arch)
    }
}

/// The kinds of flaw. `file` is an RPM's name, see [`rpm_file_name`]; signatures over the metadata
/// are good unless the kind is about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The RPM is listed, and 404.
    ListedButMissing { file: String },
    /// A second entry for the same NEVRA, with the checksum of bytes that are gone.
    DuplicateNevra { file: String },
    /// `tyk-gateway` 5.3.1 for `x86_64` is another build, and the metadata agree.
    Replaced(Variant),
    /// One byte of the RPM's payload differs; the metadata know nothing of it.
    CorruptedRpm { file: String },
    /// One byte of the RPM's payload differs, and the metadata describe the corrupted file: the
    /// repository's key is in wrong hands.
    CorruptedRpmAndMetadata { file: String },
    /// The body ends after half of its length.
    TruncatedBody { file: String },
    /// Half of the body comes, then nothing for so long.
    StalledBody { file: String, stall: Duration },
    /// The first `times` requests for the file (an RPM, or below `repodata/`) are answered with `status`.
    Flaky {
        file: String,
        status: u16,
        times: u32,
    },
    /// A web page comes instead of the file, as from a login portal.
    WebPage { file: String },
    /// The file is there and has zero bytes.
    ZeroBytes { file: String },
    /// The RPM's location leaves the repository: `../../<file>`.
    HrefTraversal { file: String },
    /// The index lists nothing.
    EmptyRepo,
    /// `repomd.xml` was changed after it was signed.
    TamperedRepomd,
    /// `primary.xml` is not what `repomd.xml` describes.
    TamperedPrimary,
    /// `repomd.xml.asc` is 404.
    MissingSignature,
    /// `repomd.xml.asc` is good, but by a stranger's key.
    ForeignSignature,
}

/// Makes the flaws of one leaf directory, which is a copy of the prepared one.
pub(crate) fn apply(
    leaf: &Path,
    repo: &str,
    flaws: &[&Flaw],
    compression: Compression,
    fixtures: &Fixtures,
) -> Result<()> {
    let mut stale = false;
    for flaw in flaws {
        stale |= change_files(leaf, flaw, fixtures)
            .with_context(|| format!("cannot make the flaw {flaw:?}"))?;
    }
    if stale {
        repository::index(leaf, repo)?;
    }
    let before = metadata::read_primary(leaf)?;
    let mut primary = before.clone();
    for flaw in flaws {
        primary = change_primary(primary, flaw)?;
    }
    let rewritten = primary != before || compression != Compression::Gzip;
    if rewritten {
        metadata::write_primary(leaf, &primary, compression)?;
    }
    let stranger = flaws.contains(&&Flaw::ForeignSignature);
    if stale || rewritten || stranger {
        let key = if stranger {
            "stranger".to_owned()
        } else {
            format!("metadata-{repo}")
        };
        Signer::new(&keys::secret_file(&fixtures.keys(), &key))?
            .sign(&metadata::repomd_file(leaf))?;
    }
    flaws.iter().try_for_each(|flaw| change_signed(leaf, flaw))
}

/// Changes RPMs; whether the index must be written anew.
fn change_files(leaf: &Path, flaw: &Flaw, fixtures: &Fixtures) -> Result<bool> {
    match flaw {
        Flaw::ListedButMissing { file } => fs::remove_file(leaf.join(file))?,
        Flaw::Replaced(variant) => {
            let (package, version, arch) = VARIED;
            let file = leaf.join(rpm_file_name(package, version, arch));
            fs::remove_file(&file)?;
            fs::copy(fixtures.variant(*variant), &file)?;
            return Ok(true);
        }
        Flaw::CorruptedRpm { file } => corrupt(&leaf.join(file))?,
        Flaw::CorruptedRpmAndMetadata { file } => {
            corrupt(&leaf.join(file))?;
            return Ok(true);
        }
        _ => {}
    }
    Ok(false)
}

fn change_primary(primary: String, flaw: &Flaw) -> Result<String> {
    match flaw {
        Flaw::DuplicateNevra { file } => metadata::duplicate(&primary, file),
        Flaw::HrefTraversal { file } => {
            metadata::relocate(&primary, file, &format!("../../{file}"))
        }
        Flaw::EmptyRepo => Ok(metadata::empty_primary()),
        _ => Ok(primary),
    }
}

/// Changes what is signed, or the signature.
fn change_signed(leaf: &Path, flaw: &Flaw) -> Result<()> {
    let repomd = metadata::repomd_file(leaf);
    match flaw {
        Flaw::TamperedRepomd => {
            let text = fs::read_to_string(&repomd)?;
            fs::write(&repomd, text.replace("<revision>1", "<revision>2"))?;
        }
        Flaw::TamperedPrimary => corrupt(&leaf.join("repodata/primary.xml.gz"))?,
        Flaw::MissingSignature => fs::remove_file(repomd.with_extension("xml.asc"))?,
        _ => {}
    }
    Ok(())
}

/// Flips one bit near the end of a file; the file is replaced, because it may be a shared link.
fn corrupt(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let at = bytes.len().saturating_sub(100);
    *bytes.get_mut(at).context("the file is empty")? ^= 1;
    fs::remove_file(path)?;
    Ok(fs::write(path, bytes)?)
}

impl Flaw {
    /// How the third server answers for a file, if this flaw is one of transport.
    pub(crate) fn stutter(&self) -> Option<(&str, stutter::Manner)> {
        match self {
            Self::TruncatedBody { file } => Some((file, stutter::Manner::Truncate)),
            Self::StalledBody { file, stall } => Some((file, stutter::Manner::Stall(*stall))),
            Self::Flaky {
                file,
                status,
                times,
            } => Some((
                file,
                stutter::Manner::Refuse {
                    status: *status,
                    times: *times,
                },
            )),
            Self::WebPage { file } => Some((file, stutter::Manner::Page)),
            Self::ZeroBytes { file } => Some((file, stutter::Manner::Nothing)),
            _ => None,
        }
    }
}
