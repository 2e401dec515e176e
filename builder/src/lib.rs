//! The `bundle` program: from a product's yum repositories to one signed, reproducible file.
//!
//! Values flow one way, and each is made only by the step before it:
//!
//! `ProductManifest` + [`repo::RepoIndex`] → [`plan::BuildPlan`] → [`package::DownloadedRpm`] →
//! [`assemble::UnsignedBundle`] → [`sign::SignedBundle`] → file.
//!
//! Invariants of this crate:
//!
//! * Metadata is parsed only after its signature was verified over the exact bytes, and a package
//!   becomes a [`package::DownloadedRpm`] only after size, digests, identity and package signature
//!   were checked.
//! * `resolve`, `plan`, `assemble` and `lock` touch no network; `transport` and `download` are the
//!   only rooms that know of async.
//! * Files appear under their names complete and synced, or not at all: every write goes through
//!   [`output`].
//! * Nothing reads the clock: times come from packages, the lock or `SOURCE_DATE_EPOCH`.
//! * `clap`, standard output and exit codes live under [`cli`] and nowhere below.
//!
//! Rooms, each using only those before it:
//! `interrupt` `printable` `checksum` `elf` `sniff` `output` `event` `explain`.

pub mod archive;
pub mod assemble;
pub mod build;
pub mod carry;
pub mod checksum;
pub mod cli;
pub mod cosign;
pub mod dependencies;
pub mod diff;
pub mod download;
mod elf;
pub mod error;
pub mod event;
pub mod evidence;
pub mod extras;
pub mod hosts;
pub mod installers;
pub mod interrupt;
pub mod kept;
pub mod lock;
pub mod openpgp;
pub mod output;
pub mod package;
pub mod plan;
pub mod printable;
pub mod repo;
pub mod resolve;
pub mod roots;
pub mod sign;
mod sniff;
pub mod transport;
pub mod vendor_keys;
