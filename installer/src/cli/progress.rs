//! What a process does with an open run: which step, since when, and what it waits for.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;

use manifests::printable::printable;
use serde::Serialize;

use super::session::Session;
use crate::event::{Event, Place};
use crate::failure::Exit;
use crate::history::PastRun;
use crate::host::Host as _;
use crate::journal::step::Step;
use crate::journal::{self, Phase, Record, lock};
use crate::layout::Layout;
use crate::run_unit;

/// How much of the events' end is read: the last step is in it.
const TAIL_BYTES: u64 = 64 << 10;

/// Whether a run is open, and who works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// No run is open.
    Closed,
    /// A process works on one, on its way forward.
    AtWork,
    /// One is put back, or the recovery tries again by itself.
    Recovering,
    /// One is open, and no process works on it.
    Open,
}

impl State {
    pub(super) const fn exit(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::AtWork => Exit::AtWork as u8,
            Self::Recovering => Exit::Recovering as u8,
            Self::Open => Exit::Open as u8,
        }
    }
}

/// What a process does with an open run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Work {
    /// The process, as far as it is known.
    pid: Option<u32>,
    /// Whether it puts the host back.
    is_going_back: bool,
    /// The step, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// The step's place among the steps of its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    /// When the step began, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// How long that is, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    for_secs: Option<u64>,
    /// What the step waits for, with the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<String>,
    /// How long ago the run said that, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    said_secs_ago: Option<u64>,
}

/// Returns the state of the host.
pub(super) fn state(session: &Session, open: Option<u64>, work: Option<&Work>) -> State {
    match work {
        Some(work) if work.is_going_back => State::Recovering,
        Some(_) => State::AtWork,
        None if open.is_none() => State::Closed,
        None if run_unit::is_possible(&session.host, &session.layout)
            && run_unit::is_recovering(&session.host) =>
        {
            State::Recovering
        }
        None => State::Open,
    }
}

/// Looks at what works on an open run; nothing if no process does.
pub(super) fn look(session: &Session, open: &PastRun) -> Option<Work> {
    let layout = &session.layout;
    if !lock::is_held(layout) {
        return None;
    }
    let pid = lock::holder(layout);
    let dir = layout.run(open.id);
    let records = journal::read(&dir.journal()).unwrap_or_default();
    let begun = records
        .iter()
        .rev()
        .find(|record| record.phase == Phase::Intent);
    let now = session.host.now();
    let Told {
        started,
        waiting,
        at,
    } = told(layout, open.id);
    let (step, place) = started.map_or_else(
        || (begun.map(|record| record.step.title()), None),
        |(title, place)| (Some(title), place),
    );
    let since = begun.map(|record| record.at);
    Some(Work {
        pid,
        is_going_back: open.report.is_some() || goes_back(begun) || resumes(pid),
        step,
        place,
        since,
        for_secs: since.map(|since| now.saturating_sub(since)),
        said_secs_ago: at
            .filter(|_| waiting.is_some())
            .map(|at| now.saturating_sub(at)),
        waiting_for: waiting,
    })
}

fn goes_back(record: Option<&Record>) -> bool {
    record.is_some_and(|record| matches!(record.step, Step::Revert(_) | Step::RevertOf(..)))
}

/// Whether a process is a recovery.
fn resumes(pid: Option<u32>) -> bool {
    let line = pid.and_then(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok());
    let line = line.unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    words.any(|word| word == b"resume" || word == b"revert")
}

/// The end of a run's events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    /// The last step that began, with its place.
    started: Option<(String, Option<Place>)>,
    /// What it waits for.
    waiting: Option<String>,
    /// When the last event was written.
    at: Option<u64>,
}

fn told(layout: &Layout, run: u64) -> Told {
    let Ok(mut file) = File::open(layout.run(run).events()) else {
        return Told::default();
    };
    let (size, at) = file.metadata().map_or((0, None), |metadata| {
        (metadata.len(), u64::try_from(metadata.mtime()).ok())
    });
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))
        .and_then(|_| file.take(TAIL_BYTES).read_to_end(&mut bytes));
    let mut told = last(&String::from_utf8_lossy(&bytes));
    told.at = at.filter(|_| read.is_ok());
    told
}

/// Reads the last step of some events. A line that is not whole is passed over.
fn last(text: &str) -> Told {
    let mut told = Told::default();
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(Event::Started { title, place, .. }) => {
                told.started = Some((title, place));
                told.waiting = None;
            }
            Ok(Event::Waiting { what }) => told.waiting = Some(what),
            Ok(Event::Done { .. } | Event::Failed { .. }) => told.waiting = None,
            Err(_) => {}
        }
    }
    told
}

impl Work {
    /// Returns the work as lines for people.
    pub(super) fn text(&self) -> String {
        let who = self
            .pid
            .map_or("an installer".to_owned(), |pid| format!("process {pid}"));
        let what = if self.is_going_back {
            "puts the host back"
        } else {
            "works on it"
        };
        let mut text = format!("{who} {what}");
        if let Some(step) = &self.step {
            let step = printable(step);
            text.push_str(&match self.place {
                Some(place) => format!(", step {} of {}: {step}", place.number, place.of),
                None => format!(": {step}"),
            });
        }
        text.extend(self.for_secs.map(|secs| format!(", for {secs} s")));
        text.push_str(".\n");
        if let Some(waiting) = &self.waiting_for {
            let ago = self.said_secs_ago.unwrap_or(0);
            let waiting = printable(waiting);
            text.push_str(&format!("  waiting for {waiting} (said {ago} s ago)\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_and_what_it_waits_for_are_read() {
        let text = r#"half a line"}
{"event":"started","step":"backup","title":"save","place":{"number":1,"of":9}}
{"event":"waiting","what":"rpm"}
{"event":"done","step":"backup","note":""}
{"event":"started","step":"health:gateway","title":"gateway: health","place":{"number":7,"of":9}}
{"event":"waiting","what":"Tyk Gateway to be healthy: 20 s so far, 100 s left; last: silence"}
{"event":"unknown to us"}
{"event":"wai"#;
        let told = last(text);
        let place = Place { number: 7, of: 9 };
        assert_eq!(
            told.started,
            Some(("gateway: health".to_owned(), Some(place)))
        );
        assert!(told.waiting.unwrap().contains("100 s left"));
        assert_eq!(last("").started, None);
    }

    #[test]
    fn work_is_one_sentence_with_its_wait() {
        let work = Work {
            pid: Some(1952),
            is_going_back: false,
            step: Some("gateway: ask for health".to_owned()),
            place: Some(Place { number: 7, of: 21 }),
            since: Some(100),
            for_secs: Some(34),
            waiting_for: Some("Tyk Gateway; last: silence".to_owned()),
            said_secs_ago: Some(4),
        };
        let text = work.text();
        assert!(
            text.starts_with("process 1952 works on it, step 7 of 21:"),
            "{text}"
        );
        assert!(
            text.contains(", for 34 s.\n  waiting for Tyk Gateway"),
            "{text}"
        );
        assert!(text.contains("(said 4 s ago)"), "{text}");
    }
}
