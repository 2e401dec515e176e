//! The commands that only look.

use std::path::Path;

use manifests::parts::PartsError;
use manifests::signature::QuorumError;
use manifests::trust::VerifyError;

use super::{Place, install, render, sealing, shown, trust};
use crate::bundle::{BundleError, OpenBundle, PartsSet, UntrustedBundle};
use crate::failure::{Exit, Failure, chain};
use crate::history::report::RunReport;
use crate::history::{self, History, PastRun, Retention, Unreadable};
use crate::host::{Host as _, HostError};
use crate::plan::{self, InstallPlan};

/// Opens a bundle and verifies what stands before its payload.
pub(super) fn open(place: &Place, path: &Path) -> Result<OpenBundle, Failure> {
    let roots = trust::enrolled(place)?;
    let opened = if PartsSet::is_list(path) {
        PartsSet::open(path, &place.parts_dirs, &roots).and_then(UntrustedBundle::open_parts)
    } else {
        UntrustedBundle::open(path)
    };
    opened
        .and_then(|archive| OpenBundle::verify(archive, &roots))
        .map_err(|error| refused(path, &error))
}

/// Says why a bundle is refused.
pub(super) fn refused(path: &Path, error: &BundleError) -> Failure {
    let next = match error {
        BundleError::File(_) | BundleError::Read { .. } => "check the path and the medium",
        BundleError::Untrusted(why) => untrusted(why),
        BundleError::PartsList(PartsError::Untrusted(why)) => untrusted(why),
        BundleError::PartsList(_) | BundleError::OtherBundle => {
            "do not use these parts; get them again from the builder"
        }
        BundleError::Parts { .. } => {
            "copy these parts again, or write them anew on the builder with `bundle repair`; name \
             other directories that hold parts with --parts-dir"
        }
        BundleError::InstallerTooOld { .. } => "use the installer that lies beside the bundle",
        _ if is_part(path) => "this is one part of a split bundle: name its NAME.parts.json",
        _ => "copy the bundle again and compare `sha256sum` on both sides",
    };
    let exit = match error {
        BundleError::File(_) => Exit::Usage,
        _ => Exit::Verification,
    };
    Failure::because(exit, format!("cannot accept {}", shown(path)), error, next)
}

fn untrusted(why: &VerifyError) -> &'static str {
    match why {
        VerifyError::NoTrustRoot => {
            "enrol the builder's root document: `install trust add root.json` (it lies beside the \
             bundle; compare its fingerprint by another road)"
        }
        VerifyError::Quorum(QuorumError::UnknownKeys { .. }) => {
            "if you trust the signer, enrol its root document with `install trust add root.json`; \
             otherwise do not use this bundle"
        }
        VerifyError::Revoked { .. } | VerifyError::Retired { .. } => {
            "ask the builder's side for a bundle that is signed with a key of the newest root document"
        }
        VerifyError::Quorum(QuorumError::Unsigned) => {
            "copy the signature files too (NAME.parts.<key id>.sig), or get the bundle again"
        }
        _ => "do not use this bundle; get it again from the builder",
    }
}

/// `NAME.part001`, whatever the name.
fn is_part(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let tail = name.rsplit_once(".part").map(|(_, digits)| digits);
    tail.is_some_and(|digits| digits.len() >= 3 && digits.chars().all(|c| c.is_ascii_digit()))
}

pub(super) fn verify(place: &Place, path: &Path) -> Result<u8, Failure> {
    let open = open(place, path)?;
    let metadata = open
        .verify_payload()
        .map_err(|error| refused(path, &error))?;
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
        .map(|target| format!("{} {}", target.distro, target.arch))
        .collect();
    let text = format!(
        "{}: every byte verified\n  {} {} for {}\n  manifest  {}\n  signed by {}\n  {} RPMs, {} entries\n",
        shown(path),
        manifest.title,
        manifest.version,
        targets.join(", "),
        metadata.verified().digest(),
        signers.join(", "),
        manifest.rpms.len(),
        manifest.entries.len(),
    );
    render::result(place, manifest, &text);
    Ok(0)
}

