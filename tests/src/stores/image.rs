//! An image whose hosts have stores from their first boot on.

use anyhow::{Context as _, Result};

use super::{Stores, StoresOptions, data};
use crate::isolated::Image;

/// Bumped when what is set up changes.
const SET_UP_VERSION: &str = "1";

impl Stores {
    /// The image with stores set up, the installed components connected to them and rows in
    /// `PostgreSQL`, from the cache or made now; [`Stores::attach`] finds them on its hosts. Redis is
    /// left empty: a cache may be older than keys that expire. What is random is the same on all hosts.
    pub fn image(image: &Image, options: StoresOptions) -> Result<Image> {
        let recipe = format!("{SET_UP_VERSION} {options:?} {}", data::SQL);
        let layer = image.layer("stores", &recipe, |host| {
            let stores = Self::set_up(host, options)?;
            stores.connect(host)?;
            data::fill_postgres(host, &stores)
        });
        layer.context("no image with stores")
    }
}
