//! Plain lines: the start of each thing, its steps, its end.

use std::sync::{Mutex, PoisonError};

use manifests::size::Size;

use super::pace::{Moving, Pace};
use crate::cli::show;
use crate::event::{Event, Observer};

/// One line per event that matters.
#[derive(Default)]
pub(super) struct Lines(Mutex<Moving>);

impl Observer for Lines {
    fn event(&self, event: &Event<'_>) {
        let mut moving = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = line(&mut moving, event) {
            show::remark(&line);
        }
    }
}

fn line(moving: &mut Moving, event: &Event<'_>) -> Option<String> {
    let now = moving.now();
    Some(match event {
        Event::Stage(text) => (*text).to_owned(),
        Event::Note(text) => format!("note: {text}"),
        Event::Downloads { files, bytes } => format!("  {files} packages, {}", Size(*bytes)),
        Event::DownloadStarted { index, name, bytes } => {
            let pace = Pace::begin(name, *bytes, now);
            moving.downloads.insert(*index, pace);
            format!("  {name}: begins ({})", Size(*bytes))
        }
        Event::DownloadAdvanced { index, bytes } => {
            let pace = moving.downloads.get_mut(index)?;
            let step = pace.advance(*bytes, now)?;
            format!("  {}: {}", pace.name, step.words())
        }
        Event::DownloadRestarted { index, reason } => {
            let pace = moving.downloads.get_mut(index)?;
            pace.restart();
            format!("  {}: again: {reason}", pace.name)
        }
        Event::DownloadEnded { index, result } => {
            let pace = moving.downloads.remove(index)?;
            format!("  {}: {result}", pace.name)
        }
        Event::PassStarted { what, name, bytes } => {
            moving.pass = Some(Pace::begin(&format!("{what} {name}"), *bytes, now));
            format!("{what} {name} ({})", Size(*bytes))
        }
        Event::PassAdvanced { bytes } => {
            let pace = moving.pass.as_mut()?;
            let step = pace.advance(*bytes, now)?;
            format!("  {}", step.words())
        }
        Event::PassEnded => {
            moving.pass = None;
            return None;
        }
    })
}
