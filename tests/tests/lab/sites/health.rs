//! Services that cannot be asked for their health, or that are ill before a run: no run begins on
//! them, unless the operator says so, and then its end says so.

use crate::sites::{drop_in, wait_for};
use crate::upgrade::support::{Site, changes, site};

const BUNDLE: &str = "/root/bundle.tar.zst";
const GATEWAY: &str = "tyk-gateway.service";
const CONSENT: &str = "gateway=it is ill since the move to the new network";

/// A service that never listens, whatever its version: what is asked on its port is another matter.
fn never_listens(site: &Site) {
    drop_in(
        site,
        GATEWAY,
        "[Service]\nEnvironment=LAB_BEHAVIOUR=never-listens\n",
    );
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn a_service_that_is_ill_before_is_refused_and_with_consent_the_end_says_so() {
    let Some(site) = site("ill-before") else {
        return;
    };
    never_listens(&site);
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let before = site.snapshot();
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    for word in [
        "Tyk Gateway is not well: it refuses connections",
        "--unhealthy-before gateway=REASON",
    ] {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
    let unknown = site.install(&[
        "--unhealthy-before",
        "gate=it is ill since the move",
        BUNDLE,
    ]);
    assert_eq!(unknown.code(), Some(4), "{}", unknown.stderr);
    assert!(
        unknown.stderr.contains("name one of these"),
        "{}",
        unknown.stderr
    );

    let plan = site.must_install(&["plan", "--unhealthy-before", CONSENT, BUNDLE]);
    assert!(
        plan.stdout.contains("since the move to the new network"),
        "{}",
        plan.stdout
    );
    let run = site.install(&["--unhealthy-before", CONSENT, BUNDLE]);
    assert_eq!(run.code(), Some(8), "{}", run.stderr);
    for word in ["NOT WELL", "not well, as before the run", "since the move"] {
        assert!(run.stdout.contains(word), "{word}: {}", run.stdout);
    }
    assert!(
        site.nevras()
            .contains(&"tyk-gateway-5.3.2-1.x86_64".to_owned())
    );
    site.version(1);
    site.version(2);
    let info = site.must_install(&["--output", "json", "history", "info", "1"]);
    let report: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!(report["not_well"][0]["title"], "Tyk Gateway");
    assert_eq!(report["not_well"][0]["before"], true);
    assert_eq!(report["outcome"], "done");
    let plan = site
        .host
        .read("/var/lib/airgap-bundle/runs/1/plan.json")
        .unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    assert_eq!(
        plan["unhealthy_before"]["gateway"],
        "it is ill since the move to the new network"
    );

    // Going back needs no consent: illness may be the reason for it. Its end says the same.
    let undo = site.install(&["undo", "1"]);
    assert_eq!(undo.code(), Some(8), "{}", undo.stderr);
    assert!(undo.stdout.contains("NOT WELL"), "{}", undo.stdout);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
}

#[test]
fn another_illness_than_before_is_never_excused() {
    let Some(site) = site("ill-otherwise") else {
        return;
    };
    // It complains before. After the upgrade it hangs, as 5.4.1 does.
    let script = "#!/bin/sh\ngrep -q '5\\.2\\.5' /opt/tyk-gateway/tyk && \
                  export LAB_BEHAVIOUR=fail-503\nexec /opt/tyk-gateway/tyk \"$@\"\n";
    site.host
        .write("/usr/local/bin/gateway", script, 0o755)
        .unwrap();
    drop_in(
        &site,
        GATEWAY,
        "[Service]\nExecStart=\nExecStart=/usr/local/bin/gateway --conf /opt/tyk-gateway/tyk.conf\n",
    );
    site.carry(&site.forge("5.4.1", "5.4.1", "1.10.0"));
    let run = site.install(&["--unhealthy-before", CONSENT, BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert!(
        run.stdout.contains("did not answer within 2 s"),
        "{}",
        run.stdout
    );
    // The way back ends at the illness that was there before.
    assert!(
        run.stdout.contains("not well, as before the run"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_service_that_demands_a_client_certificate_is_named_as_such() {
    let Some(site) = site("client-certificate") else {
        return;
    };
    never_listens(&site);
    let make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=gw -keyout /root/k.pem \
                -out /root/c.pem 2>/dev/null";
    site.host.check(&["sh", "-c", make]).unwrap();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let conf = "/opt/tyk-gateway/tyk.conf";
    let text = String::from_utf8(site.host.read(conf).unwrap()).unwrap();
    let members =
        "{\n  \"control_api_port\": 8443,\n  \"http_server_options\": {\"use_ssl\": true},";
    site.host
        .write(conf, text.replacen('{', members, 1), 0o640)
        .unwrap();
    for (unit, more) in [("tls13", "-tls1_3"), ("tls12", "-tls1_2")] {
        let mut server = vec![
            "systemd-run",
            "--unit",
            unit,
            "openssl",
            "s_server",
            "-accept",
        ];
        server.extend([
            "8443",
            "-cert",
            "/root/c.pem",
            "-key",
            "/root/k.pem",
            "-Verify",
            "1",
        ]);
        server.extend(["-verify_return_error", "-www", more]);
        site.host.check(&server).unwrap();
        let plan = site.install(&["plan", BUNDLE]);
        assert_eq!(plan.code(), Some(4), "{}", plan.stderr);
        assert!(
            plan.stderr.contains("client certificate"),
            "{}",
            plan.stderr
        );
        site.host.check(&["systemctl", "stop", unit]).unwrap();
    }
}

/// The control API's host name is usually a name of the load balancer, where another node answers.
#[test]
fn a_name_of_the_control_api_is_sent_and_not_connected_to() {
    let Some(site) = site("control-name") else {
        return;
    };
    let conf = "/opt/tyk-gateway/tyk.conf";
    let text = String::from_utf8(site.host.read(conf).unwrap()).unwrap();
    let members = "{\n  \"control_api_hostname\": \"gateways.example\",";
    site.host
        .write(conf, text.replacen('{', members, 1), 0o640)
        .unwrap();
    // Nothing of the lab listens there.
    let hosts = "127.0.0.1 localhost\n203.0.113.7 gateways.example\n";
    site.host.write("/etc/hosts", hosts, 0o644).unwrap();
    site.host.check(&["systemctl", "restart", GATEWAY]).unwrap();
    wait_for(&site, 0);
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.must_install(&[BUNDLE]);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
}
