use manifests::product::{ProductManifest, TYK};

use super::super::fake::Site;
use super::*;

const CONF: &str = "/opt/tyk-gateway/tyk.conf";
const USUAL: &str = "/opt/tyk-gateway/tyk --conf /opt/tyk-gateway/tyk.conf";

fn component(name: &str) -> Component {
    let tyk = ProductManifest::from_toml(TYK).unwrap();
    tyk.component(name).unwrap().clone()
}

fn gateway(site: &Site) -> Loaded {
    load(site, &site.layout, &component("gateway"))
}

/// The port that the health check would ask, or the trouble.
fn port(site: &Site) -> String {
    let loaded = gateway(site);
    if let Some(trouble) = loaded.trouble {
        return trouble.why;
    }
    let health = component("gateway").health.unwrap();
    loaded.settings.get(&health.port)
}

/// H-01, H-11: a variable in a drop-in was not read.
#[test]
fn variables_of_the_unit_count_and_its_files_override_them() {
    let files = [
        (CONF, r#"{"listen_port": 8080}"#),
        ("/etc/a.env", "TYK_GW_LISTENPORT=9091\n"),
        ("/etc/b.env", "TYK_GW_LISTENPORT=9092\n"),
        // The product's usual file, which this unit does not name.
        ("/etc/sysconfig/tyk-gateway", "TYK_GW_LISTENPORT=1\n"),
    ];
    let site = || Site::new(&files, USUAL).with("TYK_GW_LISTENPORT", "9090");
    assert_eq!(port(&site()), "9090");
    assert_eq!(port(&site().with_file("/etc/a.env")), "9091");
    let both = site().with_file("/etc/a.env").with_file("-/etc/b.env");
    assert_eq!(port(&both), "9092");
    let mut without = site();
    without.unit.unset = vec!["TYK_GW_LISTENPORT".to_owned()];
    assert_eq!(port(&without), "8080");
    without.unit.unset = vec!["TYK_GW_LISTENPORT=1".to_owned()];
    assert_eq!(port(&without), "9090");
}

/// As systemd 219 makes a unit of the vendor's script, which reads these files itself.
#[test]
fn the_usual_files_of_a_script_are_read_where_its_unit_names_none() {
    let files = [
        (CONF, r#"{"listen_port": 8080}"#),
        ("/etc/sysconfig/tyk-gateway", "TYK_GW_LISTENPORT=9090\n"),
        ("/etc/a.env", "TYK_GW_OTHER=1\n"),
    ];
    let site = || Site::new(&files, "/etc/rc.d/init.d/tyk-gateway start");
    assert_eq!(port(&site()), "9090");
    assert_eq!(port(&site().with("TYK_GW_LISTENPORT", "9091")), "9091");
    assert_eq!(port(&site().with_file("/etc/a.env")), "8080");
}

#[test]
fn files_of_a_pattern_are_read_in_order_and_a_missing_one_stops_the_service() {
    let files = [
        (CONF, "{}"),
        ("/etc/tyk/20.env", "TYK_GW_LISTENPORT=9092\n"),
        ("/etc/tyk/10.env", "TYK_GW_LISTENPORT=9091\n"),
        ("/etc/tyk/.30.env", "TYK_GW_LISTENPORT=9093\n"),
    ];
    let site = Site::new(&files, USUAL).with_file("/etc/tyk/*.env");
    assert_eq!(port(&site), "9092");
    let used = gateway(&site).service.unwrap().environment_files;
    assert_eq!(used, ["/etc/tyk/10.env", "/etc/tyk/20.env"]);
    for missing in ["/etc/tyk/none.env", "/etc/tyk/*.none", "/none/*.env"] {
        let why = port(&Site::new(&files, USUAL).with_file(missing));
        assert!(
            why.contains(missing) && why.contains("does not start"),
            "{why}"
        );
        let optional = Site::new(&files, USUAL).with_file(&format!("-{missing}"));
        assert_eq!(port(&optional), "8080");
    }
}

#[test]
fn the_configuration_file_is_the_one_that_the_command_line_names() {
    let files = [
        (CONF, r#"{"listen_port": 1}"#),
        ("/etc/tyk-gateway/tyk.conf", r#"{"listen_port": 9000}"#),
        ("/etc/tyk gateway/tyk.conf", r#"{"listen_port": 9001}"#),
    ];
    for (command, expected) in [
        (USUAL, "1"),
        ("/opt/tyk-gateway/tyk", "1"),
        (
            "/opt/tyk-gateway/tyk --conf=/etc/tyk-gateway/tyk.conf",
            "9000",
        ),
        (
            "/opt/tyk-gateway/tyk start --conf ../../etc/tyk-gateway/tyk.conf --debug",
            "9000",
        ),
        ("/opt/tyk-gateway/tyk --conf ${DIR}/tyk.conf", "9000"),
        ("/opt/tyk-gateway/tyk $FLAGS", "9000"),
        (
            "/opt/tyk-gateway/tyk --conf /etc/tyk gateway/tyk.conf",
            "9001",
        ),
        (
            "/bin/sh -c exec /opt/tyk-gateway/tyk --conf /etc/tyk-gateway/tyk.conf",
            "9000",
        ),
    ] {
        let mut site = Site::new(&files, command)
            .with("DIR", "/etc/tyk-gateway")
            .with("FLAGS", "--conf /etc/tyk-gateway/tyk.conf");
        site.unit.working_directory = "/opt/tyk-gateway".to_owned();
        assert_eq!(port(&site), expected, "{command}");
    }
    let gone = port(&Site::new(
        &files,
        "/opt/tyk-gateway/tyk --conf /etc/none.conf",
    ));
    assert!(gone.contains("/etc/none.conf"), "{gone}");
    let mut home = Site::new(&files, "/opt/tyk-gateway/tyk --conf tyk.conf");
    home.unit.working_directory = "~".to_owned();
    assert!(port(&home).contains("not known here"));
}

#[test]
fn a_short_option_of_the_program_is_not_one_of_its_shell() {
    let files = [("/etc/pump.conf", r#"{"health_check_endpoint_port": 9}"#)];
    for command in [
        "/opt/tyk-pump/tyk-pump -c /etc/pump.conf",
        "/opt/tyk-pump/tyk-pump -c/etc/pump.conf",
        "/bin/sh -c exec /opt/tyk-pump/tyk-pump -c /etc/pump.conf",
    ] {
        let site = Site::new(&files, command);
        let loaded = load(&site, &site.layout, &component("pump"));
        let port = loaded.settings.get(&component("pump").health.unwrap().port);
        assert_eq!((port.as_str(), loaded.trouble), ("9", None), "{command}");
    }
}

/// Field 5: the product ignores the file then.
#[test]
fn a_file_that_the_product_omits_is_not_read() {
    let files = [("/opt/tyk-pump/pump.conf", "{ not even JSON")];
    let command = "/opt/tyk-pump/tyk-pump -c /opt/tyk-pump/pump.conf";
    for (value, is_omitted) in [("True", true), ("true", true), ("1", false), ("no", false)] {
        let site = Site::new(&files, command).with("TYK_PMP_OMITCONFIGFILE", value);
        let loaded = load(&site, &site.layout, &component("pump"));
        assert_eq!(loaded.trouble.is_none(), is_omitted, "{value}");
    }
}

#[test]
fn a_backup_takes_the_files_that_the_service_uses() {
    let files = [
        (CONF, "{}"),
        ("/etc/tyk/tyk.conf", "{}"),
        ("/etc/tyk/secret.env", ""),
    ];
    let mut site = Site::new(&files, "/opt/tyk-gateway/tyk --conf /etc/tyk/tyk.conf")
        .with_file("/etc/tyk/secret.env")
        .with_file("-/run/agent/tyk.env")
        .with_file("-/etc/sysconfig/tyk-gateway");
    site.unit.files = [
        "/usr/lib/systemd/system/tyk-gateway.service",
        "/etc/systemd/system/service.d/10-site.conf",
        "/etc/systemd/system/tyk-gateway.service.d/zz-airgap-bundle.conf",
    ]
    .map(str::to_owned)
    .into();
    let files = gateway(&site).service.unwrap().files();
    let expected = [
        "/etc/sysconfig/tyk-gateway",
        "/etc/systemd/system/service.d/10-site.conf",
        "/etc/tyk/secret.env",
        "/etc/tyk/tyk.conf",
    ];
    assert_eq!(files, expected);
}

#[test]
fn a_secret_in_a_file_is_read_only_if_the_service_may_read_it() {
    let files = [
        (
            CONF,
            r#"{"storage": {"host": "a", "password": "file:///etc/tyk/redis"}}"#,
        ),
        ("/etc/tyk/redis", "canary\n"),
        (
            "/etc/passwd",
            "root:x:0:0::/root:/bin/sh\ntyk:x:54321:54321::/:/bin/false\n",
        ),
    ];
    let followed = |user: &str| {
        let mut site = Site::new(&files, USUAL);
        user.clone_into(&mut site.unit.user);
        let settings = gateway(&site).settings;
        settings.follow("file:///etc/tyk/redis".to_owned())
    };
    assert_eq!(followed(""), Ok("canary".to_owned()));
    assert!(matches!(
        followed("tyk"),
        Err(super::super::Unfollowed::Missing(_))
    ));
    let site = Site::new(&files, USUAL).with("TYK_SECRET_REDIS_PASS", "canary");
    let settings = gateway(&site).settings;
    let follow = |value: &str| settings.follow(value.to_owned());
    assert_eq!(follow("env://redis_pass"), Ok("canary".to_owned()));
    assert_eq!(follow("plain"), Ok("plain".to_owned()));
    for (value, expected) in [
        ("env://none", "TYK_SECRET_NONE"),
        ("vault://secret/redis.pass", "vault://"),
        ("consul://redis", "consul://"),
        ("secrets://redis", "secrets://"),
    ] {
        let why = format!("{:?}", follow(value).unwrap_err());
        assert!(why.contains(expected) && !why.contains("redis"), "{why}");
    }
}
