use manifests::product::{Component, Engine, ProductManifest, TYK};

use super::super::access::Secret;
use super::*;
use crate::host::NoSystemd;
use crate::settings::fake::Site;
use crate::stores::RedisKind;

struct Host {
    _dir: tempfile::TempDir,
    layout: Layout,
    product: ProductManifest,
}

impl Host {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::of_running(dir.path());
        for (path, text) in files {
            let path = layout.at(path);
            let mut parents: Vec<_> = path.ancestors().skip(1).collect();
            parents.reverse();
            for parent in parents.iter().filter(|parent| !parent.exists()) {
                crate::secure_fs::ensure_dir(parent, 0o755).unwrap();
            }
            crate::secure_fs::write_atomic(&path, text.as_bytes(), 0o600).unwrap();
        }
        let product = ProductManifest::from_toml(TYK).unwrap();
        Self {
            _dir: dir,
            layout,
            product,
        }
    }

    fn discover(&self) -> Discovery {
        let components: Vec<&Component> = self.product.components.iter().collect();
        discover(&NoSystemd, &self.layout, &components)
    }
}

const GATEWAY: &str = "/opt/tyk-gateway/tyk.conf";
const DASHBOARD: &str = "/opt/tyk-dashboard/tyk_analytics.conf";
const PUMP: &str = "/opt/tyk-pump/pump.conf";
const REDIS: &str = r#""host": "localhost", "port": 6379, "password": "canary-a", "database": 0"#;

fn usual() -> Vec<(&'static str, String)> {
    vec![
        (
            GATEWAY,
            format!(r#"{{"storage": {{"type": "redis", {REDIS}}}}}"#),
        ),
        (
            DASHBOARD,
            r#"{"redis_host": "127.0.0.1", "redis_port": 6379, "redis_password": "canary-b",
                "mongo_url": "mongodb://tyk:canary-c@10.0.0.9:27017/tyk_analytics"}"#
                .to_owned(),
        ),
        (
            PUMP,
            format!(
                r#"{{"analytics_storage_config": {{{REDIS}}}, "pumps": {{
                    "mongo": {{"type": "mongo", "meta": {{
                        "mongo_url": "mongodb://tyk:canary-c@10.0.0.9/tyk_analytics"}}}},
                    "csv": {{"type": "csv", "meta": {{"csv_dir": "/tmp"}}}}}}}}"#
            ),
        ),
    ]
}

fn host(files: &[(&str, String)]) -> Host {
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    Host::new(&files)
}

#[test]
fn one_store_that_several_components_name_is_found_once() {
    let found = host(&usual()).discover();
    let shown = found.shown();
    assert_eq!(shown.unclear, []);
    let endpoints: Vec<&str> = shown.found.iter().map(|s| s.endpoint.as_str()).collect();
    let expected = [
        "redis 127.0.0.1:6379",
        "mongodb 10.0.0.9:27017/tyk_analytics",
    ];
    assert_eq!(endpoints, expected);
    let [redis, mongo] = shown.found.as_slice() else {
        panic!("two stores");
    };
    assert_eq!(
        redis.names,
        ["gateway-redis", "dashboard-redis", "pump-redis"]
    );
    assert_eq!(mongo.names, ["dashboard-main", "pump-pump-mongo"]);
    assert_eq!(mongo.engine, Engine::Mongodb);
    assert!(redis.may_be_empty && !mongo.may_be_empty);
    let json = serde_json::to_string(&shown).unwrap();
    assert!(!json.contains("canary"), "{json}");
    assert!(!format!("{found:?}").contains("canary"));
}

#[test]
fn environment_files_override_and_add() {
    let mut files = usual();
    files.push((
        "/etc/sysconfig/tyk-gateway",
        "TYK_GW_STORAGE_HOST=redis.internal\nTYK_GW_STORAGE_PORT=6380\n".to_owned(),
    ));
    files.push((
        "/etc/default/tyk-dashboard",
        "TYK_DB_STORAGE_MAIN_TYPE=postgres\n\
         TYK_DB_STORAGE_MAIN_CONNECTIONSTRING=\"user=tyk password=canary database=tyk host=db\"\n"
            .to_owned(),
    ));
    files.push((
        "/etc/default/tyk-pump",
        "TYK_PMP_PUMPS_SQL_TYPE=sql\n\
         TYK_PMP_PUMPS_SQL_META_TYPE=postgres\n\
         TYK_PMP_PUMPS_SQL_META_CONNECTIONSTRING=postgres://tyk:canary@db/tyk\n"
            .to_owned(),
    ));
    let shown = host(&files).discover().shown();
    assert_eq!(shown.unclear, []);
    let endpoints: Vec<&str> = shown.found.iter().map(|s| s.endpoint.as_str()).collect();
    let expected = [
        "redis redis.internal:6380",
        "redis 127.0.0.1:6379",
        "postgresql db:5432/tyk",
        "mongodb 10.0.0.9:27017/tyk_analytics",
    ];
    assert_eq!(endpoints, expected);
    assert_eq!(shown.found[2].names, ["dashboard-main", "pump-pump-sql"]);
}

