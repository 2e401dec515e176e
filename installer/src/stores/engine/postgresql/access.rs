//! Connection strings of `PostgreSQL`, as Go's pgx and as libpq read them.
//!
//! Where the two differ, the reader follows pgx, because the products are written in Go: the last
//! `@` before the hosts ends the password, a backslash escapes only a quote or a backslash, and `+`
//! in a URL's parameters is a space.

use std::collections::BTreeMap;

use manifests::product::DatabaseSettings;

use crate::stores::access::{canonical, url};
use crate::stores::discover::Look;

pub(super) use crate::stores::access::Secret;

/// Parameters of libpq that a dump may need. Other parameters (`TimeZone`, `pool_max_conns`, …)
/// belong to the driver or to the session and do not change which database is reached.
/// `client_encoding` is left out: a dump keeps the database's own encoding. `passfile` is left out
/// as well: the file would be read as root, and its passwords be shown to a server that the service's
/// user chose.
const KEPT: [&str; 35] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "options",
    "port",
    "require_auth",
    "requirepeer",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];
const MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];
const URL_SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Access to a `PostgreSQL` database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresqlAccess {
    /// libpq's keywords and values (`host`, `port`, `dbname`, `user`, `sslmode`, …), without passwords.
    pub parameters: BTreeMap<String, String>,
    /// Password.
    pub password: Option<Secret>,
    /// Tables whose data are not dumped, and which a restore leaves as they are.
    pub exclude: Vec<String>,
}

impl PostgresqlAccess {
    /// Reads the settings of a component.
    pub(in crate::stores::engine) fn of(
        look: &Look<'_>,
        settings: &DatabaseSettings,
    ) -> Result<Self, String> {
        let text = look.some(&settings.connection)?;
        let text = text.ok_or("it has no connection string")?;
        Self::parse(&text)
    }

    /// Reads a connection string: keywords and values, or a URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = url::bounded(text)?;
        let scheme = URL_SCHEMES.iter().find(|scheme| text.starts_with(**scheme));
        let given = match scheme {
            Some(scheme) => of_url(&text[scheme.len()..])?,
            None if text.trim().is_empty() => return Err("it is empty".to_owned()),
            None => of_words(text)?,
        };
        kept(given)
    }

    pub(super) fn endpoint(&self) -> String {
        let value = |name: &str, other: &str| {
            let known = self.parameters.get(name).filter(|text| !text.is_empty());
            known.map_or_else(|| other.to_owned(), Clone::clone)
        };
        let user = value("user", "root");
        let database = value("dbname", &user);
        let (host, port) = (value("host", "/var/run/postgresql"), value("port", "5432"));
        format!("postgresql {}:{port}/{database}", canonical(&host))
    }
}

fn kept(mut given: BTreeMap<String, String>) -> Result<PostgresqlAccess, String> {
    given.retain(|_, value| !value.is_empty());
    let password = given.remove("password").map(Secret::new);
    if given.contains_key("service") || given.contains_key("servicefile") {
        return Err(
            "it names a service of libpq, whose file is not read: give host, user and database"
                .to_owned(),
        );
    }
    if given.contains_key("sslpassword") {
        return Err(
            "it has a password for the key of the client's certificate, which is not supported: \
             use a key without one"
                .to_owned(),
        );
    }
    given.retain(|name, _| KEPT.contains(&name.as_str()));
    if let Some(ports) = given.get("port") {
        let ports = ports.split(',').filter(|port| !port.is_empty());
        ports.map(url::port).collect::<Result<Vec<_>, _>>()?;
    }
    let is_odd = |mode: &String| !MODES.contains(&mode.as_str());
    if given.get("sslmode").is_some_and(is_odd) {
        return Err(format!("its sslmode is not one of {}", MODES.join(", ")));
    }
    if given.values().any(|value| value.contains(['\n', '\r'])) {
        return Err("one of its values holds a line break".to_owned());
    }
    Ok(PostgresqlAccess {
        parameters: given,
        password,
        exclude: Vec::new(),
    })
}

