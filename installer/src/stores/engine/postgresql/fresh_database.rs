//! The fresh database beside the old one: it is created, gets what the old one has, and takes its
//! place.
//!
//! While it is filled, it has an unusual limit of connections. A later try recognizes it by this
//! mark and may remove it.

use super::session::{Session, identifier, literal};
use crate::stores::{RehearsalMark, StoreError};

const NAME_MAX_BYTES: usize = 63;
const MARK: u32 = 1_146_903_517;
const SWAPS: u32 = 5;
/// In the names of databases in which a restore is only tried out.
const TRIED: &str = "_airgap_try_";
/// Settings that are lists: their stored values are SQL already.
const LISTS: &str = "'local_preload_libraries', 'search_path', 'session_preload_libraries', \
                     'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories'";

/// Makes a name from a database's name and a suffix, within the allowed length.
fn named(database: &str, suffix: &str) -> String {
    let mut end = database
        .len()
        .min(NAME_MAX_BYTES.saturating_sub(suffix.len()));
    while !database.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &database[..end])
}

/// The old and the fresh database, seen from a third one.
pub(super) struct FreshDatabase<'s, 'a> {
    maintenance: &'s Session<'a>,
    what: String,
    old: String,
    fresh: String,
    run: u64,
}

impl<'s, 'a> FreshDatabase<'s, 'a> {
    /// Makes a fresh database like the old one for a run, after removing what an earlier try left.
    pub(super) fn made(
        maintenance: &'s Session<'a>,
        old: &str,
        run: u64,
    ) -> Result<Self, StoreError> {
        let mut made = Self {
            maintenance,
            what: format!("database `{old}` cannot be restored"),
            old: old.to_owned(),
            fresh: String::new(),
            run,
        };
        made.fresh = made.free_name(&format!("_airgap_{run}"), true)?;
        made.remove_fresh()?;
        made.create()?;
        Ok(made)
    }

    /// Makes a database like another one to try out a restore, under a name that no restore uses.
    pub(super) fn scratch(
        maintenance: &'s Session<'a>,
        like: &str,
        mark: &RehearsalMark,
    ) -> Result<Self, StoreError> {
        let mut made = Self {
            maintenance,
            what: format!("a restore of database `{like}` cannot be tried out"),
            old: like.to_owned(),
            fresh: String::new(),
            run: mark.run,
        };
        made.clear(mark)?;
        made.fresh = made.free_name(&format!("{TRIED}{}_{}", mark.host, mark.run), true)?;
        made.create()?;
        Ok(made)
    }

    /// Removes every database of interrupted trials of this host.
    pub(super) fn clear_scratch(
        maintenance: &'s Session<'a>,
        like: &str,
        mark: &RehearsalMark,
    ) -> Result<(), StoreError> {
        let cleared = Self {
            maintenance,
            what: format!("what a trial of a restore of `{like}` left cannot be removed"),
            old: like.to_owned(),
            fresh: String::new(),
            run: mark.run,
        };
        cleared.clear(mark)
    }

    fn clear(&self, mark: &RehearsalMark) -> Result<(), StoreError> {
        let word = literal(&format!("{TRIED}{}_", mark.host));
        let is_left = format!(
            "d.datconnlimit = {MARK} AND strpos(d.datname, {word}) > 0 \
             AND pg_has_role(d.datdba, 'MEMBER')"
        );
        // A killed tool may still have its connection.
        self.ask(&format!(
            "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a \
             JOIN pg_database d ON d.oid = a.datid WHERE {is_left} \
             AND a.usename = current_user AND a.pid <> pg_backend_pid();\n\
             SELECT format('DROP DATABASE %I', d.datname) FROM pg_database d WHERE {is_left}\n\\gexec"
        ))
        .map(drop)
    }

    /// Returns the name of the fresh database.
    pub(super) fn fresh(&self) -> &str {
        &self.fresh
    }

    fn ask(&self, sql: &str) -> Result<Vec<Vec<String>>, StoreError> {
        self.maintenance.change(&self.what, sql)
    }

    /// Whether the old database exists.
    pub(super) fn has_old(&self) -> Result<bool, StoreError> {
        let old = literal(&self.old);
        let found = self.ask(&format!("SELECT 1 FROM pg_database WHERE datname = {old};"))?;
        Ok(!found.is_empty())
    }

