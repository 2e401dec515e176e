//! `bundle build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as ClapArgs};
use manifests::nevra::Arch;

use super::origin::OriginArgs;
use super::places::{self, KeyArgs};
use super::{Context, Format, progress, show};
use crate::build::{self, Settings, Wish, usage};
use crate::error::Error;
use crate::event::Observer;
use crate::installers;
use crate::lock::Lock;
use crate::output;
use crate::resolve::FromRule;

mod summary;

const EXAMPLES: &str = "\
Examples:
  bundle build --version 5.3 --distro el8
  bundle build --version 5.3.2 --distro el8,el9 --from 5.2 --from pump=1.8
  bundle build --version 5.3 --distro el8 --plan
  bundle build --version 5.3 --distro el8 --repo-url https://mirror.example/tyk
  bundle build --locked bundle.lock.json -o again.tar.zst

Beside bundle.tar.zst it writes root.json, bundle.lock.json, the installers and bundle.review.html,
the page for the person who approves the transfer.";

/// Build a signed bundle: packages of the target version, and those a revert goes back to.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Version or line to upgrade to, such as 5.3 or 5.3.2
    #[arg(
        long,
        value_name = "VERSION",
        required_unless_present = "locked",
        env = "BUNDLE_VERSION"
    )]
    version: Option<String>,

    #[command(flatten)]
    origin: OriginArgs,

    /// Installed versions to serve: [COMPONENT=]VERSION or LINE (repeatable), or `any`
    /// [default: the newest earlier patch and the newest of the line before]
    #[arg(
        long,
        value_name = "[COMPONENT=]VERSION",
        value_delimiter = ',',
        env = "BUNDLE_FROM"
    )]
    from: Vec<String>,

    /// Package key file to use instead of the published one (repeatable)
    #[arg(long, value_name = "FILE", env = "BUNDLE_PACKAGE_KEY")]
    package_key: Vec<PathBuf>,

    /// Carry this package although it has no strong signature; recorded in the bundle (repeatable)
    #[arg(long, value_name = "NAME")]
    accept_unsigned_package: Vec<String>,

    /// Where the bundle goes; its lock, root.json and installers go beside it
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "./bundle.tar.zst",
        env = "BUNDLE_OUT"
    )]
    out: PathBuf,

    /// Sequence number [default: one more than the lock that is there, or the metadata's revision]
    #[arg(long, value_name = "N", env = "BUNDLE_SEQUENCE")]
    sequence: Option<u64>,

    /// Where the lock is written [default: the bundle's name with .lock.json]
    #[arg(long, value_name = "FILE", env = "BUNDLE_LOCK")]
    lock: Option<PathBuf>,

    /// Build exactly what this lock names, without reading metadata
    #[arg(long, value_name = "FILE")]
    locked: Option<PathBuf>,

    /// Installer to carry [default: install-ARCH beside this program] (repeatable)
    #[arg(long, value_name = "ARCH=FILE", value_parser = installer)]
    installer: Vec<(Arch, PathBuf)>,

    /// Carry no installer for this architecture (repeatable)
    #[arg(long, value_name = "ARCH")]
    without_installer: Vec<Arch>,

    /// Print the plan and fetch no package
    #[arg(long, visible_alias = "dry-run")]
    plan: bool,

    /// Directory that keeps downloaded packages [default: $XDG_CACHE_HOME/airgap-bundle/rpms]
    #[arg(long, value_name = "DIR", env = "BUNDLE_CACHE_DIR")]
    cache_dir: Option<PathBuf>,

    /// Compression threads; the result does not depend on it
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    compression_threads: Option<u32>,

    #[command(flatten)]
    keys: KeyArgs,
}

fn installer(text: &str) -> Result<(Arch, PathBuf), String> {
    let (arch, path) = text
        .split_once('=')
        .ok_or_else(|| "write ARCH=FILE, such as x86_64=./install".to_owned())?;
    Ok((arch.parse()?, PathBuf::from(path)))
}

/// What a lock fixes. An environment that says otherwise is for other builds; a flag is a mistake.
const FIXED_BY_LOCK: [&str; 12] = [
    "version",
    "distro",
    "arch",
    "from",
    "product",
    "repo_url",
    "package_key",
    "trust_vendor_key",
    "accept_unsigned_package",
    "sequence",
    "lock",
    "plan",
];

