//! The crash matrix: a run is cut off everywhere, and a new process recovers. The host must then be
//! what it was before the run, or what the run was to make of it, and the report must name which.
//!
//! `CRASH_MATRIX=TEXT cargo test -p installer --test crash_matrix` plays only the scenes whose name
//! contains the text, `CRASH_MATRIX_STRIDE=1` kills every recovery at every moment. A case has the
//! same name in every run.

#![expect(
    clippy::expect_used,
    reason = "a test fails where it stands; the fake host has no errors of its own"
)]

mod comes;
mod edits;
mod extra;
mod fake;
mod film;
mod live;
mod matrix;
mod moved;
mod needs;
mod once;
mod planned;
mod sabotage;
mod scene;
mod snapshots;
mod tally;
mod untouched;
mod unwell;
mod vault;
mod verdict;
mod world;

use std::io::Write as _;
use std::time::Instant;

use comes::Comes;
use edits::Edits;
use fake::package::When;
use fake::rpmdb::Flavour;
use film::Film;
use installer::preflight::Backup;
use scene::{Flaw, Kind, Scene};
use tally::Tally;

/// How many of the failed cases are shown.
const SHOWN: usize = 8;

/// The series, as they are shown.
const SERIES: [&str; 7] = [
    "process killed",
    "process killed, recovery killed",
    "journal's store fails",
    "journal's record torn, process killed",
    "call to the host fails",
    "rpm alone killed",
    "told to stop",
];

#[test]
fn every_case_ends_done_or_unchanged() {
    play(&main_scenes());
}

#[test]
#[ignore = "takes many minutes"]
fn every_case_of_every_scene_ends_done_or_unchanged() {
    // The main scenes, with more of the second kills.
    let main = main_scenes().map(|(scene, stride)| (scene, stride.div_ceil(16)));
    let scenes: Vec<(Scene, usize)> = main.into_iter().chain(more_scenes()).collect();
    play(&scenes);
}

fn play(scenes: &[(Scene, usize)]) {
    let started = Instant::now();
    let only = std::env::var("CRASH_MATRIX").unwrap_or_default();
    let stride = std::env::var("CRASH_MATRIX_STRIDE").ok();
    let stride = stride.map(|text| text.parse().expect("CRASH_MATRIX_STRIDE is a number"));
    let mut total = SERIES.map(|_| Tally::default());
    let wanted = scenes
        .iter()
        .filter(|(scene, _)| scene.name().contains(&only));
    for (scene, own) in wanted {
        let film = Film::of(scene);
        let mut whole = Tally::default();
        for (total, tally) in total.iter_mut().zip(film.play(stride.unwrap_or(*own))) {
            whole.add(tally.clone());
            total.add(tally);
        }
        say(&film.name, &whole);
    }
    let mut all = Tally::default();
    for (name, tally) in SERIES.iter().zip(&total) {
        say(name, tally);
        all.add(tally.clone());
    }
    let secs = started.elapsed().as_secs_f64();
    say(&format!("all, in {secs:.1} s"), &all);
    let shown: Vec<&str> = all
        .failures
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect();
    assert!(
        shown.is_empty(),
        "{} cases:\n{}",
        all.failures.len(),
        shown.join("\n")
    );
    let has_cases = total.iter().all(|tally| tally.cases() > 0);
    assert!(
        has_cases || !only.is_empty(),
        "a series without cases proves nothing"
    );
}

const fn upgrade(flaw: Flaw, flavour: Flavour) -> Scene {
    Scene {
        components: 1,
        ..Scene::new(flavour, flaw)
    }
}

const fn undo(flaw: Flaw, flavour: Flavour) -> Scene {
    Scene {
        kind: Kind::Undo,
        ..upgrade(flaw, flavour)
    }
}

/// The second component comes in this way.
const fn coming(comes: Comes, flaw: Flaw, flavour: Flavour) -> Scene {
    Scene {
        components: 2,
        comes,
        ..Scene::new(flavour, flaw)
    }
}

const fn with_need(mut scene: Scene) -> Scene {
    scene.has_need = true;
    scene
}

const fn with_extra(mut scene: Scene) -> Scene {
    scene.beside = extra::Beside::Files;
    scene
}

