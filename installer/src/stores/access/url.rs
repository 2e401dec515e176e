//! What the connection strings of `PostgreSQL` and `MongoDB` have in common: a URL with several hosts.
//!
//! No reason given here repeats a word of the string, because any word may be a secret.

use manifests::percent;

/// A longer string is not a connection string.
const TEXT_MAX_BYTES: usize = 16 * 1024;
/// More hosts than any set of servers has.
const HOSTS_MAX: usize = 64;

/// The pieces of a URL, still encoded.
#[derive(Default)]
pub(in crate::stores) struct Pieces<'a> {
    /// User and password.
    pub(in crate::stores) login: Option<(&'a str, Option<&'a str>)>,
    /// Hosts with their ports.
    pub(in crate::stores) hosts: Vec<(&'a str, Option<&'a str>)>,
    /// The path without its first slash, if there is one.
    pub(in crate::stores) path: Option<&'a str>,
    /// Parameters.
    pub(in crate::stores) query: Vec<(&'a str, &'a str)>,
}

/// Refuses what no driver accepts.
pub(in crate::stores) fn bounded(text: &str) -> Result<&str, String> {
    if text.len() > TEXT_MAX_BYTES {
        return Err("it is too long for a connection string".to_owned());
    }
    if text.contains('\0') {
        return Err("it holds a character that no connection string may hold".to_owned());
    }
    Ok(text)
}

/// Splits what follows `scheme://`.
pub(in crate::stores) fn pieces(rest: &str) -> Result<Pieces<'_>, String> {
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match before.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (before, None),
    };
    // The last `@`: a password may contain others.
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    let login = login.map(|text| match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    });
    Ok(Pieces {
        login,
        hosts: self::hosts(hosts)?,
        path,
        query: parameters(query)?,
    })
}

fn hosts(text: &str) -> Result<Vec<(&str, Option<&str>)>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.split(',').count() > HOSTS_MAX {
        return Err("it names too many hosts".to_owned());
    }
    text.split(',').map(host).collect()
}

fn host(text: &str) -> Result<(&str, Option<&str>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let unclosed = || "an address in brackets is not closed".to_owned();
            let (host, after) = rest.split_once(']').ok_or_else(unclosed)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("something follows an address in brackets".to_owned()),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    // Both drivers read an empty port as the default.
    let port = port.filter(|port| !port.is_empty());
    port.map_or(Ok(()), |port| self::port(port).map(drop))?;
    Ok((host, port))
}

/// Reads a port.
pub(in crate::stores) fn port(text: &str) -> Result<u16, String> {
    let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|text| text.parse().ok());
    number.filter(|port| *port != 0).ok_or_else(|| {
        "a port in it is not a number from 1 to 65535; a password that holds / ? # or : must have them \
         percent-encoded"
            .to_owned()
    })
}

fn parameters(query: &str) -> Result<Vec<(&str, &str)>, String> {
    let given = query.split('&').filter(|text| !text.is_empty());
    given
        .map(|text| {
            text.split_once('=')
                .ok_or_else(|| "a parameter in it has no value".to_owned())
        })
        .collect()
}

/// Undoes percent-encoding.
pub(in crate::stores) fn decoded(text: &str) -> Result<String, String> {
    let bytes = percent::decoded(text);
    let bytes = bytes.ok_or("a % in it is not followed by two hexadecimal digits")?;
    let text =
        String::from_utf8(bytes).map_err(|_| "its percent-encoding does not decode to UTF-8")?;
    bounded(&text).map(str::to_owned)
}
