//! Flags about where packages come from, shared by `build` and `versions`.

use std::path::{Path, PathBuf};

use clap::Args;
use manifests::nevra::Arch;
use manifests::product::{ProductManifest, TYK};

use super::access::AccessArgs;
use crate::explain::{Error, usage};
use crate::pipeline::Origin;
use crate::repo::vendor_keys::Accepted;
use crate::repo::{self, Override};
use crate::transport::Transport;

/// Where packages come from.
#[derive(Debug, Clone, Args)]
pub(super) struct OriginArgs {
    /// Distributions, by id or alias, such as el8 or centos7 (repeat or separate with commas).
    #[arg(
        long,
        value_name = "DISTRO",
        value_delimiter = ',',
        env = "BUNDLE_DISTRO"
    )]
    pub(super) distro: Vec<String>,

    /// Architectures: `x86_64`, `aarch64` [default: `x86_64`].
    #[arg(long, value_name = "ARCH", value_delimiter = ',', env = "BUNDLE_ARCH")]
    pub(super) arch: Vec<Arch>,

    /// Product manifest (TOML) [default: the built-in Tyk].
    #[arg(long, value_name = "FILE", env = "BUNDLE_PRODUCT")]
    product: Option<PathBuf>,

    /// Address or directory that replaces the product's base address; REPO=ADDRESS replaces one
    /// repository's (repeatable; http, https, file, /path or ./path).
    #[arg(long, value_name = "[REPO=]ADDRESS", env = "BUNDLE_REPO_URL")]
    repo_url: Vec<Override>,

    /// Accept this vendor key, by its full fingerprint (repeatable); where the product manifest pins
    /// another, name the repository or `package:KEY` that it is for.
    #[arg(
        long,
        value_name = "[ROLE=]FINGERPRINT",
        value_delimiter = ',',
        env = "BUNDLE_TRUST_VENDOR_KEY"
    )]
    trust_vendor_key: Vec<Accepted>,

    #[command(flatten)]
    pub(super) access: AccessArgs,
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

    /// Returns the architectures to build for unless something else names them.
    pub(super) fn archs(&self) -> Vec<Arch> {
        match self.named_archs() {
            named if named.is_empty() => vec![Arch::X86_64],
            named => named,
        }
    }

    /// Returns the architectures that the user named, sorted.
    pub(super) fn named_archs(&self) -> Vec<Arch> {
        let mut archs = self.arch.clone();
        archs.sort_unstable();
        archs.dedup();
        archs
    }

    /// Makes the transport for the repositories of an origin.
    pub(super) fn transport(&self, origin: &Origin) -> Result<Transport, Error> {
        let base = repo::base_address(&origin.product, &origin.overrides);
        self.access.transport(base.ok().as_ref())
    }
}

/// Reads the product manifest in a file, or the built-in one.
pub(super) fn product(path: Option<&Path>) -> Result<ProductManifest, Error> {
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
