//! Product manifests whose addresses, pins and timings are the lab's.

use std::fs;

use anyhow::{Context as _, Result};
use manifests::product::{ProductManifest, TYK};

use super::fixtures::Fixtures;
use super::package::fixture_dir;
use super::recipe::Product;
use super::repository::key_name;

impl Fixtures {
    /// A product manifest for repositories below `base_url`: for Tyk the one that the builder
    /// embeds, with the lab's keys pinned and health checks that need not wait long. It is one for
    /// hosts without stores: a version that rewrites data which are not found is refused there.
    pub fn product(&self, product: Product, base_url: &str) -> Result<ProductManifest> {
        let mut manifest = self.product_with_data(product, base_url)?;
        manifest.migrations.clear();
        Ok(manifest)
    }

    /// The same with the versions that rewrite data, for hosts with [`crate::stores`].
    pub fn product_with_data(&self, product: Product, base_url: &str) -> Result<ProductManifest> {
        let text = match product {
            Product::Tyk => TYK.to_owned(),
            Product::Acme => fs::read_to_string(fixture_dir().join("products/acme.toml"))?,
        };
        let mut manifest = ProductManifest::from_toml(&text)?;
        base_url.clone_into(&mut manifest.base_url);
        for repository in &mut manifest.repositories {
            repository.key_fingerprints = vec![self.metadata_key(&repository.id)?.fingerprint];
        }
        for key in &mut manifest.package_keys {
            key.url = format!("{base_url}/keys/{}", key_name(product));
            key.fingerprints = vec![self.package_key(product)?.fingerprint];
        }
        for health in manifest
            .components
            .iter_mut()
            .filter_map(|part| part.health.as_mut())
        {
            health.consecutive = 2;
            health.interval_ms = 100;
            health.timeout_ms = 2000;
            health.budget_secs = 12;
        }
        Ok(manifest)
    }

    /// The same as people write it, for `--product FILE`.
    pub fn product_toml(&self, product: Product, base_url: &str) -> Result<String> {
        toml::to_string(&self.product(product, base_url)?).context("cannot write TOML")
    }

    /// The same for hosts with stores.
    pub fn product_with_data_toml(&self, product: Product, base_url: &str) -> Result<String> {
        let manifest = self.product_with_data(product, base_url)?;
        toml::to_string(&manifest).context("cannot write TOML")
    }
}
