//! The configuration of the two servers, and the process that runs them.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process};

use super::command::run;
use super::http::basic_auth;
use super::requests::LOG_FORMAT;

/// What the second server's paths begin with, as packagecloud's user and repository ids do.
pub(crate) const CDN_PREFIX: &str = "/23671/17414";
const PATIENCE: Duration = Duration::from_secs(10);

/// The job of the servers.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Holds configuration, logs and `www`, the document root.
    pub(crate) dir: PathBuf,
    pub(crate) origin: SocketAddr,
    pub(crate) cdn: SocketAddr,
    /// Unix seconds.
    pub(crate) links_expire: u64,
    pub(crate) secret: String,
    pub(crate) read_token: Option<String>,
    /// Paths that are redirected to the third server.
    pub(crate) detours: Vec<(String, SocketAddr)>,
}

impl Site {
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("access.log")
    }

    fn config_file(&self) -> PathBuf {
        self.dir.join("nginx.conf")
    }

    fn write_config(&self) -> Result<()> {
        Ok(fs::write(self.config_file(), self.config()?)?)
    }

    fn config(&self) -> Result<String> {
        let dir = self.dir.display();
        let query = self.query()?;
        let guard = self.read_token.as_deref().map_or(String::new(), |token| {
            format!(
                "if ($http_authorization != \"{}\") {{ return 401; }}",
                basic_auth(token)
            )
        });
        let mut detours = String::new();
        for (path, address) in &self.detours {
            writeln!(
                detours,
                "location = {path} {{ {guard} return 302 http://{address}{path}?{query}; }}"
            )?;
        }
        Ok(format!(
            r#"daemon off;
worker_processes 1;
user root;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{
  {LOG_FORMAT}
  access_log {dir}/access.log lab;
  client_body_temp_path {dir}/tmp-body;
  proxy_temp_path {dir}/tmp-proxy;
  fastcgi_temp_path {dir}/tmp-fastcgi;
  uwsgi_temp_path {dir}/tmp-uwsgi;
  scgi_temp_path {dir}/tmp-scgi;
  types {{ application/x-rpm rpm; text/xml xml; }}
  default_type application/octet-stream;
  root {dir}/www;
  server {{
    listen {origin};
    {detours}
    location ~ ^/[a-z-]+/el/ {{ {guard} return 302 http://{cdn}{CDN_PREFIX}$uri?{query}; }}
    location ~ ^/(keys/|[a-z-]+/gpgkey$) {{ }}
    location / {{ return 404; }}
  }}
  server {{
    listen {cdn};
    location ~ ^{CDN_PREFIX}(?<object>/.*)$ {{
      if ($http_authorization) {{ return 400; }}
      secure_link $arg_Signature,$arg_Expires;
      secure_link_md5 "$secure_link_expires {secret}";
      if ($secure_link != 1) {{ return 403; }}
      try_files $object =404;
    }}
    location / {{ return 403; }}
  }}
}}
"#,
            origin = self.origin,
            cdn = self.cdn,
            secret = self.secret,
        ))
    }

    /// The query of every redirect: its time of expiry, and proof that the origin made it.
    fn query(&self) -> Result<String> {
        let input = self.dir.join("signed");
        fs::write(&input, format!("{} {}", self.links_expire, self.secret))?;
        let digest = self.dir.join("digest");
        run(Command::new("openssl")
            .args(["dgst", "-md5", "-binary", "-out"])
            .arg(&digest)
            .arg(&input))?;
        let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(fs::read(digest)?);
        Ok(format!(
            "Expires={}&Signature={signature}&Key-Pair-Id=KLAB00000001",
            self.links_expire
        ))
    }
}

/// A running nginx; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
}

impl Nginx {
    /// Starts it and waits until both servers answer.
    pub(crate) fn start(site: &Site) -> Result<Self> {
        let mut nginx = Self {
            child: spawn(site)?,
        };
        nginx.wait(site)?;
        Ok(nginx)
    }

    /// Takes a changed site into use. (A reload would leave the old worker answering for a while.)
    pub(crate) fn restart(&mut self, site: &Site) -> Result<()> {
        self.stop();
        self.child = spawn(site)?;
        self.wait(site)
    }

    fn wait(&mut self, site: &Site) -> Result<()> {
        self.wait_for(site.origin, &site.dir)?;
        self.wait_for(site.cdn, &site.dir)
    }

    fn wait_for(&mut self, address: SocketAddr, dir: &Path) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let output = fs::read_to_string(dir.join("stderr"))?;
                bail!("nginx ended with {status}: {output}");
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("nginx does not listen on {address}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The master ends its worker on SIGTERM; killing the master would leave the worker behind.
    fn stop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(site: &Site) -> Result<Child> {
    site.write_config()?;
    Command::new("nginx")
        .arg("-p")
        .arg(&site.dir)
        .arg("-c")
        .arg(site.config_file())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(site.dir.join("stderr"))?)
        .spawn()
        .context("cannot start nginx")
}

/// A port that was free a moment ago.
pub(crate) fn free_address(host: [u8; 4]) -> Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddr::from((host, 0)))?;
    Ok(listener.local_addr()?)
}
