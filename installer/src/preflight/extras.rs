//! Tries the extras with the target version before anything changes: its program, taken out of the
//! staged package, loads every extra that it would load after the run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use manifests::product::{ExtraRule, ExtraTarget, Trial};

use crate::bundle::{StagedBundle, StagedExtra, StagedRpmSet};
use crate::failure::chain;
use crate::host::cmd::{self, trial};
use crate::host::payload;
use crate::layout::Layout;
use crate::plan::extras::{Extras, cure};
use crate::plan::{InstallPlan, PlannedComponent};
use crate::problem::Problem;
use crate::secure_fs::{self, FsError};

/// Longest time for a program to load one extra: a gateway links some hundred megabytes.
const DEADLINE: Duration = Duration::from_secs(60);
/// The exit codes of a shell, of `unshare` and of the dynamic linker for a program that could not
/// start.
const NOT_STARTED: [i32; 2] = [126, 127];

/// What the trials found.
#[derive(Debug, Default)]
pub struct Tried {
    /// Extras that the target version does not load, and those that could not be judged.
    pub problems: Vec<Problem>,
    /// Other notes for a person.
    pub notes: Vec<String>,
}

/// Lets the programs of a plan's target packages load all of its extras.
#[must_use]
pub fn try_all(layout: &Layout, plan: &InstallPlan, bundle: &StagedBundle) -> Tried {
    let mut tried = Tried::default();
    let scratch = layout.state().join("trial");
    let product = bundle.metadata().product();
    for group in plan.groups.iter().filter(|group| !group.extras.is_empty()) {
        for rule in &product.extras {
            let mut components = group.components.iter();
            let planned = components.find(|one| one.component.name == rule.component);
            let planned = planned.and_then(|planned| Some((planned, planned.to.as_ref()?)));
            let Some((planned, to)) = planned else {
                continue;
            };
            let case = Case {
                layout,
                rule,
                planned,
                target: ExtraTarget {
                    version: to.nevra.evr().version(),
                    arch: plan.arch,
                },
            };
            case.try_rule(&scratch, &group.extras, &mut tried);
        }
    }
    // Nothing depends on the removal; the next trial begins with an empty directory.
    let _ = secure_fs::remove_tree(&scratch);
    if let Some(reason) = &plan.extras_ignored_because {
        let ignored = tried.problems.drain(..);
        let ignore = |problem: Problem| format!("{}; ignored, because: {reason}", problem.what);
        tried.notes.extend(ignored.map(ignore));
    }
    tried
}

struct Case<'a> {
    layout: &'a Layout,
    rule: &'a ExtraRule,
    planned: &'a PlannedComponent,
    target: ExtraTarget<'a>,
}

/// An extra to try.
struct Candidate<'a> {
    /// Its path on the host.
    path: &'a str,
    stem: &'a str,
    /// The file that is loaded.
    file: Result<PathBuf, String>,
    /// Whether its name shows that it is for the target version.
    is_named: bool,
}

impl Case<'_> {
    fn try_rule(&self, scratch: &Path, extras: &Extras, tried: &mut Tried) {
        let mut candidates = self.candidates(extras);
        if candidates.is_empty() {
            return;
        }
        // Doubtful extras come first, because the trial decides about them.
        candidates.sort_by_key(|candidate| candidate.is_named);
        let program = match &self.rule.trial {
            None => Err("the product has no trial for it".to_owned()),
            Some(_) if !self.layout.is_live() => {
                Err("its programs do not run on this host".to_owned())
            }
            Some(trial) => self.program(scratch).map(|program| (trial, program)),
        };
        let (trial, program) = match program {
            Ok(program) => program,
            Err(why) => return self.without(&candidates, &why, tried),
        };
        let is_isolated = trial::can_isolate();
        for candidate in &candidates {
            let answer = match &candidate.file {
                Ok(file) => ask(trial, &program, file, candidate.stem, is_isolated),
                Err(why) => Err(why.clone()),
            };
            match answer {
                Ok(None) => {}
                Ok(Some(line)) => tried.problems.push(Problem::new(
                    format!(
                        "{} {} does not load {}: {line}",
                        self.planned.component.title, self.target.version, candidate.path
                    ),
                    cure(self.rule, self.target),
                )),
                Err(why) => self.without(std::slice::from_ref(candidate), &why, tried),
            }
        }
    }

    /// Judges by the names alone, because no program could be run.
    fn without(&self, candidates: &[Candidate<'_>], why: &str, tried: &mut Tried) {
        let (title, version) = (&self.planned.component.title, self.target.version);
        let (named, doubtful): (Vec<_>, Vec<_>) =
            candidates.iter().partition(|candidate| candidate.is_named);
        for candidate in doubtful {
            tried.problems.push(Problem::new(
                format!(
                    "whether {title} {version} loads {} is not known: its name has no version, and it \
                     could not be tried: {why}",
                    candidate.path
                ),
                cure(self.rule, self.target),
            ));
        }
        if self.rule.trial.is_some() && !named.is_empty() {
            let paths: Vec<&str> = named.iter().map(|candidate| candidate.path).collect();
            tried.notes.push(format!(
                "{} was judged by its name alone, not tried: {why}",
                paths.join(", ")
            ));
        }
    }

    fn candidates<'e>(&self, extras: &'e Extras) -> Vec<Candidate<'e>> {
        // One file may go to several paths.
        let mut coming = BTreeMap::new();
        for planned in extras.coming.iter().filter(|one| one.rule == self.rule.id) {
            coming.entry(planned.sha256).or_insert(planned);
        }
        let coming = coming.into_values().map(|planned| Candidate {
            path: &planned.path,
            stem: &planned.stem,
            file: StagedExtra::reopen(self.layout, &planned.sha256)
                .map(|_| self.layout.stored_extra(&planned.sha256))
                .map_err(|error| chain(&error)),
            is_named: true,
        });
        let present = extras.present.iter().filter(|one| one.rule == self.rule.id);
        let present = present.map(|present| Candidate {
            path: &present.path,
            stem: &present.stem,
            file: guarded(&self.layout.at(&present.path)).map_err(|error| chain(&error)),
            is_named: present.is_named,
        });
        coming.chain(present).collect()
    }

    /// Extracts the target's program from its package.
    fn program(&self, scratch: &Path) -> Result<PathBuf, String> {
        let path = self.planned.component.program.as_deref();
        let path = path.ok_or("the product names no program to ask")?;
        let to = self
            .planned
            .to
            .as_ref()
            .ok_or("its package leaves the host")?;
        let set = StagedRpmSet::reopen(self.layout, &[to.sha256]);
        let set = set.map_err(|error| chain(&error))?;
        let rpm = set.rpms().first().ok_or("its package is not staged")?;
        let program = scratch.join("program");
        let file = secure_fs::remove_tree(scratch)
            .and_then(|()| secure_fs::ensure_guarded(scratch, 0o700))
            .and_then(|()| secure_fs::create_new(&program, 0o700))
            .map_err(|error| chain(&error))?;
        payload::extract(rpm, path, &file).map_err(|error| chain(&error))?;
        Ok(program)
    }
}

