//! Flags about where packages come from, shared by `build` and `versions`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use manifests::nevra::Arch;
use manifests::product::{ProductManifest, TYK};

use crate::build::{Origin, usage};
use crate::error::Error;
use crate::repo::Override;
use crate::transport::{Patience, Transport};
use crate::vendor_keys::Accepted;

/// Where packages come from.
#[derive(Debug, Clone, Args)]
pub(super) struct OriginArgs {
    /// Distributions, by id or alias, such as el8 or centos7 (repeat or separate with commas)
    #[arg(
        long,
        value_name = "DISTRO",
        value_delimiter = ',',
        env = "BUNDLE_DISTRO"
    )]
    pub(super) distro: Vec<String>,

    /// Architectures: `x86_64`, `aarch64` [default: `x86_64`]
    #[arg(long, value_name = "ARCH", value_delimiter = ',', env = "BUNDLE_ARCH")]
    pub(super) arch: Vec<Arch>,

    /// Product manifest (TOML) [default: the built-in Tyk]
    #[arg(long, value_name = "FILE", env = "BUNDLE_PRODUCT")]
    product: Option<PathBuf>,

    /// Address that replaces the product's base address; REPO=ADDRESS replaces one repository's
    /// (repeatable; http, https and file)
    #[arg(long, value_name = "[REPO=]ADDRESS", env = "BUNDLE_REPO_URL")]
    repo_url: Vec<Override>,

    /// Accept this vendor key, by its full fingerprint (repeatable); where the product manifest pins
    /// another, name the repository or `package:KEY` that it is for
    #[arg(
        long,
        value_name = "[ROLE=]FINGERPRINT",
        value_delimiter = ',',
        env = "BUNDLE_TRUST_VENDOR_KEY"
    )]
    trust_vendor_key: Vec<Accepted>,

    /// Parallel transfers
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64), env = "BUNDLE_JOBS")]
    jobs: u16,

    /// Longest silence of a server, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), env = "BUNDLE_TIMEOUT")]
    timeout: u64,
}

impl OriginArgs {
    pub(super) fn origin(&self, package_keys: &[PathBuf]) -> Result<Origin, Error> {
        Ok(Origin {
            product: product(self.product.as_deref())?,
            overrides: self.repo_url.clone(),
            package_keys: package_keys.to_vec(),
            trusted: self.trust_vendor_key.clone(),
        })
    }

    /// Returns the architectures to build for where nothing else says it.
    pub(super) fn archs(&self) -> Vec<Arch> {
        match self.named_archs() {
            named if named.is_empty() => vec![Arch::X86_64],
            named => named,
        }
    }

    /// Returns the architectures that somebody named, sorted.
    pub(super) fn named_archs(&self) -> Vec<Arch> {
        let mut archs = self.arch.clone();
        archs.sort_unstable();
        archs.dedup();
        archs
    }

    pub(super) fn transport(&self) -> Result<Transport, Error> {
        let patience = Patience::with_silence(Duration::from_secs(self.timeout));
        Transport::new(patience, usize::from(self.jobs)).map_err(|error| {
            usage(
                "cannot start",
                format!("the system gives no threads: {error}"),
                "raise the limit of processes (ulimit -u) and run the command again",
            )
        })
    }
}

fn product(path: Option<&Path>) -> Result<ProductManifest, Error> {
    let (name, text) = match path {
        None => ("the built-in product manifest".to_owned(), TYK.to_owned()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let reason = format!("{}: {error}", path.display());
                usage("cannot read the product manifest", reason, "check the path")
            })?;
            (path.display().to_string(), text)
        }
    };
    ProductManifest::from_toml(&text).map_err(|error| {
        usage(
            &format!("cannot use {name}"),
            error.to_string(),
            "correct the file; docs/product-manifest.md explains every field",
        )
    })
}
