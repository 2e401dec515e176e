//! The verdict itself: hosts that a recovery left wrong must not pass.

use std::time::Duration;

use crate::fake::disk;
use crate::fake::gate::Fault;
use crate::fake::rpmdb::Flavour;
use crate::film::Film;
use crate::scene::{Flaw, Scene};
use crate::world::{Between, World};

const CONFIG: &str = "/opt/relay/relay.conf";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/relay.timer";

fn film(flavour: Flavour) -> Film {
    Film::of(&Scene {
        components: 1,
        ..Scene::new(flavour, Flaw::None)
    })
}

/// Returns a host that was cut off when the new version had migrated a configuration file.
fn disturbed(film: &Film) -> World {
    let migrated = |world: &World| {
        let text = disk::read(&world.layout.at(CONFIG)).unwrap_or_default();
        String::from_utf8_lossy(&text).contains("\"schema\":2")
    };
    let mut worlds = film
        .images
        .iter()
        .map(|image| World::after(image, Between::RpmKilled));
    worlds.find(migrated).expect("it migrates the file")
}

fn rewrite(world: &World, name: &str, edit: impl FnOnce(&mut serde_json::Value)) {
    let path = world.layout.run(1).join(name);
    let text = disk::read(&path).expect("the run wrote it");
    let mut document = serde_json::from_slice(&text).expect("JSON");
    edit(&mut document);
    disk::rewrite(&path, document.to_string().as_bytes(), Duration::ZERO);
}

#[test]
fn a_recovery_that_skips_a_file_is_reported() {
    let film = film(Flavour::Sqlite);
    let world = disturbed(&film);
    rewrite(&world, "backup/before.json", |before| {
        let entries = before["entries"].as_object_mut().expect("paths");
        entries.remove(CONFIG).expect("it was saved");
        // The file is excluded, so it is not even missed.
        let excluded = before["excluded"].as_array_mut().expect("paths");
        excluded.push(CONFIG.into());
    });
    let verdict = film.recover(&world, &world.gate(Fault::None));
    let why = verdict.expect_err("a file was not put back");
    assert!(why.contains(CONFIG), "{why}");
}

#[test]
fn a_database_that_is_not_healed_is_reported() {
    let film = film(Flavour::BerkeleyDb);
    let within = film
        .images
        .iter()
        .filter(|image| image.machine.surviving.is_some());
    let recover = |image| {
        let world = World::after(image, Between::RpmKilled);
        film.recover(&world, &world.gate(Fault::NeverHeals))
    };
    let (mut cases, mut reported) = (0, 0);
    for verdict in within.map(recover) {
        cases += 1;
        reported += usize::from(verdict.is_err());
    }
    assert!(cases > 0 && reported == cases, "{reported} of {cases}");
}

/// A way to spoil a host that was recovered well, and the verdict's expected complaint.
type Spoil = (&'static str, fn(&World));

const SPOILS: [Spoil; 9] = [
    ("legacy/old.lua", |world| {
        disk::remove(&world.layout.at("/opt/relay/legacy/old.lua"));
    }),
    ("relay.conf: 644", |world| {
        let path = world.layout.at(CONFIG);
        let content = disk::read(&path).expect("it is there");
        let mtime = Duration::from_secs(1_699_999_000);
        disk::write(&path, &content, 0o644, mtime);
    }),
    ("relayd;5fa00001", |world| {
        let path = world.layout.at("/opt/relay/relayd;5fa00001");
        disk::write(&path, b"rpm's", 0o755, Duration::ZERO);
    }),
    ("zz-airgap-bundle.conf", |world| {
        let hold = world.layout.drop_in_dir("relay.service");
        let path = hold.join("zz-airgap-bundle.conf");
        disk::write(&path, b"[Unit]\n", 0o644, Duration::ZERO);
    }),
    ("relay.timer", |world| {
        disk::remove(&world.layout.at(WANTED));
    }),
    ("relay.service: Inactive", |world| {
        world.machine.borrow_mut().units.stop("relay.service");
    }),
    ("relay-1.4.2-1.x86_64 built", |world| {
        let machine = &mut *world.machine.borrow_mut();
        let (_, package) = machine.db.instances("relay").remove(0);
        machine.db.add(package);
    }),
    ("the report says Some(Done)", |world| {
        rewrite(world, "report.json", |report| {
            report["outcome"] = "done".into();
        });
    }),
    ("is still open", |world| {
        disk::remove(&world.layout.run(1).join("report.json"));
    }),
];

#[test]
fn a_host_that_is_left_wrong_is_reported() {
    let film = film(Flavour::Sqlite);
    for (what, spoil) in SPOILS {
        let world = disturbed(&film);
        let well = film.recover(&world, &world.gate(Fault::None));
        well.expect("an honest recovery");
        spoil(&world);
        let why = film.judge.judge(&world).expect_err(what);
        assert!(why.contains(what), "{what} is not in: {why}");
    }
}
