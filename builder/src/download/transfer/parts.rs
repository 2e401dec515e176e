//! The connections of one file: each fetches span after span.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::super::ledger::{Claim, Next};
use super::{FailureKind, Transfer};
use crate::transport::{Answer, Body, Extent, TransportErrorKind, pause};

/// How often one without work looks for some.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Transfer {
    pub(super) async fn receive_parts(
        self: &Arc<Self>,
        claim: Claim,
        answer: Answer,
    ) -> Result<(), FailureKind> {
        let mut workers = JoinSet::new();
        workers.spawn(Arc::clone(self).work(Some((claim, answer.body))));
        for _ in 1..self.order.connections {
            workers.spawn(Arc::clone(self).work(None));
        }
        let mut failure = None;
        while let Some(ended) = workers.join_next().await {
            let lost = |gone: tokio::task::JoinError| {
                Err(TransportErrorKind::Truncated(gone.to_string()).into())
            };
            let result = ended.unwrap_or_else(lost);
            let complete = self.state().ledger.is_complete();
            let hopeless = |kind: &FailureKind| {
                let FailureKind::Fetch(kind) = kind else {
                    return true;
                };
                !kind.is_passing() || matches!(kind, TransportErrorKind::Changed)
            };
            let stop = complete || result.as_ref().err().is_some_and(hopeless);
            failure = result.err().or(failure);
            if stop {
                break;
            }
        }
        // Those that are stuck would only be waited for.
        workers.shutdown().await;
        match failure {
            _ if self.state().ledger.is_complete() => Ok(()),
            Some(FailureKind::Fetch(TransportErrorKind::Changed)) => {
                self.start_over(None)?;
                Err(TransportErrorKind::Changed.into())
            }
            Some(failure) => Err(failure),
            None => Err(TransportErrorKind::Truncated("a part is missing".to_owned()).into()),
        }
    }

    /// Fetches span after span until none is left.
    async fn work(self: Arc<Self>, mut given: Option<(Claim, Body)>) -> Result<(), FailureKind> {
        loop {
            let (claim, body) = match given.take() {
                Some(given) => given,
                None => match self.claim() {
                    Next::Nothing => return Ok(()),
                    Next::Wait => {
                        pause(LOOK_AGAIN).await?;
                        continue;
                    }
                    Next::Work(claim) => {
                        let body = self.ask(&claim).await;
                        let body = body.inspect_err(|_| self.state().ledger.release(claim.id))?;
                        (claim, body)
                    }
                },
            };
            let result = self.receive(&claim, body).await;
            self.state().ledger.release(claim.id);
            result?;
        }
    }

    async fn ask(&self, claim: &Claim) -> Result<Body, FailureKind> {
        let span = self.span_of(claim);
        let place = self.state().place.clone();
        let answer = self
            .transport
            .open(&self.order.url, place.as_ref(), Some(&span))
            .await?;
        let same = answer.validator == self.state().validator;
        match answer.extent {
            Extent::Part { total, .. } if same && total.is_none_or(|n| n == self.order.size) => {
                Ok(answer.body)
            }
            // All of it, or of another one: the state in `If-Range` is out of date.
            _ => Err(TransportErrorKind::Changed.into()),
        }
    }

    async fn receive(&self, claim: &Claim, mut body: Body) -> Result<(), FailureKind> {
        let mut at = claim.span.start;
        while let Some(piece) = body.next().await? {
            let left = usize::try_from(claim.span.end - at).unwrap_or(usize::MAX);
            let piece = &piece[..piece.len().min(left)];
            self.write(at, piece)?;
            at += piece.len() as u64;
            if !self.advance(claim.id, piece.len() as u64)? {
                return Ok(());
            }
        }
        Err(TransportErrorKind::Truncated("a part ended early".to_owned()).into())
    }
}
