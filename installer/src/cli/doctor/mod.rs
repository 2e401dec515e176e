//! `install doctor`: checks this host for runs to come, without a bundle.

mod place;
mod product;

use std::path::PathBuf;

use manifests::printable::printable;
use serde::Serialize;

use super::session::Session;
use super::{inventory, render};
use crate::failure::{Exit, Failure};
use crate::problem::Problem;

/// Check this host, without a bundle.
///
/// Looks at trust, state directory, rpm, policies, space, services and data stores of the product. Each
/// problem has its next step. Exit code 4 if there is a problem, else 0.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Product manifest (TOML) that names services and stores [default: the built-in Tyk]
    #[arg(long, value_name = "FILE")]
    product: Option<PathBuf>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// Nothing is to be done.
    Fine,
    /// It is worth a look, and stops no run.
    Warning,
    /// No run would begin, or it would fail.
    Problem,
    /// It could not be looked at.
    NotChecked,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    /// A stable word for programs.
    code: String,
    verdict: Verdict,
    /// What was found.
    what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All checks for programs.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    exit: u8,
    checks: &'a [Check],
}

impl Check {
    fn fine(code: &str, what: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            verdict: Verdict::Fine,
            what: what.into(),
            next: None,
        }
    }

    fn warning(code: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warning,
            next: Some(next.into()),
            ..Self::fine(code, what)
        }
    }

    fn problem(code: &str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Problem,
            next: Some(next.into()),
            ..Self::fine(code, what)
        }
    }

    fn not_checked(code: &str, why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::NotChecked,
            ..Self::fine(code, why)
        }
    }

    fn of(code: &str, problem: Problem) -> Self {
        let code = if problem.code.is_empty() {
            code
        } else {
            &problem.code
        };
        Self::problem(code, problem.what, problem.cure)
    }
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let product = inventory::product(args.product.as_deref())?;
    let mut checks = place::checks(session);
    checks.extend(product::checks(session, &product));
    let has_problem = checks.iter().any(|one| one.verdict == Verdict::Problem);
    let exit = if has_problem { Exit::Refused as u8 } else { 0 };
    let document = Document {
        kind: "airgap-bundle/doctor/1",
        exit,
        checks: &checks,
    };
    render::result(session, &document, &text(&checks));
    Ok(exit)
}

fn text(checks: &[Check]) -> String {
    let mut text: String = checks.iter().map(line).collect();
    let count = |verdict| checks.iter().filter(|one| one.verdict == verdict).count();
    let counts = [
        (count(Verdict::Problem), "problem"),
        (count(Verdict::Warning), "warning"),
    ];
    let counts = counts.map(|(number, word)| match number {
        0 => format!("no {word}"),
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    });
    text.push_str(&format!("{}, {}\n", counts[0], counts[1]));
    text
}

fn line(check: &Check) -> String {
    let word = match check.verdict {
        Verdict::Fine => "fine",
        Verdict::Warning => "warning",
        Verdict::Problem => "PROBLEM",
        Verdict::NotChecked => "not checked",
    };
    let mut line = format!("{word:<12} {}\n", printable(&check.what));
    if let Some(next) = &check.next {
        line.push_str(&format!("       next: {}\n", printable(next)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_a_line_with_its_next_step_and_the_end_counts() {
        let checks = [
            Check::fine("rpm", "rpm 4.16 answers"),
            Check::warning("unit", "tyk-pump.service does not run", "start it"),
            Check::of("space", Problem::new("/var is full", "make room")),
            Check::not_checked("store", "stores: this needs root"),
        ];
        let text = text(&checks);
        for line in [
            "fine         rpm 4.16 answers\n",
            "warning      tyk-pump.service does not run\n       next: start it\n",
            "PROBLEM      /var is full\n       next: make room\n",
            "not checked  stores: this needs root\n",
            "1 problem, 1 warning\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
