//! The journal of a run: intent before every effect, the result after it.

mod file;
mod reading;
mod record;
mod store;

pub use file::{Journal, JournalError};
pub use reading::{Damage, line_of, read_records};
pub use record::{Phase, Record};
pub use store::Store;
