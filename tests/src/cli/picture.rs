//! `lab host stores-picture`.

use anyhow::Result;
use lab::isolated::Guest;
use lab::stores::Stores;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    name: String,
    /// Leave out a table that is always written, such as the pump's
    #[arg(long)]
    without: Vec<String>,
}

impl Args {
    pub(super) fn run(self) -> Result<()> {
        let guest = Guest::attach(&self.name)?;
        let mut picture = Stores::attach(&guest)?.picture(&guest)?;
        for table in &self.without {
            picture = picture.without_table(table);
        }
        print!("{picture}");
        Ok(())
    }
}
