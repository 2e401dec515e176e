//! Services that get their settings from drop-ins, other files and environment files, not from where
//! their product usually has them.

use std::time::Duration;

use lab::isolated::Guest;
use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};
use serde_json::Value;

use crate::upgrade::data::Data;
use crate::upgrade::support::{Site, changes, site};

const BUNDLE: &str = "/root/bundle.tar.zst";
const DASHBOARD: &str = "/opt/tyk-dashboard/tyk_analytics.conf";
const GATEWAY: &str = "/opt/tyk-gateway/tyk.conf";
const MAIN: &str = "TYK_DB_STORAGE_MAIN_CONNECTIONSTRING";

/// Writes the one drop-in of a service, or removes it, and starts the service again.
fn drop_in(site: &Site, service: &str, text: Option<&str>) {
    let path = format!("/etc/systemd/system/{service}.service.d/site.conf");
    match text {
        Some(text) => site.host.write(&path, text, 0o644).unwrap(),
        None => drop(site.host.check(&["rm", "-f", &path]).unwrap()),
    }
    site.host.check(&["systemctl", "daemon-reload"]).unwrap();
    let unit = format!("{service}.service");
    site.host.check(&["systemctl", "restart", &unit]).unwrap();
}

fn edit(site: &Site, path: &str, change: impl FnOnce(&mut Value)) {
    let mut config: Value = serde_json::from_slice(&site.host.read(path).unwrap()).unwrap();
    change(&mut config);
    let text = serde_json::to_string_pretty(&config).unwrap();
    site.host.write(path, text, 0o660).unwrap();
}

/// A text as a word of a unit file.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('%', "%%"))
}

/// Takes the database out of the dashboard's file and returns the connection string.
fn without_database(site: &Site, data: &Data) -> String {
    edit(site, DASHBOARD, |config| {
        config.as_object_mut().unwrap().remove("storage");
    });
    data.stores.connection_string()
}

/// H-01: the run migrated the database, failed, and there was no dump to go back to.
#[test]
fn a_database_in_a_drop_in_is_dumped_and_comes_back() {
    let Some(site) = site("site-drop-in") else {
        return;
    };
    let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    let data = Data::on(&site, options);
    let connection = without_database(&site, &data);
    let assignment = quoted(&format!("{MAIN}={connection}"));
    let text = format!(
        "[Service]\nEnvironment=TYK_DB_STORAGE_MAIN_TYPE=postgres\nEnvironment={assignment}\n"
    );
    drop_in(&site, "tyk-dashboard", Some(&text));
    data.stores.wait_until_well(&site.host).unwrap();
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.10.1"));
    let plan = site.must_install(&["plan", BUNDLE]);
    for words in [
        "dashboard-main = postgresql 127.0.0.1:5432/",
        "IRREVERSIBLE",
    ] {
        assert!(plan.stdout.contains(words), "{words}: {}", plan.stdout);
    }
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    data.check_unchanged(&site);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    for password in data.stores.passwords() {
        let said = format!("{}{}{}", plan.stdout, run.stdout, run.stderr);
        assert!(!said.contains(password));
    }
}

