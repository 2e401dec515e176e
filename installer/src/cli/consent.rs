//! The actions that an operator must allow by name, and the plan of an upgrade with them.

use std::collections::BTreeMap;

use clap::Args;

use super::refusal::cannot_look;
use super::session::Session;
use crate::bundle::OpenBundle;
use crate::failure::Failure;
use crate::history;
use crate::inventory::Inventory;
use crate::plan::{self, Consent, Draft, Inputs, StoreConsent};
use crate::problem::Problem;
use crate::site_file::{self, Choices};

/// Actions that need an explicit request.
#[derive(Debug, Args)]
pub(super) struct ConsentArgs {
    /// Accept a bundle or packages that are older than what was installed here. REASON is written into
    /// the plan, the report and the system's log.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    allow_downgrade_because: Option<String>,
    /// Accept a bundle whose sequence is far above the last one's: afterwards every bundle with a lower
    /// one is refused here. REASON is written into the plan, the report and the system's log.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    allow_sequence_jump_because: Option<String>,
    /// Go on although plugins or the like would not load into the target version. REASON is written into
    /// the plan, the report and the system's log.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    ignore_plugins_because: Option<String>,
    /// Do not dump the data store NAME: its data are safe without us, because of REASON, which is
    /// written into the plan, the report and the system's log. A revert cannot bring its data back.
    #[arg(long, value_name = "NAME=REASON", value_parser = elsewhere)]
    backed_up_elsewhere: Vec<(String, String)>,
    #[command(flatten)]
    shared: RestoreShared,
    /// Dump the data store NAME, and leave restoring it to a person, because of REASON, which is
    /// written into the plan, the report and the system's log. A revert keeps its services stopped and
    /// prints the commands.
    #[arg(long, value_name = "NAME=REASON", value_parser = elsewhere)]
    restored_by_hand: Vec<(String, String)>,
    /// With an older bundle: leave data that the newer version rewrote as they are, because of REASON.
    /// The older version may not be able to use them.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    keep_data_because: Option<String>,
    /// Go on although the component NAME is ill before the run, or cannot be asked, because of REASON,
    /// which is written into the plan, the report and the system's log. It may be ill in the same way
    /// after the run, which then ends with exit code 8. Not over a migration of data.
    #[arg(long, value_name = "NAME=REASON", value_parser = elsewhere)]
    unhealthy_before: Vec<(String, String)>,
    #[command(flatten)]
    health: HealthBudgets,
    /// Install the component NAME of the bundle for the first time: it is not installed on this host. A
    /// revert or an undo removes it again.
    #[arg(long, value_name = "NAME")]
    fresh: Vec<String>,
    /// Longest time for the dump of one data store, in seconds [default: 3600].
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    dump_time_limit: Option<u64>,
    /// Put the dumps of data stores below DIR instead of /var/lib/airgap-bundle. DIR must exist, on a
    /// local filesystem, and only root may write to it and to the directories above it. Not together
    /// with sealed backups.
    #[arg(long, value_name = "DIR", value_parser = absolute)]
    dump_dir: Option<String>,
}

/// Stores that other hosts use.
#[derive(Debug, Args)]
pub(super) struct RestoreShared {
    /// Data of the store NAME may be replaced by an earlier dump although other hosts use them, because
    /// of REASON, which is written into the plan, the report and the system's log. What those hosts
    /// wrote since the dump is lost to them, and kept in a dump.
    #[arg(long, value_name = "NAME=REASON", value_parser = elsewhere)]
    restore_shared: Vec<(String, String)>,
}

impl RestoreShared {
    /// Returns what was decided about stores, with what the site decided.
    pub(super) fn standing(&self, choices: &mut Choices) -> StoreConsent {
        let shared = choices.reasons("restore-shared", &self.restore_shared);
        StoreConsent {
            shared,
            chosen: choices.chosen().to_vec(),
            ..StoreConsent::default()
        }
    }
}

/// Longest waits for health.
#[derive(Debug, Args)]
pub(super) struct HealthBudgets {
    /// Longest time until the component NAME is healthy, in seconds; the product manifest has the
    /// usual one.
    #[arg(long, value_name = "NAME=SECS", value_parser = budget)]
    health_budget: Vec<(String, u64)>,
}

