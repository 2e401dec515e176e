//! The journal of a run. It records the intent before every effect and the result after it, so that
//! a later process can decide how to close an interrupted run ([`recover`]).

mod disk;
mod file;
pub mod lock;
mod reading;
mod record;
pub mod recover;
pub mod step;

pub use disk::{Disk, DiskFile, HostDisk};
pub(crate) use file::read;
pub use file::{Journal, JournalError};
pub use reading::{Damage, Origin, line_of, read_records};
pub use record::{Phase, Record};