pub(super) fn plan(
    place: &Place,
    path: &Path,
    check: bool,
    consent: &install::ConsentArgs,
) -> Result<u8, Failure> {
    let open = open(place, path)?;
    let plan = consent.plan(place, &open)?;
    render::result(place, &plan, &render::plan(&plan));
    Ok(if check && !plan.is_empty() {
        Exit::Pending as u8
    } else {
        0
    })
}

fn unreadable(why: String) -> Failure {
    let next = "run it as root; if it was root, put right what the reason names, or report this";
    Failure::new(Exit::Internal, "cannot read the history", why, next)
}

/// Returns the runs that this installer can read.
pub(super) fn runs(place: &Place) -> Result<Vec<PastRun>, Failure> {
    Ok(past(place)?.runs)
}

pub(super) fn past(place: &Place) -> Result<History, Failure> {
    history::all(&place.layout).map_err(unreadable)
}

fn word(run: &PastRun) -> &'static str {
    run.report
        .as_ref()
        .map_or("CUT OFF", |report| report.outcome.word())
}

/// A run as `history` lists it for programs.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
enum Listed<'a> {
    Readable(&'a RunReport),
    Unreadable { run: u64, unreadable: &'a str },
}

pub(super) fn history(place: &Place) -> Result<u8, Failure> {
    sealing::settle_in_passing(place);
    let past = past(place)?;
    let line = |run: &PastRun| {
        let started = run
            .report
            .as_ref()
            .map_or("-".to_owned(), |report| render::time(report.started));
        let what = match run.plan.kind {
            plan::PlanKind::Upgrade => format!("{} {}", run.plan.title, run.plan.version),
            plan::PlanKind::Undo { run: id } => format!("{} undo of run {id}", run.plan.title),
            plan::PlanKind::Restore { run: id } => {
                format!("{} data of before run {id}", run.plan.title)
            }
        };
        format!("{:>4}  {started:<20}  {:<13}  {what}\n", run.id, word(run))
    };
    let without = |one: &'_ Unreadable| {
        let (why, next) = (&one.why, &one.next);
        format!("{:>4}  {:<20}  UNREADABLE     {why}: {next}\n", one.id, "-")
    };
    let unread = past.unreadable.iter().map(|one| {
        let (run, unreadable) = (one.id, one.why.as_str());
        (
            run,
            Some(Listed::Unreadable { run, unreadable }),
            without(one),
        )
    });
    let read = past.runs.iter();
    let read = read.map(|run| {
        let listed = run.report.as_ref().map(Listed::Readable);
        (run.id, listed, line(run))
    });
    let mut all: Vec<_> = read.chain(unread).collect();
    all.sort_by_key(|(id, ..)| *id);
    let mut text = "  ID  Started               Outcome        What\n".to_owned();
    text.extend(all.iter().map(|(.., line)| line.as_str()));
    if all.is_empty() {
        "No run yet.".clone_into(&mut text);
    }
    let listed: Vec<_> = all
        .into_iter()
        .filter_map(|(_, listed, _)| listed)
        .collect();
    render::result(place, &listed, &text);
    Ok(0)
}

pub(super) fn history_info(place: &Place, id: u64) -> Result<u8, Failure> {
    sealing::settle_in_passing(place);
    let run = find(place, id)?;
    let mut text = match &run.report {
        Some(report) => render::report(report),
        None => format!("Run {id} was cut off: `install resume` closes it.\n"),
    };
    text.push_str(&sealing::line(place, id));
    text.push_str(&render::plan(&run.plan));
    render::result(place, &run.report, &text);
    Ok(0)
}

/// Returns one run, or says which exist.
pub(super) fn find(place: &Place, id: u64) -> Result<PastRun, Failure> {
    let History {
        mut runs,
        unreadable,
    } = past(place)?;
    if let Some(one) = unreadable.into_iter().find(|one| one.id == id) {
        let what = format!("run {id} cannot be read");
        return Err(Failure::new(Exit::Refused, what, one.why, one.next));
    }
    let at = runs.iter().position(|run| run.id == id);
    at.map(|at| runs.remove(at)).ok_or_else(|| {
        let ids: Vec<String> = runs.iter().map(|run| run.id.to_string()).collect();
        let why = if ids.is_empty() {
            "there was no run yet".to_owned()
        } else {
            format!("there are {}", ids.join(", "))
        };
        Failure::new(
            Exit::Usage,
            format!("there is no run {id}"),
            why,
            "see `install history`",
        )
    })
}

