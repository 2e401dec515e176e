//! The journal of a run: intent before every effect, the result after it.

mod record;
pub(crate) mod store;

pub use record::{Phase, Record};
pub use store::{Journal, JournalError};
