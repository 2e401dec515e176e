//! Where faults come in: every call of the installer to the host and to its journal's store passes
//! here, before and after its effect.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use installer::layout::Layout;

use super::image::{Contents, Image};
use super::machine::Machine;

/// One thing that goes wrong in the life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A call to the host answers with an error, without an effect.
    Host {
        call: usize,
    },
    /// A call to the journal's store fails.
    Store {
        call: usize,
        how: StoreFault,
    },
    /// The rpm database is never healed.
    NeverHeals,
    /// rpm is killed before an operation, counted over all transactions; the installer is not.
    Rpm {
        operation: usize,
    },
    /// The run is asked to stop: from this question on the answer is yes.
    Stop {
        question: usize,
    },
}

/// How a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreFault {
    pub(crate) error: StoreError,
    /// A write that fails has written half.
    pub(crate) is_short: bool,
    pub(crate) lasts: Lasts,
}

/// How long a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// One call.
    Once,
    /// This call and the next one: a torn record cannot be cut off at once.
    Twice,
    ForGood,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreError {
    NoSpace,
    Io,
}

impl StoreError {
    pub(crate) fn to_io(self) -> io::Error {
        let errno = match self {
            Self::NoSpace => rustix::io::Errno::NOSPC,
            Self::Io => rustix::io::Errno::IO,
        };
        errno.into()
    }
}

/// How often each kind of gate was passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Places at which the process could have been killed.
    pub(crate) moments: usize,
    pub(crate) host_calls: usize,
    pub(crate) store_calls: usize,
    pub(crate) rpm_operations: usize,
    pub(crate) stop_questions: usize,
    /// Calls to the store before the first change of the host, if there was one.
    pub(crate) store_calls_before_change: Option<usize>,
}

/// Which moments are photographed.
pub(crate) type Wanted = Box<dyn Fn(usize) -> bool>;

/// The gate of one process.
pub(crate) struct Gate {
    layout: Layout,
    machine: Rc<RefCell<Machine>>,
    fault: Fault,
    wanted: Wanted,
    passed: Cell<Passed>,
    images: RefCell<Vec<Image>>,
    seen: RefCell<BTreeSet<u64>>,
    known: RefCell<Contents>,
    /// Which calls to the store write.
    writes: RefCell<BTreeSet<usize>>,
}

impl Gate {
    pub(crate) fn new(layout: &Layout, machine: &Rc<RefCell<Machine>>, fault: Fault) -> Rc<Self> {
        Self::with_camera(layout, machine, fault, Box::new(|_| false))
    }

    /// Makes a gate that keeps an image of the host at every wanted moment: what is left if the
    /// process is killed there. Moments that left the same are kept once.
    pub(crate) fn with_camera(
        layout: &Layout,
        machine: &Rc<RefCell<Machine>>,
        fault: Fault,
        wanted: Wanted,
    ) -> Rc<Self> {
        Rc::new(Self {
            layout: layout.clone(),
            machine: Rc::clone(machine),
            fault,
            wanted,
            passed: Cell::default(),
            images: RefCell::default(),
            seen: RefCell::default(),
            known: RefCell::default(),
            writes: RefCell::default(),
        })
    }

    pub(crate) fn passed(&self) -> Passed {
        self.passed.get()
    }

    pub(crate) fn take_images(&self) -> Vec<Image> {
        self.images.take()
    }

    pub(crate) fn take_writes(&self) -> BTreeSet<usize> {
        self.writes.take()
    }

    fn count(&self, which: impl FnOnce(&mut Passed) -> &mut usize) -> usize {
        let mut passed = self.passed.get();
        let counter = which(&mut passed);
        *counter += 1;
        let now = *counter;
        self.passed.set(passed);
        now
    }

    /// The process could be killed here. No borrow of the machine may be open.
    pub(crate) fn moment(&self, when: &str, what: &str) {
        let number = self.count(|passed| &mut passed.moments);
        if !(self.wanted)(number) {
            return;
        }
        let name = format!("{when} {what} (moment {number})");
        let (machine, known) = (self.machine.borrow(), &mut *self.known.borrow_mut());
        let image = Image::take(&self.layout, &machine, name, known);
        if self.seen.borrow_mut().insert(image.fingerprint()) {
            self.images.borrow_mut().push(image);
        }
    }

    /// Counts a call to the host, and returns whether it fails.
    pub(crate) fn host_call_fails(&self) -> bool {
        let call = self.count(|passed| &mut passed.host_calls);
        self.fault == Fault::Host { call }
    }

    /// Counts a call to the store, and returns how it fails.
    pub(crate) fn store_call_fails(&self) -> Option<StoreFault> {
        let now = self.count(|passed| &mut passed.store_calls);
        let Fault::Store { call, how } = self.fault else {
            return None;
        };
        let fails = match how.lasts {
            Lasts::Once => now == call,
            Lasts::Twice => now == call || now == call + 1,
            Lasts::ForGood => now >= call,
        };
        fails.then_some(how)
    }

    /// The next call to the store writes.
    pub(crate) fn writes(&self) {
        let next = self.passed.get().store_calls + 1;
        self.writes.borrow_mut().insert(next);
    }

    /// The installer is about to change the host.
    pub(crate) fn changes(&self) {
        let mut passed = self.passed.get();
        let calls = passed.store_calls;
        passed.store_calls_before_change.get_or_insert(calls);
        self.passed.set(passed);
    }

    /// The journal grows: the installer has synced what rpm wrote, unless rpm is still at work.
    pub(crate) fn journal_goes_on(&self) {
        let machine = &mut *self.machine.borrow_mut();
        if machine.surviving.is_none() {
            machine.unsynced.clear();
        }
    }

    pub(crate) fn heals(&self) -> bool {
        self.fault != Fault::NeverHeals
    }

    /// Counts an operation of rpm, and returns whether rpm is killed before it.
    pub(crate) fn rpm_is_killed(&self) -> bool {
        let operation = self.count(|passed| &mut passed.rpm_operations);
        self.fault == Fault::Rpm { operation }
    }

    /// Whether the run was asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        let now = self.count(|passed| &mut passed.stop_questions);
        matches!(self.fault, Fault::Stop { question } if question <= now)
    }
}
