//! A root directory with an rpm database and a store of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use installer::bundle::StagedRpmSet;
use installer::layout::Layout;
use manifests::digest::Sha256;
use rpm::{BuildConfig, CompressionType, FileOptions, PackageBuilder};

/// The lab touches nothing of the machine outside this directory.
pub(crate) struct Scratch {
    _dir: tempfile::TempDir,
    pub(crate) layout: Layout,
}

/// How a file is packaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    Plain,
    Config,
    NoReplace,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        for level in [layout.state(), layout.store()] {
            fs::create_dir_all(&level).unwrap();
            fs::set_permissions(&level, fs::Permissions::from_mode(0o700)).unwrap();
        }
        Self { _dir: dir, layout }
    }

    /// Puts an RPM into the store, and opens it as a run does.
    pub(crate) fn store(&self, bytes: &[u8]) -> StagedRpmSet {
        let sha256 = Sha256::of(bytes);
        let path = self.layout.stored_rpm(&sha256);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        StagedRpmSet::reopen(&self.layout, &[sha256]).unwrap()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.layout.at(path)
    }
}

/// Builds a package of these files: path, how it is packaged, content.
pub(crate) fn package(
    version: &str,
    compression: CompressionType,
    files: &[(&str, Flag, &[u8])],
) -> Vec<u8> {
    let config = BuildConfig::v4().compression(compression);
    let mut builder = PackageBuilder::new("cells", version, "MIT", "noarch", "config cells");
    builder.using_config(config).release("1");
    for (path, flag, content) in files {
        let options = FileOptions::new(*path).permissions(0o644);
        let options = match flag {
            Flag::Plain => options,
            Flag::Config => options.config(),
            Flag::NoReplace => options.config().noreplace(),
        };
        builder.with_file_contents(*content, options).unwrap();
    }
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}
