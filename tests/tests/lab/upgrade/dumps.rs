//! Dumps that go wrong: each stops before the first `rpm` of its group, and the host is as it was.

use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};

use crate::upgrade::data::Data;
use crate::upgrade::support::{Site, changes, say, site};

const TOOLS: &str = "/usr/lib/postgresql/15/bin";
const STATE: &str = "/var/lib/airgap-bundle";

/// What `pg_dump` does instead of its work. `$real` is the program itself; it still answers
/// `--version`, and the trial of a restore before the hold goes well.
const SABOTAGE: [(&str, &str); 5] = [
    ("exit 1", "\"$real\" \"$@\"; exit 1"),
    ("SIGPIPE", "\"$real\" \"$@\" | head -c 100; kill -PIPE $$"),
    (
        "no space",
        "dd if=/dev/zero of=/var/lib/airgap-bundle/filler bs=64k 2>/dev/null\n\
         \"$real\" \"$@\"; code=$?; rm -f /var/lib/airgap-bundle/filler; exit $code",
    ),
    ("truncated", "\"$real\" \"$@\" | head -c -1"),
    (
        "the server stops midway",
        // Stopped, not killed: after a crash a database would skip values of its sequences. The server
        // comes back by itself.
        "\"$real\" \"$@\" & pid=$!; kill -STOP $pid\n\
         systemctl stop postgresql@15-main\n\
         setsid sh -c 'sleep 1; systemctl start postgresql@15-main' </dev/null >/dev/null 2>&1 &\n\
         kill -CONT $pid; wait $pid",
    ),
];

fn sabotage(site: &Site, deed: &str) {
    let script = format!(
        "#!/bin/sh\nreal={TOOLS}/pg_dump.real\n\
         case \"$1\" in --version|-V) exec \"$real\" --version;; esac\n\
         case \" $* \" in *' --schema-only '*) exec \"$real\" \"$@\";; esac\n{deed}\n"
    );
    site.host
        .write(format!("{TOOLS}/pg_dump"), script, 0o755)
        .unwrap();
}

fn restore_tool(site: &Site) {
    let copy = format!("cp -p --remove-destination {TOOLS}/pg_dump.real {TOOLS}/pg_dump");
    site.host.check(&["sh", "-c", &copy]).unwrap();
}

fn start_server(site: &Site) {
    let start = "systemctl reset-failed postgresql@15-main; systemctl start postgresql@15-main";
    site.host.check(&["sh", "-c", start]).unwrap();
}

#[test]
fn seven_dumps_that_fail_stop_before_rpm() {
    let Some(site) = site("dumps") else { return };
    // Room for the run and not much more, so that a disk can be filled in time.
    let mount = format!(
        "mkdir -p {STATE} && chmod 700 {STATE} && mount -t tmpfs -o size=900m,mode=700 lab {STATE}"
    );
    site.host.check(&["sh", "-c", &mount]).unwrap();
    let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    let data = Data::on(&site, options);
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let nevras = site.nevras();
    let copy = format!("cp -p {TOOLS}/pg_dump {TOOLS}/pg_dump.real");
    site.host.check(&["sh", "-c", &copy]).unwrap();
    let mut stopped = 0;
    for (at, (name, deed)) in SABOTAGE.into_iter().enumerate() {
        if at == 1 {
            // What comes before the dashboard was seen in the first.
            site.carry(&site.only("tyk-dashboard", "5.3.2"));
        }
        sabotage(&site, deed);
        let run = site.install(&["/root/bundle.tar.zst"]);
        assert_eq!(run.code(), Some(5), "{name}: {}", run.stderr);
        assert!(
            run.stdout.contains("dashboard-main"),
            "{name}: {}",
            run.stdout
        );
        // In the first, the gateway's group was done and went back. In none was rpm called for the
        // dashboard.
        let journal = format!("{STATE}/runs/{}/journal", at + 1);
        let journal = String::from_utf8(site.host.read(journal).unwrap()).unwrap();
        let has_gateway = journal.contains("\"transaction:gateway\"");
        assert_eq!(has_gateway, at == 0, "{name}: {journal}");
        assert!(journal.contains("\"dump:dashboard\""), "{name}: {journal}");
        assert!(!journal.contains("\"transaction:dashboard\""), "{name}");
        restore_tool(&site);
        start_server(&site);
        data.check_unchanged(&site);
        let left = site
            .host
            .check(&["find", STATE, "-name", "*.partial"])
            .unwrap();
        assert_eq!(left, "", "{name}");
        assert_eq!(site.nevras(), nevras, "{name}");
        stopped += 1;
    }
    for (name, spoil, mend) in [
        (
            "a wrong password",
            "ALTER ROLE tyk PASSWORD 'another'",
            None,
        ),
        ("an empty database", "", Some(())),
    ] {
        stopped += 1;
        refuse(&site, &data, name, spoil, mend.is_some());
    }
    assert_eq!(site.nevras(), nevras);
    assert_eq!(stopped, 7);
    say("dumps: 7 of 7 failures stopped before rpm");
}

