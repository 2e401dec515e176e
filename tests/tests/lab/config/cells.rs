//! Sixteen cells, and some more: each flag with each state of a file, in both directions. The
//! forecast is compared with this machine's rpm, names and contents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use installer::host::linux::LinuxHost;
use installer::host::{Host as _, RpmMode};
use installer::inventory::{Inventory, Subject};
use installer::plan::forecast::{Fate, forecast};
use manifests::digest::Sha256;
use rpm::CompressionType;

use crate::config::scratch::{Flag, Scratch, package};

const EDIT: &str = "what the operator wrote\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unedited,
    Edited,
    /// To exactly what the target's default is.
    AsTarget,
    Deleted,
    /// Replaced by a symlink to a file with the edit.
    Linked,
}

/// A file: how it is packaged before and after, whether its default changes, and how people edited
/// it.
#[derive(Debug, Clone, Copy)]
struct Cell {
    old: Option<Flag>,
    new: Option<Flag>,
    changes: bool,
    state: State,
    expected: Option<Fate>,
}

impl Cell {
    fn path(self) -> String {
        let flag = |flag: Option<Flag>| flag.map_or("none".to_owned(), |flag| format!("{flag:?}"));
        let (old, new, state) = (flag(self.old), flag(self.new), self.state);
        format!("/etc/cells/{old}-{new}-{}-{state:?}", self.changes)
    }

    fn default(self, side: usize) -> String {
        let side = if self.changes { side } else { 0 };
        format!("default {side} of {}\n", self.path())
    }
}

const fn cell(flag: Flag, state: State, expected: Option<Fate>) -> Cell {
    Cell {
        old: Some(flag),
        new: Some(flag),
        changes: true,
        state,
        expected,
    }
}

const fn unchanged(flag: Flag, state: State, expected: Option<Fate>) -> Cell {
    Cell {
        changes: false,
        ..cell(flag, state, expected)
    }
}

const fn other(old: Option<Flag>, new: Option<Flag>, state: State, fate: Option<Fate>) -> Cell {
    Cell {
        old,
        new,
        ..cell(Flag::Plain, state, fate)
    }
}

/// Two flags, four states: with both directions the sixteen.
const EIGHT: [Cell; 8] = {
    use Flag::{Config, NoReplace};
    use State::{AsTarget, Deleted, Edited, Unedited};
    [
        cell(Config, Unedited, Some(Fate::Updated)),
        cell(Config, Edited, Some(Fate::ReplacedWithRpmsave)),
        cell(Config, AsTarget, None),
        cell(Config, Deleted, Some(Fate::Recreated)),
        cell(NoReplace, Unedited, Some(Fate::Updated)),
        cell(NoReplace, Edited, Some(Fate::KeptWithRpmnew)),
        cell(NoReplace, AsTarget, None),
        cell(NoReplace, Deleted, Some(Fate::Recreated)),
    ]
};

const MORE: [Cell; 34] = {
    use Flag::{Config, NoReplace, Plain};
    use State::{AsTarget, Deleted, Edited, Linked, Unedited};
    let (config, noreplace, plain) = (Some(Config), Some(NoReplace), Some(Plain));
    [
        cell(Plain, Unedited, None),
        cell(Plain, Edited, Some(Fate::Overwritten)),
        cell(Plain, AsTarget, None),
        cell(Plain, Deleted, Some(Fate::Recreated)),
        cell(Config, Linked, Some(Fate::ReplacedWithRpmsave)),
        cell(NoReplace, Linked, Some(Fate::KeptWithRpmnew)),
        unchanged(Config, Unedited, None),
        unchanged(Config, Edited, Some(Fate::Kept)),
        unchanged(Config, Deleted, Some(Fate::Recreated)),
        unchanged(NoReplace, Unedited, None),
        unchanged(NoReplace, Edited, Some(Fate::Kept)),
        unchanged(NoReplace, Deleted, Some(Fate::Recreated)),
        unchanged(Plain, Unedited, None),
        unchanged(Plain, Edited, Some(Fate::Overwritten)),
        unchanged(Plain, Deleted, Some(Fate::Recreated)),
        // What was configuration becomes a plain file, and the other way round.
        other(config, plain, Edited, Some(Fate::ReplacedWithRpmsave)),
        other(noreplace, plain, Edited, Some(Fate::ReplacedWithRpmsave)),
        other(noreplace, plain, Unedited, Some(Fate::Updated)),
        other(plain, config, Edited, Some(Fate::ReplacedWithRpmsave)),
        other(plain, noreplace, Edited, Some(Fate::KeptWithRpmnew)),
        other(plain, noreplace, Unedited, Some(Fate::Updated)),
        other(noreplace, config, Edited, Some(Fate::ReplacedWithRpmsave)),
        // The target does not have it.
        other(config, None, Unedited, None),
        other(config, None, Edited, Some(Fate::RemovedWithRpmsave)),
        other(config, None, Deleted, None),
        other(noreplace, None, Unedited, None),
        other(noreplace, None, Edited, Some(Fate::RemovedWithRpmsave)),
        other(plain, None, Unedited, None),
        other(plain, None, Edited, Some(Fate::Removed)),
        // Only the target has it, and an operator had put a file there.
        other(None, config, Edited, Some(Fate::ReplacedWithRpmorig)),
        other(None, config, AsTarget, None),
        other(None, noreplace, Edited, Some(Fate::KeptWithRpmnew)),
        other(None, plain, Edited, Some(Fate::Overwritten)),
        other(None, config, Deleted, None),
    ]
};

