//! `bundle inspect`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use manifests::bundle::{BundleManifest, Role};
use manifests::digest::Sha256;
use manifests::parts::{PARTS_SUFFIX, part_name};
use manifests::printable::printable;
use manifests::reader::{Entries, Front};

use super::{Context, Format, show};
use crate::archive::ArchiveError;
use crate::evidence;
use crate::explain::Error;

/// Show what a bundle claims to hold. Nothing is verified: use `bundle verify` for that.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The bundle, or the NAME.parts.json of a split one.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let input = open(&args.file).map_err(|source| ArchiveError::Open {
        path: args.file.clone(),
        source,
    })?;
    let front = Entries::open(input).and_then(|mut entries| Front::read_signed(&mut entries));
    let front = front.map_err(ArchiveError::from)?;
    let manifest = front.parse_unverified().map_err(ArchiveError::from)?;
    match context.format {
        Format::Json => show::json(&manifest),
        Format::Text => {
            let keys: Vec<&str> = front
                .signatures
                .iter()
                .map(|s| s.key_id().as_str())
                .collect();
            show::text(&text(&manifest, &Sha256::of(&front.manifest), &keys));
        }
    }
    Ok(())
}

fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let Some(bundle) = name.strip_suffix(PARTS_SUFFIX) else {
        return Ok(Box::new(File::open(file)?));
    };
    let first = File::open(file.with_file_name(part_name(bundle, 1)))?;
    Ok(Box::new(Pieces {
        bundle: file.with_file_name(bundle),
        number: 1,
        current: first,
    }))
}

/// The parts that lie side by side, as far as the manifest reaches. Nothing of them is believed.
struct Pieces {
    bundle: PathBuf,
    number: u32,
    current: File,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let taken = self.current.read(buffer)?;
            if taken > 0 || buffer.is_empty() {
                return Ok(taken);
            }
            self.number += 1;
            let name = self.bundle.file_name().unwrap_or_default();
            let name = part_name(&name.to_string_lossy(), self.number);
            self.current = File::open(self.bundle.with_file_name(name))?;
        }
    }
}

fn text(manifest: &BundleManifest, digest: &Sha256, keys: &[&str]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "NOT VERIFIED: all of this is the file's own claim.\n");
    let (title, version) = (printable(&manifest.title), printable(&manifest.version));
    let _ = writeln!(text, "product   {title} {version}");
    let _ = writeln!(text, "channel   {}", printable(&manifest.channel));
    let _ = writeln!(text, "sequence  {}", manifest.sequence);
    let _ = writeln!(
        text,
        "time      {} (seconds since 1970)",
        manifest.timestamp
    );
    let _ = writeln!(text, "digest    sha256 {digest}");
    let _ = writeln!(text, "signed    by key {}", keys.join(", "));
    for target in &manifest.targets {
        let _ = writeln!(text, "\n{} {}", printable(&target.distro), target.arch);
        for role in Role::ALL {
            for (purpose, rpm) in manifest.rpms_for(target, role) {
                let word = role.word();
                let (component, nevra) = (printable(&purpose.component), &rpm.nevra);
                let _ = writeln!(text, "  {word:<9} {component:<10} {nevra}");
                for flag in &rpm.lint {
                    let _ = writeln!(text, "    mind: {}", evidence::lint(*flag));
                }
            }
        }
    }
    let sizes = manifest.entries.iter().map(|entry| entry.size);
    // Unverified sizes may add up to more than a number holds.
    let bytes = sizes.fold(0, u64::saturating_add);
    let _ = writeln!(text, "\n{} entries, {bytes} bytes", manifest.entries.len());
    text
}
