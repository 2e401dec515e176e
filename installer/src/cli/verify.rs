//! `install verify BUNDLE`: verifies every byte of a bundle and changes nothing.

use std::path::PathBuf;

use manifests::printable::printable;

use super::session::Session;
use super::{bundle, render, shown};
use crate::failure::Failure;

/// Verify every byte of a bundle against the enrolled trust roots.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle, or the NAME.parts.json of a split one.
    bundle: PathBuf,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let path = &args.bundle;
    let open = bundle::open(session, path)?;
    let metadata = open
        .verify_payload()
        .map_err(|error| bundle::refused(path, &error))?;
    let manifest = metadata.manifest();
    let signers: Vec<String> = metadata
        .verified()
        .signers()
        .iter()
        .map(ToString::to_string)
        .collect();
    let targets: Vec<String> = manifest
        .targets
        .iter()
        .map(|target| format!("{} {}", printable(&target.distro), target.arch))
        .collect();
    let text = format!(
        "{}: every byte verified\n  {} {} for {}\n  manifest  {}\n  signed by {}\n  {} RPMs, {} entries\n",
        shown(path),
        printable(&manifest.title),
        printable(&manifest.version),
        targets.join(", "),
        metadata.verified().digest(),
        signers.join(", "),
        manifest.rpms.len(),
        manifest.entries.len(),
    );
    render::result(session, manifest, &text);
    Ok(0)
}
