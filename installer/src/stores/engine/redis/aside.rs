//! Files in a stopped server's directory: what it had is moved into a directory of ours beside them, and
//! the dump takes its place. The server's user owns the directory, so every step names one thing in an
//! open directory and follows no symlink of that user.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::course::{Course, Old};
use super::home::{Append, Home};
use crate::secure_fs::{FsError, Ownership, Place, Present};

/// What the directories of old files are called, before the number of the run.
const ASIDE: &str = "airgap-bundle-aside";
/// Mode of a file of which there was none.
const FILE: u32 = 0o640;
/// Mode of a directory of which there was none.
const DIRECTORY: u32 = 0o750;

/// Returns the names that a server starts from.
pub(super) fn names(home: &Home) -> Vec<String> {
    let mut names = vec![home.place.dump.clone()];
    match &home.append {
        Append::Off => {}
        Append::File(name) => names.push(name.clone()),
        Append::Directory { directory, .. } => names.push(directory.clone()),
    }
    names
}

/// Returns the files that a dump becomes, and the text of a manifest if one names them. Every place
/// that a server may start from gets it: which one it is, its configuration decides when it starts.
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

/// Returns how many copies of a dump are made.
pub(super) fn copies(home: &Home) -> u64 {
    targets(home).0.len() as u64
}

/// Returns a name for the old files that is nobody's yet.
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

/// Lists what is there now and will be moved.
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

/// Moves aside what was there before. What is aside already stays; what stands in its place is ours.
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

/// Puts the dump where the server looks, with the owner, mode and label of what was there.
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

/// What new files look like.
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
            let source = std::io::Error::other("it is no directory any more");
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

    /// A file is like the one that was there; else the dump's; else it is the directory's owner's.
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
