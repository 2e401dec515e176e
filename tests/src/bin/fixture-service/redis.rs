//! A redis client of a few commands, to prove that the store is really there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::child;
use crate::config::Config;

const PATIENCE: Duration = Duration::from_secs(2);

/// Where a redis is and how to enter it.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    host: String,
    port: u16,
    username: Option<String>,
    password: Option<String>,
    database: Option<String>,
    tls: Option<Tls>,
}

/// How to authenticate the server of an encrypted connection.
#[derive(Clone, Debug)]
struct Tls {
    ca_file: Option<String>,
    insecure: bool,
}

impl Redis {
    /// Reads an address whose keys are found by `key`, such as `storage.host` or `redis_host`.
    pub(crate) fn from_config(
        config: &Config,
        key: impl Fn(&'static str) -> Vec<&'static str>,
    ) -> Result<Option<Self>, String> {
        let Some(host) = config.word(&key("host")) else {
            return Ok(None);
        };
        Ok(Some(Self {
            host,
            port: config.number(&key("port"))?.unwrap_or(6379),
            username: config.word(&key("username")),
            password: config.word(&key("password")),
            database: config.word(&key("database")),
            tls: config.flag(&key("use_ssl")).then(|| Tls {
                ca_file: config.word(&key("ca_file")),
                insecure: config.flag(&key("ssl_insecure_skip_verify")),
            }),
        }))
    }

    pub(crate) fn ping(&self) -> Result<(), String> {
        match self.run(&["PING"])?.as_deref() {
            Some("PONG") => Ok(()),
            other => Err(format!("PING was answered with {other:?}")),
        }
    }

    /// One command in a connection of its own; `None` is redis's nil.
    pub(crate) fn run(&self, command: &[&str]) -> Result<Option<String>, String> {
        if let Some(tls) = &self.tls {
            return self.run_encrypted(tls, command);
        }
        let mut session = self
            .connect()
            .map_err(|error| format!("dial tcp {}:{}: {error}", self.host, self.port))?;
        if let Some(password) = &self.password {
            match &self.username {
                Some(username) => session.call(&["AUTH", username, password])?,
                None => session.call(&["AUTH", password])?,
            };
        }
        if let Some(database) = self.database.as_deref().filter(|&number| number != "0") {
            session.call(&["SELECT", database])?;
        }
        session.call(command)
    }

    /// By the host's own client: `std` has no TLS.
    fn run_encrypted(&self, tls: &Tls, command: &[&str]) -> Result<Option<String>, String> {
        let port = self.port.to_string();
        let mut arguments = vec!["-h", &self.host, "-p", &port, "--tls"];
        if let Some(file) = &tls.ca_file {
            arguments.extend(["--cacert", file]);
        }
        if tls.insecure {
            arguments.push("--insecure");
        }
        if let Some(username) = &self.username {
            arguments.extend(["--user", username]);
        }
        if let Some(database) = &self.database {
            arguments.extend(["-n", database]);
        }
        arguments.extend(command);
        let password = self.password.clone();
        let environment = password.map(|password| ("REDISCLI_AUTH", password));
        let environment: Vec<_> = environment.into_iter().collect();
        let ended = child::run("redis-cli", &arguments, &environment, "")?;
        // The client prints a refusal like an answer, and exits with 0.
        let refused = ["ERR ", "NOAUTH ", "WRONGPASS ", "NOPERM ", "LOADING "];
        let said = [ended.stdout.as_str(), ended.stderr.as_str()];
        if ended.code != Some(0) || said.iter().any(|text| text.starts_with("AUTH failed")) {
            return Err(format!("redis: {}", said.join(" ").trim()));
        }
        if refused.iter().any(|word| ended.stdout.starts_with(word)) {
            return Err(format!("redis: {}", ended.stdout));
        }
        Ok(Some(ended.stdout).filter(|text| !text.is_empty()))
    }

    fn connect(&self) -> std::io::Result<Session> {
        let mut addresses = (self.host.as_str(), self.port).to_socket_addrs()?;
        let address = addresses
            .next()
            .ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Session {
            stream: BufReader::new(stream),
        })
    }
}

struct Session {
    stream: BufReader<TcpStream>,
}

impl Session {
    fn call(&mut self, command: &[&str]) -> Result<Option<String>, String> {
        self.exchange(command)
            .map_err(|error| format!("redis: {error}"))?
    }

    fn exchange(&mut self, command: &[&str]) -> std::io::Result<Result<Option<String>, String>> {
        let mut request = format!("*{}\r\n", command.len());
        for word in command {
            request.extend(["$", &word.len().to_string(), "\r\n", word, "\r\n"]);
        }
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.trim_end();
        if let Some(length) = line.strip_prefix('$') {
            return Ok(Ok(self.bulk(length)?));
        }
        Ok(match line.strip_prefix(['+', ':']) {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(line.to_owned()),
        })
    }

    /// The text after a `$length` line; a negative length is nil.
    fn bulk(&mut self, length: &str) -> std::io::Result<Option<String>> {
        let Ok(length) = length.parse::<u16>() else {
            return Ok(None);
        };
        let mut bytes = vec![0; usize::from(length) + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(usize::from(length));
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}
