//! Real data stores on an isolated host: a Redis and a `PostgreSQL`, entered in each of the ways that
//! sites use, with the product's components on top of them.
//!
//! ```no_run
//! use lab::isolated::{Guest, HostOptions, Image, IsolatedHost};
//! use lab::stores::{PostgresAccess, RedisAccess, Stores, StoresOptions};
//!
//! # fn on(host: &IsolatedHost) -> anyhow::Result<()> {
//! let options = StoresOptions::new(RedisAccess::Acl, PostgresAccess::Tls);
//! let stores = Stores::set_up(host, options)?; // servers up, role and database made
//! stores.connect(host)?; // gateway, dashboard and pump use them, and are well
//! stores.fill(host)?;
//! let before = stores.picture(host)?;
//! // … an upgrade, and its revert …
//! assert_eq!(before.differences(&stores.picture(host)?), Vec::<String>::new());
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//!
//! * Everything is at 127.0.0.1 of the host, and no password is among the arguments of a program.
//! * Certificates, their keys and the random passwords are made on the host, for that host alone.
//! * Two pictures of the same data are equal, whatever order a server keeps it in and however long
//!   after each other they were taken.

mod certificates;
mod components;
mod data;
mod image;
mod login;
mod options;
mod picture;
mod postgres;
mod redis;

pub use options::{PostgresAccess, RedisAccess, StoresOptions};
pub use picture::StoresPicture;

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::isolated::Guest;

const START_DEADLINE: Duration = Duration::from_mins(1);

/// Where the host keeps what [`Stores::attach`] reads, for root alone.
const NOTE: &str = "/root/lab-stores.json";

/// The stores of one host, and how to enter them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stores {
    options: StoresOptions,
    redis_password: String,
    postgres_password: String,
}

impl Stores {
    /// Configures and starts both servers and makes the role and the database. On a host that has
    /// stores already it changes how they are entered, and keeps what is in them.
    pub fn set_up(guest: &Guest, options: StoresOptions) -> Result<Self> {
        let password = |given: &Option<String>| given.clone().map_or_else(login::random, Ok);
        let stores = Self {
            redis_password: password(&options.redis_password)?,
            postgres_password: password(&options.postgres_password)?,
            options,
        };
        certificates::make(guest).context("no certificates")?;
        redis::set_up(guest, &stores).context("no redis")?;
        postgres::set_up(guest, &stores).context("no PostgreSQL")?;
        guest.write(NOTE, serde_json::to_vec(&stores)?, 0o600)?;
        Ok(stores)
    }

    /// Finds the stores that another process set up.
    pub fn attach(guest: &Guest) -> Result<Self> {
        let note = guest.read(NOTE).context("the host has no stores")?;
        Ok(serde_json::from_slice(&note)?)
    }

    /// Writes the stores into the configuration of each component that is installed, restarts it and
    /// waits until it is well with them.
    pub fn connect(&self, guest: &Guest) -> Result<()> {
        components::configure(guest, self)?;
        components::restart(guest)?;
        components::wait_until_well(guest, START_DEADLINE)
    }

    /// Waits until every installed component reports that it is well, its stores included.
    pub fn wait_until_well(&self, guest: &Guest) -> Result<()> {
        components::wait_until_well(guest, START_DEADLINE)
    }

    /// Puts keys of every type into two databases of Redis, and tables with everything that a dump may
    /// lose into `PostgreSQL`. Once for each host.
    pub fn fill(&self, guest: &Guest) -> Result<()> {
        self.fill_redis(guest)?;
        data::fill_postgres(guest, self)
    }

    /// The part of [`Stores::fill`] that goes into Redis.
    pub(crate) fn fill_redis(&self, guest: &Guest) -> Result<()> {
        data::fill_redis(guest, self)
    }

    /// What is in both stores now.
    pub fn picture(&self, guest: &Guest) -> Result<StoresPicture> {
        picture::take(guest, self)
    }

    /// What the stores are like.
    #[must_use]
    pub fn options(&self) -> &StoresOptions {
        &self.options
    }

    /// The passwords of Redis and of `PostgreSQL`: secrets that tests look for in output. A store
    /// that asks for no password has one nevertheless, which no program receives.
    #[must_use]
    pub fn passwords(&self) -> [&str; 2] {
        [&self.redis_password, &self.postgres_password]
    }
}