/// H-01, H-20, fields 4 and 5.
#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn a_database_is_found_as_systemd_reads_it_or_the_run_is_refused() {
    let Some(site) = site("site-env-file") else {
        return;
    };
    let options = StoresOptions::new(RedisAccess::Plain, PostgresAccess::Password);
    let data = Data::on(&site, options);
    let connection = without_database(&site, &data);
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let with_file = |text: &str| {
        site.host.write("/etc/tyk/secret.env", text, 0o600).unwrap();
        let unit = "[Service]\nEnvironmentFile=/etc/tyk/secret.env\n";
        drop_in(&site, "tyk-dashboard", Some(unit));
    };
    site.host.check(&["mkdir", "-p", "/etc/tyk"]).unwrap();

    // One value over two lines, with a comment and an earlier value before it.
    let (first, rest) = connection.split_once(' ').unwrap();
    let rest = rest
        .replace('\\', r"\\")
        .replace(['"'], "\\\"")
        .replace('$', "\\$");
    with_file(&format!(
        "# {MAIN}=no\n{MAIN}=earlier\nTYK_DB_STORAGE_MAIN_TYPE = postgres\n{MAIN}=\"{first} \\\n{rest}\"\n"
    ));
    data.stores.wait_until_well(&site.host).unwrap();
    let plan = site.must_install(&["plan", BUNDLE]);
    let found = "dashboard-main = postgresql 127.0.0.1:5432/";
    assert!(plan.stdout.contains(found), "{}", plan.stdout);

    // The file was changed after the service started; no value is shown.
    site.host
        .check(&[
            "sh",
            "-c",
            "echo TYK_DB_LISTENPORT=3000 >> /etc/tyk/secret.env",
        ])
        .unwrap();
    let plan = site.must_install(&["plan", BUNDLE]);
    let differs = "running process of tyk-dashboard.service has another value of TYK_DB_LISTENPORT";
    assert!(plan.stdout.contains(differs), "{}", plan.stdout);
    let as_user = site
        .host
        .run_as("nobody", &["/bin/sh", "-c", "cat /etc/tyk/secret.env"])
        .unwrap();
    assert_ne!(as_user.code(), Some(0), "the file is for root alone");

    // Root's own password file does not lend its words.
    let password = data.stores.passwords()[1];
    let escaped = password.replace('\\', r"\\").replace(':', r"\:");
    let line = format!("*:*:*:*:{escaped}\n");
    site.host.write("/root/.pgpass", line, 0o600).unwrap();
    let start = connection.find("password=").unwrap();
    let end = connection.find(" database=").unwrap();
    let bare = format!("{}{}", &connection[..start], &connection[end + 1..]);
    with_file(&format!(
        "TYK_DB_STORAGE_MAIN_TYPE=postgres\n{MAIN}={bare}\n"
    ));
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    assert!(
        run.stderr.contains("dashboard-main") || run.stderr.contains("password"),
        "{}",
        run.stderr
    );

    // The database is named nowhere: the migration would rewrite it without a dump.
    drop_in(&site, "tyk-dashboard", None);
    let run = site.install(&["plan", BUNDLE]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    let way_on = "--backed-up-elsewhere dashboard-main=REASON";
    for words in ["rewrites APIs, policies, users for good", way_on] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let reason = "dashboard-main=the database team dumps it every hour";
    let plan = site.must_install(&["plan", BUNDLE, "--backed-up-elsewhere", reason]);
    assert!(
        plan.stdout
            .contains("A revert cannot bring these data back"),
        "{}",
        plan.stdout
    );

    // A unit that systemd has not read is refused, and the advice works.
    let path = "/etc/systemd/system/tyk-dashboard.service.d/site.conf";
    let unit = "[Service]\nEnvironment=TYK_DB_LISTENPORT=3000\n";
    site.host.write(path, unit, 0o644).unwrap();
    let consent = ["plan", BUNDLE, "--backed-up-elsewhere", reason];
    let run = site.install(&consent);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    assert!(
        run.stderr.contains("systemctl daemon-reload"),
        "{}",
        run.stderr
    );
    site.host.check(&["systemctl", "daemon-reload"]).unwrap();
    site.must_install(&consent);
}

/// Field 1 and H-11: the file in the product's directory is stale, the real one is elsewhere.
#[test]
fn a_configuration_file_elsewhere_is_read_and_saved() {
    let Some(site) = site("site-conf") else {
        return;
    };
    let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Plain);
    let data = Data::on(&site, options);
    let real = "/etc/tyk-gateway/tyk.conf";
    let moved = format!("mkdir -p /etc/tyk-gateway && cp -p {GATEWAY} {real}");
    site.host.check(&["sh", "-c", &moved]).unwrap();
    edit(&site, GATEWAY, |config| {
        config["listen_port"] = 9999.into();
        config["storage"]["host"] = "stale.invalid".into();
    });
    let unit = format!("[Service]\nExecStart=\nExecStart=/opt/tyk-gateway/tyk --conf={real}\n");
    drop_in(&site, "tyk-gateway", Some(&unit));
    data.stores.wait_until_well(&site.host).unwrap();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let plan = site.must_install(&["plan", BUNDLE]);
    assert!(!plan.stdout.contains("stale.invalid"), "{}", plan.stdout);
    site.must_install(&[BUNDLE]);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
    let before = site
        .host
        .check(&[
            "sh",
            "-c",
            "cat /var/lib/airgap-bundle/runs/1/backup/*.json",
        ])
        .unwrap();
    assert!(before.contains(real), "the file is not in the backup");
}

/// Field 1, H-11: a gateway that never answers was committed, because it was asked on another port.
#[test]
fn a_port_in_a_drop_in_is_the_one_that_is_asked() {
    let Some(site) = site("site-port") else {
        return;
    };
    let unit = "[Service]\nEnvironment=TYK_GW_LISTENPORT=9090\n";
    drop_in(&site, "tyk-gateway", Some(unit));
    let answers = || {
        let well = |guest: &Guest| Ok(guest.http_get(9090, "/hello")?.0 == 200);
        site.host
            .wait_until("the gateway on 9090", Duration::from_secs(60), well)
            .unwrap();
    };
    answers();
    site.carry(&site.forge("5.4.1", "5.3.2", "1.9.0"));
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    answers();

    // Field 5: the pump passes its file over, and so does the plan.
    let variables = "/etc/sysconfig/tyk-pump";
    let omitted = "TYK_PMP_OMITCONFIGFILE=True\n";
    site.host.write(variables, omitted, 0o644).unwrap();
    edit(&site, "/opt/tyk-pump/pump.conf", |config| {
        config["pumps"] = serde_json::json!({"mongo": {"type": "mongo", "meta": {
            "mongo_url": "mongodb://sample.invalid/tyk_analytics"}}});
    });
    let plan = site.must_install(&["plan", BUNDLE]);
    assert!(!plan.stdout.contains("sample.invalid"), "{}", plan.stdout);
    site.host.write(variables, "", 0o644).unwrap();
    // Nothing answers there, which a whole plan refuses.
    let plan = site.must_install(&["plan", "--quick", BUNDLE]);
    assert!(plan.stdout.contains("sample.invalid"), "{}", plan.stdout);
}
