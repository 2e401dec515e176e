//! The vendor on the network.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::docroot;
use super::fault::Fault;
use super::fixtures::Fixtures;
use super::http;
use super::metadata::Compression;
use super::nginx::{self, CDN_PREFIX, Nginx, Site};
use super::recipe::Profile;
use super::requests::{self, Request};
use super::stutter::StutterServer;

/// What is served, and how badly.
#[derive(Clone, Debug)]
pub struct VendorOptions {
    /// Which versions.
    pub profile: Profile,
    /// How long a redirect may be followed, counted from the start or from
    /// [`Vendor::renew_links`].
    pub link_lifetime: Duration,
    /// If set, a basic-auth user name without which everything but keys is 401.
    pub read_token: Option<String>,
    /// How `primary.xml` is packed.
    pub compression: Compression,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Default for VendorOptions {
    fn default() -> Self {
        Self {
            profile: Profile::Good,
            link_lifetime: Duration::from_hours(1),
            read_token: None,
            compression: Compression::Gzip,
            faults: Vec::new(),
        }
    }
}

/// A running vendor. The origin on 127.0.0.1 redirects every request for metadata or RPMs to the
/// second server on 127.0.0.2, which requires a valid query and no credentials.
///
/// `<base_url>/<repo>/el/<8>/<arch>/` is a yum repository, `<base_url>/<repo>/gpgkey` its metadata
/// key, `<base_url>/keys/package.asc` (and `acme.asc`) the package key. Ends when dropped.
#[derive(Debug)]
pub struct Vendor {
    site: Site,
    nginx: Nginx,
    _stutter: StutterServer,
    _dir: TempDir,
}

impl Vendor {
    /// Starts the servers on free ports and waits until they answer.
    pub fn start(fixtures: &Fixtures, options: VendorOptions) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("lab-vendor-").tempdir()?;
        let www = dir.path().join("www");
        std::fs::create_dir(&www)?;
        docroot::lay_out(
            &www,
            fixtures,
            options.profile,
            options.compression,
            &options.faults,
        )?;
        let stutter = StutterServer::start(
            options
                .faults
                .iter()
                .filter_map(|fault| {
                    let (file, manner) = fault.flaw.stutter()?;
                    let path = format!("{}/{file}", fault.leaf());
                    Some((format!("/{path}"), www.join(path), manner))
                })
                .collect(),
        )?;
        let detours = options.faults.iter().filter_map(|fault| {
            let (file, _) = fault.flaw.stutter()?;
            Some((format!("/{}/{file}", fault.leaf()), stutter.address()))
        });
        let mut site = Site {
            dir: dir.path().to_owned(),
            origin: nginx::free_address([127, 0, 0, 1])?,
            cdn: nginx::free_address([127, 0, 0, 2])?,
            links_expire: expiry(options.link_lifetime),
            secret: format!("lab-{}", std::process::id()),
            read_token: options.read_token,
            detours: detours.collect(),
        };
        let nginx = start_on_free_ports(&mut site)?;
        Ok(Self {
            site,
            nginx,
            _stutter: stutter,
            _dir: dir,
        })
    }

    /// Such as `http://127.0.0.1:40001`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.site.origin)
    }

    /// The directory that is served, redirects and flaws of transport aside.
    #[must_use]
    pub fn document_root(&self) -> std::path::PathBuf {
        self.site.dir.join("www")
    }

    /// Every finished request so far, in order; those to the third server are not among them.
    pub fn requests(&self) -> Result<Vec<Request>> {
        // The log of a request is written when it ends, before the next one is looked at: once a
        // marker is in the log, everything before it is there too.
        let marker = format!("/marker-{}", now().as_nanos());
        let urls = [self.base_url(), format!("http://{}", self.site.cdn)];
        for url in urls {
            http::get(&format!("{url}{marker}"))?;
        }
        let start = Instant::now();
        loop {
            let log = requests::read(&self.site.log(), self.site.origin.port(), CDN_PREFIX)?;
            let marks = log.iter().filter(|request| request.path == marker).count();
            if marks == 2 {
                let real = |request: &Request| !request.path.starts_with("/marker-");
                return Ok(log.into_iter().filter(real).collect());
            }
            if start.elapsed() > Duration::from_secs(5) {
                bail!("the access log is not written");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets redirects be valid for so long from now on; those given out before keep their time.
    /// Requests under way are cut off.
    pub fn renew_links(&mut self, lifetime: Duration) -> Result<()> {
        self.site.links_expire = expiry(lifetime);
        self.nginx.restart(&self.site)
    }
}

/// Another process may take a free port before nginx does; then try others.
fn start_on_free_ports(site: &mut Site) -> Result<Nginx> {
    let mut failure = None;
    for _ in 0..5 {
        match Nginx::start(site) {
            Ok(nginx) => return Ok(nginx),
            Err(error) => failure = Some(error),
        }
        site.origin = nginx::free_address([127, 0, 0, 1])?;
        site.cdn = nginx::free_address([127, 0, 0, 2])?;
    }
    Err(failure.context("nginx was never started")?)
}

fn expiry(lifetime: Duration) -> u64 {
    (now() + lifetime).as_secs()
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