#[test]
fn what_is_not_understood_is_reported_and_nothing_is_guessed() {
    let cases = [
        (
            GATEWAY,
            r#"{"storage": {"host": "a",}}"#,
            "gateway-redis",
            "not JSON",
        ),
        (
            GATEWAY,
            r#"{"storage": {"addrs": ["a:1", "b:2"]}}"#,
            "gateway-redis",
            "several addresses",
        ),
        (
            GATEWAY,
            r#"{"storage": {"host": "-x", "port": 1}}"#,
            "gateway-redis",
            "not a host",
        ),
        (
            DASHBOARD,
            r#"{"storage": {"main": {"type": "oracle"}}}"#,
            "dashboard-main",
            "oracle",
        ),
        (
            DASHBOARD,
            r#"{"storage": {"main": {"type": "postgres"}}, "mongo_url": "mongodb://a/b"}"#,
            "dashboard-main",
            "",
        ),
    ];
    for (path, text, name, why) in cases {
        let mut files = usual();
        files.retain(|(known, _)| *known != path);
        files.push((path, text.to_owned()));
        let shown = host(&files).discover().shown();
        let unclear = shown.unclear.iter().find(|unclear| unclear.name == name);
        let unclear = unclear.unwrap_or_else(|| panic!("{text}: {shown:?}"));
        assert!(
            unclear.why.contains(why) && !unclear.is_denied,
            "{unclear:?}"
        );
    }
    let mut files = usual();
    files.remove(0);
    let shown = host(&files).discover().shown();
    assert!(
        shown.unclear.iter().any(|u| u.name == "gateway-redis"),
        "{shown:?}"
    );
}

#[test]
fn sentinels_clusters_and_tls_are_understood() {
    let files = [(
        GATEWAY,
        r#"{"storage": {"addrs": ["s1:26379", "s2:26379"], "master_name": "m", "use_ssl": true,
              "ca_file": "/ca.pem", "username": "u", "database": 3},
            "enable_separate_cache_store": true,
            "cache_storage": {"hosts": {"c1": "7000", "c2": "7001"}, "enable_cluster": true}}"#
            .to_owned(),
    )];
    let host = host(&files);
    let component = host.product.component("gateway").unwrap();
    let found = discover(&NoSystemd, &host.layout, &[component]);
    let Ok(Access::Redis(redis)) =
        found.access("gateway-redis", "redis m by sentinels s1:26379,s2:26379")
    else {
        panic!("{found:?}");
    };
    assert!(matches!(&redis.kind, RedisKind::Sentinel { master, .. } if master == "m"));
    assert_eq!(
        redis.tls.as_ref().unwrap().ca_file.as_deref(),
        Some("/ca.pem")
    );
    assert_eq!((redis.username.as_deref(), redis.database), (Some("u"), 3));
    let cluster = found.access("gateway-cache", "redis cluster c1:7000,c2:7001");
    assert!(matches!(cluster, Ok(Access::Redis(r)) if r.kind == RedisKind::Cluster));
    assert!(found.access("gateway-cache", "redis elsewhere:1").is_err());
}

/// What the components' configuration gives, one line for each store.
fn looked(files: &[(&str, String)]) -> Vec<String> {
    let shown = host(files).discover().shown();
    let found = shown.found.iter();
    let found = found.map(|store| format!("{} {}", store.names.join("+"), store.endpoint));
    let unclear = shown.unclear.iter().map(|store| {
        let reach = if store.out_of_reach {
            "out of reach: "
        } else {
            ""
        };
        format!("{} {reach}{}", store.name, store.why)
    });
    found.chain(unclear).collect()
}

