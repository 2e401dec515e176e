//! Planted secrets: where they may be after everything that the installer does, and where not.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use lab::isolated::{Call, Calls, Finished, Trace};
use lab::stores::{PostgresAccess, RedisAccess, Stores, StoresOptions};

use crate::upgrade::support::{Site, say, site};

/// Every planted secret holds this word.
const WORD: &str = "canary-";
const STATE: &str = "/var/lib/airgap-bundle";
const GATEWAY: &str = "/opt/tyk-gateway/tyk.conf";
const DASHBOARD: &str = "/opt/tyk-dashboard/tyk_analytics.conf";
const POLICIES: &str = "/opt/tyk-gateway/policies/policies.json";
const ENVIRONMENT: &str = "/etc/default/tyk-gateway";
const DROP_IN: &str = "/etc/systemd/system/tyk-gateway.service.d/site.conf";
const NETRC: &str = "/root/.netrc";
/// What a caller's shell has in it.
const CALLER: [(&str, &str); 3] = [
    ("SITE_TOKEN", "canary-caller"),
    ("https_proxy", "http://user:canary-proxy@127.0.0.1:9"),
    ("PGPASSWORD", "canary-database"),
];

/// Puts members at the beginning of a JSON file.
fn add(site: &Site, path: &str, members: &str) {
    let text = String::from_utf8(site.host.read(path).unwrap()).unwrap();
    let text = text.replacen('{', &format!("{{\n{members}"), 1);
    site.host.write(path, text, 0o640).unwrap();
}

fn plant(site: &Site) {
    let mut options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    options.redis_password = Some("canary-redis".to_owned());
    options.postgres_password = Some("canary-postgresql".to_owned());
    let stores = Stores::set_up(&site.host, options).unwrap();
    stores.connect(&site.host).unwrap();
    add(
        site,
        GATEWAY,
        "  \"secret\": \"canary-secret\",\n  \"health_check_endpoint_name\": \"canary-health\",\n",
    );
    let license = "  \"license_key\": \"canary-license\",\n";
    add(site, DASHBOARD, license);
    site.host
        .write(POLICIES, "{\n  \"canary-policy\": true\n}\n", 0o644)
        .unwrap();
    let variable = "TYK_GW_NODESECRET=canary-environment\n";
    site.host.write(ENVIRONMENT, variable, 0o600).unwrap();
    let drop_in = "[Service]\nEnvironment=TYK_GW_SECRET=canary-dropin\n";
    site.host.write(DROP_IN, drop_in, 0o600).unwrap();
    let netrc = "machine vendor login me password canary-netrc\n";
    site.host.write(NETRC, netrc, 0o600).unwrap();
    site.host.check(&["systemctl", "daemon-reload"]).unwrap();
    site.host
        .check(&["systemctl", "restart", "tyk-gateway", "tyk-dashboard"])
        .unwrap();
}

/// Runs the installer as a careless administrator does: with secrets in the environment, and with
/// an open umask.
fn careless(site: &Site, log: &Path, args: &[&str]) -> (Finished, Calls) {
    let script = "umask 000; exec /root/install \"$@\"";
    let command: Vec<&str> = ["sh", "-c", script, "sh"]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let mut command = site.host.command(&command).traced(log);
    for (name, value) in CALLER {
        command = command.env(name, value);
    }
    let finished = command.deadline(Duration::from_mins(8)).run().unwrap();
    println!("$ install {}\n{}", args.join(" "), finished.stderr);
    (finished, Calls::read(log).unwrap())
}

/// Only the product's own programs get its secrets, and only the installer gets those of the
/// caller's shell. Programs that the installer starts get a clean environment.
fn check_programs(calls: &Calls) -> usize {
    let own = [
        "/usr/bin/nsenter",
        "/usr/bin/sh",
        "/bin/sh",
        "/root/install",
    ];
    let mut started = 0;
    for call in &calls.0 {
        let Call::Program { path, text } = call else {
            continue;
        };
        let is_product = path.starts_with("/opt/tyk-");
        let is_caller = own.contains(&path.as_str()) || path.ends_with("/nsenter");
        if is_product || (is_caller && text.contains("SITE_TOKEN")) {
            continue;
        }
        // The product's own children may have them. A redis-cli of ours gets its password in its
        // environment, the only safe way to pass it.
        if text.contains("INVOCATION_ID") && is_client(path) {
            continue;
        }
        let shown = text.replace("REDISCLI_AUTH=canary-redis", "REDISCLI_AUTH=");
        let text = if is_client(path) { &shown } else { text };
        assert!(!text.contains(WORD), "{text}");
        // This search path shows that the installer started it, not a scriptlet.
        let program = path.rsplit('/').next().unwrap_or_default();
        if ["rpm", "rpmkeys", "systemctl", "setsid", "redis-cli"].contains(&program)
            && text.contains("\"PATH=/usr/sbin:/usr/bin:/sbin:/bin\"")
        {
            started += 1;
            let (_, environment) = text.rsplit_once(", [").unwrap();
            for variable in environment.trim_end_matches(']').split(", ") {
                let name = variable.trim_matches('"').split('=').next().unwrap();
                let known = ["PATH", "LC_ALL", "HOME", "TERM", "REDISCLI_AUTH"];
                assert!(known.contains(&name), "{name} in {text}");
            }
        }
    }
    started
}

