//! Two hosts that use one database and one Redis, over a cable: what one of them does must not reach
//! the other.

use lab::isolated::{Guest, link};
use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};
use serde_json::Value;

use super::going_back;
use crate::upgrade::data::Data;
use crate::upgrade::support::{Site, changes, site};

const BUNDLE: &str = "/root/bundle.tar.zst";
/// The host with the servers on it.
const FIRST: &str = "10.77.0.1";
const FILES: [&str; 3] = [
    "/opt/tyk-gateway/tyk.conf",
    "/opt/tyk-dashboard/tyk_analytics.conf",
    "/opt/tyk-pump/pump.conf",
];
/// Lets the servers of the first host answer over the cable.
const OPEN: &str = "
set -eu
sed -i 's/^bind .*/bind 127.0.0.1 10.77.0.1/' /etc/redis/redis.conf
etc=$(echo /etc/postgresql/*/main)
sed -i \"s/^listen_addresses.*/listen_addresses = '127.0.0.1,10.77.0.1'/\" $etc/conf.d/lab.conf
echo 'host all all 10.77.0.0/24 scram-sha-256' >> $etc/pg_hba.conf
systemctl restart redis-server postgresql@15-main
";
/// The pools that a dashboard and a gateway keep open.
const POOLS: &str = "
set -eu
systemd-run --quiet --unit=pool-sql --setenv=PGAPPNAME=dashboard-1 \\
    \"--setenv=PGPASSWORD=$PGPASSWORD\" \\
    psql -h 10.77.0.1 -U tyk -d tyk_analytics -c 'SELECT pg_sleep(3600)'
systemd-run --quiet --unit=pool-redis \"--setenv=REDISCLI_AUTH=$REDISCLI_AUTH\" \\
    redis-cli -h 10.77.0.1 SUBSCRIBE news
";

fn shell(guest: &Guest, script: &str) -> String {
    guest.check(&["sh", "-c", script]).unwrap()
}

/// Gives the second host the configuration of the first one, with the servers behind the cable. Its
/// pump knows them by another name.
fn configure(first: &Site, second: &Site) {
    for path in FILES {
        let text = String::from_utf8(first.host.read(path).unwrap()).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        for (pointer, name) in [
            ("/storage/host", FIRST),
            ("/redis_host", FIRST),
            ("/storage/main/connection_string", FIRST),
            ("/analytics_storage_config/host", FIRST),
            ("/pumps/sql/meta/connection_string", "db.lab"),
        ] {
            if let Some(Value::String(value)) = config.pointer_mut(pointer) {
                *value = value.replace("127.0.0.1", name);
            }
        }
        let text = serde_json::to_string_pretty(&config).unwrap();
        second.host.write(path, text, 0o660).unwrap();
    }
    let units = "tyk-gateway tyk-dashboard tyk-pump";
    shell(&second.host, &format!("systemctl restart {units}"));
}

struct Pair {
    first: Site,
    second: Site,
    data: Data,
}

fn pair() -> Option<Pair> {
    let (first, second) = (site("shared-1")?, site("shared-2")?);
    link(&first.host, &second.host, ["10.77.0.1/24", "10.77.0.2/24"]).unwrap();
    let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    let data = Data::on(&first, options);
    shell(&first.host, OPEN);
    data.stores.wait_until_well(&first.host).unwrap();
    let [redis, postgres] = data.stores.passwords();
    let pools = first.host.command(&["sh", "-c", POOLS]);
    let pools = pools
        .env("REDISCLI_AUTH", redis)
        .env("PGPASSWORD", postgres);
    pools.run().unwrap().ok().unwrap();
    let note = first.host.read("/root/lab-stores.json").unwrap();
    second
        .host
        .write("/root/lab-stores.json", note, 0o600)
        .unwrap();
    shell(&second.host, "echo '10.77.0.1 db.lab' >> /etc/hosts");
    configure(&first, &second);
    data.stores.wait_until_well(&second.host).unwrap();
    Some(Pair {
        first,
        second,
        data,
    })
}

impl Pair {
    /// Whether everything of the first host goes on as if it were alone.
    fn check_first(&self, before: &[String]) {
        let now = self.processes();
        assert_eq!(before, now, "a process of the first host ended");
        for service in 0..3 {
            self.first.version(service);
        }
    }

    fn processes(&self) -> Vec<String> {
        let units = [
            "tyk-gateway",
            "tyk-dashboard",
            "tyk-pump",
            "pool-sql",
            "pool-redis",
        ];
        let pid = |unit: &&str| {
            let asked = ["systemctl", "show", "-p", "MainPID,ActiveState", unit];
            self.first.host.check(&asked).unwrap()
        };
        units.iter().map(pid).collect()
    }
}

/// H-05, H-08, H-09, H-30, H-31.
#[expect(
    clippy::too_many_lines,
    reason = "one story on one pair of hosts, in its order"
)]
#[test]
fn one_host_fails_its_upgrade_and_nothing_of_the_other_changes() {
    let Some(pair) = pair() else { return };
    let (second, data) = (&pair.second, &pair.data);
    let running = pair.processes();

    // No migration is crossed: the run fails and goes back, and the data are left alone.
    second.carry(&second.without_dashboard("5.3.2", "1.10.1"));
    let files = second.snapshot();
    let plan = second.must_install(&["plan", BUNDLE]).stdout;
    let others = "other hosts use this store: 10.77.0.1 (";
    assert!(
        plan.contains(others) && plan.contains("dashboard-1"),
        "{plan}"
    );
    let run = second.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert_eq!(changes(&files, &second.snapshot()), Vec::<String>::new());
    pair.check_first(&running);
    data.check_unchanged(&pair.first);

    // What is not used here is not asked for, and what cannot change need not be dumped.
    shell(
        &second.host,
        "systemctl disable --now tyk-pump; mv /usr/bin/redis-check-rdb /root/",
    );
    let plan = second.must_install(&["plan", BUNDLE]).stdout;
    for words in [
        "tyk-pump.service is neither enabled nor running",
        "gateway-redis cannot be dumped",
        "NOT dumped: ",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    shell(
        &second.host,
        "systemctl enable --now tyk-pump; mv /root/redis-check-rdb /usr/bin/",
    );
    data.stores.wait_until_well(&second.host).unwrap();

    // The data would change for good under the first host without a decision of the operator.
    second.carry(&second.forge("5.3.2", "5.3.2", "1.10.1"));
    let refused = second.install(&[BUNDLE]);
    assert_eq!(refused.code(), Some(4), "{}", refused.stderr);
    for words in [
        "other hosts use that store: 10.77.0.1 (",
        "--restore-shared dashboard-main=REASON",
        "--restored-by-hand dashboard-main=REASON",
    ] {
        assert!(
            refused.stderr.contains(words),
            "{words}: {}",
            refused.stderr
        );
    }
    assert_eq!(data.schema(&pair.first), "1");
    pair.check_first(&running);

    // A person restores: the dump is there and proven, and the first host's sessions go on.
    let reason = "dashboard-main=both dashboards are stopped for a restore";
    let consent = [BUNDLE, "--restored-by-hand", reason];
    let plan = second.must_install(&["plan", BUNDLE, "--restored-by-hand", reason]);
    for words in [
        "is the same store as dashboard-main",
        "a person restores this dump",
    ] {
        assert!(plan.stdout.contains(words), "{words}: {}", plan.stdout);
    }
    let run = second.install(&consent);
    assert_eq!(run.code(), Some(6), "{}", run.stderr);
    going_back::wait_until_failed(&second.host);
    let status = second.install(&["status"]).stdout;
    for words in [
        "both dashboards are stopped for a restore",
        "backup/stores/dashboard-main/database.dump",
        "pg_restore --create",
        "close 2 --as-it-is",
    ] {
        assert!(status.contains(words), "{words}: {status}");
    }
    assert!(
        !second
            .host
            .unit("tyk-dashboard.service")
            .unwrap()
            .is_active()
    );
    assert_eq!(data.schema(&pair.first), "2", "the new version's data stay");
    let pool = ["systemctl", "is-active", "pool-sql", "pool-redis"];
    pair.first.host.check(&pool).unwrap();
    let json = second
        .install(&["--output", "json", "history", "info", "2"])
        .stdout;
    assert!(json.contains("not-restored"), "{json}");
    for password in data.stores.passwords() {
        assert!(!run.stdout.contains(password) && !run.stderr.contains(password));
    }
}
