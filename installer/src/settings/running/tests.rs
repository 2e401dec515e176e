use manifests::product::{ProductManifest, TYK};

use super::super::fake::Site;
use super::super::load;
use super::*;

const USUAL: &str = "/opt/tyk-gateway/tyk --conf /opt/tyk-gateway/tyk.conf";
const FILES: [(&str, &str); 2] = [("/opt/tyk-gateway/tyk.conf", "{}"), ("/etc/tyk.conf", "{}")];

fn compared(site: &Site) -> Running {
    let tyk = ProductManifest::from_toml(TYK).unwrap();
    let gateway = tyk.component("gateway").unwrap();
    let loaded = load(site, &site.layout, gateway);
    assert_eq!(loaded.trouble, None);
    compare(site, &site.layout, gateway, &loaded)
}

fn notes(site: &Site) -> Vec<String> {
    let found = compared(site);
    assert_eq!(found.trouble, None);
    found.notes
}

#[test]
fn what_changes_with_the_restart_is_said_without_values() {
    let site = || Site::new(&FILES, USUAL).with("TYK_GW_STORAGE_PASSWORD", "canary-new");
    let same = [("TYK_GW_STORAGE_PASSWORD", "canary-new"), ("LANG", "C")];
    assert_eq!(notes(&site().started(&same, USUAL)), [""; 0]);
    for got in [&[("TYK_GW_STORAGE_PASSWORD", "canary-old")][..], &[]] {
        let notes = notes(&site().started(got, USUAL));
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(
            notes[0].contains("value of TYK_GW_STORAGE_PASSWORD"),
            "{notes:?}"
        );
        assert!(!notes[0].contains("canary"), "{notes:?}");
    }
    let other = "/opt/tyk-gateway/tyk --conf /etc/tyk.conf";
    let notes = notes(&site().started(&same, other));
    assert!(notes[0].contains("another configuration file"), "{notes:?}");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let mut site = Site::new(&FILES, USUAL).started(&[], USUAL);
    site.running = Some(Err(ErrorKind::PermissionDenied));
    assert_eq!(notes(&site), [NOT_COMPARED]);
    let stopped = Site::new(&FILES, USUAL);
    assert_eq!(notes(&stopped), [""; 0]);
}

/// What a launcher gives may be there after a restart as well: the unit does not tell.
#[test]
fn another_program_in_between_must_give_what_the_unit_gives() {
    let site = || Site::new(&FILES, "/usr/local/bin/start-gateway");
    assert_eq!(notes(&site().started(&[], USUAL)), [""; 0]);
    let got = [("TYK_GW_STORAGE_HOST", "canary")];
    let why = compared(&site().started(&got, USUAL)).trouble.unwrap().why;
    assert!(
        why.contains("TYK_GW_STORAGE_HOST") && !why.contains("canary"),
        "{why}"
    );
    let other = "/opt/tyk-gateway/tyk --conf /etc/tyk.conf";
    let why = compared(&site().started(&[], other)).trouble.unwrap().why;
    assert!(why.contains("configuration file"), "{why}");
    assert!(notes(&site())[0].contains("only while it runs"));
    let mut denied = site().started(&[], USUAL);
    denied.running = Some(Err(ErrorKind::PermissionDenied));
    assert!(compared(&denied).trouble.unwrap().is_denied);
}
