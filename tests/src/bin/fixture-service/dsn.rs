//! Connection strings of libpq, in both their forms, as the environment that libpq reads.

/// The parameters of a connection string that have a variable.
const VARIABLES: &[(&str, &str)] = &[
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    // The vendor's examples use `database`, which the driver takes for `dbname`.
    ("database", "PGDATABASE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
];

/// Reads `user=tyk password='a b' …` or `postgres://tyk:a%20b@127.0.0.1:5432/…?sslmode=…`.
pub(crate) fn environment(text: &str) -> Result<Vec<(&'static str, String)>, String> {
    let url = ["postgres://", "postgresql://"];
    let settings = match url.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => from_url(rest)?,
        None => from_keywords(text)?,
    };
    settings
        .into_iter()
        .map(|(key, value)| {
            let known = VARIABLES.iter().find(|(name, _)| *name == key);
            known
                .map(|&(_, variable)| (variable, value))
                .ok_or(format!("{key:?} is not a setting that is known here"))
        })
        .collect()
}

type Settings = Vec<(String, String)>;

fn from_keywords(text: &str) -> Result<Settings, String> {
    let mut settings = Vec::new();
    let mut letters = text.trim().chars().peekable();
    while letters.peek().is_some() {
        let mut key = String::new();
        loop {
            match letters.next() {
                Some('=') => break,
                Some(letter) => key.push(letter),
                None => return Err(format!("{:?} has no value", key.trim())),
            }
        }
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let quoted = letters.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match letters.next() {
                Some('\\') => value.extend(letters.next()),
                Some('\'') if quoted => break,
                Some(letter) if !quoted && letter.is_whitespace() => break,
                Some(letter) => value.push(letter),
                None if quoted => return Err("a quote does not end".to_owned()),
                None => break,
            }
        }
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        settings.push((key.trim().to_owned(), value));
    }
    Ok(settings)
}

fn from_url(rest: &str) -> Result<Settings, String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let parts = [
        ("user", user),
        ("password", password),
        ("host", host),
        ("port", port),
        ("dbname", database),
    ];
    let asked = query.split('&').filter_map(|word| word.split_once('='));
    parts
        .into_iter()
        .chain(asked)
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| Ok((key.to_owned(), decode(value)?)))
        .collect()
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = behind
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.ok_or("a % without two digits")?);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::environment;

    fn read(text: &str) -> Vec<(&'static str, String)> {
        environment(text).unwrap()
    }

    #[test]
    fn both_forms_parse_to_the_same() {
        let words = r"user=tyk password='a \'b\\@ c' host=127.0.0.1 port=5432 database=d sslmode=verify-full";
        let url = "postgres://tyk:a%20'b%5C%40%20c@127.0.0.1:5432/d?sslmode=verify-full";
        assert_eq!(read(words)[1], ("PGPASSWORD", r"a 'b\@ c".to_owned()));
        assert_eq!(read(words), read(url));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["user", "user='tyk", "colour=red", "postgres://tyk:%4@h/d"] {
            assert!(environment(text).is_err(), "{text}");
        }
    }
}
