//! Which files the processes of a unit may read: by their user and groups, the file, and every
//! directory above it.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;

use crate::host::UnitSettings;
use crate::layout::Layout;

const READ: u32 = 4;
const SEARCH: u32 = 1;

/// The account of a unit's processes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Root may read everything.
    Root,
    /// A user that is not known here has no id.
    User { uid: Option<u32>, gids: Vec<u32> },
}

impl Reader {
    /// Looks an account up in the host's own files.
    pub(super) fn of(layout: &Layout, unit: &UnitSettings) -> Self {
        let user = unit.user.as_str();
        if matches!(user, "" | "root" | "0") {
            return Self::Root;
        }
        let read = |path: &str| std::fs::read_to_string(layout.at(path)).unwrap_or_default();
        let (users, groups) = (read("/etc/passwd"), read("/etc/group"));
        let account = users
            .lines()
            .map(fields)
            .find(|fields| fields.first() == Some(&user) || fields.get(2) == Some(&user));
        let id = |at: usize| account.as_ref()?.get(at)?.parse().ok();
        let name = account.as_ref().and_then(|fields| fields.first().copied());
        let named = || unit.more_groups.iter().chain([&unit.group]);
        let is_his = |fields: &Vec<&str>| {
            let mut members = fields.get(3).into_iter().flat_map(|all| all.split(','));
            members.any(|member| Some(member) == name)
                || named().any(|group| fields.first() == Some(&group.as_str()))
        };
        let his = groups.lines().map(fields).filter(is_his);
        let his = his.filter_map(|fields| fields.get(2)?.parse().ok());
        let numbers = named().filter_map(|group| group.parse().ok());
        let main = id(3).filter(|_| unit.group.is_empty());
        Self::User {
            uid: id(2),
            gids: his.chain(numbers).chain(main).collect(),
        }
    }

    /// Whether the account may read a file that is open. Its path is the one under which it was
    /// found: a symlink that is changed meanwhile leads nowhere else. The host's root directory is
    /// everybody's.
    pub(super) fn may_read(&self, layout: &Layout, file: &File) -> io::Result<bool> {
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (real, root) = (std::fs::read_link(own)?, layout.root().canonicalize()?);
        if !self.may(&file.metadata()?, READ) {
            return Ok(false);
        }
        let above = real.ancestors().skip(1);
        for dir in above.take_while(|dir| *dir != root && dir.starts_with(&root)) {
            if !self.may(&dir.metadata()?, SEARCH) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn may(&self, found: &Metadata, right: u32) -> bool {
        let Self::User { uid, gids } = self else {
            return true;
        };
        let shift = if *uid == Some(found.uid()) {
            6
        } else if gids.contains(&found.gid()) {
            3
        } else {
            0
        };
        (found.mode() >> shift) & right != 0
    }
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_read_by_its_groups_and_below_open_directories_alone() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let file = dir.path().join("etc/keys/redis");
        crate::secure_fs::ensure_dir(&dir.path().join("etc"), 0o755).unwrap();
        crate::secure_fs::ensure_dir(&dir.path().join("etc/keys"), 0o755).unwrap();
        let gid = rustix::process::getegid().as_raw();
        let write = |path: &str, text: &str| {
            crate::secure_fs::write_atomic(&dir.path().join(path), text.as_bytes(), 0o644).unwrap();
        };
        write("etc/passwd", "tyk:x:4711:4712::/:/bin/false\n");
        write("etc/group", &format!("secrets:x:{gid}:other\n"));
        write("etc/keys/redis", "secret\n");
        let mode = |path: &std::path::Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let may_in = |group: &str, more: &[&str]| {
            let unit = UnitSettings {
                user: "tyk".to_owned(),
                group: group.to_owned(),
                more_groups: more.iter().map(|&group| group.to_owned()).collect(),
                ..UnitSettings::default()
            };
            let open = File::open(&file).unwrap();
            Reader::of(&layout, &unit).may_read(&layout, &open).unwrap()
        };
        let may = |more: &[&str]| may_in("", more);
        assert!(may(&[]), "others may read it");
        mode(&file, 0o640);
        assert!(!may(&[]) && may(&["secrets"]), "the unit's groups count");
        mode(&file, 0o644);
        mode(file.parent().unwrap(), 0o750);
        assert!(!may(&[]) && may(&["secrets"]), "the directory counts");
        write("etc/passwd", &format!("tyk:x:4711:{gid}::/:/bin/false\n"));
        assert!(may(&["audio"]), "further groups leave the main group");
        assert!(!may_in("audio", &[]) && may_in("secrets", &[]));
    }
}
