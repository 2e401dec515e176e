//! `bundle versions`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args as ClapArgs;
use manifests::evr::is_on_line;
use manifests::product::Distro;
use serde::Serialize;

use super::origin::OriginArgs;
use super::{Context, Format, progress, show};
use crate::event::Event;
use crate::explain::Error;
use crate::pipeline::{self, Origin, package_names};
use crate::repo::vendor_keys::{self, VendorKeyError};
use crate::repo::{self, RepoIndex, RepoPackage};
use crate::resolve;

const EXAMPLES: &str = "\
Examples:
  bundle versions
  bundle versions --distro el8 --line 5.3
  bundle versions --distro el7,el8 --output json";

/// Show the published versions of every component.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    origin: OriginArgs,

    /// Only versions of this line
    #[arg(long, value_name = "LINE")]
    line: Option<String>,
}

#[derive(Serialize)]
struct Row {
    component: String,
    distro: String,
    arch: String,
    versions: Vec<String>,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let origin = pipeline::without_dependencies(&args.origin.origin(&[])?);
    let distros: Vec<&Distro> = if args.origin.distro.is_empty() {
        origin.product.distros.iter().collect()
    } else {
        resolve::distros(&origin.product, &args.origin.distro)?
    };
    let index = read(args, &origin, &distros, context)?;
    let rows = rows(args, &origin, &index);
    match context.format {
        Format::Json => show::json(&rows),
        Format::Text => show::text(&text(&rows)),
    }
    Ok(())
}

fn read(
    args: &Args,
    origin: &Origin,
    distros: &[&Distro],
    context: Context,
) -> Result<RepoIndex, Error> {
    let observer = progress::observer(context);
    let transport = args.origin.transport(origin)?;
    observer.event(&Event::Stage("reading and verifying repository metadata"));
    let archs = args.origin.archs();
    let keys = vendor_keys::fetch_metadata_keys(
        &transport,
        &origin.product,
        &origin.overrides,
        &origin.trusted,
        distros,
        &archs,
    )?;
    let sources = repo::sources_for(&origin.product, distros, &archs, &origin.overrides)
        .map_err(VendorKeyError::Source)?;
    let names = package_names(&origin.product);
    Ok(repo::fetch_index(&transport, &sources, &keys, &names)?)
}

fn rows(args: &Args, origin: &Origin, index: &RepoIndex) -> Vec<Row> {
    let wanted = |package: &&RepoPackage| {
        let version = package.nevra.evr().version();
        args.line
            .as_deref()
            .is_none_or(|line| is_on_line(version, line))
    };
    let mut rows = Vec::new();
    for component in &origin.product.components {
        let snapshots = index
            .snapshots
            .iter()
            .filter(|snapshot| snapshot.repository == component.repository);
        for snapshot in snapshots {
            let mut packages: Vec<&RepoPackage> = snapshot
                .packages
                .iter()
                .filter(|package| package.nevra.name() == component.package)
                .filter(wanted)
                .collect();
            packages.sort_by(|a, b| a.nevra.evr().cmp(b.nevra.evr()));
            let mut versions: Vec<String> = packages
                .iter()
                .map(|package| package.nevra.evr().to_string())
                .collect();
            versions.dedup();
            rows.push(Row {
                component: component.name.clone(),
                distro: snapshot.distro.clone(),
                arch: snapshot.arch.to_string(),
                versions,
            });
        }
    }
    rows
}

fn text(rows: &[Row]) -> String {
    let mut by_component: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_component.entry(&row.component).or_default().push(row);
    }
    let mut text = String::new();
    // The order of the product manifest, not the alphabet's.
    let mut names: Vec<&str> = rows.iter().map(|row| row.component.as_str()).collect();
    names.dedup();
    for name in names {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}");
        for row in by_component.get(name).into_iter().flatten() {
            let versions = if row.versions.is_empty() {
                "nothing".to_owned()
            } else {
                row.versions.join(" ")
            };
            let _ = writeln!(text, "  {} {:<8} {versions}", row.distro, row.arch);
        }
    }
    text
}
