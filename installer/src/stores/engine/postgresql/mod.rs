//! Postgresql. Not built yet.

use std::fs::File;

use super::Restoring;
use crate::stores::access::PostgresqlAccess;
use crate::stores::{Limit, StoreError, StoreLook};

fn unbuilt<T>() -> Result<T, StoreError> {
    Err(StoreError::new("this store", "not built yet", "wait"))
}

pub(super) fn look(_access: &PostgresqlAccess, _limit: Limit<'_>) -> Result<StoreLook, StoreError> {
    unbuilt()
}

pub(super) fn dump(
    _access: &PostgresqlAccess,
    _part: &str,
    _into: &File,
    _limit: Limit<'_>,
) -> Result<(), StoreError> {
    unbuilt()
}

pub(super) fn prove(
    _access: &PostgresqlAccess,
    _part: &str,
    _file: &File,
    _limit: Limit<'_>,
) -> Result<Option<u64>, StoreError> {
    unbuilt()
}

pub(super) fn restore(
    _access: &PostgresqlAccess,
    _restoring: &Restoring<'_>,
    _limit: Limit<'_>,
) -> Result<Vec<String>, StoreError> {
    unbuilt()
}
