//! Flags about the way to the servers: logins, proxies, certificates, connections, the cache.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use url::Url;

use super::places;
use crate::explain::{Error, usage};
use crate::transport::MetadataCache;
use crate::transport::{
    Audience, Breadth, Credentials, Login, Network, Patience, PlainHttp, Proxies, Setup, Transport,
    parse_netrc,
};

/// No file of logins or certificates is longer.
const FILE_MAX_BYTES: u64 = 4 * 1024 * 1024;
const NO_ACCESS: &str = "cannot set up the way to the servers";

/// How servers are reached.
#[derive(Debug, Clone, Args)]
pub(super) struct AccessArgs {
    /// File with logins by host; it must be readable by its owner alone [default: ~/.netrc].
    #[arg(long, value_name = "FILE", env = "NETRC")]
    netrc: Option<PathBuf>,

    /// File with the read token (or USER:PASSWORD) for a host; without HOST the one of the base address.
    /// The variable `BUNDLE_TOKEN` holds such a token itself (repeatable).
    #[arg(long, value_name = "[HOST[:PORT]=]FILE", env = "BUNDLE_TOKEN_FILE")]
    token_file: Vec<String>,

    /// Send logins over plain http to other machines too: everyone on the way can read them.
    #[arg(long)]
    unsafe_send_credentials_over_plain_http: bool,

    /// Certificate authorities (PEM) that count beside the system's (repeatable).
    #[arg(long, value_name = "FILE", env = "BUNDLE_CA_FILE")]
    ca_file: Vec<PathBuf>,

    /// Use no network: build from what earlier builds left in the cache.
    #[arg(long, env = "BUNDLE_OFFLINE")]
    offline: bool,

    /// Directory that keeps packages and verified metadata, shared by builds
    /// [default: $XDG_CACHE_HOME/airgap-bundle/rpms].
    #[arg(
        long,
        visible_alias = "cache",
        value_name = "DIR",
        env = "BUNDLE_CACHE_DIR"
    )]
    cache_dir: Option<PathBuf>,

    /// Files fetched at a time.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=64), env = "BUNDLE_JOBS")]
    jobs: u16,

    /// Connections in all; a large file is fetched over several, at most 16.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=256), env = "BUNDLE_CONNECTIONS")]
    connections: u16,

    /// Smallest part of a file that gets a connection of its own.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024, hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    part_bytes: u64,

    /// Longest silence of a server, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), env = "BUNDLE_TIMEOUT")]
    timeout: u64,
}

impl AccessArgs {
    /// Returns the directory of the cache.
    pub(super) fn cache(&self) -> Result<PathBuf, Error> {
        let cache = self.cache_dir.clone().or_else(places::default_cache);
        cache.ok_or_else(|| {
            usage(
                "cannot build",
                "--cache-dir, XDG_CACHE_HOME and HOME are all unset, so downloads have no place",
                "name a directory with --cache-dir",
            )
        })
    }

    /// Makes the transport. Tokens that name no host are for the origin of `base`.
    pub(super) fn transport(&self, base: Option<&Url>) -> Result<Transport, Error> {
        let patience = Patience::with_silence(Duration::from_secs(self.timeout));
        let jobs = usize::from(self.jobs);
        let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
        let proxies = proxies.map_err(|error| {
            let next = "write http://host:port, with a user name and password if it needs them";
            usage(NO_ACCESS, error.to_string(), next)
        })?;
        let setup = Setup {
            breadth: Breadth {
                connections: usize::from(self.connections),
                part_bytes: self.part_bytes,
                ..Breadth::of(jobs)
            },
            credentials: self.credentials(base)?,
            proxies,
            authorities: self.authorities()?,
            kept: Some(MetadataCache::below(&self.cache()?)),
            network: if self.offline {
                Network::Offline
            } else {
                Network::Online
            },
            ..Setup::new(patience, jobs)
        };
        Transport::new(setup).map_err(|error| {
            let next = "name PEM files with --ca-file; where threads are missing, raise the limit of \
                        processes (ulimit -u)";
            usage(NO_ACCESS, error.to_string(), next)
        })
    }

