//! One line at the end of a terminal that says what the run does now. Where there is no terminal, only
//! the events are printed.

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use manifests::printable::printable;

use super::render;
use crate::event::{Event, Place};
use crate::host::Host;

/// Back to the beginning of the line, which is emptied.
const CLEAR: &str = "\r\x1b[2K";
/// Width of a terminal that does not tell.
const COLUMNS: usize = 80;

/// The view of a run on a terminal.
pub(super) struct Live<'a> {
    host: &'a dyn Host,
    is_terminal: bool,
    now: RefCell<Now>,
}

/// What is shown.
#[derive(Debug, Default)]
struct Now {
    /// The step, since when, and its place.
    step: Option<(String, Duration, Option<Place>)>,
    waiting: Option<String>,
    /// The second that was drawn last.
    drawn: Option<u64>,
}

impl<'a> Live<'a> {
    pub(super) fn new(host: &'a dyn Host) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            host,
            is_terminal: std::io::stderr().is_terminal() && !is_dumb,
            now: RefCell::default(),
        }
    }

    /// Prints an event above the line.
    pub(super) fn event(&self, event: &Event) {
        self.end();
        render::event(event);
        let mut now = self.now.borrow_mut();
        match event {
            Event::Started { title, place, .. } => {
                now.step = Some((title.clone(), self.host.steady_clock(), *place));
                now.waiting = None;
            }
            Event::Waiting { what } => now.waiting = Some(what.clone()),
            Event::Done { .. } | Event::Failed { .. } => {
                now.step = None;
                now.waiting = None;
            }
        }
    }

    /// Draws the line once a second.
    pub(super) fn tick(&self) {
        let mut now = self.now.borrow_mut();
        let Some((_, since, _)) = &now.step else {
            return;
        };
        let seconds = self.host.steady_clock().saturating_sub(*since).as_secs();
        if !self.is_terminal || now.drawn == Some(seconds) {
            return;
        }
        let line: String = now.line(seconds).chars().take(columns() - 1).collect();
        now.drawn = Some(seconds);
        // A terminal that is gone ends the output, not the run.
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{CLEAR}{line}").and_then(|()| err.flush());
    }

    /// Removes the line.
    pub(super) fn end(&self) {
        if self.now.borrow_mut().drawn.take().is_some() {
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "{CLEAR}").and_then(|()| err.flush());
        }
    }
}

impl Now {
    fn line(&self, seconds: u64) -> String {
        let Some((title, _, place)) = &self.step else {
            return String::new();
        };
        let place = place.map_or(String::new(), |place| {
            format!("step {} of {}, ", place.number, place.of)
        });
        let mut line = format!("  {place}{seconds} s: {}", printable(title));
        if let Some(waiting) = &self.waiting {
            line.push_str(&format!("; waiting for {}", printable(waiting)));
        }
        line
    }
}

fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
    let columns = size.map_or(COLUMNS, |size| usize::from(size.ws_col));
    if columns < 20 { COLUMNS } else { columns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_step_its_time_and_what_it_waits_for() {
        let place = Some(Place { number: 7, of: 21 });
        let now = Now {
            step: Some(("gateway: ask for health".to_owned(), Duration::ZERO, place)),
            waiting: Some("Tyk Gateway: 100 s left; last: \u{1b}[31msilence".to_owned()),
            drawn: None,
        };
        let line = now.line(34);
        assert!(
            line.starts_with("  step 7 of 21, 34 s: gateway: ask for health; waiting for Tyk"),
            "{line}"
        );
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}
