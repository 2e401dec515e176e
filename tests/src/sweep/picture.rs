//! A host as a judge sees it: packages, files, units, answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use walkdir::WalkDir;

use crate::isolated::{IsolatedHost, Snapshot};

/// The services of the product: unit, port, path.
const SERVICES: [(&str, u16, &str); 3] = [
    ("tyk-gateway.service", 8080, "/hello"),
    ("tyk-dashboard.service", 3000, "/hello"),
    ("tyk-pump.service", 8083, "/health"),
];

/// Where a run may leave something: its state, the trust roots, its own installed copy and units.
const OURS: [&str; 5] = [
    "/etc/airgap-bundle",
    "/etc/systemd/system/airgap-bundle-",
    "/etc/systemd/system/multi-user.target.wants/airgap-bundle-",
    "/usr/libexec/airgap-bundle",
    "/var/lib/airgap-bundle",
];

/// Where a running host writes by itself, and what does not lie on its disk.
const RESTLESS: [&str; 13] = [
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/root",
    "/var/cache",
    "/var/lib/postgresql",
    "/var/lib/redis",
    "/var/lib/rpm",
    "/var/lib/systemd",
    "/var/log",
    "/var/tmp/systemd-private-",
];

/// Trees whose every byte counts, beside those of every snapshot.
const TREES: [&str; 3] = ["/etc", "/run/airgap-bundle", "/usr/libexec"];

/// A service that has just been started may need this long to listen.
const GRACE: Duration = Duration::from_secs(3);

/// Everything that has to be as before, or as the target has it.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) snapshot: Snapshot,
    /// Every path of the root.
    pub(super) paths: BTreeSet<String>,
    /// Status and body of every service's answer.
    pub(super) answers: BTreeMap<&'static str, String>,
    /// Units that systemd reports as failed.
    pub(super) failed: BTreeSet<String>,
}

impl Picture {
    pub(super) fn take(host: &IsolatedHost) -> Result<Self> {
        let answers = answers(host);
        let mut snapshot = host.snapshot(&TREES)?;
        snapshot
            .files
            .retain(|path, _| !is_below(&OURS, &path.to_string_lossy()));
        let failed = host.check(&["systemctl", "--failed", "--plain", "--no-legend"])?;
        Ok(Self {
            answers,
            snapshot,
            paths: paths(host),
            failed: failed
                .lines()
                .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
                .collect(),
        })
    }

    /// The packages of the product, as `name-version-release.arch`.
    pub(super) fn nevras(host: &IsolatedHost) -> Result<Vec<String>> {
        let mut names: Vec<String> = host
            .check(&["rpm", "-qa", "tyk-*"])?
            .lines()
            .map(str::to_owned)
            .collect();
        names.sort();
        Ok(names)
    }

    /// Returns how `later` differs.
    pub(super) fn diff(&self, later: &Self) -> Vec<String> {
        let mut lines = self.snapshot.diff(&later.snapshot);
        for (unit, answer) in &self.answers {
            let now = later.answers.get(unit).map_or("", String::as_str);
            if now != answer {
                lines.push(format!("{unit} answers {now:?}, not {answer:?}"));
            }
        }
        // The snapshots have compared their own paths already.
        let known =
            |picture: &Self, path: &str| picture.snapshot.files.contains_key(Path::new(path));
        let strays = later.paths.difference(&self.paths);
        lines.extend(
            strays
                .filter(|path| !known(later, path))
                .map(|path| format!("stray {path}")),
        );
        let lost = self.paths.difference(&later.paths);
        lines.extend(
            lost.filter(|path| !known(self, path))
                .map(|path| format!("lost {path}")),
        );
        let failed = later.failed.difference(&self.failed);
        lines.extend(failed.map(|unit| format!("unit {unit} has failed")));
        lines
    }

    /// Whether every service answered well.
    pub(super) fn is_well(&self) -> bool {
        self.answers
            .values()
            .all(|answer| answer.starts_with("200 "))
    }

    /// Names that rpm gives to unfinished files.
    pub(super) fn leftovers(&self) -> Vec<String> {
        self.paths
            .iter()
            .filter(|path| is_leftover(path))
            .cloned()
            .collect()
    }
}

fn answers(host: &IsolatedHost) -> BTreeMap<&'static str, String> {
    let mut answers = BTreeMap::new();
    for (unit, port, path) in SERVICES {
        let mut asked = (0, String::new());
        // A service that never answers is not an error here; the comparison will report it.
        let _ = host.wait_until(unit, GRACE, |guest| {
            asked = guest.http_get(port, path)?;
            Ok(asked.0 == 200)
        });
        answers.insert(unit, steady(asked.0, &asked.1));
    }
    answers
}

/// An answer without what changes from one to the next, such as its time.
fn steady(status: u16, body: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let word = |name: &str| {
        document
            .get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    format!("{status} {} {}", word("status"), word("version"))
}

fn paths(host: &IsolatedHost) -> BTreeSet<String> {
    let root = host.root();
    let inside = |path: &Path| {
        let inside = path.strip_prefix(root).unwrap_or(path);
        format!("/{}", inside.display())
    };
    let is_quiet = |path: &str| !is_below(&RESTLESS, path) && !is_below(&OURS, path);
    WalkDir::new(root)
        .into_iter()
        .filter_entry(|entry| is_quiet(&inside(entry.path())))
        .filter_map(std::result::Result::ok)
        .map(|entry| inside(entry.path()))
        .collect()
}

fn is_below(prefixes: &[&str], path: &str) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

fn is_leftover(path: &str) -> bool {
    path.rsplit_once(';').is_some_and(|(_, suffix)| {
        suffix.len() == 8 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::{is_leftover, steady};

    #[test]
    fn rpms_temporary_names() {
        assert!(is_leftover("/opt/tyk-gateway/tyk;65a1b2c3"));
        assert!(!is_leftover("/opt/a;b"));
    }

    #[test]
    fn an_answer_is_its_status_and_version() {
        let body = r#"{"status":"pass","version":"5.3.2","time":"now"}"#;
        assert_eq!(steady(200, body), "200 pass 5.3.2");
        assert_eq!(steady(0, ""), "0 - -");
    }
}
