//! Finds everything that speaks against an upgrade, at once: in the plan, on the host, and in the
//! packages. `plan` shows it, and `install` refuses the run with it.

use std::path::{Path, PathBuf};

use super::consent::ConsentArgs;
use super::refusal::{as_problem, cannot_store, refusal};
use super::session::Session;
use super::{bundle, render};
use crate::backup::seal::Recipients;
use crate::bundle::{BundleError, OpenBundle, StagedBundle};
use crate::failure::{Exit, Failure, chain};
use crate::host::Host as _;
use crate::plan::{Draft, InstallPlan};
use crate::preflight::{self, Room, extras, site};
use crate::problem::{Problem, coded};
use crate::secure_fs;

/// Room that a check of packages needs beside the packages.
const KEYRING_BYTES: u64 = 16 << 20;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Examined {
    /// The plan, unless the bundle is for another kind of host.
    pub(super) plan: Option<InstallPlan>,
    /// Whether the plan has every change that it should have.
    pub(super) is_whole: bool,
    pub(super) problems: Vec<Problem>,
    /// What was not looked at, and why.
    pub(super) not_checked: Vec<String>,
    pub(super) rooms: Vec<Room>,
    /// The exit code of a bundle that is damaged, which is more than a refusal.
    worst: Option<Exit>,
}

impl Examined {
    /// Plans an upgrade. Nothing but the plan is checked.
    pub(super) fn draft(
        session: &Session,
        consent: &ConsentArgs,
        open: &OpenBundle,
    ) -> Result<Self, Failure> {
        Ok(match consent.draft(session, open)? {
            Ok(Draft {
                plan,
                is_whole,
                problems,
            }) => Self {
                plan: Some(plan),
                is_whole,
                problems,
                ..Self::default()
            },
            Err(problem) => Self {
                problems: vec![problem.coded("plan")],
                ..Self::default()
            },
        })
    }

    /// Checks the host for the plan of an undo, whose packages are in the store.
    pub(super) fn of_undo(session: &Session, mut plan: InstallPlan, to: &Recipients) -> Self {
        let (host, layout) = (&session.host, &session.layout);
        let mut problems = site::check(host, layout, &mut plan);
        problems.extend(coded(session.ask_stores(&mut plan), "store"));
        let looked = session.preflight(&plan, to);
        session.forecast_downtime(&mut plan);
        problems.extend(looked.problems);
        preflight::rpm_tests(host, layout, &plan, &mut problems);
        Self {
            plan: Some(plan),
            is_whole: true,
            problems: coded(problems, "rpm"),
            rooms: looked.rooms,
            ..Self::default()
        }
    }

    /// Whether the host is at its target, and nothing speaks against that.
    pub(super) fn has_nothing_to_do(&self) -> bool {
        let plan = self.plan.as_ref();
        self.problems.is_empty() && plan.is_some_and(InstallPlan::is_empty)
    }

    /// Asks the services for their health. Only root can ask all of them.
    pub(super) fn ask_health(&mut self, session: &Session) {
        if let Some(plan) = &mut self.plan {
            let (host, layout) = (&session.host, &session.layout);
            let unwell = preflight::ask_health(host, layout, plan, &render::event);
            self.problems.extend(coded(unwell, "health"));
        }
    }

    /// Checks the host for the plan.
    pub(super) fn look_at_host(&mut self, session: &Session, recipients: &Recipients) {
        self.ask_health(session);
        let (host, layout) = (&session.host, &session.layout);
        let Some(plan) = &mut self.plan else {
            self.problems.extend(preflight::programs());
            self.problems.extend(site::kept_copy(host, layout));
            return;
        };
        self.problems.extend(site::check(host, layout, plan));
        let asked = session.ask_stores(plan);
        self.problems.extend(coded(asked, "store"));
        let looked = session.preflight(plan, recipients);
        session.forecast_downtime(plan);
        self.problems.extend(looked.problems);
        self.rooms = looked.rooms;
    }