fn pump(pumps: &str) -> Vec<String> {
    let mut files = usual();
    files.truncate(2);
    files.push((PUMP, format!(r#"{{"pumps": {{{pumps}}}}}"#)));
    let all = looked(&files);
    all.into_iter()
        .filter(|line| line.contains("pump-"))
        .collect()
}

/// Field 4: another case, subtypes and other servers.
#[test]
fn a_pump_of_a_database_is_that_database_and_no_other() {
    let connection = r#""connection_string": "host=db user=u dbname=d""#;
    let meta = |kind: &str| format!(r#""meta": {{"type": "{kind}", {connection}}}"#);
    for kind in [
        "sql",
        "SQL",
        "sql_aggregate",
        "sql-graph",
        "sql-graph-aggregate",
    ] {
        let found = pump(&format!(
            r#""a": {{"type": "{kind}", {}}}"#,
            meta("postgres")
        ));
        assert_eq!(found, ["pump-pump-a postgresql db:5432/d"], "{kind}");
    }
    for (kind, title) in [("mysql", "MySQL"), ("sqlite", "SQLite")] {
        let found = pump(&format!(r#""a": {{"type": "SQL", {}}}"#, meta(kind)));
        let expected = format!("pump-pump-a out of reach: {title}: not dumped by this tool");
        assert_eq!(found, [expected]);
    }
    let found = pump(&format!(r#""a": {{"type": "sql", {}}}"#, meta("oracle")));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("\"oracle\", which is not known here"),
        "{found:?}"
    );
    let mongo = r#""a": {"type": "mongo-graph", "meta": {"mongo_url": "mongodb://m/d"}}"#;
    assert_eq!(pump(mongo), ["pump-pump-a mongodb m:27017/d"]);
}

#[test]
fn only_a_kind_that_is_known_to_hold_no_data_is_no_store() {
    for kind in [
        "csv",
        "CSV",
        "elasticsearch",
        "Splunk",
        "stdout",
        "prometheus",
    ] {
        assert_eq!(
            pump(&format!(r#""a": {{"type": "{kind}"}}"#)),
            [""; 0],
            "{kind}"
        );
    }
    let found = pump(r#""a": {"type": "clickhouse"}"#);
    assert!(
        found[0].contains("\"clickhouse\", which is not known here"),
        "{found:?}"
    );
}

/// H-45, field 5: spelled as Go reads it, and by the older name.
#[test]
fn tls_is_used_where_the_product_uses_it() {
    let tls = |component: &str, text: &str| {
        let host = host(&[(
            if component == "pump" { PUMP } else { GATEWAY },
            text.to_owned(),
        )]);
        let facts = host.product.component(component).unwrap();
        let found = discover(&NoSystemd, &host.layout, &[facts]);
        match found.access(&format!("{component}-redis"), "redis r:6379") {
            Ok(Access::Redis(redis)) => redis.tls.is_some(),
            other => panic!("{other:?}"),
        }
    };
    assert!(tls(
        "gateway",
        r#"{"storage": {"host": "r", "use_ssl": "True"}}"#
    ));
    assert!(!tls(
        "gateway",
        r#"{"storage": {"host": "r", "use_ssl": false}}"#
    ));
    let aliased = |switch: bool| {
        format!(
            r#"{{"analytics_storage_config": {{"host": "r", "use_ssl": false, "redis_use_ssl": {switch}}}}}"#
        )
    };
    assert!(tls("pump", &aliased(true)) && !tls("pump", &aliased(false)));
    let mut files = usual();
    files[0].1 = r#"{"storage": {"host": "r", "use_ssl": "Zebra"}}"#.to_owned();
    let found = looked(&files);
    let odd = found.iter().find(|line| line.starts_with("gateway-redis"));
    assert!(odd.unwrap().contains("neither true nor false"), "{found:?}");
}

#[test]
fn a_password_that_stands_elsewhere_is_followed_or_named() {
    let storage =
        |password: &str| format!(r#"{{"storage": {{"host": "r", "password": "{password}"}}}}"#);
    let mut files = usual();
    files.push((
        "/etc/default/tyk-gateway",
        "TYK_SECRET_REDIS_PASS=canary\n".to_owned(),
    ));
    files[0].1 = storage("env://redis_pass");
    let found = host(&files).discover();
    let Ok(Access::Redis(redis)) = found.access("gateway-redis", "redis r:6379") else {
        panic!("{found:?}");
    };
    let password = redis.password.as_ref().map(Secret::reveal);
    assert_eq!(password, Some("canary"));
    for place in [
        "vault://secret/tyk.redis",
        "consul://redis",
        "secrets://redis",
    ] {
        files[0].1 = storage(place);
        let found = looked(&files);
        let line = found.iter().find(|line| line.starts_with("gateway-redis"));
        let line = line.unwrap();
        assert!(
            line.contains("out of reach") && line.contains("://)"),
            "{line}"
        );
    }
}

/// H-01: the connection string stands in a drop-in.
#[test]
fn a_store_is_found_where_the_unit_names_it() {
    let files = [(DASHBOARD, r#"{"redis_host": "r"}"#)];
    let command = "/opt/tyk-dashboard/tyk-analytics --conf /opt/tyk-dashboard/tyk_analytics.conf";
    let site = Site::new(&files, command)
        .with("TYK_DB_STORAGE_MAIN_TYPE", "postgres")
        .with(
            "TYK_DB_STORAGE_MAIN_CONNECTIONSTRING",
            "host=db user=tyk password=canary dbname=tyk_analytics",
        );
    let product = ProductManifest::from_toml(TYK).unwrap();
    let dashboard = product.component("dashboard").unwrap();
    let shown = discover(&site, &site.layout, &[dashboard]).shown();
    assert_eq!(shown.unclear, []);
    let main = shown.found.iter().find(|s| s.names == ["dashboard-main"]);
    assert_eq!(main.unwrap().endpoint, "postgresql db:5432/tyk_analytics");
}

mod earlier;