/// A problem that shows before the run is a refusal.
fn refuse(site: &Site, data: &Data, name: &str, spoil: &str, is_empty: bool) {
    let admin = |sql: &str| {
        let mut psql = site
            .host
            .command(&["psql", "-v", "ON_ERROR_STOP=1"])
            .user("postgres");
        psql = psql.stdin(sql.to_owned());
        psql.run().unwrap().ok().unwrap();
    };
    if is_empty {
        // These services would write into the empty database.
        site.host
            .check(&["systemctl", "stop", "tyk-pump", "tyk-dashboard"])
            .unwrap();
        admin(
            "ALTER DATABASE tyk_analytics RENAME TO aside; CREATE DATABASE tyk_analytics OWNER tyk;",
        );
    } else {
        admin(spoil);
    }
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(4), "{name}: {}", run.stderr);
    assert!(run.stderr.contains("next:"), "{name}: {}", run.stderr);
    if is_empty {
        admin(
            "DROP DATABASE tyk_analytics WITH (FORCE); ALTER DATABASE aside RENAME TO tyk_analytics;",
        );
        site.host
            .check(&["systemctl", "start", "tyk-dashboard", "tyk-pump"])
            .unwrap();
    } else {
        let [_, password] = data.stores.passwords();
        admin(&format!("ALTER ROLE tyk PASSWORD '{password}'"));
    }
    data.check_unchanged(site);
}

/// A store that cannot be dumped is a note where the run leaves its data alone (H-31).
#[test]
fn a_store_that_cannot_be_dumped_is_reported_or_declared() {
    let Some(site) = site("dump-down") else {
        return;
    };
    let options = StoresOptions::new(RedisAccess::Plain, PostgresAccess::Plain);
    let data = Data::on(&site, options);
    site.carry(&site.without_dashboard("5.3.2", "1.9.0"));
    let before = site.snapshot();
    let hide = [
        "mv",
        "/usr/bin/redis-check-rdb",
        "/usr/bin/redis-check-rdb.away",
    ];
    site.host.check(&hide).unwrap();
    let unknown = site.install(&[
        "/root/bundle.tar.zst",
        "--backed-up-elsewhere",
        "gateway-other=nobody knows such a store",
    ]);
    assert_eq!(unknown.code(), Some(4), "{}", unknown.stderr);
    assert!(
        unknown.stderr.contains("gateway-redis"),
        "{}",
        unknown.stderr
    );
    let run = site.must_install(&["/root/bundle.tar.zst"]);
    let report = run.stdout.lines().find(|line| line.contains("not dumped"));
    assert!(
        report.is_some_and(|line| line.contains("redis-check-rdb")),
        "{}",
        run.stdout
    );
    let undone = site.must_install(&[
        "undo",
        "1",
        "--backed-up-elsewhere",
        "gateway-redis=the database team dumps it every hour",
    ]);
    assert!(
        undone.stdout.contains("the database team"),
        "{}",
        undone.stdout
    );
    let back = [
        "mv",
        "/usr/bin/redis-check-rdb.away",
        "/usr/bin/redis-check-rdb",
    ];
    site.host.check(&back).unwrap();
    data.check_unchanged(&site);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}
