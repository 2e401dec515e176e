//! The fixture vendor behaves as it claims, judged by stock tools: rpm, gpg, dnf and a plain HTTP
//! client.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab drives real programs and files"
)]
#![expect(clippy::unwrap_used, reason = "what a helper cannot do fails the test")]

mod flaws;
mod installed;
mod misbehaviour;
mod packages;
mod products;
mod repositories;
mod scriptlets;
mod served;
mod services;
mod serving;
mod support;
