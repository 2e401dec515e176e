//! `bundle build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as ClapArgs};
use manifests::nevra::Arch;

use super::origin::OriginArgs;
use super::places::{KeyArgs, SignArgs};
use super::{Context, Format, progress, show};
use crate::dependencies::Dependencies;
use crate::event::Observer;
use crate::explain::{Error, usage};
use crate::hosts::{Fleet, HostsError};
use crate::installers;
use crate::keys::Request;
use crate::lock::Lock;
use crate::output;
use crate::parts::{self, PartSize};
use crate::pipeline::{self, Origin, Settings, Wish};
use crate::plan::BuildPlan;
use crate::repo;
use crate::resolve::{self, FromRule};

mod summary;

const EXAMPLES: &str = "\
Examples:
  bundle build --version 5.3 --distro el8
  bundle build --version 5.3.2 --distro el8,el9 --from 5.2 --from pump=1.8
  bundle build --version 5.3 --inventory web-1.json --inventory web-2.json
  bundle build --version 5.3 --distro el8 --plan
  bundle build --version 5.3 --distro el8 --extra auth_v5.3.2_linux_amd64.so
  bundle build --version 5.3 --distro el8,el9 --split 4480M      parts for DVDs
  bundle build --version 5.3 --inventory web-1.json --with-deps https://mirror.example/el8
  bundle build --version 5.3 --distro el8 --repo-url https://mirror.example/tyk
  bundle build --version 5.3 --distro el8 --repo-url /srv/mirror/tyk
  bundle build --version 5.3 --distro el8 --token-file packagecloud.io=/run/secrets/read-token
  bundle build --version 5.3 --distro el8 --offline
  bundle build --version 5.3 --distro el8 --key one.pem --key two.pem
  bundle build --version 5.3 --distro el8 --unsigned             then bundle sign, elsewhere
  bundle build --locked bundle.lock.json -o again.tar.zst

Beside bundle.tar.zst it writes root.json, bundle.lock.json, the installers and bundle.review.html,
the page for the person who approves the transfer.";

/// Build a signed bundle: packages of the target version, and those a revert goes back to.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Version or line to upgrade to, such as 5.3 or 5.3.2.
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
    /// [default: the newest earlier patch and the newest of the line before].
    #[arg(
        long,
        value_name = "[COMPONENT=]VERSION",
        value_delimiter = ',',
        env = "BUNDLE_FROM"
    )]
    from: Vec<String>,

    /// What a host runs, as `install inventory` wrote it there (repeatable): the bundle carries what
    /// these hosts need and the very packages they run, and what they would refuse is refused now.
    #[arg(long, value_name = "FILE")]
    inventory: Vec<PathBuf>,

    /// Package key file to use instead of the published one (repeatable).
    #[arg(long, value_name = "FILE", env = "BUNDLE_PACKAGE_KEY")]
    package_key: Vec<PathBuf>,

    /// Carry this package although it has no strong signature; recorded in the bundle (repeatable).
    #[arg(long, value_name = "NAME")]
    accept_unsigned_package: Vec<String>,

    /// Take this package although its bytes are not those of the lock before (repeatable).
    #[arg(long, value_name = "NAME-VERSION-RELEASE.ARCH")]
    accept_replaced: Vec<String>,

    /// Where the bundle goes; its lock, root.json and installers go beside it.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "./bundle.tar.zst",
        env = "BUNDLE_OUT"
    )]
    out: PathBuf,

    /// Write parts of this size instead of one file, such as 1G, 4480M or 4.7GB (K, M and G count in
    /// 1024, KB, MB and GB in 1000); FAT takes files below 4G.
    #[arg(long, value_name = "SIZE", env = "BUNDLE_SPLIT")]
    split: Option<PartSize>,

    /// Sequence number [default: one more than the lock that is there, or the metadata's revision].
    #[arg(long, value_name = "N", env = "BUNDLE_SEQUENCE")]
    sequence: Option<u64>,

    /// Where the lock is written [default: the bundle's name with .lock.json].
    #[arg(long, value_name = "FILE", env = "BUNDLE_LOCK")]
    lock: Option<PathBuf>,

    /// Build exactly what this lock names, without reading metadata.
    #[arg(long, value_name = "FILE")]
    locked: Option<PathBuf>,

    /// Installer to carry [default: install-ARCH beside this program] (repeatable).
    #[arg(long, value_name = "ARCH=FILE", value_parser = installer)]
    installer: Vec<(Arch, PathBuf)>,

    /// Carry no installer for this architecture (repeatable).
    #[arg(long, value_name = "ARCH")]
    without_installer: Vec<Arch>,

    /// File to carry beside the packages, such as a plugin built for the target version
    /// (repeatable).
    #[arg(long, value_name = "FILE")]
    extra: Vec<PathBuf>,

    /// Print the plan and fetch no package.
    #[arg(long, visible_alias = "dry-run")]
    plan: bool,

    /// Carry what else the targets need from these repositories, by address or by id in the product
    /// manifest (repeatable); with --inventory only what those hosts lack.
    #[arg(long, value_name = "URL|ID")]
    with_deps: Vec<String>,

    /// Carry this package too, for hosts without it: one of the `tools` of the product manifest
    /// (repeatable).
    #[arg(long, value_name = "NAME", requires = "with_deps")]
    tool: Vec<String>,

    /// Compression threads; the result does not depend on it.
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    compression_threads: Option<u32>,

    /// Put no signature on the bundle: `bundle sign` adds them, on another machine.
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,

    #[command(flatten)]
    sign: SignArgs,

    #[command(flatten)]
    keys: KeyArgs,
}

