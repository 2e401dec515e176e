//! One file on its way: several connections that fill it, and a note of what is there, so that a
//! break costs only what was under way.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

mod parts;

use super::FailureKind;
use super::ledger::{Claim, Ledger, Next, Shares};
use super::note::{NOTE_VERSION, Note};
use crate::event::{Event, Observer};
use crate::output::{OutputError, Resumable};
use crate::sniff::is_web_page;
use crate::transport::{Answer, Body, Extent, Place, Span, Transport, TransportErrorKind};

/// How much may arrive before it is noted again.
const NOTE_EVERY_BYTES: u64 = 8 * 1024 * 1024;
/// A connection without a byte for so long loses its span to one that has nothing to do.
const STALE: Duration = Duration::from_secs(5);

/// What is to be fetched, and how.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) url: Url,
    /// From the signed metadata.
    pub(super) size: u64,
    /// Where to stop reading a file that has another size.
    pub(super) limit: u64,
    pub(super) connections: u64,
    pub(super) least_part: u64,
    pub(super) index: usize,
}

/// A transfer. Its workers share it.
pub(super) struct Transfer {
    transport: Transport,
    order: Order,
    file: Arc<File>,
    path: PathBuf,
    unfinished: Resumable,
    observer: Arc<dyn Observer>,
    state: Mutex<State>,
}

struct State {
    ledger: Ledger,
    validator: Option<String>,
    place: Option<Place>,
    manner: Manner,
    /// Whether the bytes came in more than one piece.
    pieced: bool,
    noted_bytes: u64,
}

/// How the file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// In spans, if the server has them.
    Spans,
    /// In one piece: spans led to something else than expected.
    Plain,
}

