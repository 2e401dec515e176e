//! Reasons not to start, each with its cure.

use serde::{Deserialize, Serialize};

/// A reason not to start, with its cure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word for programs: what was looked at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What is wrong, and why it matters.
    pub what: String,
    /// What to do about it.
    #[serde(rename = "next", alias = "cure")]
    pub cure: String,
}

impl Problem {
    /// Makes a problem from its two parts.
    pub fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            code: String::new(),
            what: what.into(),
            cure: cure.into(),
        }
    }

    /// Gives the problem its word for programs.
    #[must_use]
    pub fn coded(mut self, code: &str) -> Self {
        code.clone_into(&mut self.code);
        self
    }
}

/// Gives a word for programs to every problem that has none of its own.
#[must_use]
pub fn coded(mut problems: Vec<Problem>, code: &str) -> Vec<Problem> {
    for problem in problems.iter_mut().filter(|one| one.code.is_empty()) {
        code.clone_into(&mut problem.code);
    }
    problems
}