/// `install history prune`.
pub(super) fn prune(place: &Place, retention: Retention) -> Result<u8, Failure> {
    super::require_root("prune the history")?;
    let lock = install::take_lock(place)?;
    sealing::settle(place, &lock);
    let gone = history::prune(&place.layout, retention).map_err(unreadable)?;
    let names: Vec<String> = gone.iter().map(u64::to_string).collect();
    let text = if gone.is_empty() {
        "Nothing to remove.".to_owned()
    } else {
        format!("removed: {}", names.join(", "))
    };
    render::result(place, &gone, &text);
    Ok(0)
}

/// What `status` says.
#[derive(Debug, serde::Serialize)]
struct Status<'a> {
    /// The run that is not finished, if there is one.
    open_run: Option<u64>,
    /// The last run's report.
    last_run: Option<&'a RunReport>,
    /// What is installed of the product that was upgraded last.
    installed: Vec<String>,
    /// Its services: the unit, `ActiveState` and `UnitFileState`.
    services: Vec<[String; 3]>,
    /// Why packages and services are not known: an rpm that was killed can leave its database closed
    /// to everybody until the run is resumed.
    unknown: Option<String>,
}

pub(super) fn status(place: &Place) -> Result<u8, Failure> {
    let past = past(place)?;
    let runs = &past.runs;
    let open = runs.iter().find(|run| run.is_open());
    let mut text = match (open, past.unreadable_open(), runs.last()) {
        (Some(open), ..) => format!(
            "Run {} is not finished: it is at work in another process, was cut off, or its revert \
             failed.\n  If no installer runs, `install resume` closes it.\n",
            open.id
        ),
        (None, None, Some(last)) => {
            let report = last
                .report
                .as_ref()
                .map_or_else(String::new, render::report);
            format!("No run is open. The last one:\n{report}")
        }
        (None, None, None) if past.unreadable.is_empty() => "No run yet.\n".to_owned(),
        _ => String::new(),
    };
    let unread = |one: &Unreadable| {
        format!(
            "Run {} cannot be read: {}\n  {}\n",
            one.id, one.why, one.next
        )
    };
    text.extend(past.unreadable.iter().map(unread));
    let found = match runs.last() {
        Some(last) => present(place, &last.plan),
        None => Ok(Present::default()),
    };
    let (Present(installed, services), unknown) = match found {
        Ok(present) => (present, None),
        Err(error) => (Present::default(), Some(chain(&error))),
    };
    text.extend(
        unknown
            .iter()
            .map(|why| format!("  what is installed cannot be seen: {why}\n")),
    );
    text.extend(
        installed
            .iter()
            .map(|nevra| format!("  installed: {nevra}\n")),
    );
    let service =
        |[unit, active, enabled]: &[String; 3]| format!("  {unit}: {active}, {enabled}\n");
    text.extend(services.iter().map(service));
    let open_run = open.map(|run| run.id);
    let open_run = open_run.or_else(|| past.unreadable_open().map(|run| run.id));
    let last_run = runs.last().and_then(|run| run.report.as_ref());
    render::result(
        place,
        &Status {
            open_run,
            last_run,
            installed,
            services,
            unknown,
        },
        &text,
    );
    Ok(0)
}

/// Packages, and services as in [`Status`].
#[derive(Default)]
struct Present(Vec<String>, Vec<[String; 3]>);

fn present(place: &Place, plan: &InstallPlan) -> Result<Present, HostError> {
    let packages: Vec<&str> = plan.changes().map(|change| change.package).collect();
    let installed = place.host.installed(&packages)?;
    let mut services = Vec::new();
    if place.host.identity()?.systemd {
        for unit in plan.components().filter_map(|c| c.component.unit.as_ref()) {
            let state = place.host.unit(unit)?;
            services.push([unit.clone(), state.active, state.file]);
        }
    }
    Ok(Present(
        installed
            .iter()
            .map(|package| package.nevra.to_string())
            .collect(),
        services,
    ))
}
