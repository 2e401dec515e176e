//! Configuration files against this machine's own rpm, below directories of their own: what the payload
//! reader finds in real RPMs, and whether rpm does what the plan forecasts.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests drive real programs and files, and fail by panicking"
)]

mod cells;
mod payload;
mod scratch;
