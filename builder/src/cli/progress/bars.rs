//! Bars: one per download, one for all of them at the bottom, one for a pass over a bundle.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use manifests::size::Size;

use crate::event::{Event, Observer};

/// What is on the screen.
pub(super) struct Bars {
    all: MultiProgress,
    coloured: bool,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    downloads: BTreeMap<usize, (String, ProgressBar)>,
    /// All downloads, and how many of how many have ended.
    total: Option<(ProgressBar, usize, usize)>,
    pass: Option<ProgressBar>,
}

impl Bars {
    pub(super) fn new(coloured: bool) -> Self {
        Self {
            all: MultiProgress::new(),
            coloured,
            shown: Mutex::default(),
        }
    }

    /// A line that stays, above the bars.
    fn line(&self, text: &str) {
        // A terminal that cannot be written to shows nothing; the work goes on.
        let _ = self.all.println(text);
    }

    fn bar(&self, bytes: u64, message: &str) -> ProgressBar {
        // Hidden until it has its place: it would draw itself over the others.
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden())
            .with_style(self.style(bytes > 0));
        bar.set_message(message.to_owned());
        bar
    }

    /// Name, bar, bytes, speed and time left, within 80 columns and more if there are.
    fn style(&self, has_end: bool) -> ProgressStyle {
        let template = match (has_end, self.coloured) {
            (true, true) => {
                "  {wide_msg} {bar:16.cyan} {percent:>3}% {binary_bytes:>11} \
                 {binary_bytes_per_sec:>13} {eta:>4}"
            }
            (true, false) => {
                "  {wide_msg} {bar:16} {percent:>3}% {binary_bytes:>11} \
                 {binary_bytes_per_sec:>13} {eta:>4}"
            }
            (false, _) => "  {wide_msg} {binary_bytes:>11} {binary_bytes_per_sec:>13}",
        };
        let style = ProgressStyle::with_template(template);
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ")
    }

    fn download_started(&self, shown: &mut Shown, index: usize, name: &str, bytes: u64) {
        let bar = self.bar(bytes, name);
        let bar = match &shown.total {
            Some((total, ..)) => self.all.insert_before(total, bar),
            None => self.all.add(bar),
        };
        bar.tick();
        shown.downloads.insert(index, (name.to_owned(), bar));
    }

    fn download_ended(&self, shown: &mut Shown, index: usize, result: &str) {
        let Some((name, bar)) = shown.downloads.remove(&index) else {
            return;
        };
        let (bytes, position) = (bar.length().unwrap_or(0), bar.position());
        bar.finish_and_clear();
        self.all.remove(&bar);
        self.line(&format!("  {result:<7} {name} ({})", Size(bytes)));
        if let Some((total, ended, of)) = &mut shown.total {
            *ended += 1;
            // What came from the cache did not advance.
            total.inc(if result == "failed" {
                0
            } else {
                bytes.saturating_sub(position)
            });
            total.set_message(format!("{ended} of {of} packages"));
            if ended == of {
                total.finish_and_clear();
            }
        }
    }
}

impl Observer for Bars {
    fn event(&self, event: &Event<'_>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Stage(text) => self.line(text),
            Event::Note(text) => self.line(&format!("note: {text}")),
            Event::Downloads { files, bytes } => {
                let bar = self
                    .all
                    .add(self.bar(*bytes, &format!("0 of {files} packages")));
                shown.total = Some((bar, 0, *files));
            }
            Event::DownloadStarted { index, name, bytes } => {
                self.download_started(&mut shown, *index, name, *bytes);
            }
            Event::DownloadAdvanced { index, bytes } => {
                if let Some((_, bar)) = shown.downloads.get(index) {
                    bar.inc(*bytes);
                }
                if let Some((total, ..)) = &shown.total {
                    total.inc(*bytes);
                }
            }
            Event::DownloadRestarted { index, reason } => {
                if let Some((name, bar)) = shown.downloads.get(index) {
                    self.line(&format!("  again   {name}: {reason}"));
                    if let Some((total, ..)) = &shown.total {
                        total.dec(bar.position());
                    }
                    bar.set_position(0);
                }
            }
            Event::DownloadEnded { index, result } => {
                self.download_ended(&mut shown, *index, result);
            }
            Event::PassStarted { what, name, bytes } => {
                shown.pass = Some(self.all.add(self.bar(*bytes, &format!("{what} {name}"))));
            }
            Event::PassAdvanced { bytes } => {
                if let Some(bar) = &shown.pass {
                    bar.inc(*bytes);
                }
            }
            Event::PassEnded => {
                if let Some(bar) = shown.pass.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }
}
