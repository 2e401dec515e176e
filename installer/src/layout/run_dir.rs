//! The files of a run. Only this module knows their names (docs/state-directory.md).

use std::ops::Deref;
use std::path::{Path, PathBuf};

const BACKUP: &str = "backup";
const DISPLACED: &str = "displaced";

/// The directory of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir(PathBuf);

impl RunDir {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.join("plan.json")
    }

    /// The report, which records how the run ended.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.join("report.json")
    }

    /// The record of the installer that works on the run.
    #[must_use]
    pub fn installer(&self) -> PathBuf {
        self.join("installer.json")
    }

    /// The journal of its steps.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.join("journal")
    }

    /// The mark that a revert began to release services: it counts also where no record of the journal
    /// can be written.
    #[must_use]
    pub fn live(&self) -> PathBuf {
        self.join("live")
    }

    /// The events that followers show.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.join("events.jsonl")
    }

    /// What the system's log had of services that were not well.
    #[must_use]
    pub fn unit_logs(&self) -> PathBuf {
        self.join("unit-logs.json")
    }

    /// The output of rpm on the way forward.
    #[must_use]
    pub fn rpm_log(&self) -> PathBuf {
        self.join("rpm.log")
    }

    /// The output of rpm on the way back.
    #[must_use]
    pub fn revert_log(&self) -> PathBuf {
        self.join("rpm-revert.log")
    }

    /// Returns the documents and logs that contain no content of a backed-up file.
    #[must_use]
    pub fn records(&self) -> [PathBuf; 8] {
        [
            self.plan(),
            self.report(),
            self.installer(),
            self.journal(),
            self.events(),
            self.rpm_log(),
            self.revert_log(),
            self.unit_logs(),
        ]
    }

    /// The recipients of its backup.
    #[must_use]
    pub fn recipients(&self) -> PathBuf {
        self.join("seal.json")
    }

    /// Its backup while that is plain.
    #[must_use]
    pub fn backup(&self) -> BackupDir {
        BackupDir::at(self.join(BACKUP))
    }

    /// Its sealed backup.
    #[must_use]
    pub fn sealed(&self) -> PathBuf {
        self.join("backup.age")
    }

    /// For an undo: the unsealed backup of the undone run.
    #[must_use]
    pub fn unsealed(&self) -> Self {
        Self(self.join("undone"))
    }

    /// Where a run moves files that are in its way.
    #[must_use]
    pub fn displaced(&self) -> PathBuf {
        self.join(DISPLACED)
    }

    /// The same for one try of a revert, so that no try overwrites the files of another.
    #[must_use]
    pub fn displaced_anew(&self) -> PathBuf {
        let numbered = |number: u32| self.join(format!("{DISPLACED}.{number}"));
        let mut names = (1..=9999).map(numbered);
        let free = names.find(|name| !name.exists());
        free.unwrap_or_else(|| self.displaced())
    }

    /// Returns every directory of displaced files, in order.
    #[must_use]
    pub fn all_displaced(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries
            .filter(|entry| Self::is_displaced(&entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        found
    }

    /// Whether a file name in a run's directory belongs to displaced files.
    #[must_use]
    pub fn is_displaced(name: &str) -> bool {
        name.starts_with(DISPLACED)
    }

    /// Returns what exists of the run's backup, plain and sealed, and of displaced files.
    #[must_use]
    pub fn backups(&self) -> Vec<PathBuf> {
        let mut found = self.all_displaced();
        found.extend([self.backup().0, self.sealed()]);
        found.retain(|path| path.symlink_metadata().is_ok());
        found
    }
}

/// The backup of a run: in its own directory, unsealed for an undo, or unsealed by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupDir(PathBuf);

/// The dumps of data stores: a document, and a directory that contains a directory for each store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpDir {
    /// The list of dumps.
    pub document: PathBuf,
    /// The dumps.
    pub files: PathBuf,
}

impl DumpDir {
    /// Returns a name for one more dump of a store: no dump overwrites another. What a cut-off dump
    /// left counts as free.
    #[must_use]
    pub fn free_name(&self, store: &str) -> String {
        let numbered = |number: u32| match number {
            1 => store.to_owned(),
            _ => format!("{store}.{number}"),
        };
        let is_free = |name: &String| {
            let entries = std::fs::read_dir(self.files.join(name));
            let mut entries = entries.into_iter().flatten().flatten();
            entries.all(|entry| entry.file_name().to_string_lossy().ends_with(".partial"))
        };
        let free = (1..=9999).map(numbered).find(is_free);
        free.unwrap_or_else(|| numbered(10_000))
    }

    /// Whether a dump of this name is one of the store.
    #[must_use]
    pub fn is_of(name: &str, store: &str) -> bool {
        let rest = name.strip_prefix(store);
        let number = rest.and_then(|rest| rest.strip_prefix('.'));
        rest == Some("")
            || number.is_some_and(|number| number.chars().all(|digit| digit.is_ascii_digit()))
    }
}