    /// Reads the rest of the bundle and checks the packages, for a run that will not begin now:
    /// nothing of it stays in the store.
    pub(super) fn look_at_packages(&mut self, session: &Session, path: &Path, open: OpenBundle) {
        let layout = &session.layout;
        let plan = self.plan.take();
        match &plan {
            Some(plan) if Self::has_room(session, plan) => {
                let borrowed = Borrowed::new(session, plan);
                let staged = secure_fs::ensure_guarded(&layout.store(), 0o700)
                    .map_err(BundleError::from)
                    .and_then(|()| open.stage(layout, &plan.payload()));
                match staged {
                    Ok(staged) => self.look_at_staged(session, plan, &staged),
                    Err(error) => self.refuse_bundle(path, &error),
                }
                drop(borrowed);
            }
            _ => {
                self.not_checked.push(
                    "the packages' signatures and rpm's own test: they could not be unpacked here"
                        .to_owned(),
                );
                self.read_to_the_end(path, open);
            }
        }
        self.plan = plan;
    }

    /// Verifies every byte of the bundle without keeping any.
    pub(super) fn read_to_the_end(&mut self, path: &Path, open: OpenBundle) {
        if let Err(error) = open.verify_payload() {
            self.refuse_bundle(path, &error);
        }
    }

    /// Whether the packages can be unpacked for their check.
    fn has_room(session: &Session, plan: &InstallPlan) -> bool {
        let needed = preflight::staging_bytes(&session.layout, plan) + KEYRING_BYTES;
        let space = session.host.space(&session.layout.state());
        space.is_ok_and(|space| !space.read_only && space.free_bytes >= needed)
    }

    fn look_at_staged(&mut self, session: &Session, plan: &InstallPlan, staged: &StagedBundle) {
        let (host, layout) = (&session.host, &session.layout);
        if !self.is_whole {
            let found = preflight::package_signatures(host, layout, plan, staged);
            self.problems.extend(found);
            let why = "rpm's own test of the transactions: the plan is not complete";
            self.not_checked.push(why.to_owned());
            return;
        }
        if let Ok(Some(holder)) = host.rpm_lock_holder() {
            let why = format!("the packages and rpm's own test: rpm is locked by {holder}");
            self.not_checked.push(why);
            return;
        }
        let (found, notes) = packages(session, plan, staged);
        self.problems.extend(found);
        for note in &notes {
            render::warning(note);
        }
    }

    fn refuse_bundle(&mut self, path: &Path, error: &BundleError) {
        let failure = match error {
            BundleError::File(error) => cannot_store(error),
            error => bundle::refused(path, error),
        };
        if failure.exit == Exit::Verification {
            self.worst = Some(Exit::Verification);
        }
        self.problems.push(as_problem(&failure));
    }

    /// Returns everything that was found as one failure, if anything was.
    pub(super) fn refused(&self, refused: &str) -> Option<Failure> {
        if self.problems.is_empty() {
            return None;
        }
        let is_plans = |problem: &Problem| problem.code == "plan";
        let what = match self.problems.as_slice() {
            all if all.iter().all(is_plans) => "this bundle cannot be installed here".to_owned(),
            [_] => format!("{refused}; nothing was changed"),
            several => format!(
                "{refused} for {} reasons; nothing was changed",
                several.len()
            ),
        };
        let failure = refusal(&what, &self.problems);
        Some(Failure {
            exit: self.worst.unwrap_or(failure.exit),
            ..failure
        })
    }
}

/// Checks the staged packages of a whole plan as `install` does before its run begins.
pub(super) fn packages(
    session: &Session,
    plan: &InstallPlan,
    staged: &StagedBundle,
) -> (Vec<Problem>, Vec<String>) {
    let mut problems = preflight::packages(&session.host, &session.layout, plan, staged);
    // Programs of packages that failed a check are not executed.
    if !problems.is_empty() {
        return (problems, Vec::new());
    }
    let tried = extras::try_all(&session.layout, plan, staged);
    problems.extend(coded(tried.problems, "plugin"));
    (problems, tried.notes)
}

/// What a check adds to the store. Dropping this removes it.
struct Borrowed(Vec<PathBuf>);

impl Borrowed {
    fn new(session: &Session, plan: &InstallPlan) -> Self {
        let layout = &session.layout;
        let rpms = plan.rpms().into_iter().map(|rpm| layout.stored_rpm(&rpm));
        let extras = plan.coming_extras();
        let extras = extras.map(|extra| layout.stored_extra(&extra.sha256));
        let missing = |path: &PathBuf| path.symlink_metadata().is_err();
        Self(rpms.chain(extras).filter(missing).collect())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        for path in &self.0 {
            if let Err(error) = secure_fs::remove_if_present(path) {
                render::warning(&chain(&error));
            }
        }
    }
}
