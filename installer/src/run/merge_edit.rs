//! Configuration of an upgrade. It records what rpm did to each edited file. rpm overwrites plain
//! files silently, so their edits are merged into the new files.

use super::error::StepError;
use super::execute::members;
use super::state::State;
use super::vendor_defaults::Defaults;
use super::{Context, StepResult};
use crate::backup::blobs::{Blobs, TOO_LARGE};
use crate::backup::capture::{Contents, Writers, capture};
use crate::backup::changes::{
    CONFIG_CHANGES_TYPE, ConfigChanges, Content, Decision, FileChange, YOURS, carry_over,
};
use crate::backup::restore::put;
use crate::backup::snapshot::{Entry, Kind, Snapshot};
use crate::plan::forecast::{Fate, Forecast};
use crate::secure_fs;

/// Carries over the edits of a group's files and records the result for each file. A revert has the
/// saved bytes of all of them.
pub(super) fn carry(context: &Context<'_>, state: &mut State, group: &str) -> StepResult {
    let before = state.saved.before()?;
    let blobs = context.blobs()?;
    for planned in members(context.plan, group) {
        for forecast in planned.config.iter().filter(|one| one.fate.is_pictured()) {
            let file = File {
                context,
                before,
                defaults: &state.saved.defaults,
                blobs: &blobs,
                path: &forecast.path,
            };
            let change = file.settle(&planned.component.package, forecast)?;
            state.findings.config_changes.push(change);
        }
    }
    let document = ConfigChanges {
        document: CONFIG_CHANGES_TYPE.to_owned(),
        run: context.run,
        files: state.findings.config_changes.clone(),
    };
    super::write_document(&context.dir().backup().config_changes(), &document)?;
    let carried = |change: &&FileChange| change.decision == Decision::CarriedOver;
    let beside = |change: &&FileChange| change.decision == Decision::PutBeside;
    Ok(format!(
        "{} files, {} edits carried over, {} put beside",
        document.files.len(),
        document.files.iter().filter(carried).count(),
        document.files.iter().filter(beside).count()
    ))
}

/// A file after its transaction.
struct File<'a> {
    context: &'a Context<'a>,
    before: &'a Snapshot,
    defaults: &'a Defaults,
    blobs: &'a Blobs,
    path: &'a str,
}

/// The decision, and why it was not a better one.
type Verdict = (Decision, Option<String>);

/// The result of a merge.
enum Merged {
    Into(Entry),
    /// No merge, and why.
    Not(String),
}

