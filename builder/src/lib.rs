//! The `bundle` program: from a product's yum repositories to one signed, reproducible file.
//!
//! Values flow one way, and each is made only by the step before it:
//!
//! `ProductManifest` + [`repo::RepoIndex`] → [`plan::BuildPlan`] → [`package::DownloadedRpm`] →
//! [`assemble::UnsignedBundle`] → [`assemble::SignedBundle`] → file.
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
//! `explain` `interrupt` `checksum` `elf` `sniff` `output` `event` `transport`
//! `repo` `plan` `hosts` `resolve` `dependencies` `download` `package` `fit` `extras`
//! `installers` `lock` `evidence` `keys` `assemble` `archive` `parts` `cosign` `diff`
//! `pipeline` `cli`.

pub mod archive;
pub mod assemble;
pub mod checksum;
pub mod cli;
pub mod cosign;
pub mod dependencies;
pub mod diff;
pub mod download;
mod elf;
pub mod event;
pub mod evidence;
pub mod explain;
pub mod extras;
pub mod fit;
pub mod hosts;
pub mod installers;
pub mod interrupt;
pub mod keys;
pub mod lock;
pub mod output;
pub mod package;
pub mod parts;
pub mod pipeline;
pub mod plan;
pub mod repo;
pub mod resolve;
mod sniff;
pub mod transport;
