//! The data store of the modelled host.

use std::fs::File;
use std::time::Duration;

use installer::stores::{
    Access, Limit, Others, RehearsalMark, Restoring, ServerIdentity, ServerWords, StoreError,
    StoreLook, Stores,
};

use super::{FakeHost, data};

impl Stores for FakeHost {
    fn look(&self, _: &Access, _: Limit<'_>) -> Result<StoreLook, StoreError> {
        self.ask_store("store look", || data::look(&self.layout))
    }

    fn dump(&self, _: &Access, _: &str, into: &File, _: Limit<'_>) -> Result<(), StoreError> {
        self.ask_store("store dump", || data::dump(&self.layout, into))
    }

    fn prove(
        &self,
        _: &Access,
        _: &str,
        file: &File,
        _: Limit<'_>,
    ) -> Result<Option<u64>, StoreError> {
        let proven = self.call("store prove", |_| data::prove(file));
        proven.map_err(|error| data::error(&error.to_string()))?
    }

    fn rehearse(
        &self,
        _: &Access,
        _: &RehearsalMark,
        _: Limit<'_>,
    ) -> Result<Option<String>, StoreError> {
        self.ask_store("store rehearse", || {
            data::put_scratch(&self.layout);
            Ok(())
        })?;
        self.gate.moment("within", "store rehearse");
        if self.machine.borrow().trial_fails {
            return Err(data::error("the trial failed, and its server went away"));
        }
        data::drop_scratch(&self.layout);
        Ok(Some("tried".to_owned()))
    }

    fn clear_rehearsal(
        &self,
        _: &Access,
        _: &RehearsalMark,
        _: Limit<'_>,
    ) -> Result<(), StoreError> {
        self.ask_store("store clear", || {
            data::drop_scratch(&self.layout);
            Ok(())
        })
    }

    fn restore(
        &self,
        _: &Access,
        restoring: &Restoring<'_>,
        limit: Limit<'_>,
    ) -> Result<Vec<String>, StoreError> {
        let begun = self.change("store restore", |machine| {
            if machine.units.is_any_running(&machine.data_users) {
                let violation = "data were restored under a running service";
                machine.violations.push(violation.to_owned());
            }
            // A restore takes many times as long as its dump.
            if limit.time <= 1000 * Duration::from_secs(installer::plan::DUMP_LIMIT_SECS) {
                machine
                    .violations
                    .push("a restore has a time limit".to_owned());
            }
        });
        begun.map_err(|error| data::error(&error.to_string()))?;
        if !self.machine.borrow().has_store() {
            return Err(data::error("it does not answer"));
        }
        let part = restoring.parts.first();
        let part = part.ok_or_else(|| data::error("there is no dump"))?;
        let moment = || self.gate.moment("within", "store restore");
        data::restore(&self.layout, &part.file, moment)?;
        self.gate.moment("after", "store restore");
        Ok(Vec::new())
    }

    fn words(&self, _: &Access, _: Limit<'_>) -> ServerWords {
        let others = self.machine.borrow().other_hosts.clone();
        ServerWords {
            identity: ServerIdentity::default(),
            others: Others::Known(others),
        }
    }
}
