//! The download step of `bundle build` alone, for `scripts/bench download`:
//! `fetch CACHE CONNECTIONS JOBS < LIST`, with lines of `URL SIZE SHA256`.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use builder::checksum::Checksum;
use builder::download::{Cache, Wanted, fetch_all};
use builder::event::{Observer, Silent};
use builder::explain::Explain as _;
use builder::plan::PlannedPackage;
use builder::transport::{Breadth, Patience, Setup, Transport};

type Failure = Box<dyn std::error::Error>;

fn wanted(line: &str) -> Result<Wanted, Failure> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [url, size, sha256] = fields[..] else {
        return Err(format!("not URL SIZE SHA256: {line}").into());
    };
    Ok(Wanted {
        package: PlannedPackage {
            nevra: "bench-1-1.x86_64".parse()?,
            url: url.parse()?,
            size: size.parse()?,
            checksum: Checksum::new("sha256", sha256)?,
            repository: "bench".to_owned(),
            uses: Vec::new(),
        },
        locked: None,
    })
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cache, connections, jobs] = &arguments[..] else {
        return Err("fetch CACHE CONNECTIONS JOBS < LIST".into());
    };
    let mut list = String::new();
    std::io::stdin().read_to_string(&mut list)?;
    let wanted: Result<Vec<Wanted>, Failure> = list.lines().map(wanted).collect();
    let jobs = jobs.parse()?;
    let mut setup = Setup::new(Patience::with_silence(Duration::from_secs(30)), jobs);
    setup.breadth = Breadth {
        connections: connections.parse()?,
        ..Breadth::of(jobs)
    };
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let cache = Cache::open(Path::new(cache))?;
    fetch_all(&Transport::new(setup)?, &cache, &wanted?, &observer)
        .map_err(|error| error.explain().why)?;
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a program for a person at a terminal")]
            {
                eprintln!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}
