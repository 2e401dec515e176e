//! `bundle diff`: what a person has to review before an upgrade is carried over.

use serde_json::Value;

use crate::program::{User, text};
use crate::vendor::Vendor;

struct Two {
    vendor: Vendor,
    user: User,
}

impl Two {
    fn new() -> Self {
        let two = Self {
            vendor: Vendor::new(),
            user: User::new(),
        };
        two.build("a", "5.3.9", &[]);
        two.build("b", "5.3.10", &[]);
        two
    }

    fn build(&self, name: &str, version: &str, more: &[&str]) {
        let (lock, out) = (self.user.path("shared.lock.json"), self.user.path(name));
        let (product, lock, out) = (self.vendor.product(), text(&lock), text(&out));
        let mut args = vec![
            "build",
            "--product",
            text(&product),
            "-o",
            out,
            "--lock",
            lock,
        ];
        args.extend(["--without-installer", "x86_64", "--distro", "el8"]);
        args.extend(["--version", version]);
        args.extend(more);
        self.user.run(&args).assert_ok();
    }

    fn diff(&self, a: &str, b: &str) -> Value {
        let (a, b) = (self.user.path(a), self.user.path(b));
        let run = self
            .user
            .run(&["diff", text(&a), text(&b), "--output", "json"]);
        serde_json::from_str(&run.assert_ok().assert_as_before().stdout).unwrap()
    }
}

fn package<'a>(diff: &'a Value, component: &str) -> &'a Value {
    let packages = diff["targets"][0]["packages"].as_array().unwrap();
    packages
        .iter()
        .find(|p| p["component"] == component)
        .unwrap()
}

#[test]
fn an_upgrade_shows_configs_scriptlets_files_and_the_change_log() {
    let two = Two::new();
    let diff = two.diff("a", "b");
    assert_eq!(diff["type"], "airgap-bundle/diff/1");
    assert_eq!(diff["targets"][0]["carried_by"], "both");
    assert_eq!(package(&diff, "agent")["change"], "same");
    let relay = package(&diff, "relay");
    assert_eq!(relay["change"], "upgraded");
    assert_eq!(relay["a"]["nevra"], "relay-5.3.9-1.x86_64");
    assert_eq!(relay["b"]["nevra"], "relay-5.3.10-1.x86_64");
    assert_eq!(relay["configs"][0]["path"], "/etc/relay.conf");
    assert_eq!(relay["configs"][0]["what"][0], "content");
    assert_eq!(relay["files"].as_array().unwrap().len(), 2);
    assert_eq!(relay["scriptlets"][0]["phase"], "%post");
    let script = relay["scriptlets"][0]["diff"].as_str().unwrap();
    assert!(
        script.contains("-echo") && script.contains("5.3.10"),
        "{script}"
    );
    let log = relay["changelog_added"].as_array().unwrap();
    assert_eq!(log.len(), 1);
    assert!(
        log[0]["text"]
            .as_str()
            .unwrap()
            .contains("better in 5.3.10")
    );
    let provided = relay["provides_added"].to_string();
    assert!(provided.contains("5.3.10"), "{provided}");
    let added = diff["targets"][0]["previous_added"].to_string();
    assert!(added.contains("relay-5.3.9-1"), "{added}");
    let back = two.diff("b", "a");
    assert_eq!(package(&back, "relay")["change"], "downgraded");
    let lost = package(&back, "relay")["changelog_removed"].to_string();
    assert!(lost.contains("5.3.10"), "{lost}");
}

#[test]
fn the_text_names_configs_and_escapes_what_others_wrote() {
    let two = Two::new();
    let (a, b) = (two.user.path("a"), two.user.path("b"));
    let run = two.user.run(&["diff", text(&a), text(&b)]);
    let said = &run.assert_ok().assert_as_before().stdout;
    for word in [
        "upgraded   relay: relay-5.3.9-1.x86_64 -> relay-5.3.10-1.x86_64",
        "CONFIG another default: /etc/relay.conf",
        "| +echo \\u{1b}[2J5.3.10",
        "better in 5.3.10\\u{202e}",
        "same       agent",
    ] {
        assert!(said.contains(word), "no {word:?}: {said}");
    }
    let place = |word: &str| said.find(word).unwrap();
    assert!(place("CONFIG") < place("upgraded "), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
}

#[test]
fn a_replaced_package_differs_from_an_upgraded_one_and_nothing_unverified_is_compared() {
    let two = Two::new();
    two.vendor.push_again("relay", 8);
    let accepted: Vec<String> = two
        .vendor
        .names_of("relay", 8)
        .into_iter()
        .flat_map(|nevra| ["--accept-replaced".to_owned(), nevra])
        .collect();
    let accepted: Vec<&str> = accepted.iter().map(String::as_str).collect();
    two.build("c", "5.3.10", &accepted);
    let diff = two.diff("b", "c");
    assert_eq!(package(&diff, "relay")["change"], "replaced");
    assert_eq!(
        package(&diff, "relay")["files"][0]["path"],
        "/opt/relay/relay"
    );
    let mut bytes = std::fs::read(two.user.path("c")).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let bad = two.vendor.write("bad", bytes);
    let a = two.user.path("a");
    let run = two.user.run(&["diff", text(&a), text(&bad)]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""));
}
