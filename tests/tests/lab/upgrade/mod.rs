//! The installer on a real host: real RPMs, a real rpm, a real systemd, no network.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests drive real programs and files, show what they said, and fail by panicking"
)]

mod age;
mod attacker;
mod berkeley;
mod built;
mod config;
pub(crate) mod data;
mod drills;
mod dumps;
mod fleet;
mod forward;
mod guarded;
mod needs;
mod plugins;
mod refused;
mod relocated;
mod reverted;
mod sealed;
mod second_product;
mod secrets;
pub(crate) mod support;
mod survival;
