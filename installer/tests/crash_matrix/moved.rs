//! Files that others move and make in the middle of a run: the directory of a symlink, and the
//! scriptlet of another program's rpm.

use installer::failure::Exit;
use installer::history;
use installer::history::report::Outcome;
use installer::run::OnStop;

use crate::fake::disk;
use crate::fake::gate::{Fault, Gate};
use crate::fake::rpmdb::Flavour;
use crate::scene::{Flaw, Scene};
use crate::world::{Between, World};

const TARGET: &str = "../../srv/legacy";

/// The revert stopped before rpm: the symlink had no directory to come back into.
#[test]
fn a_symlink_comes_back_although_its_directory_was_moved() {
    let (world, plan) = World::of(&Scene {
        components: 1,
        ..Scene::new(Flavour::Sqlite, Flaw::Ill)
    });
    let link = world.layout.at("/opt/relay/legacy");
    disk::make_dir(&world.layout.at("/srv"));
    disk::rename(&link, &world.layout.at("/srv/legacy"));
    disk::symlink(TARGET, &link);
    let all = Box::new(|_| true);
    let gate = Gate::with_camera(&world.layout, &world.machine, Fault::None, all);
    world.install(&plan, &gate, OnStop::Hold).expect("a run");
    let goes_back = |world: &World| {
        let journal = disk::read(&world.layout.run(1).join("journal")).unwrap_or_default();
        String::from_utf8_lossy(&journal).contains("\"step\":\"revert:transaction\"")
    };
    let images = gate.take_images();
    let mut worlds = images
        .iter()
        .map(|image| World::after(image, Between::RpmKilled));
    let world = worlds.find(goes_back).expect("it goes back");
    disk::rename(
        &world.layout.at("/opt/relay"),
        &world.layout.at("/opt/gone"),
    );
    world.recover(&world.gate(Fault::None)).expect("a recovery");
    let run = history::load(&world.layout, 1).expect("readable");
    let report = run.and_then(|run| run.report).expect("a report");
    assert_eq!(report.outcome.exit(), Some(Exit::Reverted), "{report:?}");
    let link = world.layout.at("/opt/relay/legacy");
    let target = std::fs::read_link(link).expect("a symlink");
    assert_eq!(target.to_str(), Some(TARGET));
}

/// H-43: such a scriptlet was taken for one of our own, and a good run was reverted.
#[test]
fn a_scriptlet_of_another_rpm_at_work_is_left_alone() {
    let (world, plan) = World::of(&Scene {
        components: 1,
        ..Scene::new(Flavour::Sqlite, Flaw::None)
    });
    world.machine.borrow_mut().foreign_rpm_ms = 7000;
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let run = history::load(&world.layout, 1).expect("readable");
    let report = run.and_then(|run| run.report).expect("a report");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}

/// A run that waited for rpm's lock let a shutdown wait with it, for up to five minutes.
#[test]
fn a_run_that_waits_for_rpm_can_be_told_to_stop() {
    let (world, plan) = World::of(&Scene {
        components: 1,
        ..Scene::new(Flavour::Sqlite, Flaw::None)
    });
    let began = world.machine.borrow().clock_ms;
    world.machine.borrow_mut().foreign_rpm_until_ms = began + 3_600_000;
    let gate = world.gate(Fault::Stop { question: 8 });
    world.install(&plan, &gate, OnStop::Hold).expect("a run");
    let took = world.machine.borrow().clock_ms - began;
    assert!(took < 30_000, "{took}");
    assert!(world.is_open(), "it waits, held");
}