    fn credentials(&self, base: Option<&Url>) -> Result<Credentials, Error> {
        let mut credentials = Credentials::none(if self.unsafe_send_credentials_over_plain_http {
            PlainHttp::UnsafelyAllowed
        } else {
            PlainHttp::Refused
        });
        let origin = || base.map(|url| Audience::Origin(Box::new(url.clone())));
        for named in &self.token_file {
            let (audience, path) = match named.split_once('=') {
                Some((host, path)) if !host.contains('/') => (Audience::host(host), path),
                _ => (origin(), named.as_str()),
            };
            let text = read_private(Path::new(path))?;
            let source = format!("--token-file {path}");
            credentials.add(meant(audience, &source)?, login(&text, &source)?);
        }
        if let Some(text) = std::env::var_os("BUNDLE_TOKEN").filter(|text| !text.is_empty()) {
            let text = text.to_string_lossy();
            credentials.add(
                meant(origin(), "BUNDLE_TOKEN")?,
                login(&text, "BUNDLE_TOKEN")?,
            );
        }
        if let Some(path) = self.netrc() {
            let machines = parse_netrc(&read_private(&path)?).map_err(|error| {
                let reason = format!("{}: {error}", path.display());
                let next =
                    "correct the line, or name another file with --netrc (/dev/null for none)";
                usage("cannot read the netrc", reason, next)
            })?;
            credentials.add_netrc(machines);
        }
        Ok(credentials)
    }

    /// The file that the user named, or the usual one if it is there.
    fn netrc(&self) -> Option<PathBuf> {
        let named = self
            .netrc
            .clone()
            .filter(|path| !path.as_os_str().is_empty());
        named.or_else(|| {
            let usual = PathBuf::from(std::env::var_os("HOME")?).join(".netrc");
            usual.is_file().then_some(usual)
        })
    }

    fn authorities(&self) -> Result<Vec<Vec<u8>>, Error> {
        let read = |path: &PathBuf| {
            bounded(path).map(|(bytes, _)| bytes).map_err(|error| {
                let reason = format!("{}: {error}", path.display());
                usage(
                    "cannot read certificates",
                    reason,
                    "name a PEM file with --ca-file",
                )
            })
        };
        self.ca_file.iter().map(read).collect()
    }
}

fn meant(audience: Option<Audience>, source: &str) -> Result<Audience, Error> {
    audience.ok_or_else(|| {
        usage(
            NO_ACCESS,
            format!("{source} does not name the host that the token is for"),
            "write --token-file HOST=FILE or HOST:PORT=FILE",
        )
    })
}

fn login(text: &str, source: &str) -> Result<Login, Error> {
    Login::read(text).ok_or_else(|| {
        usage(
            NO_ACCESS,
            format!("{source} does not hold a token"),
            "it must hold one line: the read token, or USER:PASSWORD",
        )
    })
}

/// Reads a file of secrets; one that others can read has been read by others.
fn read_private(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    let (bytes, mode) = bounded(path).map_err(|error| {
        let reason = format!("{shown}: {error}");
        usage("cannot read a login", reason, "check the path")
    })?;
    if mode.is_some_and(|mode| mode & 0o077 != 0) {
        return Err(usage(
            "cannot use a file with logins",
            format!("{shown} can be read or written by its group or by others"),
            &format!(
                "make it yours alone (chmod 600 {shown}), and consider to change what it holds"
            ),
        ));
    }
    String::from_utf8(bytes).map_err(|_| {
        let reason = format!("{shown} is not text");
        usage("cannot read a login", reason, "check the path")
    })
}

/// Returns what a file holds and, if it is an ordinary one, its mode.
fn bounded(path: &Path) -> std::io::Result<(Vec<u8>, Option<u32>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.is_file().then(|| metadata.permissions().mode());
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok((bytes, mode))
}
