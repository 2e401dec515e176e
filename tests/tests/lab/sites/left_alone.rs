//! Data that no migration rewrites: their dump costs no downtime, and goes where the operator wants it
//! (H-16, H-28).

use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};

use crate::upgrade::data::Data;
use crate::upgrade::support::{Site, site};

const BUNDLE: &str = "/root/bundle.tar.zst";
const DUMPS: &str = "/srv/dumps";
const TOOLS: &str = "/usr/lib/postgresql/15/bin";

/// Lets a tool note whether a service runs while it dumps.
fn spy(site: &Site, tool: &str, is_dump: &str, service: &str) {
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in {is_dump}) systemctl is-active {service} >>/root/{service};; esac\n\
         exec {tool}.real \"$@\"\n"
    );
    site.host
        .check(&["mv", tool, &format!("{tool}.real")])
        .unwrap();
    site.host.write(tool, script, 0o755).unwrap();
}

fn seen(site: &Site, service: &str) -> String {
    let path = format!("/root/{service}");
    let text = String::from_utf8(site.host.read(&path).unwrap()).unwrap();
    site.host.check(&["rm", &path]).unwrap();
    text
}

#[test]
fn only_data_that_are_rewritten_cost_downtime_and_dumps_go_where_they_are_wanted() {
    let Some(site) = site("site-left-alone") else {
        return;
    };
    let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    let data = Data::on(&site, options);
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let server = site
        .host
        .check(&["readlink", "-f", "/usr/bin/redis-cli"])
        .unwrap();
    spy(&site, server.trim(), "*' --rdb '*", "tyk-gateway");
    let pg_dump = format!("{TOOLS}/pg_dump");
    let whole = "*' --schema-only '*) ;; *' -Fc '*";
    spy(&site, &pg_dump, whole, "tyk-dashboard");

    // Others could write there.
    site.host
        .check(&["install", "-d", "-m", "0777", DUMPS])
        .unwrap();
    let dumps = ["--dump-dir", DUMPS];
    let install = [&[BUNDLE][..], &dumps[..]].concat();
    let refused = site.install(&install);
    assert_eq!(refused.code(), Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains(DUMPS), "{}", refused.stderr);
    site.host.check(&["chmod", "0700", DUMPS]).unwrap();

    let plan = site
        .must_install(&[&["plan"][..], &install[..]].concat())
        .stdout;
    for words in [
        "dumped while its services run",
        "dumped after dashboard is stopped",
        "without the data of tyk_analytics",
        "downtime of Tyk Gateway: rpm and the start (not measured on this host yet)",
        "the dump of dashboard-main (",
    ] {
        assert!(plan.contains(words), "{words} is not in {plan}");
    }
    site.must_install(&install);
    assert_eq!(seen(&site, "tyk-gateway"), "active\n");
    assert_eq!(seen(&site, "tyk-dashboard"), "inactive\n");
    let at = |path: &str| {
        let found = site.host.command(&["test", "-e", path]).run().unwrap();
        found.code() == Some(0)
    };
    let run = format!("{DUMPS}/airgap-bundle-run-1/stores");
    assert!(at(&format!("{run}/gateway-redis/dump.rdb")));
    assert!(at(&format!("{run}/dashboard-main/database.dump")));
    assert!(!at("/var/lib/airgap-bundle/runs/1/backup/stores"));
    site.must_install(&["backup", "verify"]);

    // The undo measures by the run before, and finds the dump.
    data.stores.wait_until_well(&site.host).unwrap();
    let undo = site.must_install(&["undo", "1", "--restore-data"]);
    let said = format!("{}{}", undo.stdout, undo.stderr);
    assert!(said.contains("s in run 1), and up to"), "{said}");
    assert!(said.contains("s, by that of run 1)"), "{said}");
    data.check_unchanged(&site);
    assert_eq!(seen(&site, "tyk-gateway"), "active\n");

    site.must_install(&["backup", "prune", "--keep", "0"]);
    let left = site.host.check(&["ls", "-A", DUMPS]).unwrap();
    assert_eq!(left, "", "dumps are left");
}
