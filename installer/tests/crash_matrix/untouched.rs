//! A run that fails in rpm before a service of the new version could run: its data are those of
//! before, also where no revert may restore them.

use installer::failure::Exit;
use installer::history;
use installer::history::report::{DataState, Outcome, RunReport};
use installer::run::OnStop;

use crate::fake::disk;
use crate::fake::gate::Fault;
use crate::fake::package::When;
use crate::fake::rpmdb::Flavour;
use crate::film::Film;
use crate::scene::{Flaw, Kind, Scene};
use crate::verdict::Seen;
use crate::with_data;
use crate::world::{Between, World};

fn scene(fails: When) -> Scene {
    with_data(Scene {
        components: 1,
        ..Scene::new(Flavour::Sqlite, Flaw::Scriptlet(fails))
    })
}

fn report(world: &World) -> RunReport {
    let run = history::load(&world.layout, 1).expect("readable");
    run.and_then(|run| run.report).expect("a report")
}

fn runs(world: &World) -> bool {
    let units = world.machine.borrow().visible(&world.layout).units;
    units["relay.service"].starts_with("runs")
}

/// Returns the report of a run whose scriptlet fails, over a store that is another's to restore.
fn failed(fails: When, of_a_person: bool) -> (World, RunReport) {
    let (world, mut plan) = World::of(&scene(fails));
    if of_a_person {
        plan.stores[0].terms.by_hand = Some("the database team alone may restore".to_owned());
    } else {
        world.machine.borrow_mut().other_hosts = vec!["10.77.0.1 (2 sessions)".to_owned()];
    }
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let report = report(&world);
    (world, report)
}

/// Such a run held its services, although nobody had touched the data.
#[test]
fn a_run_that_rpm_refused_is_as_it_was_whoever_restores_its_data() {
    for of_a_person in [true, false] {
        let (world, report) = failed(When::Pre, of_a_person);
        let Outcome::Reverted {
            differences, data, ..
        } = &report.outcome
        else {
            panic!("{:?}", report.outcome);
        };
        assert!(differences.is_empty() && data.is_none(), "{report:?}");
        assert_eq!(report.outcome.exit(), Some(Exit::Reverted));
        assert!(runs(&world) && !world.is_open());
    }
}

/// A scriptlet of the new package that follows its files could have changed the data.
#[test]
fn a_scriptlet_that_follows_the_new_files_may_have_changed_data() {
    let (world, report) = failed(When::Post, true);
    let Outcome::RevertFailed { data, .. } = &report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert_eq!(*data, Some(DataState::NotRestored));
    assert!(!runs(&world) && world.is_open());
}

/// The proof is written down: a recovery after a power cut has it, too.
#[test]
fn the_proof_outlives_a_power_cut_in_the_revert() {
    let film = Film::of(&scene(When::Pre));
    let goes_back = |image: &&crate::fake::image::Image| {
        let world = World::after(image, Between::Reboot);
        let run = world.layout.run(1);
        let journal = disk::read(&run.join("journal")).unwrap_or_default();
        let journal = String::from_utf8_lossy(&journal).into_owned();
        journal.contains("\"step\":\"revert:hold\",\"phase\":\"intent\"")
    };
    let image = film.images.iter().find(goes_back).expect("such a moment");
    let world = World::after(image, Between::Reboot);
    world.machine.borrow_mut().other_hosts = vec!["10.77.0.1 (2 sessions)".to_owned()];
    world.recover(&world.gate(Fault::None)).expect("a recovery");
    let report = report(&world);
    assert_eq!(
        report.outcome.exit(),
        Some(Exit::Reverted),
        "{:?}",
        report.outcome
    );
    assert!(runs(&world) && !world.is_open());
}

/// Other hosts that connect after the plan of an undo: its restore does not begin, and nothing holds
/// the services.
#[test]
fn a_restore_that_other_hosts_refuse_has_not_begun() {
    for kind in [Kind::Undo, Kind::Restore] {
        let (world, plan) = World::of(&Scene {
            kind,
            ..with_data(Scene {
                components: 1,
                ..Scene::new(Flavour::Sqlite, Flaw::None)
            })
        });
        let before = Seen::of(&world);
        world.machine.borrow_mut().other_hosts = vec!["10.77.0.1 (2 sessions)".to_owned()];
        world
            .install(&plan, &world.gate(Fault::None), OnStop::Hold)
            .expect("a run");
        let run = history::load(&world.layout, 2).expect("readable");
        let report = run.and_then(|run| run.report).expect("a report");
        let Outcome::Reverted { cause, data, .. } = &report.outcome else {
            panic!("{:?}", report.outcome);
        };
        assert_eq!(*data, None);
        assert!(cause.contains("were not touched"), "{cause}");
        assert!(
            cause.contains("--restore-shared relay-data=REASON"),
            "{cause}"
        );
        assert_eq!(report.outcome.exit(), Some(Exit::Reverted), "{report:?}");
        assert!(runs(&world) && !world.is_open());
        assert!(Seen::of(&world) == before, "{kind:?}");
    }
}

/// A component that was idle in the plan, and that somebody has started since.
#[test]
fn a_component_that_is_not_idle_any_more_ends_the_run_before_it_is_held() {
    let (world, mut plan) = World::of(&Scene {
        components: 1,
        ..Scene::new(Flavour::Sqlite, Flaw::None)
    });
    plan.idle = vec!["relay".to_owned()];
    let before = Seen::of(&world);
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let report = report(&world);
    let cause = report.outcome.cause().expect("it failed");
    assert!(cause.contains("neither enabled nor running"), "{cause}");
    assert_eq!(report.outcome.exit(), Some(Exit::Reverted), "{report:?}");
    assert!(Seen::of(&world) == before);
}