    /// Finds a free name. The name of a fresh database of ours also counts if `is_ours_free`.
    fn free_name(&self, suffix: &str, is_ours_free: bool) -> Result<String, StoreError> {
        for turn in 1..100 {
            let suffix = match turn {
                1 => suffix.to_owned(),
                turn => format!("{suffix}_{turn}"),
            };
            let name = named(&self.old, &suffix);
            let sql = format!(
                "SELECT datconnlimit = {MARK} FROM pg_database WHERE datname = {};",
                literal(&name)
            );
            match self.ask(&sql)?.first() {
                None => return Ok(name),
                Some(ours) if is_ours_free && ours == &["t"] => return Ok(name),
                Some(_) => {}
            }
        }
        Err(StoreError::new(
            self.what.clone(),
            "too many databases of earlier restores are there",
            format!("drop those whose names end with {suffix} and a number"),
        ))
    }

    /// Removes the fresh database if it bears the mark.
    pub(super) fn remove_fresh(&self) -> Result<(), StoreError> {
        let fresh = literal(&self.fresh);
        // A killed tool may still have its connection.
        self.ask(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = {fresh} AND usename = current_user AND pid <> pg_backend_pid();\n\
             SELECT format('DROP DATABASE %I', datname) FROM pg_database \
             WHERE datname = {fresh} AND datconnlimit = {MARK}\n\\gexec"
        ))
        .map(drop)
    }

    /// Makes the fresh database anew, empty.
    pub(super) fn renew(&self) -> Result<(), StoreError> {
        self.remove_fresh()?;
        self.create()
    }

    fn create(&self) -> Result<(), StoreError> {
        let (old, fresh) = (literal(&self.old), literal(&self.fresh));
        // Newer servers have more columns, so columns are asked for by name.
        self.ask(&format!(
            "SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L \
             LC_CTYPE %L CONNECTION LIMIT {MARK}', {fresh}, pg_get_userbyid(d.datdba), \
             pg_encoding_to_char(d.encoding), d.datcollate, d.datctype) \
             || CASE j.row->>'datlocprovider' WHEN 'i' THEN ' LOCALE_PROVIDER icu' \
             || format(' ICU_LOCALE %L', coalesce(j.row->>'datlocale', j.row->>'daticulocale')) \
             || coalesce(format(' ICU_RULES %L', nullif(j.row->>'daticurules', '')), '') \
             WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j.row->>'datlocale') \
             ELSE '' END \
             || CASE t.spcname WHEN 'pg_default' THEN '' ELSE format(' TABLESPACE %I', t.spcname) END \
             FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace, \
             LATERAL (SELECT to_jsonb(d) AS row) j WHERE d.datname = {old} \
             UNION ALL SELECT format('CREATE DATABASE %I TEMPLATE template0 CONNECTION LIMIT {MARK}', \
             {fresh}) WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {old})\n\\gexec"
        ))
        .map(drop)
    }

    /// Gives the fresh database the rights, the comment and the settings of the old one. Returns
    /// what could not be given.
    pub(super) fn copy_attributes(&self) -> Result<Vec<String>, StoreError> {
        let (old, fresh) = (literal(&self.old), literal(&self.fresh));
        self.ask(&format!(
            "SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', {fresh}, \
             pg_get_userbyid(datdba)) FROM pg_database WHERE datname = {old} \
             AND datacl IS NOT NULL\n\\gexec\n\
             SELECT format('GRANT %s ON DATABASE %I TO %s', a.privilege_type, {fresh}, \
             CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) \
             || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END \
             FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = {old}\n\\gexec\n\
             SELECT format('COMMENT ON DATABASE %I IS %L', {fresh}, shobj_description(oid, \
             'pg_database')) FROM pg_database WHERE datname = {old} \
             AND shobj_description(oid, 'pg_database') IS NOT NULL\n\\gexec"
        ))?;
        let settings = self.ask(&format!(
            "SELECT CASE s.setrole WHEN 0 THEN format('ALTER DATABASE %I', {fresh}) \
             ELSE format('ALTER ROLE %I IN DATABASE %I', pg_get_userbyid(s.setrole), {fresh}) END \
             || format(' SET %I TO ', v.name) \
             || CASE WHEN lower(v.name) IN ({LISTS}) AND v.value <> '' THEN v.value \
             ELSE quote_literal(v.value) END, v.name \
             FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid, \
             unnest(s.setconfig) c, LATERAL (SELECT split_part(c, '=', 1) AS name, \
             substr(c, strpos(c, '=') + 1) AS value) v WHERE d.datname = {old};"
        ))?;
        let mut notes = Vec::new();
        for record in settings {
            let [statement, name] = record.as_slice() else {
                continue;
            };
            if let Err(error) = self.ask(&format!("{statement};")) {
                notes.push(format!(
                    "the setting `{name}` of database `{}` was not carried over: {}",
                    self.old, error.why
                ));
            }
        }
        Ok(notes)
    }

    /// Puts the fresh database in the place of the old one. Returns the old one's new name.
    ///
    /// Renaming locks the database and waits for its last connection. A client that reconnects
    /// meanwhile waits too, and then gets an error that the database was renamed.
    pub(super) fn swap(&self) -> Result<Option<String>, StoreError> {
        let (old, fresh) = (identifier(&self.old), identifier(&self.fresh));
        let sql = format!(
            "SELECT datconnlimit FROM pg_database WHERE datname = {};",
            literal(&self.old)
        );
        let was = self.ask(&sql)?.into_iter().next();
        let Some(limit) = was.and_then(|record| record.into_iter().next()) else {
            self.ask(&format!(
                "BEGIN; ALTER DATABASE {fresh} RENAME TO {old}; \
                 ALTER DATABASE {old} CONNECTION LIMIT -1; COMMIT;"
            ))?;
            return Ok(None);
        };
        let kept = self.free_name(&format!("_before_revert_{}", self.run), false)?;
        let kept_name = identifier(&kept);
        let script = format!(
            "{end}\nBEGIN; ALTER DATABASE {old} RENAME TO {kept_name}; \
             ALTER DATABASE {fresh} RENAME TO {old}; \
             ALTER DATABASE {old} CONNECTION LIMIT {limit}; COMMIT;",
            end = self.ending()
        );
        let mut turn = 1;
        loop {
            match self.ask(&script) {
                Ok(_) => return Ok(Some(kept)),
                Err(error) if !error.why.contains("accessed by other users") => return Err(error),
                Err(_) if turn < SWAPS => turn += 1,
                Err(error) => return Err(self.who_is_there().unwrap_or(error)),
            }
        }
    }

    /// Ends the connections to both databases, as far as the user may end them.
    fn ending(&self) -> String {
        format!(
            "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a \
             JOIN pg_roles o ON o.oid = a.usesysid, pg_roles r \
             WHERE a.datname IN ({}, {}) AND a.pid <> pg_backend_pid() AND r.rolname = current_user \
             AND (r.rolsuper OR NOT o.rolsuper AND (pg_has_role(a.usesysid, 'MEMBER') \
             OR pg_has_role('pg_signal_backend', 'MEMBER')));",
            literal(&self.old),
            literal(&self.fresh)
        )
    }

    fn who_is_there(&self) -> Option<StoreError> {
        let records = self.ask(&format!(
            "SELECT format('%s (process %s%s)', coalesce(usename, 'the server'), pid, \
             coalesce(' from ' || host(client_addr), '')) FROM pg_stat_activity \
             WHERE datname = {} AND pid <> pg_backend_pid();",
            literal(&self.old)
        ));
        let people: Vec<String> = records.ok()?.into_iter().flatten().collect();
        (!people.is_empty()).then(|| {
            StoreError::new(
                self.what.clone(),
                format!("others are connected to it and may not be ended: {}", people.join(", ")),
                "close these connections, or GRANT pg_signal_backend to the user of the configuration",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_bytes() {
        assert_eq!(named("shop", "_airgap_7"), "shop_airgap_7");
        let long = "ü".repeat(31);
        let name = named(&long, "_airgap_7");
        assert_eq!(name, format!("{}_airgap_7", "ü".repeat(27)));
        assert_eq!(named(&"x".repeat(63), "_airgap_7").len(), 63);
    }
}