impl Transfer {
    /// Takes up an unfinished file at the place in its note, or at its beginning.
    pub(super) fn take_up(
        transport: Transport,
        order: Order,
        unfinished: Resumable,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<Self>, OutputError> {
        let (file, path) = (unfinished.file(), unfinished.path().to_owned());
        let note = Note::read(&unfinished, &file, order.size);
        if note.is_none() {
            unfinished.clear()?;
        }
        let (done, validator) =
            note.map_or_else(Default::default, |note| (note.done, Some(note.validator)));
        let ledger = Ledger::new(order.size, &done);
        let state = State {
            pieced: validator.is_some(),
            noted_bytes: ledger.done_bytes(),
            ledger,
            validator,
            place: None,
            manner: Manner::Spans,
        };
        let transfer = Self {
            transport,
            order,
            file,
            path,
            unfinished,
            observer,
            state: Mutex::new(state),
        };
        transfer.report_position();
        Ok(Arc::new(transfer))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    pub(super) fn is_pieced(&self) -> bool {
        self.state().pieced
    }

    pub(super) fn done_bytes(&self) -> u64 {
        self.state().ledger.done_bytes()
    }

    /// Gives the unfinished file back once no worker uses it.
    pub(super) fn into_unfinished(self: Arc<Self>) -> Option<Resumable> {
        Arc::into_inner(self).map(|transfer| transfer.unfinished)
    }

    /// Forgets everything and asks for the file in one piece from now on.
    pub(super) fn start_plain(&self) -> Result<(), OutputError> {
        self.start_over(None)?;
        self.state().manner = Manner::Plain;
        Ok(())
    }

    fn start_over(&self, validator: Option<String>) -> Result<(), OutputError> {
        self.unfinished.clear()?;
        let mut state = self.state();
        state.ledger = Ledger::new(self.order.size, &[]);
        state.validator = validator;
        state.pieced = false;
        state.noted_bytes = 0;
        Ok(())
    }

    /// Reports to the observer what is there already.
    pub(super) fn report_position(&self) {
        let bytes = self.done_bytes();
        if bytes > 0 {
            self.report(bytes);
        }
    }

    fn report(&self, bytes: u64) {
        let index = self.order.index;
        self.observer
            .event(&Event::DownloadAdvanced { index, bytes });
    }

    /// Fetches what is missing, beginning at the file's own address, and returns how long the file
    /// is. Notes how far it came if it fails.
    pub(super) async fn attempt(self: &Arc<Self>) -> Result<u64, FailureKind> {
        let result = self.begin().await;
        if result.is_err() {
            self.note()?;
        }
        result
    }

    async fn begin(self: &Arc<Self>) -> Result<u64, FailureKind> {
        self.state().place = None;
        let Next::Work(claim) = self.claim() else {
            return Ok(self.order.size);
        };
        let span = self.first_span(&claim);
        let opened = self
            .transport
            .open(&self.order.url, None, span.as_ref())
            .await;
        let answer = opened.inspect_err(|_| self.state().ledger.release(claim.id));
        let answer = match answer {
            // It is shorter than the span: whatever it is, it can be had in one piece.
            Err(TransportErrorKind::Status(416)) if span.is_some() => return self.give_up_spans(),
            other => other?,
        };
        match answer.extent {
            Extent::Whole => {
                self.start_over(answer.validator)?;
                self.receive_whole(answer.body).await
            }
            Extent::Part { total, .. } if total.is_some_and(|n| n != self.order.size) => {
                self.give_up_spans()
            }
            Extent::Part { .. } => {
                self.check_same(&answer)?;
                self.receive_parts(claim, answer).await?;
                Ok(self.order.size)
            }
        }
    }

    fn give_up_spans(&self) -> Result<u64, FailureKind> {
        self.start_plain()?;
        Err(TransportErrorKind::Changed.into())
    }

    /// Nothing is asked for by span where one connection fetches the whole file anyway.
    fn first_span(&self, claim: &Claim) -> Option<Span> {
        let whole = claim.span == (0..self.order.size);
        let plain = self.state().manner == Manner::Plain;
        (!whole && !plain).then(|| self.span_of(claim))
    }

    fn span_of(&self, claim: &Claim) -> Span {
        Span {
            first: claim.span.start,
            last: Some(claim.span.end - 1),
            validator: self.state().validator.clone(),
        }
    }

    fn claim(&self) -> Next {
        let mut state = self.state();
        let shares = Shares {
            most: match state.manner {
                Manner::Spans => self.order.size.div_ceil(self.order.connections),
                Manner::Plain => u64::MAX,
            },
            least: self.order.least_part,
            stale: STALE,
        };
        state.ledger.claim(shares, Instant::now())
    }

    /// Every piece must be of one and the same file.
    fn check_same(&self, answer: &Answer) -> Result<(), FailureKind> {
        let mut state = self.state();
        let first = state.ledger.done_bytes() == 0 && !state.pieced;
        if first && state.validator.is_none() {
            state.validator.clone_from(&answer.validator);
        }
        if state.validator == answer.validator {
            state.pieced = true;
            state.place.clone_from(&answer.place);
            return Ok(());
        }
        drop(state);
        self.start_over(None)?;
        Err(TransportErrorKind::Changed.into())
    }

    async fn receive_whole(&self, body: Body) -> Result<u64, FailureKind> {
        let shares = Shares {
            most: u64::MAX,
            least: u64::MAX / 4,
            stale: STALE,
        };
        let next = self.state().ledger.claim(shares, Instant::now());
        let id = match next {
            Next::Work(claim) => claim.id,
            // An empty file: nothing is expected, and what comes is too much.
            Next::Wait | Next::Nothing => usize::MAX,
        };
        let result = self.copy_whole(id, body).await;
        self.state().ledger.release(id);
        result
    }

    async fn copy_whole(&self, id: usize, mut body: Body) -> Result<u64, FailureKind> {
        let mut length = 0;
        while let Some(piece) = body.next().await? {
            let at = length;
            length += piece.len() as u64;
            // The signed metadata bounds the file: stop at the first byte too many.
            if length > self.order.limit {
                let (expected, found) = (self.order.size, length);
                return Err(FailureKind::Size { expected, found });
            }
            self.write(at, &piece)?;
            self.advance(id, piece.len() as u64)?;
        }
        Ok(length)
    }

    fn write(&self, at: u64, piece: &[u8]) -> Result<(), FailureKind> {
        if at == 0 && is_web_page(piece) {
            return Err(FailureKind::WebPage);
        }
        let written = self.file.write_all_at(piece, at);
        let path = self.path.clone();
        written.map_err(|source| OutputError { path, source }.into())
    }

    /// Books what was written; returns whether anything is left of the claim.
    fn advance(&self, id: usize, bytes: u64) -> Result<bool, FailureKind> {
        let (taken, more, due) = {
            let mut state = self.state();
            let (taken, more) = state.ledger.advance(id, bytes, Instant::now());
            let done = state.ledger.done_bytes();
            (taken, more, done >= state.noted_bytes + NOTE_EVERY_BYTES)
        };
        self.report(taken);
        if due {
            self.note()?;
        }
        Ok(more)
    }

    /// Notes what is there, where there is a validator to take it up with.
    fn note(&self) -> Result<(), OutputError> {
        let note = {
            let mut state = self.state();
            state.noted_bytes = state.ledger.done_bytes();
            let Some(validator) = state.validator.clone().filter(|_| state.noted_bytes > 0) else {
                return Ok(());
            };
            Note {
                version: NOTE_VERSION,
                size: self.order.size,
                validator,
                done: state.ledger.done(),
            }
        };
        note.write(&self.unfinished)
    }
}
