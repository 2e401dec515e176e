//! Layers: what takes long to install is installed once and stacked on the image.

use std::error::Error;
use std::path::Path;

use super::cache::{directory_once, key, remove_directory, rename};
use super::error::{HostError, Result};
use super::host::{HostOptions, IsolatedHost};
use super::image::Image;

const UPPER: &str = "upper";

impl Image {
    /// Returns this image with a layer upon it. If the cache lacks this name and recipe, a host is
    /// booted, handed to `install`, and shut down in good order. The files that it wrote become the
    /// layer.
    ///
    /// `recipe` must change whenever the outcome of `install` would.
    pub fn layer<E>(
        &self,
        name: &str,
        recipe: &str,
        install: impl FnOnce(&IsolatedHost) -> std::result::Result<(), E>,
    ) -> Result<Self>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let key = key(&[&self.key, name, recipe]);
        let directory = directory_once(&format!("layer-{name}-{key}"), |partial| {
            let host = IsolatedHost::boot(self, HostOptions::named(&format!("layer-{name}")))?;
            install(&host).map_err(|source| HostError::Layer {
                name: name.to_owned(),
                source: source.into(),
            })?;
            host.into_upper(&partial.join(UPPER))
        })?;
        let mut lowers = vec![directory.join(UPPER)];
        lowers.extend_from_slice(&self.lowers);
        Ok(Self { lowers, key })
    }

    /// Removes the topmost layer from the cache; no host may stand on it.
    pub fn remove_layer(self) -> Result<()> {
        let layer = self.lowers.first().and_then(|upper| upper.parent());
        match layer {
            Some(layer) if self.lowers.len() > 1 => remove_directory(layer),
            _ => Ok(()),
        }
    }
}

impl IsolatedHost {
    /// Shuts the host down and moves what it wrote to `destination`.
    fn into_upper(mut self, destination: &Path) -> Result<()> {
        self.shut_down()?;
        self.unmount();
        rename(&self.directory().join(UPPER), destination)
    }
}
