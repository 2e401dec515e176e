//! Asks one Redis server through `redis-cli`. Commands and passwords go to its standard input,
//! never into an argument. Each cause of a refusal has its own error and its own cure.

use std::time::Duration;

use super::super::site::Site;
use super::access::{Address, RedisAccess, Secret, Tls};
use super::error::{CODES, Refusal};
use crate::host::cmd::Finished;
use crate::host::cmd::tool::Tool;
use crate::stores::Limit;

/// The program that asks.
pub(super) const CLI: &str = "redis-cli";
/// A healthy server answers at once; a stopped one must not use up the time of the dump.
const ANSWER: Duration = Duration::from_secs(20);

/// Returns how long one question may take within a limit.
fn for_an_answer<'a>(site: &Site<'a>) -> Limit<'a> {
    let left = site.left();
    Limit {
        time: left.time.min(ANSWER),
        ..left
    }
}

/// One server and how to reach it.
#[derive(Debug, Clone)]
pub(super) struct Server<'a> {
    pub(super) address: Address,
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a Secret>,
    pub(super) tls: Option<&'a Tls>,
}

impl<'a> Server<'a> {
    pub(super) fn new(access: &'a RedisAccess, address: &Address) -> Self {
        let username = access.username.as_deref().filter(|name| !name.is_empty());
        let password = access.password.as_ref();
        Self {
            address: address.clone(),
            username,
            password: password.filter(|word| username.is_some() || !word.reveal().is_empty()),
            tls: access.tls.as_ref(),
        }
    }

    /// The same for a sentinel, which has a password of its own.
    pub(super) fn sentinel(
        access: &'a RedisAccess,
        address: &Address,
        password: Option<&'a Secret>,
    ) -> Self {
        Self {
            address: address.clone(),
            username: None,
            password: password.filter(|word| !word.reveal().is_empty()),
            tls: access.tls.as_ref(),
        }
    }

    /// The same without a login, for a server without a password.
    pub(super) fn anonymous(&self) -> Self {
        Self {
            username: None,
            password: None,
            ..self.clone()
        }
    }

    /// Returns user and password for a call that does more than ask.
    pub(super) fn login(&self) -> Option<(Option<&'a str>, &'a str)> {
        match (self.username, self.password) {
            (None, None) => None,
            (user, word) => Some((user, word.map_or("", |word| word.reveal()))),
        }
    }

    /// Returns the arguments that lead to the server; no secret is among them.
    pub(super) fn arguments(&self) -> Vec<String> {
        let port = self.address.port.to_string();
        let mut args: Vec<String> = ["-h", &self.address.host, "-p", &port]
            .map(str::to_owned)
            .to_vec();
        let Some(tls) = self.tls else { return args };
        args.push("--tls".to_owned());
        let files = [
            ("--cacert", &tls.ca_file),
            ("--cert", &tls.cert_file),
            ("--key", &tls.key_file),
        ];
        for (option, file) in files {
            if let Some(file) = file {
                args.extend([option.to_owned(), file.clone()]);
            }
        }
        if tls.insecure {
            args.push("--insecure".to_owned());
        }
        args
    }

    /// Asks one question and returns the server's answer, trimmed.
    pub(super) fn ask(&self, question: &str, site: &Site<'_>) -> Result<String, Refusal> {
        let mut input = String::new();
        if let Some((user, word)) = self.login() {
            let user = user.map_or_else(String::new, |user| format!("{} ", quoted(user)));
            input = format!("AUTH {user}{}\n", quoted(word));
        }
        let is_login = !input.is_empty();
        input.push_str(question);
        input.push('\n');
        let args = self.arguments();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let tool = Tool {
            program: CLI,
            args: &args,
            input: Some(input.as_bytes()),
            ..Tool::default()
        };
        let finished = tool
            .run(for_an_answer(site))
            .map_err(|error| self.unasked(question, &error))?;
        self.answer(question, is_login, &finished)
    }

