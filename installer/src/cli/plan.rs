//! `install plan BUNDLE`: what an upgrade would change, and everything that speaks against it.

use std::path::PathBuf;

use super::consent::ConsentArgs;
use super::examine::Examined;
use super::refusal::{as_problem, busy};
use super::sealing::SealArgs;
use super::session::{Session, still_open};
use super::{Output, bundle, render};
use crate::bundle::OpenBundle;
use crate::failure::{Exit, Failure};
use crate::history;
use crate::journal::lock;
use crate::run_unit;

/// Show what installing a bundle would change, and everything that speaks against it.
///
/// Checks what an installation checks before its run begins: the whole bundle, the host, the data
/// stores, the space, the packages. An ordinary user is told what could not be checked. Exit codes: 0
/// nothing speaks against it, 4 problems, 3 the bundle is damaged, 7 a run is at work.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle, or the NAME.parts.json of a split one.
    bundle: PathBuf,
    /// Exit with 10 if something would change and nothing speaks against it.
    #[arg(long)]
    check: bool,
    /// Plan from the bundle's first part alone: its packages are not read, the host is not checked.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    seal: SealArgs,
    #[command(flatten)]
    consent: ConsentArgs,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        refuse_open(session)?;
    }
    let open = bundle::open(session, &args.bundle)?;
    let examined = if args.quick {
        quick(session, args, &open)?
    } else if is_root {
        whole(session, args, open)?
    } else {
        as_user(session, args, open)?
    };
    show(session, &examined, args.check)
}

/// During an open run the installed packages are between two states, and no plan is true.
fn refuse_open(session: &Session) -> Result<(), Failure> {
    let Some(open) = history::open_run(&session.layout)? else {
        return Ok(());
    };
    if !lock::is_held(&session.layout) {
        return Err(still_open(session, open.id));
    }
    let program = history::program(&session.layout, open.id);
    Err(Failure::new(
        Exit::Busy,
        format!("run {} is at work", open.id),
        "the installed packages change while it works: a plan would be about neither state",
        format!("wait until it has ended: `{program} status --follow` shows it"),
    ))
}

fn quick(session: &Session, args: &Args, open: &OpenBundle) -> Result<Examined, Failure> {
    let mut examined = Examined::draft(session, &args.consent, open)?;
    examined.not_checked.push(
        "the packages in the bundle, and the host: --quick reads the bundle's first part alone"
            .to_owned(),
    );
    Ok(examined)
}

/// What an ordinary user can check.
fn as_user(session: &Session, args: &Args, open: OpenBundle) -> Result<Examined, Failure> {
    let mut examined = Examined::draft(session, &args.consent, &open)?;
    if session.layout.is_live() {
        let health = "the health of the services: only root can ask every one";
        examined.not_checked.push(health.to_owned());
    } else {
        examined.ask_health(session);
    }
    for what in [
        "whether a run is open: the state directory is root's",
        "data stores, space, policies of the host, the packages' signatures, rpm's own test: they need \
         root",
    ] {
        examined.not_checked.push(what.to_owned());
    }
    examined.read_to_the_end(&args.bundle, open);
    Ok(examined)
}

/// Everything that `install` checks.
fn whole(session: &Session, args: &Args, open: OpenBundle) -> Result<Examined, Failure> {
    let recipients = args.seal.recipients(session)?;
    let lock = match session.take_lock() {
        Ok(lock) => Ok(lock),
        Err(failure) if failure.exit == Exit::Refused => Err(as_problem(&failure)),
        Err(failure) => return Err(failure),
    };
    // A run that was handed over takes the lock in a moment, and must not find this command.
    if run_unit::is_possible(&session.host, &session.layout) && run_unit::is_starting(&session.host)
    {
        return Err(busy("a run begins in its unit"));
    }
    let mut examined = Examined::draft(session, &args.consent, &open)?;
    if examined.has_nothing_to_do() {
        examined.read_to_the_end(&args.bundle, open);
        return Ok(examined);
    }
    examined.look_at_host(session, &recipients);
    match lock {
        Ok(_lock) => examined.look_at_packages(session, &args.bundle, open),
        Err(problem) => {
            examined.problems.push(problem);
            examined.read_to_the_end(&args.bundle, open);
        }
    }
    Ok(examined)
}

/// Shows what was found, and returns the exit code.
pub(super) fn show(session: &Session, examined: &Examined, check: bool) -> Result<u8, Failure> {
    let refused = examined.refused("this run would be refused");
    let Some(plan) = examined.plan.as_ref().filter(|_| examined.is_whole) else {
        // Half a plan would be taken for a plan.
        return refused.map_or(Ok(0), Err);
    };
    let exit = match &refused {
        Some(failure) => failure.exit as u8,
        None if check && !plan.is_empty() => Exit::Pending as u8,
        None => 0,
    };
    let document = render::PlanDocument::new(plan, examined, exit);
    render::result(session, &document, &render::examined(plan, examined));
    if let Some(failure) = &refused {
        // On standard output the document has every problem already.
        render::failure(Output::Text, failure);
    }
    Ok(exit)
}
