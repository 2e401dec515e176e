//! Hosts as sites have them, where they differ from the lab's: one file for each kind.

#![expect(
    clippy::unwrap_used,
    reason = "tests drive real programs, and fail by panicking"
)]

mod going_back;
mod recovery;
