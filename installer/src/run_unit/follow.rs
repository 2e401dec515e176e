//! Follows a run from outside: its events are lines of a file in its directory.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use crate::event::Event;
use crate::history;
use crate::history::report::RunReport;
use crate::host::Host;
use crate::journal::lock;
use crate::layout::Layout;
use crate::secure_fs::{self, FsError};

/// Writes events where followers find them. They are a convenience and not part of the journal, so
/// a failed write is ignored.
#[derive(Debug)]
pub struct Recorder {
    file: RefCell<File>,
}

impl Recorder {
    /// Opens or continues the events of a run.
    pub fn open(layout: &Layout, run: u64) -> Result<Self, FsError> {
        let path = layout.run(run).events();
        let mut file = secure_fs::open_lock(&path)?;
        file.seek(SeekFrom::End(0))
            .map_err(secure_fs::at("continue", &path))?;
        Ok(Self {
            file: RefCell::new(file),
        })
    }

    /// Records one event.
    pub fn record(&self, event: &Event) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            let _ = self.file.borrow_mut().write_all(&line);
        }
    }
}

/// How many fifths of a second a closed run is watched until its process is gone.
const TIDYING_TURNS: u32 = 3000;

/// How following ended.
#[derive(Debug)]
pub enum Followed {
    /// The run is closed.
    Closed(Box<RunReport>),
    /// The run is not closed, and no process works on it.
    Stalled,
    /// The follower was stopped; the run goes on.
    Detached,
}

/// Shows the events of a run until it is closed, no process works on it, or `stopped`. Between two
/// looks it calls `tick`.
pub fn follow(
    host: &dyn Host,
    layout: &Layout,
    run: u64,
    listener: &dyn Fn(&Event),
    tick: &dyn Fn(),
    stopped: &dyn Fn() -> bool,
) -> Result<Followed, String> {
    let mut seen = 0;
    let mut idle = 0;
    loop {
        let closed = history::load(layout, run)?.filter(|run| !run.is_open());
        let report = closed.and_then(|run| run.report);
        seen = show(layout, run, seen, listener);
        tick();
        if let Some(report) = report {
            // The run's process still cleans up; the next command should not find it busy.
            // Sealing a large backup takes time.
            for _ in 0..TIDYING_TURNS {
                if !lock::is_held(layout) || stopped() {
                    break;
                }
                host.sleep(Duration::from_millis(200));
            }
            return Ok(Followed::Closed(Box::new(report)));
        }
        if stopped() {
            return Ok(Followed::Detached);
        }
        // A process that works on a run holds the lock. systemd is not asked, because it does not
        // answer during a shutdown.
        idle = if lock::is_held(layout) { 0 } else { idle + 1 };
        // Between the end of one unit and the start of the other, no process holds the lock for a
        // moment.
        if idle > 50 {
            let last = history::load(layout, run)?.and_then(|run| run.report);
            return Ok(last.map_or(Followed::Stalled, |report| {
                Followed::Closed(Box::new(report))
            }));
        }
        host.sleep(Duration::from_millis(200));
    }
}

fn show(layout: &Layout, run: u64, seen: u64, listener: &dyn Fn(&Event)) -> u64 {
    let Ok(mut file) = File::open(layout.run(run).events()) else {
        return seen;
    };
    let mut text = String::new();
    if file.seek(SeekFrom::Start(seen)).is_err() || file.read_to_string(&mut text).is_err() {
        return seen;
    }
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    for line in text[..whole].lines() {
        if let Ok(event) = serde_json::from_str(line) {
            listener(&event);
        }
    }
    seen + whole as u64
}
