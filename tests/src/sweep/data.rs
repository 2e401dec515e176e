//! The data stores of a host as a judge sees them: every key and every row.

use anyhow::Result;

use super::verdict::Verdict;
use crate::isolated::IsolatedHost;
use crate::stores::{Stores, StoresPicture};

/// The table that the pump writes all the time, in this database.
const WRITTEN: &str = "tyk_analytics";
const DATABASE: &str = "tyk_analytics";
/// What the dashboard's migration writes.
const MIGRATED: [&str; 2] = ["tyk_apis", "tyk_oas_migrations"];
/// The databases that every server has.
const SERVERS: [&str; 3] = ["postgres", "template0", "template1"];
/// A restore keeps the replaced database under a name with this in it.
const ASIDE: &str = "_before_revert_";

/// What the stores held before the run; nothing on a host without stores.
#[derive(Debug)]
pub(super) struct Data(Option<(Stores, StoresPicture)>);

impl Data {
    pub(super) fn of(host: &IsolatedHost, has_stores: bool) -> Result<Self> {
        if !has_stores {
            return Ok(Self(None));
        }
        let stores = Stores::attach(host)?;
        let before = stores.picture(host)?;
        Ok(Self(Some((stores, before))))
    }

    /// Waits until the servers answer and the components are well with them. After a boot no other
    /// code waits for that.
    pub(super) fn await_well(&self, host: &IsolatedHost) -> Result<()> {
        match &self.0 {
            Some((stores, _)) => stores.wait_until_well(host),
            None => Ok(()),
        }
    }

    /// Returns how the stores differ from those of a host in such a state.
    pub(super) fn reasons(&self, host: &IsolatedHost, verdict: &Verdict) -> Result<Vec<String>> {
        let Some((stores, before)) = &self.0 else {
            return Ok(Vec::new());
        };
        let after = stores.picture(host)?;
        let mut reasons = if *verdict == Verdict::Done {
            let schema = stores.sql(host, "SELECT DISTINCT schema FROM tyk_apis")?;
            let wrong = (schema != "2").then(|| format!("tyk_apis has schema {schema}"));
            let mut reasons = differences(before, &after, &MIGRATED);
            reasons.extend(wrong);
            reasons
        } else {
            differences(before, &after, &[])
        };
        let table = format!("public.{WRITTEN}");
        let kept = after.rows(&table);
        let lost = before.rows(&table).iter().filter(|row| !kept.contains(row));
        reasons.extend(lost.map(|row| format!("table {table}, row lost: {row}")));
        let stray = databases(host, stores)?.into_iter().filter(|name| {
            name != DATABASE && !SERVERS.contains(&name.as_str()) && !is_kept_aside(name)
        });
        reasons.extend(stray.map(|name| format!("stray database {name}")));
        Ok(reasons)
    }

    /// How many databases restores have kept aside.
    pub(super) fn kept_aside(&self, host: &IsolatedHost) -> Result<Option<usize>> {
        let Some((stores, _)) = &self.0 else {
            return Ok(None);
        };
        let names = databases(host, stores)?;
        Ok(Some(
            names.iter().filter(|name| is_kept_aside(name)).count(),
        ))
    }
}

/// What differs outside of the table that is always written, and of some others.
fn differences(before: &StoresPicture, after: &StoresPicture, others: &[&str]) -> Vec<String> {
    let [before, after] = [before, after].map(|picture| {
        let rest = picture.without_table(WRITTEN);
        others
            .iter()
            .fold(rest, |rest, table| rest.without_table(table))
    });
    before.differences(&after)
}

fn databases(host: &IsolatedHost, stores: &Stores) -> Result<Vec<String>> {
    let names = stores.sql(host, "SELECT datname FROM pg_database ORDER BY datname")?;
    Ok(names.lines().map(str::to_owned).collect())
}

fn is_kept_aside(name: &str) -> bool {
    let rest = name.strip_prefix(DATABASE);
    rest.is_some_and(|rest| rest.starts_with(ASIDE))
}

#[cfg(test)]
mod tests {
    use super::is_kept_aside;

    #[test]
    fn a_database_that_was_kept_is_not_a_stray() {
        assert!(is_kept_aside("tyk_analytics_before_revert_1_2"));
        assert!(!is_kept_aside("tyk_analytics_airgap_1"));
        assert!(!is_kept_aside("tyk_analytics"));
    }
}
