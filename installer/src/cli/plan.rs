//! `install plan BUNDLE`: prints the plan of an upgrade and changes nothing.

use std::path::PathBuf;

use super::consent::ConsentArgs;
use super::refusal::refusal;
use super::session::Session;
use super::{bundle, render};
use crate::failure::{Exit, Failure};

/// Show what installing a bundle would change; works for an ordinary user.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle, or the NAME.parts.json of a split one.
    bundle: PathBuf,
    /// Exit with 10 if something would change.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    consent: ConsentArgs,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let open = bundle::open(session, &args.bundle)?;
    let mut plan = args.consent.plan(session, &open)?;
    let mut problems = session.ask_health(&mut plan);
    problems.extend(session.ask_stores(&mut plan));
    session.forecast_downtime(&mut plan);
    render::result(session, &plan, &render::plan(&plan));
    if !problems.is_empty() {
        return Err(refusal("this run would be refused", &problems));
    }
    Ok(if args.check && !plan.is_empty() {
        Exit::Pending as u8
    } else {
        0
    })
}
