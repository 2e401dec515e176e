//! Progress on standard error: bars on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Context, show};
use crate::event::{Event, Observer, Silent};

/// Returns the observer that suits standard error.
pub(super) fn observer(context: Context) -> Arc<dyn Observer> {
    if context.quiet {
        Arc::new(Silent)
    } else if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Arc::new(Bars::default())
    } else {
        Arc::new(Lines)
    }
}

/// One line per event that matters.
struct Lines;

impl Observer for Lines {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Stage(text) => show::remark(text),
            Event::Note(text) => show::remark(&format!("note: {text}")),
            Event::DownloadStarted { name, bytes, .. } => {
                show::remark(&format!("  {name} ({bytes} bytes)"));
            }
            Event::DownloadRestarted { reason, .. } => {
                show::remark(&format!("  again: {reason}"));
            }
            Event::DownloadAdvanced { .. }
            | Event::DownloadEnded { .. }
            | Event::PassStarted { .. }
            | Event::PassAdvanced { .. }
            | Event::PassEnded => {}
        }
    }
}

/// A bar per download.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    bars: Mutex<BTreeMap<usize, ProgressBar>>,
}

impl Bars {
    fn with(&self, index: usize, act: impl FnOnce(&ProgressBar)) {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.get(&index) {
            act(bar);
        }
    }

    fn line(&self, text: &str) {
        // A terminal that cannot be written to shows nothing; the build goes on.
        let _ = self.all.println(text);
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("  {msg:40} {bar:30} {bytes:>10}/{total_bytes:<10} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Observer for Bars {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Stage(text) => self.line(text),
            Event::Note(text) => self.line(&format!("note: {text}")),
            Event::DownloadStarted { index, name, bytes } => {
                let bar = self.all.add(ProgressBar::new(*bytes).with_style(style()));
                bar.set_message((*name).to_owned());
                let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
                bars.insert(*index, bar);
            }
            Event::DownloadAdvanced { index, bytes } => self.with(*index, |bar| bar.inc(*bytes)),
            Event::DownloadRestarted { index, reason } => {
                self.line(&format!("  again: {reason}"));
                self.with(*index, |bar| bar.set_position(0));
            }
            Event::DownloadEnded { index, .. } => self.with(*index, ProgressBar::finish_and_clear),
            Event::PassStarted { .. } | Event::PassAdvanced { .. } | Event::PassEnded => {}
        }
    }
}
