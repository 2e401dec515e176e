//! An undisturbed run, with which all others are compared.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use installer::history;
use installer::plan::InstallPlan;
use installer::run::OnStop;

use crate::fake::gate::{Fault, Gate, Passed, Wanted};
use crate::fake::image::Image;
use crate::scene::{Kind, Scene};
use crate::verdict::{End, Judge, Seen};
use crate::world::{Between, World};

/// How often a recovery is started again until its data store is up.
const TRIES: usize = 3;

/// An undisturbed run: its beginning, its ends, and an image of every moment that left something new.
pub(crate) struct Film {
    pub(crate) name: String,
    pub(crate) judge: Judge,
    pub(crate) images: Vec<Image>,
    pub(crate) start: Image,
    pub(crate) passed: Passed,
    pub(crate) plan: InstallPlan,
    pub(crate) scene: Scene,
    /// Which calls to the store write.
    pub(crate) writes: BTreeSet<usize>,
}

impl Film {
    /// Runs a scene undisturbed, photographing every moment.
    pub(crate) fn of(scene: &Scene) -> Self {
        let (world, plan) = World::of(scene);
        let start = world.photograph("the beginning");
        let before = Seen::of(&world);
        let run = history::next_id(&world.layout).expect("readable");
        let gate = Gate::with_camera(
            &world.layout,
            &world.machine,
            Fault::None,
            Box::new(|_| true),
        );
        world.install(&plan, &gate, OnStop::Hold).expect("a run");
        if scene.ends_done() && scene.kind != Kind::Undo {
            scene.expect_edits(&world.layout);
        }
        let target = scene.ends_done().then(|| Seen::of(&world));
        let judge = Judge {
            before,
            target,
            run,
            may_differ: false,
        };
        let expected = if scene.ends_done() {
            End::Done
        } else {
            End::Unchanged
        };
        assert_eq!(judge.judge(&world), Ok(expected), "{scene:?}");
        Self {
            name: scene.name(),
            judge,
            images: gate.take_images(),
            plan,
            scene: scene.clone(),
            start,
            passed: gate.passed(),
            writes: gate.take_writes(),
        }
    }

    /// Runs the scene from its beginning with a fault.
    pub(crate) fn replay(&self, fault: Fault, on_stop: OnStop) -> World {
        let world = World::after(&self.start, Between::RpmKilled);
        // The test judges the host, whatever the process reports.
        let _ = world.install(&self.plan, &world.gate(fault), on_stop);
        world
    }

    /// Runs the scene from its beginning with a fault, and returns images of the wanted moments.
    pub(crate) fn images_with(&self, fault: Fault, wanted: Wanted) -> Vec<Image> {
        let world = World::after(&self.start, Between::RpmKilled);
        let gate = Gate::with_camera(&world.layout, &world.machine, fault, wanted);
        let _ = world.install(&self.plan, &gate, OnStop::Hold);
        gate.take_images()
    }

    /// Recovers once, and judges. While a data store is away, the timer starts the recovery again.
    pub(crate) fn recover(&self, world: &World, gate: &Rc<Gate>) -> Result<End, String> {
        self.recover_for(&self.judge, world, gate)
    }

    /// The same, with a verdict of its own.
    pub(crate) fn recover_for(
        &self,
        judge: &Judge,
        world: &World,
        gate: &Rc<Gate>,
    ) -> Result<End, String> {
        world.recover(gate)?;
        for _ in 0..TRIES {
            if !self.scene.has_data || !world.is_open() {
                break;
            }
            world.wait(Duration::from_secs(30));
            world.recover(&world.gate(Fault::None))?;
        }
        judge.judge(world)
    }
}