impl BackupDir {
    /// The names of the directories of dumps. Each has a document of the same name.
    pub const DUMPS: [&'static str; 2] = ["stores", "aside"];
    /// The names of the snapshots, before and after the run.
    pub const SNAPSHOTS: [&'static str; 2] = ["before.json", "after.json"];
    /// The prefix of its files' paths in a run's directory.
    pub const PREFIX: &'static str = "backup/";
    /// The name of the directory of contents.
    pub const BLOBS: &'static str = "blobs";
    const BASELINE: &'static str = "baseline.json";
    const CONFIG_CHANGES: &'static str = "config-changes.json";

    /// The backup in the directory `path`.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Configuration before the run.
    #[must_use]
    pub fn before(&self) -> PathBuf {
        self.join(Self::SNAPSHOTS[0])
    }

    /// Configuration right after the run.
    #[must_use]
    pub fn after(&self) -> PathBuf {
        self.join(Self::SNAPSHOTS[1])
    }

    /// The state of services and packages before the run.
    #[must_use]
    pub fn baseline(&self) -> PathBuf {
        self.join(Self::BASELINE)
    }

    /// What happened to configuration.
    #[must_use]
    pub fn config_changes(&self) -> PathBuf {
        self.join(Self::CONFIG_CHANGES)
    }

    /// The contents that the documents refer to by digest.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.join(Self::BLOBS)
    }

    /// The dumps from before the run.
    #[must_use]
    pub fn dumps(&self) -> DumpDir {
        self.dump_dir(Self::DUMPS[0])
    }

    /// The dumps of what the stores held before a way back rewrote them.
    #[must_use]
    pub fn aside(&self) -> DumpDir {
        self.dump_dir(Self::DUMPS[1])
    }

    fn dump_dir(&self, name: &str) -> DumpDir {
        DumpDir {
            document: self.join(format!("{name}.json")),
            files: self.join(name),
        }
    }

    /// Returns the directory and everything that must be in it.
    #[must_use]
    pub fn levels(&self) -> Vec<PathBuf> {
        let below = [Self::BLOBS].into_iter().chain(Self::DUMPS);
        let mut levels = vec![self.0.clone()];
        levels.extend(below.map(|name| self.join(name)));
        levels
    }

    /// Returns the part of a path in a run's directory that lies in its backup.
    #[must_use]
    pub fn below<'a>(parts: &'a [&'a str]) -> Option<&'a [&'a str]> {
        parts
            .split_first()
            .filter(|(first, _)| **first == BACKUP)
            .map(|(_, rest)| rest)
    }

    /// Whether a name in the backup is the name of a document.
    #[must_use]
    pub fn is_document(name: &str) -> bool {
        let of_dumps = name.strip_suffix(".json");
        Self::SNAPSHOTS.contains(&name)
            || [Self::BASELINE, Self::CONFIG_CHANGES].contains(&name)
            || of_dumps.is_some_and(|name| Self::DUMPS.contains(&name))
    }
}

impl Deref for RunDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Deref for BackupDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for RunDir {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the product code outside this module, without its tests.
    fn sources() -> Vec<(PathBuf, String)> {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let is_product = |path: &Path| {
            path.extension().is_some_and(|kind| kind == "rs")
                && !path.starts_with(src.join("layout"))
                && !path.ends_with("tests.rs")
        };
        let files = walkdir::WalkDir::new(&src)
            .into_iter()
            .map(|found| found.unwrap());
        let files = files
            .map(walkdir::DirEntry::into_path)
            .filter(|path| is_product(path));
        let product = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).unwrap();
            let product = text.split("\nmod tests {").next().unwrap();
            (path, product.to_owned())
        };
        files.map(product).collect()
    }

    #[test]
    fn no_other_module_names_a_file_of_a_run() {
        let dir = RunDir::new(PathBuf::from("/run"));
        let backup = dir.backup();
        let dumps = [backup.dumps().document, backup.aside().document];
        let mut files = dir.records().to_vec();
        files.extend([dir.recipients(), dir.sealed(), dir.displaced()]);
        files.extend([backup.before(), backup.after(), backup.baseline()]);
        files.extend(dumps.into_iter().chain([backup.config_changes()]));
        for (source, text) in sources() {
            for name in files.iter().map(|file| file.file_name().unwrap()) {
                let name = name.to_str().unwrap();
                for literal in [format!("\"{name}\""), format!("backup/{name}\"")] {
                    // The support archive names a text about the host's stores like the document of
                    // dumps.
                    let is_its_own = source.ends_with("support/mod.rs") && name == "stores.json";
                    let is_there = text.contains(&literal) && !is_its_own;
                    assert!(!is_there, "{literal} stands in {}", source.display());
                }
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the test makes the files of a run"
    )]
    #[test]
    fn no_dump_overwrites_another_of_its_store() {
        let dir = tempfile::tempdir().unwrap();
        let aside = BackupDir::at(dir.path().to_owned()).aside();
        assert_eq!(aside.free_name("main"), "main");
        let put = |name: &str, file: &str| {
            let dir = aside.files.join(name);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::File::create(dir.join(file)).unwrap();
        };
        put("main", "database.dump.partial");
        assert_eq!(aside.free_name("main"), "main", "it was cut off");
        put("main", "database.dump");
        put("main.2", "database.dump");
        assert_eq!(aside.free_name("main"), "main.3");
        assert!(DumpDir::is_of("main", "main") && DumpDir::is_of("main.3", "main"));
        assert!(!DumpDir::is_of("main-logs", "main") && !DumpDir::is_of("main.x", "main"));
    }

    #[test]
    fn each_try_of_a_revert_displaces_into_its_own_directory() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::new(dir.path().to_owned());
        assert_eq!(run.displaced_anew(), run.join("displaced.1"));
        rustix::fs::mkdir(run.displaced_anew(), 0o700.into()).unwrap();
        assert_eq!(run.displaced_anew(), run.join("displaced.2"));
        assert_eq!(run.backups(), [run.join("displaced.1")]);
    }
}
