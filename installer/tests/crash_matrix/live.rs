//! Going back happens once: what a revert released is live. A revert that was cut off after its release,
//! or after the release of one component, must leave everything alone that changed since.

use std::time::Duration;

use crate::fake::data;
use crate::fake::disk;
use crate::fake::gate::{Fault, Gate};
use crate::fake::image::Image;
use crate::fake::rpmdb::Flavour;
use crate::film::Film;
use crate::scene::{Flaw, Scene};
use crate::tally::each;
use crate::verdict::{Judge, Seen};
use crate::world::{Between, World};
use crate::{say, with_data, with_data_of_one};

const EDITED: Duration = Duration::from_secs(1_700_009_000);
/// Every which of the recoveries is photographed.
const STRIDE: usize = 18;

/// Returns the components that a revert has released, by the journal.
fn released(world: &World, film: &Film) -> Vec<&'static str> {
    let journal = disk::read(&world.layout.run(1).join("journal")).unwrap_or_default();
    let journal = String::from_utf8_lossy(&journal);
    let begun = |step: &str| journal.contains(&format!("\"step\":\"{step}\",\"phase\":\"intent\""));
    let all = begun("revert:release");
    let parts = film.scene.parts().iter().map(|part| part.name);
    parts
        .filter(|name| all || begun(&format!("revert:release:{name}")))
        .collect()
}

/// What people and the services of the old version do as soon as they can.
fn live_on(world: &World, components: &[&str], film: &Film) {
    for name in components {
        let write = |file: &str, text: &str| {
            let path = world.layout.at(&format!("/opt/{name}/{file}"));
            disk::write(&path, text.as_bytes(), 0o644, EDITED);
        };
        write("policies.json", "edited after the release\n");
        write("live.txt", "made after the release\n");
    }
    let mut users = film.scene.data_users().iter();
    if users.all(|user| components.contains(&user.name)) {
        data::add(&world.layout);
    }
}

/// The images of a run that goes back, and of recoveries after a power cut, whose store comes late.
fn images(film: &Film) -> Vec<Image> {
    let mut images = film.images.clone();
    for image in film.images.iter().step_by(STRIDE) {
        let world = World::after(image, Between::Reboot);
        let gate = Gate::with_camera(
            &world.layout,
            &world.machine,
            Fault::None,
            Box::new(|_| true),
        );
        world.recover(&gate).expect("a recovery");
        images.extend(gate.take_images());
    }
    images
}

#[test]
fn every_case_after_a_release_keeps_what_is_live() {
    let second_ill = || Scene {
        components: 2,
        ..Scene::new(Flavour::Sqlite, Flaw::Ill)
    };
    let mut failures = Vec::new();
    for scene in [with_data(second_ill()), with_data_of_one(second_ill())] {
        let film = Film::of(&scene);
        let ways = [Between::RpmKilled, Between::Reboot];
        let images = images(&film);
        let cases: Vec<(&Image, Between)> = images
            .iter()
            .flat_map(|image| ways.map(|between| (image, between)))
            .filter(|(image, between)| !released(&World::after(image, *between), &film).is_empty())
            .collect();
        let [whole, part] = each(&cases, |_, (image, between), [whole, part]| {
            let world = World::after(image, *between);
            let live = released(&world, &film);
            live_on(&world, &live, &film);
            let expected = World::after(&film.start, Between::RpmKilled);
            live_on(&expected, &live, &film);
            let judge = Judge {
                before: Seen::of(&expected),
                target: None,
                run: film.judge.run,
                may_differ: true,
            };
            let ended = film.recover_for(&judge, &world, &world.gate(Fault::None));
            let name = format!("{}: {}, {between:?}, {live:?} live", film.name, image.name);
            let series = if live.len() < scene.components {
                part
            } else {
                whole
            };
            series.count(&name, ended);
        });
        say(&format!("{}, all live", film.name), &whole);
        say(&format!("{}, one live", film.name), &part);
        assert!(whole.cases() > 0, "a series without cases proves nothing");
        assert_eq!(part.cases() > 0, scene.data_are_its_own);
        failures.extend(whole.failures.into_iter().chain(part.failures));
    }
    assert!(
        failures.is_empty(),
        "{}",
        failures[..failures.len().min(8)].join("\n")
    );
}
