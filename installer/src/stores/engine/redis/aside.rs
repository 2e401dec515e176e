//! Exchanges the files in a stopped server's directory: the old files move into a new directory
//! beside them, and the dump takes their place. The server's user owns the directory, so every step
//! names one entry of an open directory and follows no symlink of that user.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::progress::{Course, Old};
use super::server_files::{Append, Home};
use crate::secure_fs::{FsError, Ownership, Place, Present};

/// Name of the directory for old files, before the number of the run.
const ASIDE: &str = "airgap-bundle-aside";
/// Mode of a file that did not exist before.
const FILE: u32 = 0o640;
/// Mode of a directory that did not exist before.
const DIRECTORY: u32 = 0o750;

/// Returns the names of the files that a server starts from.
pub(super) fn names(home: &Home) -> Vec<String> {
    let mut names = vec![home.place.dump.clone()];
    match &home.append {
        Append::Off => {}
        Append::File(name) => names.push(name.clone()),
        Append::Directory { directory, .. } => names.push(directory.clone()),
    }
    names
}

/// Returns the files to write from a dump, and the text of a manifest if the server reads one. The
/// dump goes to every place that the server may start from, because its configuration decides only
/// at the start.
fn targets(home: &Home) -> (Vec<PathBuf>, Option<(PathBuf, String)>) {
    let mut files = vec![PathBuf::from(&home.place.dump)];
    let mut manifest = None;
    match &home.append {
        Append::Off => {}
        Append::File(name) => files.push(PathBuf::from(name)),
        Append::Directory { directory, stem } => {
            let directory = Path::new(directory);
            let base = format!("{stem}.1.base.rdb");
            let line = format!("file {base} seq 1 type b\n");
            files.push(directory.join(base));
            manifest = Some((directory.join(format!("{stem}.manifest")), line));
        }
    }
    (files, manifest)
}

pub(super) fn copies(home: &Home) -> u64 {
    targets(home).0.len() as u64
}

/// Returns a free name for the directory of old files.
pub(super) fn free_name(home: &Home, run: u64) -> Result<String, FsError> {
    let mut turn = 1_u32;
    loop {
        let name = match turn {
            1 => format!("{ASIDE}-{run}"),
            _ => format!("{ASIDE}-{run}-{turn}"),
        };
        if !Place::of(&Path::new(&home.place.dir).join(&name))?.is_taken()? {
            return Ok(name);
        }
        turn += 1;
    }
}

/// Lists the old files that will be moved.
pub(super) fn old(home: &Home) -> Result<Vec<Old>, FsError> {
    let mut found = Vec::new();
    for name in names(home) {
        let place = Place::of(&Path::new(&home.place.dir).join(&name))?;
        if place.is_taken()? {
            let present = place.present()?;
            found.push(Old { name, present });
        }
    }
    Ok(found)
}

/// Moves the old files aside. A file that was moved before stays; what now stands in its place is
/// ours.
pub(super) fn move_aside(course: &Course) -> Result<(), FsError> {
    let dir = Path::new(&course.home.place.dir);
    let aside = dir.join(&course.aside);
    Place::of(&aside)?.restore_dir()?;
    for old in course.old.iter().flatten() {
        let kept = aside.join(&old.name);
        if !Place::of(&kept)?.is_taken()? {
            Place::of(&dir.join(&old.name))?.displace(&kept)?;
        }
    }
    Ok(())
}

/// Writes the dump where the server looks for it, with the owner, mode and label of the old file.
pub(super) fn put(course: &Course, dump: &File, now: u64) -> Result<(), FsError> {
    let dir = Path::new(&course.home.place.dir);
    let likeness = Likeness::of(course, now)?;
    let (files, manifest) = targets(&course.home);
    if let Append::Directory { directory, .. } = &course.home.append {
        let place = Place::of(&dir.join(directory))?;
        place.restore_dir()?;
        let like = likeness.directory(directory);
        place.set_ownership(like.owner, &like.attributes(), &[])?;
    }
    for file in &files {
        Place::of(&dir.join(file))?.restore_copy(dump, &likeness.file(file))?;
    }
    if let Some((path, text)) = manifest {
        let like = likeness.file(&path);
        let place = Place::of(&dir.join(&path))?;
        place.restore_file(text.as_bytes(), like.owner, &like.attributes())?;
    }
    Ok(())
}

/// The attributes of new files.
struct Likeness<'a> {
    course: &'a Course,
    home: Present,
    now: u64,
}

impl<'a> Likeness<'a> {
    fn of(course: &'a Course, now: u64) -> Result<Self, FsError> {
        let dir = Path::new(&course.home.place.dir);
        let present = Place::of(dir)?.present()?;
        let home = present.ok_or_else(|| {
            let source = std::io::Error::other("it is not a directory any more");
            FsError::new("use", dir, source)
        })?;
        Ok(Self { course, home, now })
    }