const fn with_data(mut scene: Scene) -> Scene {
    scene.has_data = true;
    scene
}

const fn with_data_of_one(mut scene: Scene) -> Scene {
    scene.data_are_its_own = true;
    with_data(scene)
}

const fn restore(flavour: Flavour) -> Scene {
    let mut scene = with_data(upgrade(Flaw::None, flavour));
    scene.kind = Kind::Restore;
    scene
}

const fn with_edits(mut scene: Scene) -> Scene {
    scene.edits = Edits::CarriedOver;
    scene
}

const fn sealed(mut scene: Scene) -> Scene {
    scene.backup = Backup::IsSealed;
    scene
}

/// Scenes, each with its stride. After case n, the recovery is killed at each moment m for which
/// the stride divides m + n. So neighbouring cases together cover all moments.
fn main_scenes() -> [(Scene, usize); 21] {
    use Flavour::{BerkeleyDb, Sqlite};
    // The first group is done when the second fails.
    let second_fails = Scene {
        components: 2,
        ..Scene::new(BerkeleyDb, Flaw::Scriptlet(When::Pre))
    };
    // The first one has rewritten the data by then.
    let second_ill = Scene {
        components: 2,
        ..Scene::new(Sqlite, Flaw::Ill)
    };
    [
        (upgrade(Flaw::None, Sqlite), 48),
        (upgrade(Flaw::Ill, Sqlite), 256),
        (second_fails, 256),
        (with_need(upgrade(Flaw::None, Sqlite)), 256),
        (
            with_need(upgrade(Flaw::IllWithFailingPreun, BerkeleyDb)),
            1024,
        ),
        (with_need(undo(Flaw::None, BerkeleyDb)), 512),
        (with_extra(upgrade(Flaw::None, BerkeleyDb)), 512),
        (with_extra(upgrade(Flaw::Ill, Sqlite)), 512),
        (with_extra(undo(Flaw::None, Sqlite)), 512),
        (sealed(upgrade(Flaw::Ill, Sqlite)), 512),
        (sealed(undo(Flaw::None, Sqlite)), 512),
        (with_data(upgrade(Flaw::None, Sqlite)), 512),
        (with_data(second_ill.clone()), 512),
        (with_data_of_one(second_ill), 512),
        (restore(Sqlite), 256),
        (sealed(with_data(undo(Flaw::None, Sqlite))), 512),
        (with_edits(upgrade(Flaw::None, Sqlite)), 128),
        (with_edits(sealed(undo(Flaw::None, Sqlite))), 256),
        (upgrade(Flaw::IllBefore, Sqlite), 512),
        (coming(Comes::Anew, Flaw::Ill, Sqlite), 1024),
        (coming(Comes::Renamed, Flaw::Ill, BerkeleyDb), 512),
    ]
}

/// More of them, for a long run.
fn more_scenes() -> [(Scene, usize); 11] {
    use Flavour::{BerkeleyDb, Sqlite};
    let together = |flaw| Scene {
        is_one_group: true,
        ..Scene::new(BerkeleyDb, flaw)
    };
    [
        (upgrade(Flaw::None, BerkeleyDb), 16),
        (upgrade(Flaw::IllWithFailingPreun, BerkeleyDb), 32),
        (undo(Flaw::None, BerkeleyDb), 16),
        (with_data(upgrade(Flaw::Scriptlet(When::Pre), Sqlite)), 32),
        (upgrade(Flaw::Scriptlet(When::Preun), Sqlite), 32),
        (undo(Flaw::NewPreun, Sqlite), 32),
        (upgrade(Flaw::Scriptlet(When::Post), Sqlite), 32),
        (Scene::new(Sqlite, Flaw::Scriptlet(When::Postun)), 64),
        (Scene::new(Sqlite, Flaw::Ill), 64),
        (together(Flaw::Crashing), 64),
        (with_edits(upgrade(Flaw::Ill, BerkeleyDb)), 64),
    ]
}

/// Bypasses the test's capture: the numbers are shown also when all tests pass.
fn say(name: &str, tally: &Tally) {
    let _ = writeln!(std::io::stderr(), "{name:56} {tally}");
}