/// What a fate means for a file and its neighbours: content by suffix.
fn outcome(cell: Cell, fate: Option<Fate>, target: usize) -> BTreeMap<&'static str, String> {
    let new = || cell.default(target);
    let edit = || EDIT.to_owned();
    let found = match fate {
        None if cell.new.is_none() || (cell.old.is_none() && cell.state == State::Deleted) => {
            // A file that only the target has comes with it.
            cell.new.map(|_| ("", new())).into_iter().collect()
        }
        None | Some(Fate::Updated | Fate::Overwritten | Fate::Recreated) => vec![("", new())],
        Some(Fate::Kept) => vec![("", edit())],
        Some(Fate::KeptWithRpmnew) => vec![("", edit()), (".rpmnew", new())],
        Some(Fate::ReplacedWithRpmsave) => vec![("", new()), (".rpmsave", edit())],
        Some(Fate::ReplacedWithRpmorig) => vec![("", new()), (".rpmorig", edit())],
        Some(Fate::Removed) => vec![],
        Some(Fate::RemovedWithRpmsave) => vec![(".rpmsave", edit())],
        Some(Fate::Unknown) => panic!("{cell:?} is unknown to root"),
    };
    found.into_iter().collect()
}

fn build(version: &str, side: usize, is_old: bool, cells: &[Cell]) -> Vec<u8> {
    let files: Vec<(String, Flag, String)> = cells
        .iter()
        .filter_map(|cell| {
            let flag = if is_old { cell.old } else { cell.new };
            Some((cell.path(), flag?, cell.default(side)))
        })
        .collect();
    let files: Vec<(&str, Flag, &[u8])> = files
        .iter()
        .map(|(path, flag, text)| (&**path, *flag, text.as_bytes()))
        .collect();
    package(version, CompressionType::Gzip, &files)
}

fn make(scratch: &Scratch, cell: Cell, target: usize) {
    let path = scratch.at(&cell.path());
    let text = match cell.state {
        State::Unedited => return,
        State::Deleted => {
            let _ = fs::remove_file(path);
            return;
        }
        State::Linked => {
            fs::write(scratch.at("/etc/elsewhere"), EDIT).unwrap();
            fs::remove_file(&path).unwrap();
            return std::os::unix::fs::symlink("../elsewhere", path).unwrap();
        }
        State::Edited => EDIT.to_owned(),
        State::AsTarget => cell.default(target),
    };
    fs::write(path, text).unwrap();
}

/// Installs one version, makes the edits, forecasts the way to the other version, and installs it.
fn play(cells: &[Cell], versions: [&str; 2], sides: [usize; 2], mode: RpmMode) {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.at("/etc/cells")).unwrap();
    fs::write(scratch.at("/etc/os-release"), "ID=scratch\nVERSION_ID=1\n").unwrap();
    let host = LinuxHost::new(&scratch.layout);
    let [log, mark] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    let old = scratch.store(&build(versions[0], sides[0], true, cells));
    let said = host
        .rpm_upgrade(&old, RpmMode::Upgrade, &log, &mark)
        .unwrap();
    assert_eq!(said.code, Some(0), "{}", said.output);
    for cell in cells {
        make(&scratch, *cell, sides[1]);
    }
    let new = build(versions[1], sides[1], false, cells);
    let sha256 = Sha256::of(&new);
    let new = scratch.store(&new);
    let subject = Subject {
        packages: vec!["cells"],
        components: Vec::new(),
        stored: BTreeSet::from([sha256]),
        ..Subject::default()
    };
    let inventory = Inventory::take(&host, &scratch.layout, &subject).unwrap();
    let target = &inventory.headers[&sha256];
    let forecasts = forecast(&inventory.packages[0], target, &inventory);
    let fate = |cell: Cell| {
        let found = forecasts.iter().find(|one| one.path == cell.path());
        found.map(|one| one.fate)
    };
    let said = host.rpm_upgrade(&new, mode, &log, &mark).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.output);
    let mut wanted = BTreeMap::new();
    for cell in cells {
        assert_eq!(fate(*cell), cell.expected, "{cell:?} to {}", versions[1]);
        for (suffix, content) in outcome(*cell, fate(*cell), sides[1]) {
            wanted.insert(format!("{}{suffix}", cell.path()), content);
        }
    }
    let found: BTreeMap<String, String> = fs::read_dir(scratch.at("/etc/cells"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = format!("/etc/cells/{}", entry.file_name().to_string_lossy());
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    let paths: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    for path in paths {
        let (now, then) = (found.get(path), wanted.get(path));
        assert_eq!(
            now, then,
            "{path} after going to {}: {}",
            versions[1], said.output
        );
    }
}

fn both_ways(cells: &[Cell]) {
    play(cells, ["1.0", "2.0"], [0, 1], RpmMode::Upgrade);
    play(cells, ["2.0", "1.0"], [1, 0], RpmMode::GoBack);
}

#[test]
fn the_sixteen_cells_are_forecast_as_rpm_does_them() {
    both_ways(&EIGHT);
}

#[test]
fn plain_files_unchanged_defaults_and_files_of_one_side_are_forecast_too() {
    both_ways(&MORE);
}
