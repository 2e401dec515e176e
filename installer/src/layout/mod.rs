//! The paths of everything that the installer keeps on a host.

mod run_dir;
mod store_marks;

use std::path::{Path, PathBuf};

use manifests::digest::Sha256;

pub use run_dir::{BackupDir, DumpDir, RunDir};

/// The installer's paths, below `/` or below `--root DIR`.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    is_live: bool,
}

impl Layout {
    /// Makes the layout below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            is_live: root == Path::new("/"),
        }
    }

    /// Makes the layout of a model host: it counts as running, and its files are below `root`.
    #[must_use]
    pub fn of_running(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            is_live: true,
        }
    }

    /// Returns the root directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the host is the running system itself.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.is_live
    }

    /// Returns the option that a command for this host needs before its name: nothing, or `--root
    /// DIR` and a blank.
    #[must_use]
    pub fn root_option(&self) -> String {
        if self.is_live {
            String::new()
        } else {
            format!("--root {} ", self.root.display())
        }
    }

    /// Returns where the host's absolute path `path` is on this system.
    #[must_use]
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Returns the state directory, mode 0700.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.at("/var/lib/airgap-bundle")
    }

    /// Returns the directory in which rpm rehearses the way back.
    #[must_use]
    pub fn rehearsal(&self) -> PathBuf {
        self.state().join("rehearsal")
    }

    /// Returns the directory of enrolled trust roots, readable by all.
    #[must_use]
    pub fn trust(&self) -> PathBuf {
        self.at("/etc/airgap-bundle/trust")
    }

    /// The name of the drop-in that holds a unit during a run.
    pub const DROP_IN: &'static str = "zz-airgap-bundle.conf";

    /// Returns the site's file of backup recipients.
    #[must_use]
    pub fn backup_recipients(&self) -> PathBuf {
        self.at("/etc/airgap-bundle/backup-recipients")
    }

    /// Returns the site's own file of consents and limits.
    #[must_use]
    pub fn site_file(&self) -> PathBuf {
        self.at("/etc/airgap-bundle/install.toml")
    }

    /// Whether `/bin` and similar directories of the host are links into `/usr`.
    #[must_use]
    pub fn has_merged_usr(&self) -> bool {
        ["/bin", "/sbin"]
            .iter()
            .all(|path| self.at(path).is_symlink())
    }

    /// Returns the directory of all runs.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.state().join("runs")
    }

    /// Returns the directory of one run.
    #[must_use]
    pub fn run(&self, id: u64) -> RunDir {
        RunDir::new(self.runs().join(id.to_string()))
    }

    /// Returns the file that the working process keeps locked.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.state().join("lock")
    }

    /// Returns the file that a process locks to be the next that takes the lock.
    #[must_use]
    pub fn turn(&self) -> PathBuf {
        self.state().join("turn")
    }

    /// Returns the document of the newest committed bundles.
    #[must_use]
    pub fn sequences(&self) -> PathBuf {
        self.state().join("sequences.json")
    }

    /// Returns the directory with copies of installers: all that an open run may need, then the one
    /// for `undo`.
    #[must_use]
    pub fn kept_installers(&self) -> PathBuf {
        self.at("/usr/libexec/airgap-bundle")
    }

    /// Returns the copy of the installer with this digest.
    #[must_use]
    pub fn kept_installer(&self, sha256: &Sha256) -> PathBuf {
        self.kept_installers().join(format!("{sha256}/install"))
    }

    /// Returns the path of the installer that stays for `undo`: a symlink to one of the copies.
    #[must_use]
    pub fn installer_for_undo(&self) -> PathBuf {
        self.kept_installers().join("install")
    }

    /// Returns the content-addressed store of RPMs.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.state().join("store")
    }

    /// Returns the path of an RPM in the store.
    #[must_use]
    pub fn stored_rpm(&self, sha256: &Sha256) -> PathBuf {
        self.store().join(format!("{sha256}.rpm"))
    }

    /// Returns the path of an extra in the store.
    #[must_use]
    pub fn stored_extra(&self, sha256: &Sha256) -> PathBuf {
        self.store().join(format!("{sha256}.extra"))
    }

    /// Returns the directory whose files permit held units to start.
    #[must_use]
    pub fn released(&self) -> PathBuf {
        self.at("/run/airgap-bundle/released")
    }

    /// Returns the mark that people were told of an open run, since the last boot.
    #[must_use]
    pub fn told(&self) -> PathBuf {
        self.at("/run/airgap-bundle/told")
    }

    /// Returns the file that tells people who log in of an open run.
    #[must_use]
    pub fn message_of_the_day(&self) -> PathBuf {
        self.at("/etc/motd.d/airgap-bundle")
    }

    /// Whether a host's path is the hold of a run, or its temporary file. Both come and go with the
    /// run.
    #[must_use]
    pub fn is_hold(path: &str) -> bool {
        path.starts_with("/etc/systemd/system/") && path.contains(Self::DROP_IN)
    }

    /// Returns the directories in which the hold of `unit` stands. The administrator's stays across
    /// a boot. The other one counts while a configuration agent purges the administrator's.
    #[must_use]
    pub fn hold_dirs(&self, unit: &str) -> Vec<PathBuf> {
        let own = self.drop_in_dir(unit);
        let runtime = self.at("/run/systemd/system");
        let name = own.file_name().map(|name| runtime.join(name));
        let name = name.filter(|_| runtime.is_dir());
        [own].into_iter().chain(name).collect()
    }

    /// Returns the directory of an administrator's drop-ins for `unit`. Instances of a template
    /// share the directory of the template.
    #[must_use]
    pub fn drop_in_dir(&self, unit: &str) -> PathBuf {
        let owner = match (unit.split_once('@'), unit.rsplit_once('.')) {
            (Some((template, _)), Some((_, suffix))) => format!("{template}@.{suffix}"),
            _ => unit.to_owned(),
        };
        self.at("/etc/systemd/system").join(format!("{owner}.d"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relocated_host_keeps_everything_below_its_root() {
        let layout = Layout::new(Path::new("/mnt/host"));
        assert_eq!(
            &*layout.run(7),
            Path::new("/mnt/host/var/lib/airgap-bundle/runs/7")
        );
        let drop_in = layout.drop_in_dir("worker@3.service");
        assert_eq!(
            drop_in,
            Path::new("/mnt/host/etc/systemd/system/worker@.service.d")
        );
    }
}
