//! The verdict on a host: one of two states, and a report that agrees.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::case::Cargo;
use super::kit::{self, INSTALLER};
use super::picture::Picture;
use crate::isolated::IsolatedHost;

/// The state of the host after everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verdict {
    /// At its target, healthy, and as an undisturbed run leaves it.
    Done,
    /// As it was before.
    Unchanged,
    /// Anything else.
    Failed { reasons: Vec<String> },
}

/// The answer of `install status`.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(crate) is_open: bool,
    /// The last run's outcome in one word; none without a run.
    pub(crate) outcome: Option<String>,
}

impl Verdict {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed {
            reasons: vec![reason.into()],
        }
    }

    /// The same, unless there are more reasons against it.
    pub(super) fn with(self, more: Vec<String>) -> Self {
        match self {
            Self::Failed { mut reasons } => {
                reasons.extend(more);
                Self::Failed { reasons }
            }
            good if more.is_empty() => good,
            _ => Self::Failed { reasons: more },
        }
    }

    /// In one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::Unchanged => "Unchanged",
            Self::Failed { .. } => "FAILED",
        }
    }

    /// Whether it is one of the two states that are allowed.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// Judges a host: `before` is its state before the run, `done` the state after an undisturbed run.
pub(super) fn judge(
    host: &IsolatedHost,
    cargo: Cargo,
    before: &Picture,
    done: Option<&Picture>,
) -> Result<Verdict> {
    let now = Picture::take(host)?;
    let nevras = Picture::nevras(host)?;
    let mut reasons = now.leftovers();
    let verdict = if nevras == kit::nevras_before() {
        reasons.extend(before.diff(&now));
        Verdict::Unchanged
    } else if nevras == kit::nevras(cargo.versions()) {
        match done {
            Some(done) => reasons.extend(done.diff(&now)),
            None => reasons.push(format!("{cargo} cannot be Done: it does not work")),
        }
        Verdict::Done
    } else {
        reasons.push(format!("packages: {}", nevras.join(", ")));
        reasons.extend(before.diff(&now));
        Verdict::Unchanged
    };
    Ok(if reasons.is_empty() {
        verdict
    } else {
        Verdict::Failed { reasons }
    })
}

/// Compares the verdict with the report: both must name the same state.
pub(crate) fn compare(verdict: Verdict, status: &Status) -> Verdict {
    let said = status.outcome.as_deref();
    let agrees = match verdict {
        Verdict::Done => said == Some("done"),
        Verdict::Unchanged => matches!(said, None | Some("reverted" | "unchanged")),
        Verdict::Failed { .. } => true,
    };
    let mut reasons = match &verdict {
        Verdict::Failed { reasons } => reasons.clone(),
        _ => Vec::new(),
    };
    if !agrees {
        let said = said.unwrap_or("nothing");
        reasons.push(format!(
            "the host is {}, the report says {said}",
            verdict.word()
        ));
    }
    if status.is_open {
        reasons.push("the run is still open".to_owned());
    }
    if reasons.is_empty() {
        verdict
    } else {
        Verdict::Failed { reasons }
    }
}

/// Compares the verdict with the exit code, if the called installer lived to report one. An
/// installer that was asked to end reports with other codes that the run did not end.
pub(super) fn believe(verdict: Verdict, code: Option<i32>) -> Verdict {
    let says = match code {
        Some(0) => Verdict::Done,
        Some(5) => Verdict::Unchanged,
        _ => return verdict,
    };
    if !verdict.is_good() || verdict == says {
        return verdict;
    }
    Verdict::failed(format!(
        "the host is {}, the exit code says {}",
        verdict.word(),
        says.word()
    ))
}

/// Asks the installer.
pub(super) fn status(host: &IsolatedHost) -> Result<Status> {
    // Its exit code says whether a run is open, as the document does.
    let said = host.run(&[INSTALLER, "--output", "json", "status"])?;
    parse(&said.stdout)
}

pub(crate) fn parse(text: &str) -> Result<Status> {
    let status: Value = serde_json::from_str(text)?;
    let outcome = status.pointer("/last_run/outcome").and_then(|outcome| {
        let tagged = || outcome.as_object()?.keys().next().map(String::as_str);
        outcome.as_str().or_else(tagged)
    });
    Ok(Status {
        is_open: status.get("open_run").is_some_and(|run| !run.is_null()),
        outcome: outcome.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::{Status, Verdict, believe, compare, parse};

    #[test]
    fn outcomes_in_one_word() {
        let text = r#"{"open_run":null,"last_run":{"outcome":{"reverted":{"cause":"x"}}}}"#;
        let status = parse(text).unwrap();
        assert_eq!(status.outcome.as_deref(), Some("reverted"));
        assert!(!status.is_open);
        let done = parse(r#"{"open_run":2,"last_run":{"outcome":"done"}}"#).unwrap();
        assert_eq!(done.outcome.as_deref(), Some("done"));
        assert!(done.is_open);
    }

    #[test]
    fn an_exit_code_that_contradicts_the_host_is_a_failure() {
        assert!(believe(Verdict::Done, Some(0)).is_good());
        assert!(believe(Verdict::Unchanged, Some(5)).is_good());
        assert!(believe(Verdict::Unchanged, None).is_good());
        assert!(!believe(Verdict::Unchanged, Some(0)).is_good());
        assert!(!believe(Verdict::Done, Some(5)).is_good());
    }

    #[test]
    fn a_report_that_contradicts_the_host_is_a_failure() {
        let status = |outcome: &str| Status {
            is_open: false,
            outcome: Some(outcome.to_owned()),
        };
        assert_eq!(compare(Verdict::Done, &status("done")), Verdict::Done);
        assert!(!compare(Verdict::Unchanged, &status("done")).is_good());
        assert!(!compare(Verdict::Done, &Status::default()).is_good());
        let open = Status {
            is_open: true,
            outcome: None,
        };
        assert!(!compare(Verdict::Unchanged, &open).is_good());
    }
}
