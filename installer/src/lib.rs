//! Installs a signed bundle of RPMs on an isolated host, and reverts a run that fails.
//!
//! Invariants of this crate:
//!
//! * Only the stage before makes a value of a later stage: `UntrustedBundle` →
//!   [`bundle::OpenBundle`] with [`bundle::VerifiedMetadata`] → [`plan::InstallPlan`] →
//!   [`bundle::StagedBundle`] → a run.
//! * rpm sees nothing but a [`bundle::StagedRpmSet`]: verified bytes behind open descriptors.
//! * What is executed is the [`plan::InstallPlan`] that was shown; nothing is computed twice.
//! * Every effect has a durable intent in the journal before it.
//! * Only `host/cmd` spawns processes; only `secure_fs.rs` and the journal's store write, rename
//!   or sync files.
//! * The only network use is the health check of the host itself.
//!
//! Rooms, each using only those before it:
//! `problem` `failure` `shell` `layout` `secure_fs` `site_file` `document` `trust` `bundle` `host`
//! `settings` `redact` `health` `stores` `inventory` `plan` `journal` `history` `backup` `event` `run`
//! `run_unit` `preflight` `support` `cli`

pub mod backup;
pub mod bundle;
pub mod cli;
pub mod document;
pub mod event;
pub mod failure;
pub mod health;
pub mod history;
pub mod host;
pub mod inventory;
pub mod journal;
pub mod layout;
pub mod plan;
pub mod preflight;
pub mod problem;
pub mod redact;
pub mod run;
pub mod run_unit;
pub mod secure_fs;
pub mod settings;
pub mod shell;
pub mod site_file;
pub mod stores;
pub mod support;
pub mod trust;

/// Returns the version of this build.
#[must_use]
pub fn version() -> semver::Version {
    let number = |text: &str| text.parse().unwrap_or(0);
    semver::Version::new(
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    )
}