/// Loading a plugin runs it as root, so only a file that root alone could have written is tried.
/// The service's user may be another one and does not count.
fn guarded(path: &Path) -> Result<PathBuf, FsError> {
    let file = secure_fs::open_read(path)?;
    secure_fs::check_file(&file, path)?;
    if let Some(directory) = path.parent() {
        secure_fs::check_guarded(directory)?;
    }
    Ok(path.to_owned())
}

/// Tries one file. Returns nothing if it loads, the line with the reason if it does not, and an
/// error if the trial failed.
fn ask(
    trial: &Trial,
    program: &Path,
    file: &Path,
    stem: &str,
    is_isolated: bool,
) -> Result<Option<String>, String> {
    let args = trial.args_for(&file.to_string_lossy(), stem);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let trial_output =
        trial::run(program, &args, is_isolated, DEADLINE).map_err(|error| chain(&error))?;
    let output = format!("{}\n{}", trial_output.stdout, trial_output.stderr);
    if let Some(line) = trial.refusal(&output) {
        return Ok(Some(line.chars().take(LINE_MAX_CHARS).collect()));
    }
    match trial_output.code {
        Some(code) if !NOT_STARTED.contains(&code) => Ok(None),
        Some(_) => Err(format!(
            "the program could not be started: {}",
            cmd::tail(&output, 2)
        )),
        None => Err("the program was ended by a signal".to_owned()),
    }
}

/// Longest part of a foreign program's line that a message shows.
const LINE_MAX_CHARS: usize = 400;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the test is the operator here")]
    fn file(dir: &Path) -> PathBuf {
        let path = dir.join("auth.so");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    #[test]
    fn only_a_refusal_counts_and_a_program_that_cannot_run_proves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // The shell takes the place of the vendor's program; its arguments are in $0 and $1.
        let trial = |script: &str| Trial {
            args: ["-c", script, "{file}", "{symbol}"]
                .map(str::to_owned)
                .to_vec(),
            refused: vec!["built with a different version".to_owned()],
        };
        let asked = |script: &str| {
            let shell = Path::new("/bin/sh");
            ask(
                &trial(script),
                shell,
                Path::new("/x/auth.so"),
                "auth-2",
                false,
            )
        };
        assert_eq!(asked("test $0 = /x/auth.so && test $1 = auth_2"), Ok(None));
        assert_eq!(asked("echo symbol auth_2 not found >&2; exit 1"), Ok(None));
        let refused = asked("echo \"$0: built with a different version of x\" >&2; exit 1");
        assert_eq!(
            refused.unwrap().unwrap(),
            "/x/auth.so: built with a different version of x"
        );
        for script in ["exit 127", "kill -9 $$"] {
            assert!(asked(script).is_err(), "{script}");
        }
        let plain = file(dir.path());
        assert!(ask(&trial(""), &plain, Path::new("/x"), "x", false).is_err());
    }

    #[test]
    fn what_others_could_have_written_is_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        assert!(guarded(&file).is_ok());
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&file, 0o666);
        assert!(guarded(&file).is_err());
        set(&file, 0o644);
        set(dir.path(), 0o777);
        assert!(guarded(&file).is_err());
        set(dir.path(), 0o700);
        let link = dir.path().join("link.so");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(guarded(&link).is_err());
    }
}
