//! The commands that put a dump back by hand. They hold no password: the tools ask for it.

use std::path::PathBuf;

use super::postgresql::excluded_arguments;
use super::{Access, MongodbAccess, PostgresqlAccess};
use crate::shell::quoted;

impl Access {
    /// Returns the commands that put the parts of a dump in the place of what a store holds. What it
    /// holds is kept where the store allows it.
    #[must_use]
    pub fn by_hand(&self, run: u64, parts: &[PathBuf]) -> Vec<String> {
        let shown: Vec<String> = parts
            .iter()
            .map(|part| part.display().to_string())
            .collect();
        match self {
            Self::Postgresql(access) => postgresql(access, run, &shown),
            Self::Mongodb(access) => mongodb(access, &shown),
            Self::Redis(_) => redis(&shown),
        }
    }
}

/// The dump's own `CREATE DATABASE` has encoding, owner, rights and settings of the database.
fn postgresql(access: &PostgresqlAccess, run: u64, parts: &[String]) -> Vec<String> {
    let parameter = |name: &str| access.parameters.get(name).map(String::as_str);
    let user = parameter("user").unwrap_or("root");
    let database = parameter("dbname").unwrap_or(user);
    let value = |text: &str| text.replace('\\', r"\\").replace('\'', r"\'");
    let known = access
        .parameters
        .iter()
        .filter(|(name, _)| *name != "dbname");
    let words: Vec<String> = known
        .map(|(name, text)| format!("{name}='{}'", value(text)))
        .collect();
    let to = |database: &str| {
        let all = words.iter().cloned();
        let all = all.chain([format!("dbname='{}'", value(database))]);
        quoted(&all.collect::<Vec<_>>().join(" "))
    };
    let connection = to("postgres");
    let identifier = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let kept = format!("{database}_by_hand_{run}");
    let rename = quoted(&format!(
        "ALTER DATABASE {} RENAME TO {}",
        identifier(database),
        identifier(&kept)
    ));
    let dump = parts.iter().find(|part| {
        part.rsplit_once('.')
            .is_some_and(|(_, kind)| kind == "dump")
    });
    let dump = dump.map_or_else(|| "DUMP".to_owned(), |dump| quoted(dump));
    let mut commands = Vec::new();
    if access.password.is_some() {
        commands.push(format!(
            "# both ask for the password of {user}, which stands in the configuration"
        ));
    }
    commands.extend([
        format!("psql -d {connection} -v ON_ERROR_STOP=1 -c {rename}"),
        format!("pg_restore --create --exit-on-error -d {connection} {dump}"),
    ]);
    if !access.exclude.is_empty() {
        let tables = quoted(&excluded_arguments(&access.exclude));
        commands.push(format!(
            "# the dump has no data of {}: they come from the database that was renamed, which keeps \
             everything else",
            access.exclude.join(", ")
        ));
        commands.push(format!(
            "psql -XAt -d {made} -v ON_ERROR_STOP=1 -c {tables} | xargs -rd '\\n' pg_dump -Fc -d {} | \
             pg_restore --clean --if-exists -d {made}",
            to(&kept),
            made = to(database)
        ));
    }
    commands
}

fn mongodb(access: &MongodbAccess, parts: &[String]) -> Vec<String> {
    let hosts = access
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    let include = quoted(&format!("--nsInclude={}.*", access.database));
    let mut commands = vec![
        "# URI is the connection string of the configuration, with user and options".to_owned(),
        format!(
            "# its server is {}; a replica set is restored through its primary",
            hosts.join(",")
        ),
    ];
    commands.extend(parts.iter().map(|part| {
        let archive = quoted(&format!("--archive={part}"));
        format!("mongorestore --uri=\"$URI\" --drop --gzip {include} {archive}")
    }));
    commands
}

fn redis(parts: &[String]) -> Vec<String> {
    let mut commands = vec![
        "# stop the server of this Redis, and keep the files in its directory (CONFIG GET dir)"
            .to_owned(),
        "# put the dump there under the name of its dump file (CONFIG GET dbfilename), its user's"
            .to_owned(),
        "# own; start it with `appendonly no`, then set CONFIG SET appendonly yes if it was on"
            .to_owned(),
    ];
    commands.extend(parts.iter().map(|part| format!("#   {part}")));
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_renamed_and_made_anew_without_a_word_of_its_password() {
        let text = "user=tyk password=Zebra dbname=shop host=127.0.0.1 port=5432";
        let access = Access::Postgresql(PostgresqlAccess::parse(text).unwrap());
        let dump = PathBuf::from("/var/lib/airgap-bundle/runs/7/backup/stores/a/database.dump");
        let commands = access.by_hand(7, &[dump]).join("\n");
        for words in [
            "shop_by_hand_7",
            "pg_restore --create",
            "/var/lib/airgap-bundle/runs/7/backup/stores/a/database.dump",
            "host=",
            "asks for the password",
        ] {
            let words = words.replace("asks", "ask");
            assert!(commands.contains(&words), "{words} is not in {commands}");
        }
        assert!(!commands.contains("Zebra"), "{commands}");
        assert!(!commands.contains("pg_dump"), "{commands}");
        let partly = access.without_data_of(&["tyk_analytics*".to_owned()]);
        let commands = partly.by_hand(7, &[]).join("\n");
        for words in ["--table=%I.%I", "xargs -rd", "shop_by_hand_7", "--clean"] {
            assert!(commands.contains(words), "{words} is not in {commands}");
        }
        assert!(
            !commands.contains("--table=*"),
            "names, not patterns: {commands}"
        );
        let uri = "mongodb://tyk:Zebra@h/db";
        let access = Access::Mongodb(MongodbAccess::parse(uri, None).unwrap());
        let commands = access
            .by_hand(7, &[PathBuf::from("/d/database.archive.gz")])
            .join("\n");
        assert!(
            commands.contains("--archive=/d/database.archive.gz"),
            "{commands}"
        );
        assert!(!commands.contains("Zebra"), "{commands}");
    }
}
