//! The events that a run reports while it works: one enum, one listener.

use serde::{Deserialize, Serialize};

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A step begins.
    Started {
        /// The step's id.
        step: String,
        /// The step for people.
        title: String,
        /// Its place in the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
    },
    /// A step is done.
    Done {
        /// The step's id.
        step: String,
        /// What the step found, if anything.
        note: String,
    },
    /// A step failed.
    Failed {
        /// The step's id.
        step: String,
        /// Why.
        why: String,
    },
    /// The run waits for something outside it.
    Waiting {
        /// For what.
        what: String,
    },
}

/// The place of a step in its run, or in its revert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its number, from 1.
    pub number: usize,
    /// How many steps there are.
    pub of: usize,
}

/// Receives the events of a run.
pub type Listener<'a> = &'a dyn Fn(&Event);