impl File<'_> {
    fn settle(&self, package: &str, forecast: &Forecast) -> Result<FileChange, StepError> {
        let now = self.look(self.path)?;
        let (decision, why) = match forecast.fate {
            Fate::Overwritten => self.overwritten(now.as_ref())?,
            _ => (self.observed(now.as_ref())?, None),
        };
        if forecast.is_deleted_again {
            self.delete_again(now.as_ref())?;
        }
        let result = match decision {
            Decision::CarriedOver | Decision::Recreated => self.look(self.path)?,
            _ => now,
        };
        Ok(FileChange {
            path: self.path.to_owned(),
            package: package.to_owned(),
            decision,
            why,
            old_default: self.defaults.old.get(self.path).copied(),
            yours: self.before.entries.get(self.path).and_then(content),
            new_default: self.defaults.new.get(self.path).copied(),
            result: result.as_ref().and_then(content),
        })
    }

    /// Deletes a file that the operator had deleted. A directory in its place is not ours to delete.
    fn delete_again(&self, now: Option<&Entry>) -> Result<(), StepError> {
        let was_there = self.before.entries.contains_key(self.path);
        let is_file = now.is_some_and(|now| !matches!(now.kind, Kind::Directory));
        if !was_there && is_file {
            let path = self.context.layout.at(self.path);
            secure_fs::Place::of(&path).and_then(|place| place.remove())?;
        }
        Ok(())
    }

    fn look(&self, path: &str) -> Result<Option<Entry>, StepError> {
        let (layout, keep) = (self.context.layout, Contents::Keep(self.blobs));
        let mut found = capture(layout, keep, Writers::Stopped, &[path.to_owned()], &[])?;
        Ok(found.entries.remove(path))
    }

    /// Finds what rpm did from the files that exist.
    fn observed(&self, now: Option<&Entry>) -> Result<Decision, StepError> {
        let yours = self.before.entries.get(self.path);
        let (Some(now), Some(yours)) = (now, yours) else {
            return Ok(match now {
                Some(_) => Decision::Recreated,
                None => Decision::Gone,
            });
        };
        let asides = [
            (".rpmnew", Decision::KeptWithRpmnew),
            (".rpmsave", Decision::ReplacedWithRpmsave),
            (".rpmorig", Decision::ReplacedWithRpmorig),
        ];
        for (suffix, decision) in asides {
            let aside = format!("{}{suffix}", self.path);
            let found = self.look(&aside)?;
            if found.is_some() && found.as_ref() != self.before.entries.get(&aside) {
                return Ok(decision);
            }
        }
        Ok(if now.kind == yours.kind {
            Decision::Kept
        } else {
            Decision::Updated
        })
    }

    /// Merges the edit of a plain file into the new one, or writes it beside.
    fn overwritten(&self, now: Option<&Entry>) -> Result<Verdict, StepError> {
        let yours = self.before.entries.get(self.path);
        let (Some(now), Some(yours)) = (now, yours) else {
            return Ok((self.observed(now)?, None));
        };
        if now.kind == yours.kind {
            return Ok((Decision::Kept, None));
        }
        let old = self.defaults.old.get(self.path).copied();
        if old.is_some() && content(yours) == old {
            return Ok((Decision::Updated, None));
        }
        match self.merged(old, yours, now)? {
            Merged::Into(merged) => {
                self.write(self.path, &merged)?;
                Ok((Decision::CarriedOver, None))
            }
            Merged::Not(why) => self.put_beside(yours, why),
        }
    }

    /// Merges the edit into the current file and keeps that file's owner and mode.
    fn merged(
        &self,
        old: Option<Content>,
        yours: &Entry,
        now: &Entry,
    ) -> Result<Merged, StepError> {
        let (Some(own), Some(new)) = (content(yours), content(now)) else {
            return Ok(Merged::Not("it is not a regular file".to_owned()));
        };
        let Some(old) = old else {
            let why = self.defaults.unknown.get(self.path).cloned();
            let why = why.unwrap_or_else(|| "the previous package has no such file".to_owned());
            return Ok(Merged::Not(format!("the old default is not known: {why}")));
        };
        let load = |content: Content| self.blobs.load_text(&content.sha256);
        let (Some(old), Some(own), Some(new)) = (load(old)?, load(own)?, load(new)?) else {
            return Ok(Merged::Not(TOO_LARGE.to_owned()));
        };
        let merged = match carry_over(&old, &own, &new) {
            Ok(merged) => merged,
            Err(why) => return Ok(Merged::Not(why)),
        };
        let sha256 = manifests::digest::Sha256::of(merged.as_bytes());
        let stored = self.blobs.put(&sha256, merged.as_bytes());
        stored?;
        let size = merged.len() as u64;
        Ok(Merged::Into(Entry {
            kind: Kind::File { size, sha256 },
            ..now.clone()
        }))
    }

    fn put_beside(&self, yours: &Entry, why: String) -> Result<Verdict, StepError> {
        let beside = format!("{}{YOURS}", self.path);
        let is_free = match self.look(&beside)? {
            None => true,
            Some(entry) => matches!(entry.kind, Kind::File { .. } | Kind::Symlink { .. }),
        };
        if !is_free || !matches!(yours.kind, Kind::File { .. } | Kind::Symlink { .. }) {
            return Ok((Decision::OnlyInBackup, Some(why)));
        }
        self.write(&beside, yours)?;
        Ok((Decision::PutBeside, Some(why)))
    }

    fn write(&self, path: &str, entry: &Entry) -> Result<(), StepError> {
        Ok(put(self.context.layout, self.blobs, path, entry)?)
    }
}

/// Returns the content of a regular file.
const fn content(entry: &Entry) -> Option<Content> {
    match entry.kind {
        Kind::File { size, sha256 } => Some(Content { sha256, size }),
        _ => None,
    }
}
