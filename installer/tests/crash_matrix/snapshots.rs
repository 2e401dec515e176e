//! Snapshots: what an undisturbed run of each scene shows to people and programs, and which cases
//! the matrix makes of it.

use std::process::Command;

use installer::history;
use installer::run::OnStop;

use crate::fake::disk;
use crate::fake::gate::Fault;
use crate::film::Film;
use crate::scene::Scene;
use crate::world::World;
use crate::{main_scenes, more_scenes};

fn scenes() -> Vec<Scene> {
    let both = main_scenes().into_iter().chain(more_scenes());
    both.map(|(scene, _)| scene).collect()
}

fn compare(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // The recipient of a scene differs in each process.
    settings.add_filter(r"age1[0-9a-z]+", "[recipient]");
    // age's header differs in each process too.
    settings.add_filter(r"sealed, \d+ KiB", "sealed, [size]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The scene's name, as a file's.
fn file_name(scene: &Scene) -> String {
    scene.name().replace([',', '(', ')'], "").replace(' ', "-")
}

/// Runs the program over the modelled host's files.
#[expect(clippy::disallowed_methods, reason = "a test runs the program")]
fn said(world: &World, args: &str) -> String {
    let root = world.layout.root();
    let output = Command::new(env!("CARGO_BIN_EXE_install"))
        .arg("--root")
        .arg(root)
        .args(args.split_whitespace())
        .env_clear()
        .output()
        .expect("the program");
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    let text = format!("$ install {args}\n{stdout}{stderr}\n");
    text.replace(&root.display().to_string(), "")
}

/// What the journal of a run recorded, a line for each record.
fn journal(world: &World, run: u64) -> String {
    let bytes = disk::read(&world.layout.run(run).join("journal")).expect("a journal");
    let text = String::from_utf8(bytes).expect("text");
    let line = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        let field = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        format!("{:6} {}\n", field("phase"), field("step"))
    };
    text.lines().map(line).collect()
}

#[test]
fn the_output_of_a_run_is_unchanged() {
    for scene in scenes() {
        let (world, plan) = World::of(&scene);
        let run = history::next_id(&world.layout).expect("readable");
        let gate = world.gate(Fault::None);
        world.install(&plan, &gate, OnStop::Hold).expect("a run");
        let mut text = String::new();
        for command in ["history info", "--output json history info"] {
            text += &said(&world, &format!("{command} {run}"));
        }
        for command in ["history", "backup list", "status"] {
            text += &said(&world, command);
        }
        text += &format!("journal of run {run}\n{}", journal(&world, run));
        compare(&file_name(&scene), &text);
    }
}

/// Lists the cases of a scene that its undisturbed run decides: how many each series has, and at which
/// moments the process is killed. How often a recovery is killed shows only when it runs.
fn cases(film: &Film) -> String {
    let mut text = format!("{}\n", film.name);
    for (count, what) in [
        (film.kill_cases().len(), "process killed"),
        (film.writes.len(), "journal's records that are torn"),
        (film.store_cases().len(), "journal's store fails"),
        (film.passed.host_calls, "call to the host fails"),
        (film.passed.rpm_operations, "rpm alone killed"),
        (film.stop_cases().len(), "told to stop"),
    ] {
        text += &format!("{count:6} {what}\n");
    }
    let moment = |name: &str| {
        name.split(" (moment ")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let moments: Vec<String> = film
        .images
        .iter()
        .map(|image| moment(&image.name))
        .collect();
    for same in moments.chunk_by(|one, next| one == next) {
        text += &format!("       {} x {}\n", same.len(), same[0]);
    }
    text
}

#[test]
fn the_cases_are_unchanged() {
    let text: String = scenes()
        .iter()
        .map(|scene| cases(&Film::of(scene)))
        .collect();
    compare("cases", &text);
}