impl HealthBudgets {
    /// Returns the waits by component, with those of the site.
    pub(super) fn standing(&self, choices: &mut Choices) -> BTreeMap<String, u64> {
        choices.numbers("health-budget", &self.health_budget)
    }

    /// Returns the waits of the command line by component.
    pub(super) fn budgets(&self) -> BTreeMap<String, u64> {
        self.health_budget.iter().cloned().collect()
    }
}

fn budget(text: &str) -> Result<(String, u64), String> {
    let (name, secs) = text.split_once('=').ok_or("write NAME=SECS")?;
    let secs = secs.trim().parse().ok();
    let secs = secs.filter(|secs| (1..=86_400).contains(secs));
    let secs = secs.ok_or("write 1 to 86400 seconds")?;
    Ok((name.trim().to_owned(), secs))
}

/// Parses the path of a directory that later processes find again, wherever they are started.
fn absolute(text: &str) -> Result<String, String> {
    let path = std::path::Path::new(text);
    let is_plain = path
        .components()
        .all(|part| !matches!(part, std::path::Component::ParentDir));
    if !path.is_absolute() || !is_plain || text.chars().any(char::is_control) {
        return Err("write an absolute path without `..`".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Parses a name and a reason.
pub(super) fn elsewhere(text: &str) -> Result<(String, String), String> {
    let (name, why) = text.split_once('=').ok_or("write NAME=REASON")?;
    Ok((name.trim().to_owned(), reason(why)?))
}

/// Parses a reason that a reader will still understand after a year.
pub(super) fn reason(text: &str) -> Result<String, String> {
    site_file::reason(text).ok_or_else(|| site_file::A_REASON.to_owned())
}

impl ConsentArgs {
    /// Plans the upgrade to an opened bundle, as far as it can be planned. Nothing is changed.
    pub(super) fn draft(
        &self,
        session: &Session,
        open: &OpenBundle,
    ) -> Result<Result<Draft, Problem>, Failure> {
        let mut choices = session.choices()?;
        let consent = Consent {
            downgrade_because: self.allow_downgrade_because.clone(),
            jump_because: self.allow_sequence_jump_because.clone(),
            extras_ignored_because: self.ignore_plugins_because.clone(),
            elsewhere: choices.reasons("backed-up-elsewhere", &self.backed_up_elsewhere),
            stores: StoreConsent {
                by_hand: choices.reasons("restored-by-hand", &self.restored_by_hand),
                ..self.shared.standing(&mut choices)
            },
            keep_data_because: self.keep_data_because.clone(),
            unhealthy_before: choices.reasons("unhealthy-before", &self.unhealthy_before),
            health_budgets: self.health.standing(&mut choices),
            fresh: self.fresh.iter().cloned().collect(),
            dump_limit_secs: choices.number("dump-time-limit", self.dump_time_limit),
            dump_dir: choices.path("dump-dir", self.dump_dir.clone()),
            chosen: choices.chosen().to_vec(),
        };
        let inventory = Inventory::for_bundle(&session.host, &session.layout, open.metadata())
            .map_err(|error| cannot_look(&error))?;
        // An ordinary user may not read the store; then the plan states that there is no way back.
        let stored = history::stored(&session.layout).unwrap_or_default();
        let inputs = Inputs {
            metadata: open.metadata(),
            inventory: &inventory,
            stored: &stored,
            consent: &consent,
        };
        let mut drafted = plan::draft(&inputs);
        if let Ok(draft) = &mut drafted {
            draft.plan.notes.extend(choices.unread);
        }
        Ok(drafted)
    }
}

#[cfg(test)]
mod tests {
    use super::{absolute, budget};

    #[test]
    fn a_directory_of_dumps_is_found_again_by_other_processes() {
        assert_eq!(absolute("/srv/dumps/"), Ok("/srv/dumps".to_owned()));
        for bad in ["", "dumps", "./dumps", "/srv/../tmp", "/srv/a\nb"] {
            assert!(absolute(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_budget_is_a_name_and_seconds() {
        assert_eq!(budget("gateway=600"), Ok(("gateway".to_owned(), 600)));
        for bad in [
            "gateway",
            "gateway=",
            "gateway=0",
            "gateway=-1",
            "gateway=99999",
            "=x",
        ] {
            assert!(budget(bad).is_err(), "{bad}");
        }
    }
}
