//! What a run tells while it goes on: one enum, one listener.

use serde::{Deserialize, Serialize};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A step begins.
    Started {
        /// The step's id.
        step: String,
        /// The step for people.
        title: String,
    },
    /// A step is done.
    Done {
        /// The step's id.
        step: String,
        /// What it found, if anything.
        note: String,
    },
    /// A step did not work.
    Failed {
        /// The step's id.
        step: String,
        /// Why.
        why: String,
    },
    /// Waiting for something outside.
    Waiting {
        /// For what.
        what: String,
    },
}

/// A listener.
pub type Listener<'a> = &'a dyn Fn(&Event);
