//! `bundle root show`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use manifests::printable::printable;
use manifests::trust::{RevokedKey, RootFile, TrustRoot};
use serde::Serialize;

use super::super::places::KeyArgs;
use super::super::{Context, Format, show};
use super::drafted::quorum_lines;
use crate::explain::Error;
use crate::keys::roots::{Quorum, RootChain, RootsError, of_threshold};

const EXAMPLES: &str = "\
Examples:
  bundle root show
  bundle root show /media/stick/trust
  bundle root show --output json";

/// Show the chain: versions, fingerprints, keys, quorums reached and missing, revoked keys.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Directory of the root documents [default: trust/ of the configuration directory].
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,

    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Serialize)]
struct Shown {
    directory: String,
    versions: Vec<Link>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Link {
    version: u64,
    complete: bool,
    document: String,
    fingerprint: String,
    title: String,
    root_threshold: u32,
    root_keys: Vec<String>,
    release_threshold: u32,
    release_keys: Vec<String>,
    products: Vec<String>,
    revoked: Vec<RevokedKey>,
    signatures: Vec<Quorum>,
    #[serde(skip)]
    roles: (String, String),
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let directory = match &args.dir {
        Some(directory) => directory.clone(),
        None => args.keys.store()?.trust_path(),
    };
    let chain = RootChain::read(&directory)?;
    if chain.is_empty() {
        return Err(RootsError::NoChain(directory).into());
    }
    let shown = Shown {
        directory: directory.display().to_string(),
        versions: versions(&chain),
        notes: chain.notes(),
    };
    match context.format {
        Format::Json => show::json(&shown),
        Format::Text => show::text(&text(&shown)),
    }
    Ok(())
}

fn versions(chain: &RootChain) -> Vec<Link> {
    let complete = chain
        .complete()
        .iter()
        .map(|complete| (&complete.root, true));
    let pending = chain.pending().map(|pending| (&pending.root, false));
    let all = complete.chain(pending);
    all.map(|(root, complete)| version(chain, root, complete))
        .collect()
}

fn version(chain: &RootChain, root: &TrustRoot, complete: bool) -> Link {
    let document = root.document();
    let file = RootFile::Document {
        version: document.version,
    };
    let ids = |keys: &[manifests::signature::KeyId]| keys.iter().map(ToString::to_string).collect();
    let (root_role, release) = (&document.root, &document.release);
    Link {
        version: document.version,
        complete,
        document: chain
            .directory()
            .join(file.to_string())
            .display()
            .to_string(),
        fingerprint: root.fingerprint().to_string(),
        title: document.title.clone(),
        root_threshold: root_role.threshold,
        root_keys: ids(&root_role.keys),
        release_threshold: release.threshold,
        release_keys: ids(&release.keys),
        products: release.products.clone(),
        revoked: document.revoked.clone(),
        signatures: chain.quorums(document.version),
        roles: (
            of_threshold(root_role.threshold, &root_role.keys),
            of_threshold(release.threshold, &release.keys),
        ),
    }
}

fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for version in &shown.versions {
        let state = if version.complete {
            "complete"
        } else {
            "NOT COMPLETE, not used"
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "version {} \"{}\": {state}",
            version.version,
            printable(&version.title)
        );
        let _ = writeln!(text, "sha256    {}", version.fingerprint);
        let _ = writeln!(text, "document  {}", version.document);
        let (root, release) = &version.roles;
        let _ = writeln!(text, "root      {root}: {}", version.root_keys.join(", "));
        let _ = writeln!(
            text,
            "release   {release}: {}",
            version.release_keys.join(", ")
        );
        let products: Vec<String> = version.products.iter().map(|p| printable(p)).collect();
        let _ = writeln!(text, "products  {}", products.join(", "));
        for revoked in &version.revoked {
            let _ = writeln!(
                text,
                "revoked   {}: {}",
                revoked.id,
                printable(&revoked.reason)
            );
        }
        quorum_lines(&mut text, &version.signatures);
        text.push('\n');
    }
    for note in &shown.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}
