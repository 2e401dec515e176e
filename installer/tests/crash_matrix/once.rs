//! Single cases of the way back: what its report says, what it keeps, and how a person ends it.

use installer::failure::Exit;
use installer::history;
use installer::history::report::{DataState, Outcome, RunReport};
use installer::run::OnStop;

use crate::fake::disk;
use crate::fake::gate::{Fault, Gate};
use crate::fake::image::Image;
use crate::fake::rpmdb::Flavour;
use crate::film::Film;
use crate::scene::{Flaw, Scene};
use crate::with_data;
use crate::world::{Between, World};

fn scene(components: usize, flaw: Flaw) -> Scene {
    Scene {
        components,
        ..Scene::new(Flavour::Sqlite, flaw)
    }
}

/// The first image of a run whose journal has a record.
fn image_after<'f>(film: &'f Film, record: &str) -> &'f Image {
    let has = |image: &&Image| journal(&World::after(image, Between::RpmKilled)).contains(record);
    film.images.iter().find(has).expect("such a moment")
}

fn journal(world: &World) -> String {
    let bytes = disk::read(&world.layout.run(1).join("journal")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn report(world: &World) -> RunReport {
    let run = history::load(&world.layout, 1)
        .expect("readable")
        .expect("a run");
    run.report.expect("a report")
}

fn spoil(world: &World, file: &str, edit: impl FnOnce(&mut serde_json::Value)) {
    let path = world.layout.run(1).join(file);
    let text = disk::read(&path).expect("the run wrote it");
    let mut document = serde_json::from_slice(&text).expect("JSON");
    edit(&mut document);
    disk::rewrite(
        &path,
        document.to_string().as_bytes(),
        std::time::Duration::ZERO,
    );
}

/// Every recovery once said "the run was cut off", whatever had failed.
#[test]
fn the_report_has_the_cause_of_the_first_failure() {
    let film = Film::of(&scene(1, Flaw::Ill));
    let failed = image_after(&film, "\"step\":\"revert:hold\",\"phase\":\"intent\"");
    let world = World::after(failed, Between::Reboot);
    world.recover(&world.gate(Fault::None)).expect("a recovery");
    let outcome = report(&world).outcome;
    let cause = outcome.cause().expect("it failed");
    assert!(cause.contains("is not healthy"), "{cause}");
    let early = image_after(&film, "\"step\":\"transaction:relay\",\"phase\":\"intent\"");
    let world = World::after(early, Between::RpmKilled);
    world.recover(&world.gate(Fault::None)).expect("a recovery");
    assert_eq!(report(&world).outcome.cause(), Some("the run was cut off"));
}

/// Such a run stayed open, and each boot put back again what was live.
#[test]
fn a_run_that_only_differs_is_closed_and_says_so() {
    let film = Film::of(&scene(1, Flaw::Ill));
    let world = World::after(image_after(&film, "transaction:relay"), Between::RpmKilled);
    spoil(&world, "backup/baseline.json", |baseline| {
        baseline["verify"]["relay"] = serde_json::json!(["S.5....T.    /opt/relay/other"]);
    });
    world.recover(&world.gate(Fault::None)).expect("a recovery");
    assert!(!world.is_open(), "it is closed");
    let report = report(&world);
    let Outcome::Reverted { differences, .. } = &report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert!(
        differences[0].contains("/opt/relay/other"),
        "{differences:?}"
    );
    assert_eq!(
        report.outcome.exit(),
        Some(Exit::RevertFailed),
        "the host is not as it was"
    );
    let units = world.machine.borrow().visible(&world.layout).units;
    assert!(units["relay.service"].starts_with("runs"), "{units:?}");
    // An older installer reads the outcome and the notes.
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("/opt/relay/other"))
    );
}

/// The outcome was "the host is as it was", exit 5.
#[test]
fn data_that_were_not_put_back_are_an_outcome_of_their_own() {
    let (world, mut plan) = World::of(&with_data(scene(2, Flaw::Ill)));
    plan.stores[0].elsewhere = Some("the database team dumps it".to_owned());
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let report = report(&world);
    let Outcome::Reverted { data, .. } = &report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert_eq!(*data, Some(DataState::NotRestored));
    assert_eq!(report.outcome.exit(), Some(Exit::RevertFailed));
    let text = serde_json::to_string(&report).expect("JSON");
    assert!(text.contains("\"data\":\"not-restored\""), "{text}");
    assert!(!world.is_open());
}

