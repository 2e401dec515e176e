//! `lab hostile`: the attacks as files, for use with any program.

#![expect(clippy::disallowed_methods, reason = "the lab writes real files")]

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use lab::hostile::{Workshop, catalogue, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write every attack, the good bundle and the root documents that trust its key
    Write {
        /// The directory, which is made if it is not there
        dir: PathBuf,
    },
    /// Print the catalogue as the documentation has it
    Table,
}

impl Command {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Write { dir } => write(&dir),
            Self::Table => {
                print!("{}", table());
                Ok(())
            }
        }
    }
}

fn write(dir: &std::path::Path) -> Result<()> {
    let shop = Workshop::prepare()?;
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    fs::create_dir_all(dir)?;
    put("good.tar.zst", &shop.good()?)?;
    for (document, number) in shop.roots()?.iter().zip(0..) {
        put(&format!("trusted.{number}.json"), document)?;
    }
    let attacks = catalogue();
    for attack in &attacks {
        put(&attack.file_name(), &attack.make(&shop)?)?;
    }
    println!("{}: {} attacks", dir.display(), attacks.len());
    Ok(())
}
