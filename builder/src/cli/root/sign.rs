//! `bundle root sign`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use manifests::trust::{RootFile, TrustRoot};

use super::super::places::{KeyArgs, SignArgs};
use super::super::{Context, Format, confirm, show};
use super::drafted::{Drafted, quorum_lines};
use crate::explain::{Error, usage};
use crate::keys::roots::{RootChain, RootsError, differences};
use crate::output::directory_of;
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  bundle root sign --key alice.pem
  bundle root sign /media/stick/trust --key alice.pem
  bundle root sign /media/stick/trust/root.2.json --yes \\
    --key 'pkcs11:token=root;object=alice?module-path=/usr/lib/softhsm/libsofthsm2.so'

A machine without a network needs the files of the chain alone, from root.1.json on. The signature lies beside
the document as root.N.<key id>.sig; copy it back to the others.";

/// Sign a root document, after showing what it changes.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A root.N.json, or a directory whose unfinished version is meant [default: trust/ of the
    /// configuration directory]
    #[arg(value_name = "FILE|DIR")]
    place: Option<PathBuf>,

    /// Sign without asking
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    sign: SignArgs,

    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Serialize)]
struct Signed {
    #[serde(flatten)]
    document: Drafted,
    written: Vec<String>,
    complete: bool,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let store = args.keys.store();
    let place = match &args.place {
        Some(place) => place.clone(),
        None => store
            .as_ref()
            .map_or_else(|_| PathBuf::new(), crate::keys::KeyStore::trust_path),
    };
    let (directory, named) = split(&place)?;
    let chain = RootChain::read(&directory)?;
    let version = chosen(&chain, named)?;
    let document = describe(&chain, version);
    if context.format == Format::Text {
        show::text(&document.text("signs"));
    }
    let signers = args.sign.signers(&store?)?;
    let Some((root, signed)) = chain.version(version) else {
        return Err(RootsError::NothingPending(directory).into());
    };
    let asked = |key: &manifests::signature::PublicKey| {
        let before = chain.before(version).into_iter();
        let mut keys = before.chain([root]).flat_map(TrustRoot::root_keys);
        keys.any(|known| known.id() == key.id())
    };
    for signer in &signers {
        if !asked(signer.public()) {
            let key = signer.public().id().clone();
            return Err(RootsError::Foreign { key, version }.into());
        }
    }
    confirm::agreed(args.yes, &format!("Sign root version {version}?"))?;
    let mut written = Vec::new();
    for signer in &signers {
        let signature = signer.sign(&signed.bytes)?;
        let path = chain.write_signature(version, &signature)?;
        written.push(path.display().to_string());
    }
    let chain = RootChain::read(&directory)?;
    let complete = chain
        .pending()
        .is_none_or(|p| p.root.document().version != version);
    let signed = Signed {
        document: describe(&chain, version),
        written,
        complete,
    };
    match context.format {
        Format::Json => show::json(&signed),
        Format::Text => show::text(&text(&signed)),
    }
    Ok(())
}

fn text(signed: &Signed) -> String {
    let mut text = String::new();
    for path in &signed.written {
        let _ = writeln!(text, "written   {path}");
    }
    quorum_lines(&mut text, &signed.document.signatures);
    let version = signed.document.version;
    let _ = if signed.complete {
        writeln!(text, "complete  root version {version} counts from now on")
    } else {
        writeln!(
            text,
            "open      root version {version} needs more signatures"
        )
    };
    text
}

/// Returns the directory, and the version if a document is named.
fn split(place: &Path) -> Result<(PathBuf, Option<u64>), Error> {
    if place.is_dir() {
        return Ok((place.to_owned(), None));
    }
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    match RootFile::parse(&name) {
        Some(RootFile::Document { version }) if place.is_file() => {
            Ok((directory_of(place).to_owned(), Some(version)))
        }
        _ => Err(usage(
            "cannot sign a root document",
            format!(
                "{} is neither a directory nor a root.N.json",
                place.display()
            ),
            "name the draft that `bundle root add-key`, `rotate`, `revoke` or `init` wrote",
        )),
    }
}

fn chosen(chain: &RootChain, named: Option<u64>) -> Result<u64, Error> {
    let pending = chain
        .pending()
        .map(|pending| pending.root.document().version);
    let directory = chain.directory().to_owned();
    match named.or(pending) {
        Some(version) if chain.version(version).is_some() => Ok(version),
        Some(version) => Err(RootsError::OutOfReach { directory, version }.into()),
        None => {
            if !chain.beyond().is_empty() {
                chain.require()?;
            }
            Err(RootsError::NothingPending(directory).into())
        }
    }
}

fn describe(chain: &RootChain, version: u64) -> Drafted {
    let file = chain
        .directory()
        .join(RootFile::Document { version }.to_string());
    let root = chain.version(version).map(|(root, _)| root);
    let before = chain.before(version).map(TrustRoot::document);
    Drafted {
        document: file.display().to_string(),
        version,
        fingerprint: root.map_or(String::new(), |root| root.fingerprint().to_string()),
        changes: root.map_or(Vec::new(), |root| differences(before, root.document())),
        signatures: chain.quorums(version),
        dropped: Vec::new(),
    }
}
