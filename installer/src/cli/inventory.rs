//! `install inventory`: records what this host runs, as an input for `bundle build`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use manifests::host_inventory::HostInventory;
use manifests::product::{ProductManifest, TYK};

use super::refusal::cannot_look;
use super::session::Session;
use super::{render, shown};
use crate::failure::{Exit, Failure};
use crate::inventory::report::survey;
use crate::secure_fs;

const EXAMPLES: &str = "Examples:\n  \
    ./install inventory -o host.json               then: bundle build --version 5.3 --inventory host.json\n  \
    ./install inventory --name web-3 -o web-3.json\n  \
    ./install inventory > host.json\n\n\
    It holds names, versions, states and digests: no content of a file, no environment, no host name.\n\
    What the caller may not read is `unknown`; run it as root for the digests of protected files.";

/// Write down what this host runs, for `bundle build --inventory`; works for an ordinary user.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where it goes, readable by its owner only [default: standard output]
    #[arg(short, long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// What to call this host in the inventory
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Product manifest (TOML) that names files and services [default: the built-in Tyk]
    #[arg(long, value_name = "FILE")]
    product: Option<PathBuf>,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let product = product(args.product.as_deref())?;
    let taken = survey(&session.host, &session.layout, &product, args.name.clone())
        .map_err(|error| cannot_look(&error))?;
    let bytes = encode(&taken)?;
    match &args.out {
        Some(path) => {
            write(path, &bytes)?;
            render::note(&summary(&taken, path));
        }
        None => std::io::stdout()
            .lock()
            .write_all(&bytes)
            .map_err(|error| cannot_write("standard output", &error))?,
    }
    Ok(0)
}

pub(super) fn product(path: Option<&Path>) -> Result<ProductManifest, Failure> {
    let refuse = |error: &dyn std::error::Error| {
        let what = path.map_or("the built-in product manifest".to_owned(), shown);
        let next = "name a product manifest as `bundle build --product` takes it";
        Failure::because(Exit::Usage, format!("cannot use {what}"), error, next)
    };
    let text = match path {
        None => TYK.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| refuse(&error))?,
    };
    ProductManifest::from_toml(&text).map_err(|error| refuse(&error))
}

fn encode(taken: &HostInventory) -> Result<Vec<u8>, Failure> {
    let refuse = |why: String| {
        let next = "choose another --name; if none was given, report this";
        Failure::new(Exit::Usage, "cannot write the inventory", why, next)
    };
    taken
        .check()
        .map_err(|why| refuse(format!("it would hold {why}, which no builder reads")))?;
    // Compact, because line breaks and indentation would take more space than the facts.
    let mut bytes = serde_json::to_vec(taken).map_err(|error| refuse(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    // An atomic write needs the directory of the file.
    let whole = std::path::absolute(path).map_err(|error| cannot_write(&shown(path), &error))?;
    // Root reads digests that an ordinary user cannot; only the caller may read them in the file.
    secure_fs::write_atomic(&whole, bytes, 0o600)
        .map_err(|error| cannot_write(&shown(path), &error))
}

fn cannot_write(what: &str, error: &dyn std::error::Error) -> Failure {
    let next = "choose a directory that is writable and has space: -o FILE";
    Failure::because(Exit::Usage, format!("cannot write to {what}"), error, next)
}

fn summary(taken: &HostInventory, path: &Path) -> String {
    let os = &taken.os;
    let distro = os.distro.as_deref().unwrap_or("unknown to the product");
    let hidden = taken
        .configs
        .iter()
        .filter(|config| config.sha256 == manifests::host_inventory::Observed::Unknown)
        .count();
    format!(
        "{}: {} ({distro}), rpm {}, {} packages; {hidden} of {} configuration files not readable for this user",
        shown(path),
        os.pretty,
        taken.rpm.version,
        taken.packages.len(),
        taken.configs.len(),
    )
}
