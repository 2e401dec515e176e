//! Hosts as sites have them: what differs from the host that the other tests upgrade, one kind for
//! each file.

#![expect(
    clippy::unwrap_used,
    reason = "tests drive real programs, and fail by panicking"
)]

mod behind;
mod meddle;
mod mounts;
mod settings;