fn is_client(path: &str) -> bool {
    ["redis-cli", "psql"]
        .iter()
        .any(|name| path.ends_with(name))
}

/// The content of the archive for the vendor, all its texts together.
fn archive(site: &Site, path: &str) -> String {
    let bytes = site.host.read(path).unwrap();
    let mut tar = Vec::new();
    let mut archive = flate2::read::GzDecoder::new(bytes.as_slice());
    std::io::Read::read_to_end(&mut archive, &mut tar).unwrap();
    String::from_utf8_lossy(&tar).into_owned()
}

/// Nothing in the state directory was ever open to others, not even when it was made.
fn check_modes(calls: &Calls) -> usize {
    let mut seen = 0;
    let mut dumps = BTreeSet::new();
    for call in &calls.0 {
        let (Call::Made { path, mode } | Call::Mode { path, mode }) = call else {
            continue;
        };
        // A tool opens the file that we made for its dump with flags that could create it.
        if path.ends_with(".partial") && !dumps.insert(path) {
            continue;
        }
        // rpm sets its own umask; what it makes there, for a moment and in a directory closed to
        // others, are the vendor's public keys, and the lock of a copy of its database.
        let is_rpms = ["keyring", "rehearsal"]
            .iter()
            .any(|place| path.starts_with(&format!("{STATE}/{place}/")));
        if path.starts_with(STATE) && !is_rpms {
            seen += 1;
            assert_eq!(mode & 0o077, 0, "{call:?}");
        }
    }
    seen
}

/// Checks that public files are readable by all, whatever the umask.
fn check_public(calls: &Calls, dir: &str, wanted: u32) {
    let mut modes = calls.0.iter().filter_map(|call| match call {
        Call::Mode { path, mode } if path.starts_with(dir) => Some(*mode),
        _ => None,
    });
    assert!(modes.any(|mode| mode == wanted), "{dir} gets no {wanted:o}");
}

/// Files of the host that hold a planted secret.
fn holding(site: &Site) -> Vec<String> {
    let script = format!(
        "find /etc /opt /root /run /tmp /usr/libexec /usr/local /var -type f -print0 | \
         LC_ALL=C xargs -0 grep -lF {WORD}"
    );
    let found = site.host.run(&["sh", "-c", &script]).unwrap();
    let mut files: Vec<String> = found.stdout.lines().map(str::to_owned).collect();
    files.sort();
    files
}