fn put(given: &mut BTreeMap<String, String>, name: &str, value: String) {
    let name = match name {
        "database" => "dbname",
        name => name,
    };
    given.insert(name.to_owned(), value);
}

fn of_url(rest: &str) -> Result<BTreeMap<String, String>, String> {
    let pieces = url::pieces(rest)?;
    let mut given = BTreeMap::new();
    if let Some((user, password)) = pieces.login {
        put(&mut given, "user", url::decoded(user)?);
        put(
            &mut given,
            "password",
            url::decoded(password.unwrap_or_default())?,
        );
    }
    let hosts = pieces.hosts.iter().map(|(host, _)| url::decoded(host));
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    put(&mut given, "host", hosts.join(","));
    let mut ports = pieces.hosts.iter().map(|(_, port)| port.unwrap_or("5432"));
    if pieces.hosts.iter().any(|(_, port)| port.is_some()) {
        let first = ports.next().unwrap_or_default();
        let is_one = ports.clone().all(|port| port == first);
        let all = std::iter::once(first).chain(ports.filter(|_| !is_one));
        put(&mut given, "port", all.collect::<Vec<_>>().join(","));
    }
    let path = pieces.path.unwrap_or_default();
    put(&mut given, "dbname", url::decoded(path)?);
    for (name, value) in pieces.query {
        let name = url::decoded(name)?;
        let value = url::decoded(&value.replace('+', " "))?;
        match (name.as_str(), value.as_str()) {
            ("ssl", "true") => put(&mut given, "sslmode", "require".to_owned()),
            (name, _) => put(&mut given, name, value),
        }
    }
    Ok(given)
}

fn of_words(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut given = BTreeMap::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let unnamed = || "a word in it has no = behind it".to_owned();
        let (name, after) = rest.split_once('=').ok_or_else(unnamed)?;
        let name = name.trim_end_matches(is_space);
        if name.is_empty() || name.contains(is_space) {
            return Err(unnamed());
        }
        let (value, after) = value(after.trim_start_matches(is_space))?;
        put(&mut given, name, value);
        rest = after.trim_start_matches(is_space);
    }
    Ok(given)
}

/// Takes a value, quoted or not, from the front.
fn value(text: &str) -> Result<(String, &str), String> {
    let quoted = text.strip_prefix('\'');
    let text = quoted.unwrap_or(text);
    let (mut value, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' if quoted.is_some() => return Ok((value, &text[at + 1..])),
            '\\' => match letters.next() {
                Some((_, next @ ('\\' | '\''))) => value.push(next),
                Some((_, next)) => value.extend(['\\', next]),
                None => return Err("it ends with a backslash".to_owned()),
            },
            letter if quoted.is_none() && is_space(letter) => return Ok((value, &text[at..])),
            letter => value.push(letter),
        }
    }
    match quoted {
        Some(_) => Err("a quoted value in it is not closed".to_owned()),
        None => Ok((value, "")),
    }
}

const fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Option<String>) {
        let access = PostgresqlAccess::parse(text).unwrap();
        let password = access.password.map(|word| word.reveal().to_owned());
        (access.parameters.into_iter().collect(), password)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        list.iter().map(owned).collect()
    }

    #[test]
    fn words_are_read_with_quotes_escapes_and_spaces() {
        let (found, password) = read(
            "user=tyk password = 'it is' database=tyk_analytics host=10.0.0.1 port=5433 TimeZone=UTC \
             pool_max_conns=4",
        );
        // Two quotes end the word and begin another one, which has no `=`.
        assert!(PostgresqlAccess::parse("password='it''s' x").is_err());
        assert_eq!(password.as_deref(), Some("it is"));
        let expected = [
            ("dbname", "tyk_analytics"),
            ("host", "10.0.0.1"),
            ("port", "5433"),
            ("user", "tyk"),
        ];
        assert_eq!(found, pairs(&expected));
        let (found, password) =
            read(r"host=/run/pg  dbname='a b' user='o\'x\\y' password=a\ b\'c sslmode=disable");
        assert_eq!(password.as_deref(), Some(r"a\ b'c"));
        let expected = [
            ("dbname", "a b"),
            ("host", "/run/pg"),
            ("sslmode", "disable"),
            ("user", r"o'x\y"),
        ];
        assert_eq!(found, pairs(&expected));
        assert_eq!(read("host=h password='' user=u").1, None);
    }

    #[test]
    fn urls_are_read_with_encodings_and_several_hosts() {
        let (found, password) =
            read("postgres://us%40er:p%2Fw@@h1:1,[::1]:2,h3/d%20b?sslmode=require");
        let expected = [
            ("dbname", "d b"),
            ("host", "h1,::1,h3"),
            ("port", "1,2,5432"),
            ("sslmode", "require"),
            ("user", "us@er"),
        ];
        assert_eq!(
            (found, password.as_deref()),
            (pairs(&expected), Some("p/w@"))
        );
        let (found, password) =
            read("postgresql:///db?host=/run/pg&user=u&password=a+b&TimeZone=UTC");
        let expected = [("dbname", "db"), ("host", "/run/pg"), ("user", "u")];
        assert_eq!(
            (found, password.as_deref()),
            (pairs(&expected), Some("a b"))
        );
        let (found, password) = read("postgres://u@%2Frun%2Fpg/db");
        let expected = [("dbname", "db"), ("host", "/run/pg"), ("user", "u")];
        assert_eq!((found, password), (pairs(&expected), None));
        let (found, _) = read("postgres://h1:7,h2:7/db");
        assert!(
            found.contains(&("port".to_owned(), "7".to_owned())),
            "{found:?}"
        );
    }

    #[test]
    fn a_malformed_string_gives_a_reason_without_its_words() {
        let secret = "Zebra";
        for text in [
            "",
            "  ",
            "Zebra",
            "password=Zebra host",
            "password='Zebra",
            "password=Zebra\\",
            "=Zebra",
            "a Zebra=1",
            "host=h port=Zebra",
            "host=h sslmode=Zebra",
            "service=Zebra",
            "host=h sslpassword=Zebra",
            "user='Zeb\nra' Zebra=1",
            "postgres://u:Zebra/x@h/db",
            "postgres://u:Zebra#x@h/db",
            "postgres://u:%Zebra@h/db",
            "postgres://u:%80Zebra@h/db",
            "postgres://u:Zebra@[::1/db",
            "postgres://u:Zebra@[::1]x/db",
            "postgres://u:Zebra@h:0/db",
            "postgres://u:Zebra@h:99999/db",
            "postgres://h/db?Zebra",
            "postgres://u:Zebra%00@h/db",
            &format!("host=h password={}", secret.repeat(10_000)),
            &format!("postgres://Zebra{}/db", ",h".repeat(100)),
        ] {
            let reason = PostgresqlAccess::parse(text).unwrap_err();
            assert!(!reason.contains(secret), "{reason}");
            assert!(reason.len() > 10 && reason.len() < 200, "{reason}");
        }
    }

    #[test]
    fn no_text_of_any_shape_breaks_the_reader() {
        let alphabet = [
            "postgres://",
            "=",
            "'",
            "\\",
            " ",
            "@",
            "/",
            "?",
            "%",
            "[",
            "]",
            ":",
            ",",
            "é",
            "a",
        ];
        let mut state: u64 = 1;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = usize::try_from(state >> 33).unwrap() % alphabet.len();
                text.push_str(alphabet[at]);
            }
            if let Ok(access) = PostgresqlAccess::parse(&text) {
                assert!(!access.parameters.contains_key("password"), "{text}");
            }
        }
    }
}