    pub(super) fn answer(
        &self,
        question: &str,
        is_login: bool,
        finished: &Finished,
    ) -> Result<String, Refusal> {
        if finished.stdout.trim().is_empty() && !finished.stderr.trim().is_empty() {
            return Err(self.refusal(question, &finished.stderr));
        }
        let mut output = finished.stdout.as_str();
        if is_login {
            let (login, rest) = output.split_once('\n').unwrap_or((output, ""));
            let is_in = login.trim() == "OK" || is_needless(login);
            if !is_in {
                return Err(self.refusal("AUTH", login));
            }
            output = rest;
        }
        let output = output.trim();
        let code = output.split_whitespace().next().unwrap_or("");
        let is_answer = finished.succeeded() && !CODES.contains(&code);
        if is_answer {
            Ok(output.to_owned())
        } else if output.is_empty() {
            Err(self.refusal(question, &finished.stderr))
        } else {
            Err(self.refusal(question, output))
        }
    }
}

/// Whether a server answers that it needs no password.
pub(super) fn is_needless(output: &str) -> bool {
    let texts = ["without any password configured", "no password is set"];
    texts.iter().any(|text| output.contains(text))
}

/// Quotes a word so that `redis-cli` reads exactly these bytes.
fn quoted(word: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    format!("\"{}\"", word.bytes().map(byte).collect::<String>())
}

/// Returns the value of a line `name:value` in the answer to `INFO`.
pub(super) fn field<'t>(info: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = info.lines().map(str::trim);
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// Adds up the keys of all databases.
pub(super) fn keys(info: &str) -> u64 {
    let of_line = |line: &str| -> Option<u64> {
        let (name, values) = line.trim().split_once(':')?;
        name.strip_prefix("db")?.parse::<u32>().ok()?;
        let keys = values
            .split(',')
            .find_map(|pair| pair.strip_prefix("keys="));
        keys?.parse().ok()
    };
    info.lines().filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::super::access::RedisKind;
    use super::super::error::Kind;
    use super::*;

    fn access(password: &str) -> RedisAccess {
        RedisAccess {
            addresses: Vec::new(),
            kind: RedisKind::Single,
            username: Some("worker".to_owned()),
            password: Some(Secret::new(password)),
            database: 0,
            tls: None,
        }
    }

    fn address() -> Address {
        Address {
            host: "127.0.0.1".to_owned(),
            port: 6379,
        }
    }

    fn finished(stdout: &str, stderr: &str) -> Finished {
        Finished {
            command: CLI.to_owned(),
            code: Some(0),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        }
    }

    #[test]
    fn a_server_that_repeats_the_login_does_not_make_us_repeat_it() {
        let access = access("hush-hush");
        let server = Server::new(&access, &address());
        let output = "ERR unknown command `AUTH`, with args beginning with: `worker` `hush-hush`\n";
        for output in [output, "ERR syntax error near hush-hush\n"] {
            let refusal = server
                .answer("INFO", true, &finished(output, ""))
                .unwrap_err();
            assert!(!refusal.error.to_string().contains("hush"), "{refusal:?}");
        }
    }

    #[test]
    fn a_needless_password_is_accepted_and_the_answer_follows_the_login() {
        let access = access("word");
        let server = Server::new(&access, &address());
        let output = "ERR Client sent AUTH, but no password is set\n\n# Server\nrun:1\n";
        let answer = server.answer("INFO", true, &finished(output, "")).unwrap();
        assert_eq!(field(&answer, "run"), Some("1"));
        let refusal = server.answer("INFO", true, &finished("OK\nNOPERM no\n\n", ""));
        assert_eq!(refusal.unwrap_err().kind, Kind::Rights);
    }

    #[test]
    fn words_are_written_byte_by_byte() {
        assert_eq!(quoted("a b\"\n"), r#""a\x20b\x22\x0a""#);
        let info = "# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb12:keys=4,expires=0\r\n";
        assert_eq!(keys(info), 7);
        assert_eq!(keys("db_size:9\r\n"), 0);
    }
}
