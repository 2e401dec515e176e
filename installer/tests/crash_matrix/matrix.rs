//! The series of the matrix.

use installer::history;
use installer::run::OnStop;

use crate::fake::gate::{Fault, Gate, Lasts, StoreError, StoreFault};
use crate::fake::image::Image;
use crate::film::Film;
use crate::tally::{Tally, each};
use crate::verdict::End;
use crate::world::{Between, World};

const KILLS: [Between; 3] = [Between::RpmSurvives, Between::RpmKilled, Between::Reboot];

fn ways(image: &Image) -> &'static [Between] {
    if image.machine.surviving.is_some() {
        &KILLS
    } else {
        &KILLS[1..]
    }
}

impl Film {
    /// Plays every series, in the order in which they are shown.
    pub(crate) fn play(&self, stride: usize) -> [Tally; 7] {
        let (once, twice) = self.kills(stride);
        [
            once,
            twice,
            self.store_failures(),
            self.torn_records(stride),
            self.host_failures(),
            self.rpm_kills(),
            self.stops(),
        ]
    }

    /// Every moment that left something new, in every way to be killed there.
    pub(crate) fn kill_cases(&self) -> Vec<(&Image, Between)> {
        let both = |image| ways(image).iter().map(move |between| (image, *between));
        self.images.iter().flat_map(both).collect()
    }

    /// Kills the process at every moment, in every way; recovers; kills the recovery at every
    /// `stride`th moment (never, if it is 0), and recovers again.
    fn kills(&self, stride: usize) -> (Tally, Tally) {
        let cases = self.kill_cases();
        let [mut once, twice] = each(&cases, |at, (image, between), [once, twice]| {
            let world = World::after(image, *between);
            let wanted = move |moment: usize| stride != 0 && (moment + at).is_multiple_of(stride);
            let camera = Box::new(wanted);
            let gate = Gate::with_camera(&world.layout, &world.machine, Fault::None, camera);
            let name = format!("{}: killed {}, {between:?}", self.name, image.name);
            once.count(&name, self.recover(&world, &gate));
            for second in gate.take_images() {
                // All ways, in turn.
                let between = ways(&second)[at % ways(&second).len()];
                let world = World::after(&second, between);
                let name = format!("{name}; recovery killed {}, {between:?}", second.name);
                twice.count(&name, self.recover(&world, &world.gate(Fault::None)));
            }
        });
        once.alike = self.passed.moments - self.images.len();
        (once, twice)
    }

    /// Every call to the journal's store, with every way in which it can fail.
    pub(crate) fn store_cases(&self) -> Vec<(usize, StoreFault)> {
        let mut cases = Vec::new();
        for call in 1..=self.passed.store_calls {
            let writes = self.writes.contains(&call);
            for &error in self.errors(call) {
                for lasts in [Lasts::Once, Lasts::ForGood] {
                    let whole = StoreFault {
                        error,
                        is_short: false,
                        lasts,
                    };
                    cases.push((call, whole));
                    let short = StoreFault {
                        is_short: true,
                        ..whole
                    };
                    cases.extend(writes.then_some((call, short)));
                }
            }
        }
        cases
    }

    /// Lets every call to the journal's store fail in every way, once or from then on.
    fn store_failures(&self) -> Tally {
        let [tally] = each(&self.store_cases(), |_, &(call, how), [tally]| {
            let name = format!("{}: store call {call}, {how:?}", self.name);
            tally.count(&name, self.with_store(call, how));
        });
        tally
    }

    /// Both errors where a run is done. Elsewhere they alternate: no code distinguishes them there.
    fn errors(&self, call: usize) -> &'static [StoreError] {
        const BOTH: [StoreError; 2] = [StoreError::NoSpace, StoreError::Io];
        match self.judge.target {
            Some(_) => &BOTH,
            None => &BOTH[call % 2..=call % 2],
        }
    }

    fn with_store(&self, call: usize, how: StoreFault) -> Result<End, String> {
        let world = self.replay(Fault::Store { call, how }, OnStop::Hold);
        let before_effects = self.passed.store_calls_before_change;
        let must_be_untouched =
            how.lasts == Lasts::ForGood && before_effects.is_none_or(|last| call <= last);
        if !must_be_untouched {
            return self.recover(&world, &world.gate(Fault::None));
        }
        // Without a journal nothing may be changed, and nothing may be left to recover.
        if history::open_run(&world.layout)
            .map_err(|failure| failure.to_string())?
            .is_some()
        {
            return Err("a run that changed nothing is open".to_owned());
        }
        if world.machine.borrow().units.starts() != self.start.machine.units.starts() {
            return Err("a service was started anew".to_owned());
        }
        match self.recover(&world, &world.gate(Fault::None))? {
            End::Unchanged => Ok(End::Unchanged),
            End::Done => Err("done, without a journal".to_owned()),
        }
    }

    /// Tears each record so that it cannot be cut off at once, and kills the process later, at
    /// every `stride`th moment. The next process must be able to read the journal.
    fn torn_records(&self, stride: usize) -> Tally {
        let cases: Vec<usize> = self
            .writes
            .iter()
            .copied()
            .filter(|_| stride != 0)
            .collect();
        let [tally] = each(&cases, |at, &call, [tally]| {
            let how = StoreFault {
                error: StoreError::NoSpace,
                is_short: true,
                lasts: Lasts::Twice,
            };
            let wanted = move |moment: usize| (moment + at).is_multiple_of(stride);
            let fault = Fault::Store { call, how };
            for image in self.images_with(fault, Box::new(wanted)) {
                let between = ways(&image)[at % ways(&image).len()];
                let world = World::after(&image, between);
                let name = format!("{}: {fault:?}, killed {}", self.name, image.name);
                let verdict = self.recover(&world, &world.gate(Fault::None));
                tally.count(&format!("{name}, {between:?}"), verdict);
            }
        });
        tally
    }

    /// Lets every call to the host fail once.
    fn host_failures(&self) -> Tally {
        self.faults(self.passed.host_calls, |call| Fault::Host { call })
    }

    /// Kills rpm alone before each of its operations.
    fn rpm_kills(&self) -> Tally {
        let fault = |operation| Fault::Rpm { operation };
        self.faults(self.passed.rpm_operations, fault)
    }

    fn faults(&self, count: usize, fault: impl Fn(usize) -> Fault + Sync) -> Tally {
        let cases: Vec<usize> = (1..=count).collect();
        let [tally] = each(&cases, |_, &number, [tally]| {
            let fault = fault(number);
            let world = self.replay(fault, OnStop::Hold);
            let verdict = self.recover(&world, &world.gate(Fault::None));
            tally.count(&format!("{}: {fault:?}", self.name), verdict);
        });
        tally
    }

    /// Every time at which a run checks whether it was asked to stop, with both answers.
    pub(crate) fn stop_cases(&self) -> Vec<(usize, OnStop)> {
        let both = |question| [(question, OnStop::Hold), (question, OnStop::Revert)];
        (1..=self.passed.stop_questions).flat_map(both).collect()
    }

    /// Asks the run to stop, at every time at which it checks for that.
    fn stops(&self) -> Tally {
        let [tally] = each(&self.stop_cases(), |_, &(question, on_stop), [tally]| {
            let fault = Fault::Stop { question };
            let world = self.replay(fault, on_stop);
            if on_stop == OnStop::Hold {
                // The run is held until this boot.
                world.reboot();
            }
            let verdict = self.recover(&world, &world.gate(Fault::None));
            tally.count(&format!("{}: {fault:?}, {on_stop:?}", self.name), verdict);
        });
        tally
    }
}
