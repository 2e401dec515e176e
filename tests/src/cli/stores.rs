//! `lab host stores`.

use anyhow::Result;
use lab::isolated::Guest;
use lab::stores::{PostgresAccess, RedisAccess, Stores, StoresOptions};

const REDIS_PASSWORD: &str = "LAB_REDIS_PASSWORD";
const POSTGRES_PASSWORD: &str = "LAB_POSTGRES_PASSWORD";

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Passwords come from LAB_REDIS_PASSWORD and LAB_POSTGRES_PASSWORD in the \
                        environment, or are random."
)]
pub(crate) struct Args {
    name: String,
    /// How Redis is entered
    #[arg(long, value_enum, default_value = "plain")]
    redis: RedisAccess,
    /// How the database is entered
    #[arg(long, value_enum, default_value = "plain")]
    postgres: PostgresAccess,
    /// Write connection strings as URLs
    #[arg(long)]
    url: bool,
    /// Which database of Redis the components use
    #[arg(long, default_value_t = 0)]
    redis_database: u8,
    /// Have Redis append what is written to a file; so it does with `--redis password`
    #[arg(long)]
    append_only: bool,
    /// Put data of every kind into both, once for each host
    #[arg(long)]
    fill: bool,
}

impl Args {
    pub(super) fn run(self) -> Result<()> {
        let guest = Guest::attach(&self.name)?;
        let mut options = StoresOptions::new(self.redis, self.postgres);
        options.url = self.url;
        options.redis_database = self.redis_database;
        options.append_only |= self.append_only;
        options.redis_password = std::env::var(REDIS_PASSWORD).ok();
        options.postgres_password = std::env::var(POSTGRES_PASSWORD).ok();
        let stores = Stores::set_up(&guest, options)?;
        stores.connect(&guest)?;
        if self.fill {
            stores.fill(&guest)?;
        }
        println!(
            "host {} has stores; its components' configuration says how they are entered",
            self.name
        );
        Ok(())
    }
}