    fn before(&self, name: &Path) -> Option<&Present> {
        let mut old = self.course.old.iter().flatten();
        old.find(|old| Path::new(&old.name) == name)?
            .present
            .as_ref()
    }

    fn with_mode(&self, like: &Present, mode: u32) -> Present {
        let owner = Ownership {
            mode,
            mtime_secs: i64::try_from(self.now).unwrap_or(i64::MAX),
            mtime_nanos: 0,
            ..like.owner
        };
        let label = like.label.clone();
        Present { owner, label }
    }

    /// A new file takes the attributes of the old one, else of the old dump, else the directory's
    /// owner.
    fn file(&self, name: &Path) -> Present {
        let dump = Path::new(&self.course.home.place.dump);
        match self.before(name).or_else(|| self.before(dump)) {
            Some(like) => self.with_mode(like, like.owner.mode & 0o777),
            None => self.with_mode(&self.home, FILE),
        }
    }

    fn directory(&self, name: &str) -> Present {
        match self.before(Path::new(name)) {
            Some(like) => self.with_mode(like, like.owner.mode),
            None => self.with_mode(&self.home, DIRECTORY),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::server_files::{Place as Files, Process};
    use super::*;
    use crate::secure_fs::{create_new, ensure_dir};

    fn course(dir: &Path, append: Append) -> Course {
        let process = Process { pid: 1, started: 1 };
        let place = Files {
            process,
            dir: dir.to_str().unwrap().to_owned(),
            dump: "dump.rdb".to_owned(),
            saves: true,
        };
        let home = Home {
            place,
            unit: "redis.service".to_owned(),
            append,
        };
        let aside = free_name(&home, 3).unwrap();
        let old = Some(old(&home).unwrap());
        Course {
            home,
            aside,
            dump: Vec::new(),
            old,
            is_placed: false,
        }
    }

    fn write(path: &Path, text: &str, mode: u32) {
        let mut file = create_new(path, mode).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn read(dir: &Path, name: &str) -> String {
        std::fs::read_to_string(dir.join(name)).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap()) & 0o7777
    }

    fn dump(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn old_files_are_kept_whenever_it_is_done_again() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        write(&dir.join("dump.rdb"), "old", 0o644);
        let appended = dir.join("appendonlydir");
        ensure_dir(&appended, 0o710).unwrap();
        write(&appended.join("a.aof.4.incr.aof"), "old increments", 0o600);
        let append = Append::Directory {
            directory: "appendonlydir".to_owned(),
            stem: "a.aof".to_owned(),
        };
        let course = course(dir, append);
        for _ in 0..3 {
            move_aside(&course).unwrap();
            put(&course, &dump("new"), 1_700_000_000).unwrap();
            assert_eq!(read(dir, "airgap-bundle-aside-3/dump.rdb"), "old");
            let kept = "airgap-bundle-aside-3/appendonlydir/a.aof.4.incr.aof";
            assert_eq!(read(dir, kept), "old increments");
            assert_eq!(read(dir, "dump.rdb"), "new");
            assert_eq!(read(&appended, "a.aof.1.base.rdb"), "new");
            let manifest = "file a.aof.1.base.rdb seq 1 type b\n";
            assert_eq!(read(&appended, "a.aof.manifest"), manifest);
            assert!(!appended.join("a.aof.4.incr.aof").exists());
        }
        assert_eq!(
            (mode(&dir.join("dump.rdb")), mode(&appended)),
            (0o644, 0o710)
        );
        assert_eq!(
            free_name(&course.home, 3).unwrap(),
            "airgap-bundle-aside-3-2"
        );
        assert_eq!(copies(&course.home), 2);
    }

    #[test]
    fn a_missing_file_is_not_moved_and_a_symlink_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (dir, victim) = (root.path().join("redis"), root.path().join("victim"));
        ensure_dir(&dir, 0o755).unwrap();
        write(&victim, "untouched", 0o600);
        std::os::unix::fs::symlink(&victim, dir.join("appendonly.aof")).unwrap();
        let course = course(&dir, Append::File("appendonly.aof".to_owned()));
        for _ in 0..2 {
            move_aside(&course).unwrap();
            put(&course, &dump("new"), 1_700_000_000).unwrap();
            assert_eq!(read(&dir, "appendonly.aof"), "new");
            assert_eq!(read(&dir, "dump.rdb"), "new");
            assert!(!dir.join("airgap-bundle-aside-3/dump.rdb").exists());
            assert!(
                dir.join("airgap-bundle-aside-3/appendonly.aof")
                    .is_symlink()
            );
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(mode(&dir.join("dump.rdb")), FILE);
    }
}
