//! `lab tyk-baseline`: a host as it is before an upgrade.

use anyhow::Result;
use clap::Args as ClapArgs;
use lab::isolated::{Guest, baseline};
use lab::vendor::Fixtures;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    name: String,
    /// The version of gateway and dashboard; the pump is the one that went with it
    #[arg(long, default_value = "5.2.5")]
    version: String,
}

impl Args {
    pub(super) fn run(self) -> Result<()> {
        let guest = Guest::attach(&self.name)?;
        baseline::install_tyk(&guest, &Fixtures::prepare()?, &self.version)?;
        println!("host {} runs tyk {}", self.name, self.version);
        Ok(())
    }
}
