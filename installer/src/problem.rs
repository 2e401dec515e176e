//! Reasons not to start, each with its cure.

use serde::{Deserialize, Serialize};

/// A reason not to start, with its cure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, and why it matters.
    pub what: String,
    /// What to do about it.
    pub cure: String,
}

impl Problem {
    /// Makes a problem from its two parts.
    pub fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cure: cure.into(),
        }
    }
}
