//! `bundle` against the fixture vendor with every flaw switched on in turn. The result is a correct
//! bundle or an error in three parts, never a wrong bundle.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab drives real programs and files"
)]
#![expect(clippy::unwrap_used, reason = "what a helper cannot do fails the test")]

mod builder;
mod logins;
mod modes;
mod tls;
mod tunnel;
