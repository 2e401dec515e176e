//! The engines of data stores against real servers: dumped, proven, changed, restored, compared.

#![expect(
    clippy::disallowed_methods,
    reason = "tests drive real programs and files"
)]

#[cfg(test)]
mod mongodb;
#[cfg(test)]
mod postgresql;
#[cfg(test)]
mod redis;
