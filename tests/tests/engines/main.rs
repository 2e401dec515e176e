//! The engines of data stores, each against the real server that it is for.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod redis;
