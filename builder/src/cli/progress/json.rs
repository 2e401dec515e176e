//! JSON lines: one compact object per event, each with the member `event`.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::pace::{Moving, Pace};
use crate::cli::show;
use crate::event::{Event, Observer};

/// The events, those that advance at the pace of the plain lines.
#[derive(Default)]
pub(super) struct JsonLines(Mutex<Moving>);

impl Observer for JsonLines {
    fn event(&self, event: &Event<'_>) {
        let mut moving = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = object(&mut moving, event) {
            show::remark(&object.to_string());
        }
    }
}

fn object(moving: &mut Moving, event: &Event<'_>) -> Option<Value> {
    let now = moving.now();
    Some(match event {
        Event::Stage(text) => json!({"event": "stage", "text": text}),
        Event::Note(text) => json!({"event": "note", "text": text}),
        Event::Downloads { files, bytes } => {
            json!({"event": "downloads", "files": files, "bytes": bytes})
        }
        Event::DownloadStarted { index, name, bytes } => {
            let pace = Pace::begin(name, *bytes, now);
            moving.downloads.insert(*index, pace);
            json!({"event": "download-started", "index": index, "name": name, "bytes": bytes})
        }
        Event::DownloadAdvanced { index, bytes } => {
            let pace = moving.downloads.get_mut(index)?;
            let step = pace.advance(*bytes, now)?;
            json!({"event": "download-advanced", "index": index, "done": step.done,
                "bytes": step.total, "bytes_per_second": step.speed})
        }
        Event::DownloadRestarted { index, reason } => {
            moving.downloads.get_mut(index)?.restart();
            json!({"event": "download-restarted", "index": index, "reason": reason})
        }
        Event::DownloadEnded { index, result } => {
            moving.downloads.remove(index);
            json!({"event": "download-ended", "index": index, "result": result})
        }
        Event::PassStarted { what, name, bytes } => {
            moving.pass = Some(Pace::begin(name, *bytes, now));
            json!({"event": "pass-started", "what": what, "name": name, "bytes": bytes})
        }
        Event::PassAdvanced { bytes } => {
            let step = moving.pass.as_mut()?.advance(*bytes, now)?;
            json!({"event": "pass-advanced", "done": step.done, "bytes": step.total,
                "bytes_per_second": step.speed})
        }
        Event::PassEnded => {
            moving.pass = None;
            json!({"event": "pass-ended"})
        }
    })
}