/// The wait for a store ended at once when the clock was set, which is what a boot does.
#[test]
fn a_clock_that_is_set_does_not_end_the_wait_for_a_store() {
    let film = Film::of(&with_data(scene(2, Flaw::Ill)));
    let world = World::after(image_after(&film, "health:relay"), Between::Reboot);
    world.machine.borrow_mut().wall_jumps = true;
    world.recover(&world.gate(Fault::None)).expect("a recovery");
    assert!(!world.is_open(), "{:?}", report(&world).outcome);
    assert_eq!(report(&world).outcome.word(), "reverted");
}

#[test]
fn a_second_dump_of_what_is_replaced_does_not_overwrite_the_first() {
    let film = Film::of(&with_data(scene(2, Flaw::Ill)));
    let gate = |world: &World| {
        let all = Box::new(|_| true);
        Gate::with_camera(&world.layout, &world.machine, Fault::None, all)
    };
    let first = World::after(image_after(&film, "health:relay"), Between::RpmKilled);
    let recovery = gate(&first);
    first.recover(&recovery).expect("a recovery");
    let kept = |world: &World, name: &str| {
        let aside = world.layout.run(1).join("backup/aside").join(name);
        let dump = disk::read(&aside.join("dump.rdb"))?;
        serde_json::from_slice::<serde_json::Value>(&dump).ok()?["schema"].as_u64()
    };
    let images = recovery.take_images();
    let restored = images
        .iter()
        .find(|image| image.name.starts_with("after store restore"));
    let second = World::after(restored.expect("a restore"), Between::RpmKilled);
    second
        .recover(&second.gate(Fault::None))
        .expect("a recovery");
    assert_eq!(
        kept(&second, "relay-data"),
        Some(2),
        "what the failed attempt left"
    );
    assert_eq!(
        kept(&second, "relay-data.2"),
        Some(1),
        "what the first try left"
    );
    let notes = report(&second).notes;
    for name in ["aside/relay-data", "aside/relay-data.2"] {
        assert!(
            notes.iter().any(|note| note.ends_with(name)),
            "{name}: {notes:?}"
        );
    }
}

/// Returns a host whose revert cannot succeed: the backup of a file is damaged.
fn stuck() -> (Film, World) {
    let film = Film::of(&scene(1, Flaw::Ill));
    let failed = image_after(&film, "\"step\":\"revert:hold\",\"phase\":\"intent\"");
    let world = World::after(failed, Between::RpmKilled);
    let blobs = world.layout.run(1).join("backup/blobs");
    for name in disk::names(&blobs) {
        disk::rewrite(&blobs.join(name), b"damaged", std::time::Duration::ZERO);
    }
    let _ = world.recover(&world.gate(Fault::None));
    assert!(world.is_open());
    (film, world)
}

