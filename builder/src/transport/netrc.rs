//! `.netrc`: logins by host, as curl and others read them, but strictly.

use manifests::secret::Secret;

use super::credentials::Login;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The host it is for, at any port.
    pub host: String,
    /// The login.
    pub login: Login,
}

/// What is wrong, and where. The text itself may be a secret and is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct NetrcError {
    /// Counted from one.
    pub line: usize,
    /// In words.
    pub problem: &'static str,
}

struct Word {
    line: usize,
    text: String,
}

/// Reads a netrc. A `default` entry is left out: it would be shown to every host.
pub fn parse(text: &str) -> Result<Vec<Machine>, NetrcError> {
    let mut words = split(text)?.into_iter();
    let mut machines: Vec<Machine> = Vec::new();
    // Where logins go: the newest machine, or nowhere after `default`.
    let mut open = Open::Nothing;
    while let Some(word) = words.next() {
        let fail = |problem| NetrcError {
            line: word.line,
            problem,
        };
        let mut value = || words.next().map(|word| word.text);
        match (word.text.as_str(), &open) {
            ("machine", _) => {
                let host = value().ok_or_else(|| fail("a machine without a name"))?;
                let nothing = || Secret::new(String::new());
                let (user, password) = (nothing(), nothing());
                machines.push(Machine {
                    host,
                    login: Login { user, password },
                });
                open = Open::Machine;
            }
            ("default", _) => open = Open::Default,
            ("login" | "password" | "account", Open::Nothing) => {
                return Err(fail("a login or password before any machine"));
            }
            (field @ ("login" | "password" | "account"), at) => {
                let value = value().ok_or_else(|| fail("a login or password without a value"))?;
                if let (Open::Machine, Some(machine)) = (at, machines.last_mut()) {
                    match field {
                        "login" => machine.login.user = Secret::new(value),
                        "password" => machine.login.password = Secret::new(value),
                        _ => {}
                    }
                }
            }
            _ => {
                return Err(fail("a word other than machine, default, login, password"));
            }
        }
    }
    Ok(machines)
}

#[derive(PartialEq, Eq)]
enum Open {
    Nothing,
    Machine,
    Default,
}

/// Splits into words: quotes hold spaces, `#` starts a comment, a macro ends at an empty line.
fn split(text: &str) -> Result<Vec<Word>, NetrcError> {
    let mut words = Vec::new();
    let mut in_macro = false;
    for (at, content) in text.lines().enumerate() {
        let line = at + 1;
        if in_macro {
            in_macro = !content.trim().is_empty();
            continue;
        }
        let mut rest = content.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (text, after) = next_word(rest).ok_or(NetrcError {
                line,
                problem: "a quote that is not closed",
            })?;
            rest = after.trim_start();
            if text == "macdef" {
                in_macro = true;
                break;
            }
            words.push(Word { line, text });
        }
    }
    Ok(words)
}

fn next_word(rest: &str) -> Option<(String, &str)> {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        return Some((rest[..end].to_owned(), &rest[end..]));
    };
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(characters.next()?.1),
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, String)> {
        let reveal = |machine: Machine| {
            let Login { user, password } = machine.login;
            let [user, password] = [user, password].map(|secret| secret.reveal().to_owned());
            (machine.host, user, password)
        };
        parse(text).unwrap().into_iter().map(reveal).collect()
    }

    fn machine(host: &str, user: &str, password: &str) -> (String, String, String) {
        (host.to_owned(), user.to_owned(), password.to_owned())
    }

    #[test]
    fn entries_are_read_in_every_form() {
        let text = "# mine\nmachine a login u password p\nmachine b\n  login t # token\n\
                    macdef init\nmachine no login no\n\nmachine c login \"two words\" password \"q\\\"\"\n\
                    account x\ndefault login anonymous password me\n";
        assert_eq!(
            read(text),
            [
                machine("a", "u", "p"),
                machine("b", "t", ""),
                machine("c", "two words", "q\""),
            ]
        );
        assert_eq!(read(""), []);
    }

    #[test]
    fn errors_name_the_line_and_nothing_else() {
        for (text, line) in [
            ("machine a login u\ncanary", 2),
            ("\nlogin canary", 2),
            ("machine a login", 1),
            ("machine", 1),
            ("machine a password \"canary", 1),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
