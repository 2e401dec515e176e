//! Builds the failures that several commands share.

use super::render;
use crate::failure::{Exit, Explained, Failure};
use crate::host::HostError;
use crate::problem::Problem;

pub(super) fn busy(why: &str) -> Failure {
    let next = "wait until it has ended, then start this again; nothing was changed";
    Failure::new(Exit::Busy, "the host is busy", why, next)
}

pub(super) fn cannot_store(error: &dyn std::error::Error) -> Failure {
    let next = "check owner, mode and free space of /var/lib/airgap-bundle";
    Failure::because(Exit::Refused, "cannot use the state directory", error, next)
}

pub(super) fn cannot_look(error: &HostError) -> Failure {
    let next = match error {
        HostError::RpmNoRoom { directory, .. } => {
            format!("free 4 MiB on the filesystem of {directory}, then start this again")
        }
        _ => "make `rpm -qa` and `systemctl show` work on this host first".to_owned(),
    };
    let what = "cannot take the inventory of this host";
    Failure::because(Exit::Refused, what, error, next)
}

pub(super) fn internal(why: &str) -> Failure {
    let next = "nothing was changed; check /var/lib/airgap-bundle, then report this";
    Failure::new(Exit::Internal, "the run could not be started", why, next)
}

pub(super) fn refusal(what: &str, problems: &[Problem]) -> Failure {
    let (why, next) = render::problems(problems);
    let failure = Failure::new(Exit::Refused, what, why, next);
    Failure {
        problems: problems.to_vec(),
        ..failure
    }
}

/// Returns a failure as one problem among others.
pub(super) fn as_problem(failure: &Failure) -> Problem {
    let Explained { what, why, next } = &failure.explained;
    Problem::new(format!("{what}: {why}"), next.clone()).coded(failure.exit.word())
}