#[test]
fn the_commands_for_a_person_are_complete() {
    let (film, world) = stuck();
    let Outcome::RevertFailed {
        cause, commands, ..
    } = report(&world).outcome
    else {
        panic!("it failed");
    };
    assert!(cause.contains("is not healthy"), "{cause}");
    let looked = world.look(1, &film.plan);
    assert_eq!((&looked.cause, &looked.commands), (&cause, &commands));
    let text = commands.join("\n");
    // Everything else is back: no package is named, and only what ran before is started.
    for words in [
        "systemctl stop airgap-bundle-recover.timer",
        "cp --remove-destination",
        "/opt/relay/relay.conf && chown",
        "zz-airgap-bundle.conf",
        "systemctl start relay.service relay.timer",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let last = commands.last().expect("commands");
    assert!(
        last.starts_with('/') && last.contains(" close 1 --as-it-is '"),
        "{last}"
    );
    assert!(!text.contains("rpm -U"), "{text}");
    let bare = commands
        .iter()
        .find(|command| command.starts_with("install "));
    assert_eq!(bare, None, "that is another program");
}

#[test]
fn a_person_can_end_any_run() {
    let holds = |world: &World| {
        let drop_in = world
            .layout
            .drop_in_dir("relay.service")
            .join("zz-airgap-bundle.conf");
        drop_in.exists()
    };
    let (film, world) = stuck();
    assert!(holds(&world));
    let closed = world.close(1, Some(&film.plan));
    let Outcome::Reverted {
        cause,
        differences,
        as_it_is,
        ..
    } = &closed.outcome
    else {
        panic!("{:?}", closed.outcome);
    };
    assert_eq!(as_it_is.as_deref(), Some("the test says so"));
    assert!(cause.contains("is not healthy"), "{cause}");
    let text = differences.join("\n");
    assert!(text.contains("files differ"), "{text}");
    assert!(
        text.contains("relay.service ran before and does not run"),
        "{text}"
    );
    assert!(!holds(&world) && !world.is_open());

    // Neither the journal nor the plan can be read.
    let (_, world) = stuck();
    for file in ["journal", "plan.json", "report.json"] {
        let path = world.layout.run(1).join(file);
        disk::rewrite(&path, b"{ damaged\n", std::time::Duration::ZERO);
    }
    assert!(history::open_run(&world.layout).is_err());
    let closed = world.close(1, None);
    assert_eq!(closed.outcome.word(), "as-it-is");
    assert!(!holds(&world));
    assert!(
        history::open_run(&world.layout)
            .expect("nothing is open")
            .is_none()
    );
    let past = history::all(&world.layout).expect("readable");
    assert!(past.unreadable[0].may_count(), "the host may be anything");
}

/// H-05: a revert put older data under the services of another host, live. It stays so when that
/// host is away for a moment, and a decision from before the run lets it.
#[test]
fn data_that_other_hosts_use_are_left_to_a_person_for_good() {
    let (world, mut plan) = World::of(&with_data(scene(2, Flaw::Ill)));
    let host = "10.77.0.1 (2 sessions)".to_owned();
    world.machine.borrow_mut().other_hosts = vec![host.clone()];
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let outcome = report(&world).outcome;
    let Outcome::RevertFailed {
        revert_cause,
        commands,
        data,
        ..
    } = &outcome
    else {
        panic!("{outcome:?}");
    };
    assert!(revert_cause.contains(&host), "{revert_cause}");
    assert_eq!(*data, Some(DataState::NotRestored));
    assert_eq!(outcome.exit(), Some(Exit::RevertFailed));
    let commands = commands.join("\n");
    for words in [
        "backup/stores/relay-data",
        "other hosts may use them",
        "close 1 --as-it-is",
    ] {
        assert!(commands.contains(words), "{words}: {commands}");
    }
    let units = world.machine.borrow().visible(&world.layout).units;
    assert!(!units["relay.service"].starts_with("runs"), "{units:?}");
    world.machine.borrow_mut().other_hosts.clear();
    world.recover(&world.gate(Fault::None)).expect("a recovery");
    assert!(world.is_open(), "the other host's writes are not replaced");

    let (world, again) = World::of(&with_data(scene(2, Flaw::Ill)));
    plan = again;
    plan.stores[0].terms.shared = Some("the other host is a cold standby".to_owned());
    world.machine.borrow_mut().other_hosts = vec![host];
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let report = report(&world);
    assert_eq!(
        report.outcome.exit(),
        Some(Exit::Reverted),
        "{:?}",
        report.outcome
    );
    assert!(
        report.notes.concat().contains("a cold standby"),
        "{:?}",
        report.notes
    );
}

/// H-08: the dump was left out with the restore.
#[test]
fn a_store_that_a_person_restores_is_dumped_and_held() {
    let (world, mut plan) = World::of(&with_data(scene(2, Flaw::Ill)));
    plan.stores[0].terms.by_hand = Some("the database team alone may restore".to_owned());
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let report = report(&world);
    let Outcome::RevertFailed {
        revert_cause,
        commands,
        data,
        ..
    } = &report.outcome
    else {
        panic!("{:?}", report.outcome);
    };
    assert!(
        revert_cause.contains("the database team alone may restore"),
        "{revert_cause}"
    );
    assert_eq!(*data, Some(DataState::NotRestored));
    assert!(report.data[0].dump.is_some());
    let commands = commands.join("\n");
    assert!(commands.contains("backup/stores/relay-data"), "{commands}");
    let units = world.machine.borrow().visible(&world.layout).units;
    assert!(!units["relay.service"].starts_with("runs"), "{units:?}");
    assert!(world.is_open());
}

/// The database of a trial stayed on the server of a run that ended at once.
#[test]
fn a_trial_that_fails_leaves_nothing_on_the_server() {
    let (world, plan) = World::of(&with_data(scene(1, Flaw::None)));
    world.machine.borrow_mut().trial_fails = true;
    world
        .install(&plan, &world.gate(Fault::None), OnStop::Hold)
        .expect("a run");
    let outcome = report(&world).outcome;
    assert!(matches!(outcome, Outcome::Unchanged { .. }), "{outcome:?}");
    assert!(!world.layout.at(crate::fake::data::SCRATCH).exists());
}
