//! The installers a bundle carries: one program per target architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use manifests::digest::Sha256;
use manifests::nevra::Arch;

use crate::elf;
use crate::explain::{Exit, Explain, Explained};

/// The most an installer may take.
const INSTALLER_MAX_BYTES: u64 = 512 * 1024 * 1024;

/// An installer that was found and hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installer {
    /// The machine it runs on.
    pub arch: Arch,
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Sha256,
}

/// Which installers to carry.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Files named by the user.
    pub named: BTreeMap<Arch, PathBuf>,
    /// Architectures that go without.
    pub without: BTreeSet<Arch>,
    /// Where `install-<arch>` is looked for otherwise.
    pub beside: Option<PathBuf>,
}

/// An installer that cannot be carried.
#[derive(Debug, thiserror::Error)]
pub enum InstallerError {
    /// None given and none found.
    #[error("there is no installer for {arch}{}", place(looked_for.as_deref()))]
    Missing {
        /// The target architecture.
        arch: Arch,
        /// Where it was looked for.
        looked_for: Option<PathBuf>,
    },
    /// Cannot be read.
    #[error("the installer {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Not a program for that machine.
    #[error("{} is not an ELF program for {arch}", path.display())]
    NotAProgram {
        /// The file.
        path: PathBuf,
        /// The machine.
        arch: Arch,
    },
    /// Not the one that the lock names.
    #[error("the installer for {arch} has sha256 {found} and the lock gives {expected}")]
    NotLocked {
        /// The machine.
        arch: Arch,
        /// In the lock.
        expected: Sha256,
        /// Found.
        found: Sha256,
    },
}

fn place(path: Option<&Path>) -> String {
    path.map_or(String::new(), |path| format!(" at {}", path.display()))
}

impl Explain for InstallerError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotLocked { .. } => Exit::Verification,
            _ => Exit::Usage,
        }
    }

    fn explain(&self) -> Explained {
        let next = match self {
            Self::Missing { arch, .. } => format!(
                "name it with --installer {arch}=FILE, or leave it out with --without-installer {arch} \
                 (the host then needs an installer from elsewhere)"
            ),
            Self::Unreadable { .. } => "check the path and its permissions".to_owned(),
            Self::NotAProgram { arch, .. } => {
                format!("name the `install` program built for {arch}")
            }
            Self::NotLocked { arch, .. } => format!(
                "pass the installer that the locked build carried with --installer {arch}=FILE, or \
                 build without --locked"
            ),
        };
        Explained::new("cannot take the installers along", self.to_string(), next)
    }
}

/// Finds and hashes the installers of `archs`.
pub fn find(choice: &Choice, archs: &[Arch]) -> Result<Vec<Installer>, InstallerError> {
    let mut found = Vec::new();
    for &arch in archs {
        if choice.without.contains(&arch) {
            continue;
        }
        let default = choice
            .beside
            .as_ref()
            .map(|dir| dir.join(format!("install-{arch}")));
        let path = match (choice.named.get(&arch), &default) {
            (Some(named), _) => named.clone(),
            (None, Some(beside)) if beside.exists() => beside.clone(),
            (None, looked_for) => {
                let looked_for = looked_for.clone();
                return Err(InstallerError::Missing { arch, looked_for });
            }
        };
        found.push(hash(arch, &path)?);
    }
    Ok(found)
}

fn hash(arch: Arch, path: &Path) -> Result<Installer, InstallerError> {
    let read = elf::read(path, INSTALLER_MAX_BYTES);
    let (start, size, sha256) = read.map_err(|source| InstallerError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    if !elf::is_for(&start, arch) {
        let path = path.to_owned();
        return Err(InstallerError::NotAProgram { path, arch });
    }
    Ok(Installer {
        arch,
        path: path.to_owned(),
        size,
        sha256,
    })
}
