//! The installer on a real host: real RPMs, a real rpm, a real systemd, no network.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab drives real programs and files"
)]

mod built;
mod forward;
mod refused;
mod reverted;
mod second_product;
mod support;
