//! Fixture vendor: real RPMs, real signed repositories and a real web server that behaves like
//! packagecloud.
//!
//! [`Fixtures::prepare`] builds everything once into a cache outside the tree; [`Vendor::start`]
//! serves it, whole or with chosen [`Fault`]s:
//!
//! ```no_run
//! use lab::vendor::{Fixtures, Vendor, VendorOptions};
//!
//! let fixtures = Fixtures::prepare()?;
//! let installed = fixtures.rpm("tyk-gateway", "5.2.5", "el8", "x86_64")?;
//! let vendor = Vendor::start(&fixtures, VendorOptions::default())?;
//! let repomd = format!("{}/tyk-gateway/el/8/x86_64/repodata/repomd.xml", vendor.base_url());
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! Invariants:
//!
//! * Nothing is written below the source tree, and no private key is part of it.
//! * A prepared cache directory is complete or absent: it appears by one rename.
//! * Only processes started here are ended here.
//! * Two preparations of one recipe have the same names and contents, but not the same bytes: keys
//!   are made anew, and signatures carry a time.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab drives real programs and files"
)]

mod cache;
mod command;
mod docroot;
mod fault;
mod fixtures;
pub mod http;
mod keys;
mod metadata;
mod nginx;
mod own;
mod package;
mod parallel;
mod product;
mod recipe;
mod releases;
mod repository;
mod requests;
mod server;
mod service;
mod stutter;

pub use fault::{Fault, Flaw};
pub use fixtures::Fixtures;
pub use keys::PublicKey;
pub use metadata::Compression;
pub use own::OwnPackage;
pub(crate) use parallel::for_each;
pub use recipe::{Product, Profile, Variant, rpm_file_name};
pub use requests::{Request, Server};
pub use server::{Vendor, VendorOptions};