fn installer(text: &str) -> Result<(Arch, PathBuf), String> {
    let (arch, path) = text
        .split_once('=')
        .ok_or_else(|| "write ARCH=FILE, such as x86_64=./install".to_owned())?;
    Ok((arch.parse()?, PathBuf::from(path)))
}

/// What a lock fixes. A variable that differs from it is for other builds; such a flag is a mistake.
const FIXED_BY_LOCK: [&str; 16] = [
    "version",
    "distro",
    "arch",
    "from",
    "inventory",
    "with_deps",
    "tool",
    "product",
    "repo_url",
    "package_key",
    "trust_vendor_key",
    "accept_unsigned_package",
    "accept_replaced",
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
    if args.plan {
        let origin = args.origin.origin(&args.package_key)?;
        let wish = wish(args, &origin)?;
        let transport = args.origin.transport(&origin)?;
        let planned = pipeline::plan(&transport, &origin, &wish, &*observer)?;
        show_plan(&planned.plan, &planned.dependencies, context.format);
        if planned.unfit.is_empty() {
            return Ok(());
        }
        return Err(HostsError::Unfit(planned.unfit).into());
    }
    let settings = settings(args, lock_path(args))?;
    if let Some(size) = args.split {
        parts::check_size(&args.out, 0, size)?;
    }
    let built = if let Some(path) = &args.locked {
        let lock = Lock::read(path)?;
        let base = repo::base_url(&lock.product.base_url).ok();
        let transport = args.origin.access.transport(base.as_ref())?;
        pipeline::build_locked(&transport, lock, &settings, &observer)?
    } else {
        let origin = args.origin.origin(&args.package_key)?;
        let wish = wish(args, &origin)?;
        let transport = args.origin.transport(&origin)?;
        pipeline::build(&transport, &origin, &wish, &settings, &observer)?
    };
    summary::show(&built, context.format);
    Ok(())
}

/// Without dependencies, the plan is the whole of the result.
fn show_plan(plan: &BuildPlan, dependencies: &[Dependencies], format: Format) {
    #[derive(serde::Serialize)]
    struct Both<'a> {
        plan: &'a BuildPlan,
        dependencies: &'a [Dependencies],
    }
    match format {
        Format::Json if dependencies.is_empty() => show::json(plan),
        Format::Json => show::json(&Both { plan, dependencies }),
        Format::Text => {
            show::text(&plan.to_string());
            for one in dependencies {
                show::text(format!("\ndependencies of {one}").trim_end());
            }
        }
    }
}

fn wish(args: &Args, origin: &Origin) -> Result<Wish, Error> {
    if !args.inventory.is_empty() {
        return wish_of_hosts(args, origin);
    }
    if args.origin.distro.is_empty() {
        return Err(usage(
            "cannot build",
            "no distribution is named",
            "name the hosts' distribution, such as --distro el8, or give their --inventory files",
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
        fleet: Fleet::default(),
        with_deps: args.with_deps.clone(),
        tools: args.tool.clone(),
    })
}

/// The inventories name the hosts and their versions; flags that contradict them are refused.
fn wish_of_hosts(args: &Args, origin: &Origin) -> Result<Wish, Error> {
    if !args.from.is_empty() {
        return Err(usage(
            "cannot build for these hosts",
            "--from names versions to serve, and the inventories list what the hosts run",
            "leave --from or --inventory out",
        ));
    }
    let fleet = Fleet::read(&args.inventory, &origin.product)?;
    let named = resolve::distros(&origin.product, &args.origin.distro)?;
    fleet.check_named(&named, &args.origin.named_archs())?;
    Ok(Wish {
        distros: fleet.distros(),
        archs: fleet.archs(),
        version: args.version.clone().unwrap_or_default(),
        from: FromRule::Default,
        fleet,
        with_deps: args.with_deps.clone(),
        tools: args.tool.clone(),
    })
}

/// `bundle lock`: the same request, of which the lock alone is written.
pub(super) fn run_lock(args: &Args, context: Context) -> Result<(), Error> {
    let path = args.lock.clone().unwrap_or_else(|| args.out.clone());
    let observer: Arc<dyn Observer> = progress::observer(context);
    let origin = args.origin.origin(&args.package_key)?;
    let wish = wish(args, &origin)?;
    let transport = args.origin.transport(&origin)?;
    let settings = settings(args, Some(path.clone()))?;
    let lock = pipeline::lock(&transport, &origin, &wish, &settings, &observer)?;
    summary::show_lock(&lock, &path, context.format);
    Ok(())
}

fn lock_path(args: &Args) -> Option<PathBuf> {
    match (&args.locked, &args.lock) {
        (Some(_), _) => None,
        (None, Some(path)) => Some(path.clone()),
        (None, None) => Some(output::beside(&args.out, "lock.json")),
    }
}

fn settings(args: &Args, lock: Option<PathBuf>) -> Result<Settings, Error> {
    let program = std::env::current_exe().ok();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Settings {
        out: args.out.clone(),
        split: args.split,
        lock,
        sequence: args.sequence,
        timestamp: if args.locked.is_some() {
            None
        } else {
            source_date_epoch()?
        },
        accept_unsigned: args.accept_unsigned_package.clone(),
        accept_replaced: args.accept_replaced.clone(),
        installers: installers::Choice {
            named: args.installer.iter().cloned().collect(),
            without: args.without_installer.iter().copied().collect(),
            beside: program.and_then(|path| path.parent().map(Path::to_owned)),
        },
        extras: args.extra.clone(),
        cache: args.origin.access.cache()?,
        keys: args.keys.store()?,
        request: Request {
            unsigned: args.unsigned,
            ..args.sign.request()?
        },
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
