//! Services that are ill before a run: none begins on them, unless the operator allows it, and then
//! its end says so.

use std::collections::BTreeMap;

use installer::failure::Exit;
use installer::history;
use installer::history::report::{Outcome, RunReport};
use installer::plan::InstallPlan;
use installer::preflight;
use installer::run::OnStop;

use crate::fake::FakeHost;
use crate::fake::gate::Fault;
use crate::fake::rpmdb::Flavour;
use crate::scene::{Flaw, Scene};
use crate::verdict::Seen;
use crate::world::World;

fn scene() -> Scene {
    Scene {
        components: 2,
        ..Scene::new(Flavour::Sqlite, Flaw::IllBefore)
    }
}

fn run(world: &World, plan: &InstallPlan) -> RunReport {
    let gate = world.gate(Fault::None);
    world.install(plan, &gate, OnStop::Hold).expect("a run");
    let run = history::load(&world.layout, 1).expect("readable");
    run.and_then(|run| run.report).expect("a report")
}

/// Returns what speaks against a plan, and the notes that the questions added to it.
fn asked(world: &World, plan: &mut InstallPlan) -> (String, String) {
    let host = FakeHost::new(&world.layout, &world.machine, &world.gate(Fault::None));
    let known = plan.notes.len();
    let problems = preflight::ask_health(&host, &world.layout, plan, &|_| ());
    let words = problems
        .into_iter()
        .map(|one| format!("{}; {}", one.what, one.cure));
    (words.collect(), plan.notes[known..].concat())
}

#[test]
fn an_upgrade_of_an_ill_service_is_refused_and_changes_nothing() {
    let (world, mut plan) = World::of(&scene());
    plan.unhealthy_before.clear();
    let (problems, notes) = asked(&world, &mut plan);
    assert!(problems.contains("console is not well"), "{problems}");
    assert!(
        problems.contains("--unhealthy-before console=REASON"),
        "{problems}"
    );
    assert_eq!(notes, "");
    // It may also become ill after the preflight.
    let before = Seen::of(&world);
    let report = run(&world, &plan);
    assert!(
        matches!(report.outcome, Outcome::Unchanged { .. }),
        "{report:?}"
    );
    assert!(Seen::of(&world) == before);
}

/// A service that was ill for hours does not settle; a failover may take it a few seconds.
#[test]
fn a_service_that_runs_for_long_is_asked_for_a_few_seconds() {
    let took = |age: u64| {
        let (world, mut plan) = World::of(&scene());
        plan.unhealthy_before.clear();
        world.machine.borrow_mut().process_age_secs = age;
        let began = world.machine.borrow().clock_ms;
        asked(&world, &mut plan);
        let ended = world.machine.borrow().clock_ms;
        ended - began
    };
    let (young, old) = (took(3), took(3600));
    assert!(young > 15_000, "{young}");
    assert!((5000..7000).contains(&old), "{old}");
}

#[test]
fn an_allowed_illness_has_an_exit_code_of_its_own() {
    let (world, mut plan) = World::of(&scene());
    let (problems, notes) = asked(&world, &mut plan);
    assert_eq!(problems, "");
    assert!(notes.contains("console is not well"), "{notes}");
    let report = run(&world, &plan);
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(report.exit(), Some(Exit::NotWell));
    let [one] = report.not_well.as_slice() else {
        panic!("{:?}", report.not_well);
    };
    assert_eq!((one.title.as_str(), one.before), ("console", true));
    let notes = report.notes.concat();
    assert!(notes.contains("it complains since spring"), "{notes}");
    // Older reports do not name it.
    let older = RunReport {
        not_well: Vec::new(),
        ..report
    };
    assert_eq!(older.exit(), Some(Exit::NotWell));
}

#[test]
fn what_was_never_well_is_not_waited_for_to_the_end() {
    let (world, mut plan) = World::of(&scene());
    plan.health_budgets = BTreeMap::from([("console".to_owned(), 3600)]);
    let report = run(&world, &plan);
    assert_eq!(report.exit(), Some(Exit::NotWell));
    assert!(report.ended - report.started < 120, "{report:?}");
}

#[test]
fn no_reason_counts_over_a_migration() {
    let mut scene = scene();
    scene.has_data = true;
    let (world, mut plan) = World::of(&scene);
    let (problems, _) = asked(&world, &mut plan);
    assert!(problems.contains("crosses a migration"), "{problems}");
    assert!(problems.contains("does not hold"), "{problems}");
    let report = run(&world, &plan);
    assert!(
        matches!(report.outcome, Outcome::Unchanged { .. }),
        "{report:?}"
    );
}

/// A budget of the operator comes before that of the product.
#[test]
fn a_wait_lasts_as_long_as_the_operator_says() {
    let took = |budget: Option<u64>| {
        let (world, mut plan) = World::of(&Scene {
            components: 1,
            ..Scene::new(Flavour::Sqlite, Flaw::Ill)
        });
        let budget = budget.map(|secs| ("relay".to_owned(), secs));
        plan.health_budgets = budget.into_iter().collect();
        let report = run(&world, &plan);
        assert!(
            matches!(report.outcome, Outcome::Reverted { .. }),
            "{report:?}"
        );
        report.ended - report.started
    };
    let usual = took(None);
    let longer = took(Some(300));
    assert!(longer >= 300 && longer < usual + 310, "{usual} {longer}");
}
