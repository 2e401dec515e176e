//! `bundle product`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use manifests::printable::printable_lines;

use super::origin::product;
use super::{Context, Format, show};
use crate::explain::{Bug, Error};

const EXAMPLES: &str = "\
Examples:
  bundle product show
  bundle product show acme.toml
  bundle product show acme.toml --output json";

/// Show the contents of a product manifest.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a product manifest, and print it with its settings templates and pins in full
    ///
    /// The text is TOML that `--product` takes. With `--output json` it is the document that a bundle
    /// carries.
    Show {
        /// The product manifest (TOML) [default: the built-in Tyk]
        #[arg(value_name = "FILE", env = "BUNDLE_PRODUCT")]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let Action::Show { file } = &args.action;
    let product = product(file.as_deref())?;
    match context.format {
        Format::Json => show::json(&product),
        Format::Text => {
            let text = product.to_toml().map_err(|error| {
                Bug::new("cannot print the product manifest", error.to_string())
            })?;
            show::text(&printable_lines(&text));
        }
    }
    Ok(())
}
