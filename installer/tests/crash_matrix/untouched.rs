//! A run that fails before it hands anything to rpm: its data are those of before, also where no
//! revert may restore them. Once rpm ran, nothing is proven.

use installer::failure::Exit;
use installer::history;
use installer::history::report::{DataState, Outcome, RunReport};
use installer::plan::InstallPlan;
use installer::run::OnStop;

use crate::fake::gate::Fault;
use crate::fake::package::When;
use crate::fake::rpmdb::Flavour;
use crate::scene::{Flaw, Kind, Scene};
use crate::verdict::Seen;
use crate::with_data;
use crate::world::World;

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

/// Makes the data of a plan's store another's to restore: a person's, or of other hosts.
fn guard(world: &World, plan: &mut InstallPlan, of_a_person: bool) {
    if of_a_person {
        plan.stores[0].terms.by_hand = Some("the database team alone may restore".to_owned());
    } else {
        world.machine.borrow_mut().other_hosts = vec!["10.77.0.1 (2 sessions)".to_owned()];
    }
}

fn is_as_it_was(world: &World) {
    let report = report(world);
    let Outcome::Reverted {
        differences, data, ..
    } = &report.outcome
    else {
        panic!("{:?}", report.outcome);
    };
    assert!(differences.is_empty() && data.is_none(), "{report:?}");
    assert_eq!(report.outcome.exit(), Some(Exit::Reverted));
    assert!(runs(world) && !world.is_open());
}

/// Sets up a run over guarded data, while another program's rpm is at work.
fn beside_rpm(of_a_person: bool) -> (World, InstallPlan) {
    let (world, mut plan) = World::of(&with_data(Scene {
        components: 1,
        ..Scene::new(Flavour::Sqlite, Flaw::None)
    }));
    guard(&world, &mut plan, of_a_person);
    rpm_is_at_work(&world, 10 * 3_600_000);
    (world, plan)
}

/// Lets another program's rpm be at work for a time.
fn rpm_is_at_work(world: &World, millis: u64) {
    let machine = &mut *world.machine.borrow_mut();
    machine.foreign_rpm_ms = millis;
    machine.meet_foreign_rpm(&world.layout);
    machine.foreign_rpm_ms = 0;
}

/// Another program's rpm is at work for longer than the run waits: nothing was handed to rpm, so the
/// data are those of before.
#[test]
fn a_run_that_never_came_to_rpm_is_as_it_was_whoever_restores_its_data() {
    for of_a_person in [true, false] {
        let (world, plan) = beside_rpm(of_a_person);
        world
            .install(&plan, &world.gate(Fault::None), OnStop::Hold)
            .expect("a run");
        is_as_it_was(&world);
    }
}

/// The proof is written down: a recovery after a power cut in the revert has it, too.
#[test]
fn the_proof_outlives_a_power_cut_in_the_revert() {
    let (world, plan) = beside_rpm(true);
    let gate = world.gate(Fault::None);
    world.install(&plan, &gate, OnStop::Hold).expect("a run");
    let calls = gate.passed().host_calls;
    let mut seen = 0;
    for call in calls - 30..=calls {
        let (world, plan) = beside_rpm(true);
        world
            .install(&plan, &world.gate(Fault::Host { call }), OnStop::Hold)
            .expect("a run");
        let mark = world.layout.run(1).untouched("relay-data");
        if world.is_open() && mark.exists() {
            seen += 1;
            world.machine.borrow_mut().foreign_rpm_until_ms = 1;
            world.reboot();
            world.recover(&world.gate(Fault::None)).expect("a recovery");
            is_as_it_was(&world);
        }
    }
    assert!(seen > 0);
}

/// A shutdown meets a recovery that waits for rpm: the run stays held, and that is no error.
#[test]
fn a_recovery_that_waits_for_rpm_can_be_stopped() {
    let held = (1..100).find_map(|question| {
        let (world, plan) = World::of(&scene(When::Pre));
        let gate = world.gate(Fault::Stop { question });
        world.install(&plan, &gate, OnStop::Hold).expect("a run");
        world.is_open().then_some(world)
    });
    let world = held.expect("a run that is held");
    rpm_is_at_work(&world, 10 * 3_600_000);
    let stopped = world.gate(Fault::Stop { question: 1 });
    world.recover(&stopped).expect("a recovery that stops");
    assert!(world.is_open());
    world.machine.borrow_mut().foreign_rpm_until_ms = 1;
    world.recover(&world.gate(Fault::None)).expect("a recovery");
    is_as_it_was(&world);
}

/// rpm runs `%pre` before it lists the package, and any scriptlet may have changed the data.
#[test]
fn a_scriptlet_that_failed_may_have_changed_data() {
    for fails in [When::Pre, When::Post] {
        let (world, mut plan) = World::of(&scene(fails));
        guard(&world, &mut plan, true);
        world
            .install(&plan, &world.gate(Fault::None), OnStop::Hold)
            .expect("a run");
        let report = report(&world);
        let Outcome::RevertFailed { data, .. } = &report.outcome else {
            panic!("{:?}", report.outcome);
        };
        assert_eq!(*data, Some(DataState::NotRestored));
        assert!(!runs(&world) && world.is_open());
    }
}

/// The data that `%pre` rewrote come back where the run may restore them.
#[test]
fn data_that_the_first_scriptlet_rewrote_are_restored() {
    let (world, plan) = World::of(&scene(When::Pre));
    let before = Seen::of(&world);
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let report = report(&world);
    assert_eq!(report.outcome.exit(), Some(Exit::Reverted), "{report:?}");
    assert!(Seen::of(&world) == before, "{report:?}");
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

/// A component that was idle in the plan, and that was started since.
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
