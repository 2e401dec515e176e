//! The documents that a bundle carries, judged by public validators and by a browser.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests drive real programs and files, say what they skip, and fail by panicking"
)]

mod browser;
mod bundle;
mod by_hand;
mod documents;
mod page;
