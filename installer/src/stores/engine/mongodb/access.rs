//! Connection strings of `MongoDB`.

use manifests::product::DatabaseSettings;

use crate::stores::access::{Address, Secret, Tls, joined, url};
use crate::stores::discover::Look;

const PORT: u16 = 27017;
const DATABASE_MAX_BYTES: usize = 63;

/// Access to a `MongoDB` database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MongodbAccess {
    /// The whole connection string, with its password.
    pub uri: Secret,
    pub addresses: Vec<Address>,
    pub database: String,
    /// TLS, if the settings beside the string ask for it.
    pub tls: Option<Tls>,
    /// Collections that are neither dumped nor restored.
    pub exclude: Vec<String>,
}

impl MongodbAccess {
    /// Reads the settings of a component; nothing if they hold no connection string.
    pub(in crate::stores::engine) fn of(
        look: &Look<'_>,
        settings: &DatabaseSettings,
    ) -> Result<Option<Self>, String> {
        // The default kind, for a store without configuration.
        let Some(text) = look.some(&settings.connection)? else {
            return Ok(None);
        };
        let tls = if look.is_on(&settings.tls)? {
            Some(Tls {
                ca_file: look.some(&settings.ca_file)?,
                cert_file: look.some(&settings.pem_file)?,
                key_file: None,
                insecure: look.is_on(&settings.tls_insecure)?,
            })
        } else {
            None
        };
        Self::parse(&text, tls).map(Some)
    }

    /// Reads a connection string. A string without a database means `test`, as the products'
    /// drivers read it; the content of a dump must be known.
    pub fn parse(uri: &str, tls: Option<Tls>) -> Result<Self, String> {
        let uri = url::bounded(uri.trim())?;
        if uri.starts_with("mongodb+srv://") {
            return Err(
                "its hosts stand in DNS (mongodb+srv://), which is not asked on an isolated host: \
                 list them in a string that begins with mongodb://"
                    .to_owned(),
            );
        }
        let rest = uri.strip_prefix("mongodb://");
        let rest = rest.ok_or_else(|| "it does not begin with mongodb://".to_owned())?;
        let pieces = url::pieces(rest)?;
        if let Some((user, password)) = pieces.login {
            url::decoded(user)?;
            url::decoded(password.unwrap_or_default())?;
        }
        let addresses = pieces.hosts.iter().map(|(host, port)| {
            let host = url::decoded(host)?;
            let port = port.map_or(Ok(PORT), url::port)?;
            if host.is_empty() {
                return Err("a host in it has no name".to_owned());
            }
            Ok(Address { host, port })
        });
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err("it names no host".to_owned());
        }
        Ok(Self {
            database: database(pieces.path.unwrap_or_default())?,
            addresses,
            uri: Secret::new(of_primary(uri)),
            tls,
            exclude: Vec::new(),
        })
    }

    pub(super) fn endpoint(&self) -> String {
        format!("mongodb {}/{}", joined(&self.addresses), self.database)
    }

    /// Returns the decoded password of the string, which must not be shown.
    pub(crate) fn password(&self) -> Option<String> {
        let rest = self.uri.reveal().strip_prefix("mongodb://")?;
        let (_, password) = url::pieces(rest).ok()?.login?;
        url::decoded(password?).ok()
    }
}

/// Options that send reads to another member. A secondary that lags does not have the last state.
const READS_ELSEWHERE: [&str; 3] = [
    "readpreference",
    "readpreferencetags",
    "maxstalenessseconds",
];

/// Returns the string without these options: the tools then read from the primary.
fn of_primary(uri: &str) -> String {
    let Some((start, options)) = uri.split_once('?') else {
        return uri.to_owned();
    };
    let is_kept = |option: &&str| {
        let name = option.split('=').next().unwrap_or_default();
        !READS_ELSEWHERE.contains(&name.to_ascii_lowercase().as_str())
    };
    let kept: Vec<&str> = options.split('&').filter(is_kept).collect();
    format!("{start}?{}", kept.join("&"))
}

fn database(path: &str) -> Result<String, String> {
    let name = url::decoded(path)?;
    if name.is_empty() {
        return Ok("test".to_owned());
    }
    let is_odd = |letter: char| "/\\. \"$*".contains(letter) || letter.is_control();
    if name.len() > DATABASE_MAX_BYTES || name.contains(is_odd) {
        return Err("what it names cannot be the name of a database".to_owned());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_ports_and_the_database_are_read() {
        let uri = "mongodb://us%3Aer:p%40w@h1:1,[fe80::1]:2,h3/tyk_analytics?replicaSet=r0";
        let access = MongodbAccess::parse(uri, None).unwrap();
        let shown: Vec<String> = access.addresses.iter().map(Address::to_string).collect();
        assert_eq!(shown, ["h1:1", "[fe80::1]:2", "h3:27017"]);
        assert_eq!(access.database, "tyk_analytics");
        assert_eq!(access.uri.reveal(), uri);
        for (uri, database) in [
            ("mongodb://h", "test"),
            ("mongodb://h/", "test"),
            ("mongodb://h/?tls=true", "test"),
            ("mongodb://h?tls=true", "test"),
            (" mongodb://%2Frun%2Fmongodb.sock/d%C3%BC\n", "dü"),
        ] {
            let access = MongodbAccess::parse(uri, Some(Tls::default())).unwrap();
            assert_eq!(access.database, database);
            assert!(access.tls.is_some());
        }
    }

    #[test]
    fn a_dump_is_read_from_the_primary() {
        let uri = "mongodb://h/d?tls=true&readPreference=secondary&readPreferenceTags=dc:a&w=1";
        let access = MongodbAccess::parse(uri, None).unwrap();
        assert_eq!(access.uri.reveal(), "mongodb://h/d?tls=true&w=1");
    }

    #[test]
    fn a_malformed_string_gives_a_reason_without_its_words() {
        for uri in [
            "",
            "Zebra",
            "mongodb+srv://u:Zebra@cluster/db",
            "http://Zebra/",
            "mongodb://",
            "mongodb:///Zebra",
            "mongodb://u:Zebra@/db",
            "mongodb://u:Zebra@h,/db",
            "mongodb://u:Zebra/@h/db",
            "mongodb://u:%zZebra@h/db",
            "mongodb://u:Zebra@h:x/db",
            "mongodb://h/Zebra.collection",
            "mongodb://h/Zebra*",
            "mongodb://h/db?Zebra",
            &format!("mongodb://h/{}", "Zebra".repeat(20)),
            &format!("mongodb://h/{}", "Zebra".repeat(20_000)),
        ] {
            let reason = MongodbAccess::parse(uri, None).unwrap_err();
            assert!(!reason.contains("Zebra"), "{reason}");
            assert!(reason.len() > 10 && reason.len() < 200, "{reason}");
        }
    }
}
