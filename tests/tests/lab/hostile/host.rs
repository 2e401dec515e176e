//! A host below a directory: an rpm database, what is installed, and the trusted root documents.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::hostile::Workshop;
use manifests::digest::Sha256;
use tempfile::TempDir;

use crate::hostile::runner::Runner;

/// Where the installer may write, below the host's root.
pub(crate) const STATE: &str = "var/lib/airgap-bundle";

/// A host, made anew for every case.
pub(crate) struct Host {
    dir: TempDir,
}

impl Host {
    /// Makes the host that all others are copies of.
    pub(crate) fn prepare(shop: &Workshop, installer: &Path, runner: &mut Runner) -> Self {
        let host = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let root = host.root();
        for dir in ["etc", "var/lib", "run", "usr/bin", "root"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        let release = "ID=rocky\nVERSION_ID=8.9\nPRETTY_NAME=\"A host below a directory\"\n";
        fs::write(root.join("etc/os-release"), release).unwrap();
        host.rpm(&["-i", "--nosignature"], shop.installed());
        for (document, number) in shop.roots().unwrap().iter().zip(0..) {
            let file = root.join(format!("root/root.{number}.json"));
            fs::write(&file, document).unwrap();
            let ended = host.enrol(installer, runner, &file, document);
            assert_eq!(ended.code, 0, "{}", ended.stderr);
        }
        host
    }

    /// Asks the host's rpm, as the installer does.
    pub(crate) fn rpm(&self, args: &[&str], files: &[PathBuf]) -> String {
        let output = Command::new("rpm")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .arg("--root")
            .arg(self.root())
            .args(args)
            .args(files)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn enrol(
        &self,
        installer: &Path,
        runner: &mut Runner,
        file: &Path,
        document: &[u8],
    ) -> crate::hostile::runner::Ended {
        let fingerprint = Sha256::of(document).to_string();
        let mut argv: Vec<&Path> = vec![installer, Path::new("--root"), self.root()];
        argv.extend(["trust", "add"].map(Path::new));
        argv.extend([file, Path::new("--fingerprint"), Path::new(&fingerprint)]);
        runner.run(&argv)
    }

    pub(crate) fn copy(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let status = Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .arg(self.root().join("."))
            .arg(dir.path())
            .status();
        assert!(status.unwrap().success());
        Self { dir }
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Everything outside the state directory: kind, mode, owner and content of every path.
    pub(crate) fn picture(&self) -> BTreeMap<PathBuf, String> {
        let walk = walkdir::WalkDir::new(self.root()).into_iter();
        let outside = walk.filter_entry(|entry| !entry.path().ends_with(STATE));
        let describe = |entry: walkdir::DirEntry| {
            let path = entry.path().strip_prefix(self.root()).unwrap().to_owned();
            let about = entry.metadata().unwrap();
            let content = if about.is_file() && !is_scratch(&path) {
                Sha256::of(&fs::read(entry.path()).unwrap()).to_string()
            } else if about.is_symlink() {
                fs::read_link(entry.path()).unwrap().display().to_string()
            } else {
                String::new()
            };
            let (mode, user, group) = (about.mode(), about.uid(), about.gid());
            (path, format!("{mode:o} {user} {group} {content}"))
        };
        outside.map(|entry| describe(entry.unwrap())).collect()
    }

    /// The files of the state directory that should not be there. Allowed are the lock, the note of
    /// the last question to rpm, and a store of files whose names are the digests of their bytes.
    pub(crate) fn strays(&self) -> Vec<PathBuf> {
        let state = self.root().join(STATE);
        let walk = walkdir::WalkDir::new(&state).min_depth(1).into_iter();
        let is_stray = |path: &Path| {
            if ["lock", "turn", "rpm-at-work", "store"]
                .iter()
                .any(|name| path == state.join(name))
            {
                return false;
            }
            let digest = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            let is_whole = || fs::read(path).is_ok_and(|bytes| Some(Sha256::of(&bytes)) == digest);
            !(path.parent() == Some(&state.join("store")) && is_whole())
        };
        walk.flatten()
            .map(|entry| entry.path().to_owned())
            .filter(|path| is_stray(path))
            .collect()
    }
}

/// The index of sqlite's log, which its readers write: it holds no lasting data.
fn is_scratch(path: &Path) -> bool {
    path.extension()
        .is_some_and(|suffix| suffix == "sqlite-shm")
}