/// Refuses flags that make no sense beside `--locked`.
pub(super) fn check_flags(matches: &ArgMatches) -> Result<(), Error> {
    let named = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if !named("locked") {
        return Ok(());
    }
    let odd: Vec<String> = FIXED_BY_LOCK
        .into_iter()
        .filter(|id| named(id))
        .map(|id| format!("--{}", id.replace('_', "-")))
        .collect();
    if odd.is_empty() {
        return Ok(());
    }
    Err(usage(
        "cannot build",
        format!("--locked fixes what {} would choose", odd.join(", ")),
        "leave the other flags out to build what the lock names, or --locked to choose anew",
    ))
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let observer: Arc<dyn Observer> = progress::observer(context);
    let transport = args.origin.transport()?;
    if args.plan {
        let wish = wish(args)?;
        let origin = args.origin.origin(&args.package_key)?;
        let planned = build::plan(&transport, &origin, &wish, &*observer)?;
        match context.format {
            Format::Text => show::text(&planned.plan.to_string()),
            Format::Json => show::json(&planned.plan),
        }
        return Ok(());
    }
    let settings = settings(args)?;
    let built = if let Some(path) = &args.locked {
        build::build_locked(&transport, Lock::read(path)?, &settings, &observer)?
    } else {
        let wish = wish(args)?;
        let origin = args.origin.origin(&args.package_key)?;
        build::build(&transport, &origin, &wish, &settings, &observer)?
    };
    summary::show(&built, context.format);
    Ok(())
}

fn wish(args: &Args) -> Result<Wish, Error> {
    if args.origin.distro.is_empty() {
        return Err(usage(
            "cannot build",
            "no distribution is named",
            "name the hosts' distribution, such as --distro el8",
        ));
    }
    let from = FromRule::parse(&args.from).map_err(|reason| {
        usage(
            "cannot build",
            reason,
            "write --from VERSION, --from COMPONENT=VERSION or --from any",
        )
    })?;
    Ok(Wish {
        distros: args.origin.distro.clone(),
        archs: args.origin.archs(),
        version: args.version.clone().unwrap_or_default(),
        from,
    })
}

fn settings(args: &Args) -> Result<Settings, Error> {
    let lock = match (&args.locked, &args.lock) {
        (Some(_), _) => None,
        (None, Some(path)) => Some(path.clone()),
        (None, None) => Some(output::beside(&args.out, "lock.json")),
    };
    let cache = args.cache_dir.clone().or_else(places::default_cache);
    let cache = cache.ok_or_else(|| {
        usage(
            "cannot build",
            "neither --cache-dir, XDG_CACHE_HOME nor HOME says where downloads are kept",
            "name a directory with --cache-dir",
        )
    })?;
    let program = std::env::current_exe().ok();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Settings {
        out: args.out.clone(),
        lock,
        sequence: args.sequence,
        timestamp: if args.locked.is_some() {
            None
        } else {
            source_date_epoch()?
        },
        accept_unsigned: args.accept_unsigned_package.clone(),
        installers: installers::Choice {
            named: args.installer.iter().cloned().collect(),
            without: args.without_installer.iter().copied().collect(),
            beside: program.and_then(|path| path.parent().map(Path::to_owned)),
        },
        cache,
        keys: args.keys.store()?,
        workers: args
            .compression_threads
            .unwrap_or_else(|| u32::try_from(workers).unwrap_or(1).min(8)),
    })
}

fn source_date_epoch() -> Result<Option<u64>, Error> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(None),
        Ok(text) => text.parse().map(Some).map_err(|_| {
            usage(
                "cannot build",
                format!("SOURCE_DATE_EPOCH is `{text}`, which is not a number of seconds"),
                "set it to seconds since 1970, or unset it",
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_companion_stands_beside_the_bundle() {
        assert_eq!(
            output::beside(Path::new("out/bundle.tar.zst"), "lock.json"),
            Path::new("out/bundle.lock.json")
        );
        assert_eq!(
            output::beside(Path::new("x"), "lock.json"),
            Path::new("x.lock.json")
        );
    }
}