/// In the state directory only contents of backups hold secrets, readable by root alone. Every
/// other file with a secret held it before, or is rpm's own copy of such a file.
fn check_files(site: &Site, before: &[String]) {
    let stays = |path: &String| {
        let root = path
            .strip_suffix(".rpmnew")
            .or(path.strip_suffix(".rpmsave"))
            .or(path.strip_suffix(".yours"));
        before.contains(path) || root.is_some_and(|path| before.iter().any(|known| known == path))
    };
    for path in holding(site) {
        if let Some(below) = path.strip_prefix(STATE) {
            let parts: Vec<&str> = below.split('/').collect();
            let is_backup = matches!(parts.as_slice(), ["", "runs", _, "backup", "blobs", _]);
            let is_aside = parts
                .get(3)
                .is_some_and(|part| part.starts_with("displaced"));
            assert!(is_backup || is_aside, "{path}");
        } else {
            assert!(stays(&path), "{path}");
        }
    }
    // Files that were moved aside keep the mode they had; only root reaches them.
    let open = format!("! test -d {STATE} || find {STATE} -perm /077 -not -path '*/displaced*'");
    let open = site.host.check(&["sh", "-c", &open]).unwrap();
    assert_eq!(open, "");
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn planted_secrets_stay_where_they_were_planted() {
    let Some(site) = site("secrets") else { return };
    plant(&site);
    let before = holding(&site);
    assert!(before.len() >= 6, "{before:?}");
    let dir = tempfile::tempdir().unwrap();
    let log = |name: &str| dir.path().join(name);
    let leader = site.host.leader().unwrap();
    let system = Trace::attach(leader.pid, &log("system")).unwrap();
    let mut said = Vec::new();
    let mut seen = (0, 0);
    let mut both = Calls::default();
    let mut run = |args: &[&str], code: i32| {
        let (finished, calls) = careless(&site, &log("caller"), args);
        assert_eq!(finished.code(), Some(code), "{args:?}: {}", finished.stderr);
        seen.0 += check_programs(&calls);
        seen.1 += check_modes(&calls);
        check_files(&site, &before);
        both.0.extend(calls.0);
        said.push((args.join(" "), finished));
    };

    // A gateway that hangs, so that its health question fails with its address in hand.
    site.carry(&site.forge("5.4.1", "5.3.2", "1.9.0"));
    run(&["verify", "/root/bundle.tar.zst"], 0);
    run(&["plan", "/root/bundle.tar.zst"], 0);
    run(&["/root/bundle.tar.zst"], 5);
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    run(&["--output", "json", "plan", "/root/bundle.tar.zst"], 0);
    run(&["/root/bundle.tar.zst"], 0);
    let later = "{\n  \"canary-later\": true\n}\n";
    site.host.write(POLICIES, later, 0o644).unwrap();
    run(&["inventory"], 0);
    run(&["inventory", "-o", "/root/host.json"], 0);
    run(&["status"], 0);
    run(&["--output", "json", "status"], 0);
    run(&["history", "info", "2"], 0);
    run(&["--output", "json", "history"], 0);
    run(&["undo", "2"], 4);
    run(&["undo", "2", "--restore-data"], 0);
    run(&["backup", "list"], 0);
    run(&["backup", "verify"], 0);
    run(&["support", "-o", "/root/support.tar.gz"], 0);
    run(&["status", "--follow"], 0);
    run(&["--output", "json", "history", "info", "3"], 0);
    run(&["resume"], 2);
    run(&["history", "prune"], 0);

    let archive = archive(&site, "/root/support.tar.gz");
    assert!(archive.contains("support/runs/2/report.json") && archive.contains("[removed]"));
    assert!(!archive.contains(WORD));

    let (programs, made) = seen;
    let system = system.end().unwrap();
    let programs = programs + check_programs(&system);
    let made = made + check_modes(&system);
    both.0.extend(system.0);
    for (place, mode) in [
        ("/etc/systemd/system/", 0o644),
        ("/run/systemd/system/", 0o644),
        ("/usr/libexec/airgap-bundle/", 0o755),
    ] {
        check_public(&both, place, mode);
    }
    for (command, finished) in &said {
        for text in [&finished.stdout, &finished.stderr] {
            assert!(!text.contains(WORD), "{command}: {text}");
        }
    }
    let journal = site
        .host
        .check(&["journalctl", "--no-pager", "-o", "export"])
        .unwrap();
    assert!(
        journal.contains("airgap-bundle: run 2"),
        "the journal has the runs"
    );
    assert!(!journal.contains(WORD));
    say(&format!(
        "secrets: 0 hits; {programs} programs with a clean environment, {made} files and modes in {STATE}"
    ));
    assert!(programs > 100 && made > 100);
}

/// The umask of a careful caller does not close files that other users need.
#[test]
fn a_closed_umask_of_the_caller_changes_no_public_file() {
    let Some(site) = site("umask") else { return };
    let enrol = "umask 077; rm -r /etc/airgap-bundle; /root/install trust add /root/root.json \
                 --fingerprint $(sha256sum /root/root.json | cut -d' ' -f1)";
    site.host.check(&["sh", "-c", enrol]).unwrap();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let public = [
        "sh",
        "-c",
        "cp /root/install /root/bundle.tar.zst /opt && chmod 755 /opt/install",
    ];
    site.host.check(&public).unwrap();
    let plan = ["/opt/install", "plan", "/opt/bundle.tar.zst"];
    let plan = site.host.run_as("nobody", &plan).unwrap();
    assert_eq!(plan.code(), Some(0), "{}", plan.stderr);
    // Its scriptlets change owners, so `rpm -V` prints lines about it; for the new version it
    // prints the same.
    let says = || site.host.run(&["rpm", "-V", "tyk-pump"]).unwrap().stdout;
    let before = says();
    let install = "umask 077; /root/install /root/bundle.tar.zst";
    site.host.check(&["sh", "-c", install]).unwrap();
    assert_eq!(says(), before);
    let plan = ["/opt/install", "plan", "--check", "/opt/bundle.tar.zst"];
    let plan = site.host.run_as("nobody", &plan).unwrap();
    assert_eq!(plan.code(), Some(0), "{}", plan.stderr);
}
