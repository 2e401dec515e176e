//! First installations, packages in lock step, and packages that take another name.

use std::path::Path;

use lab::vendor::OwnPackage;
use manifests::bundle::Role;
use manifests::product::Hold;

use crate::sites::craft::{Craft, UNIT, forge};
use crate::upgrade::support::{Site, changes, site};

const BUNDLE: &str = "/root/bundle.tar.zst";
const CONF: &str = "/opt/craft/craft.conf";

#[expect(
    clippy::needless_pass_by_value,
    reason = "the caller writes what differs from the default"
)]
fn craft<'a>(name: &'a str, version: &'a str, more: OwnPackage<'a>) -> Craft<'a> {
    Craft {
        package: OwnPackage {
            name,
            version,
            config: &[(CONF, "vendor's default\n")],
            ..more
        },
        is_bad: false,
    }
}

#[test]
fn a_component_is_installed_for_the_first_time_and_removed_again() {
    let Some(site) = site("fresh") else { return };
    let dir = tempfile::tempdir().unwrap();
    let good = craft("craft", "2.0.0", OwnPackage::default());
    let bad = Craft {
        is_bad: true,
        ..craft("craft", "3.0.0", OwnPackage::default())
    };
    let [good, bad] = [good, bad].map(|one| one.build(&site, dir.path()));
    let before = site.snapshot();
    site.carry(&forge(&site, "craft", &[], vec![(bad, Role::Target)]));
    // Without its name nothing is installed, and the refusal says how.
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    assert!(run.stderr.contains("--fresh COMPONENT"), "{}", run.stderr);
    // A first installation that is not well is removed.
    let fresh = ["--fresh", "craft", BUNDLE];
    let run = site.install(&fresh);
    assert_eq!(run.code(), Some(5), "{}{}", run.stderr, run.stdout);
    assert_eq!(site.craft(), (String::new(), false));
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
    site.carry(&forge(&site, "craft", &[], vec![(good, Role::Target)]));
    let plan = site
        .must_install(&["plan", "--fresh", "craft", BUNDLE])
        .stdout;
    assert!(
        plan.contains("installed for the first time: craft-2.0.0-1.x86_64"),
        "{plan}"
    );
    let run = site.must_install(&fresh);
    assert!(run.stdout.contains("and healthy"), "{}", run.stdout);
    assert_eq!(site.craft(), ("craft-2.0.0-1.x86_64".to_owned(), true));
    let enabled = site.shell(&format!("systemctl is-enabled {UNIT}"));
    assert_eq!(enabled.trim(), "enabled");
    let again = site.install(&fresh);
    assert_eq!(again.code(), Some(4), "{}", again.stderr);
    site.must_install(&["undo", "2"]);
    assert_eq!(site.craft(), (String::new(), false));
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
    a_post_that_waits_needs_a_service_that_is_not_held(&site, dir.path());
}

/// `%post` restarts its service and waits for it.
const WAITS: &str = "systemctl daemon-reload; systemctl restart craft.service\n\
                     for i in 1 2 3 4 5; do sleep 1; systemctl -q is-active craft.service && exit 0; done\n\
                     echo 'craft does not come up'; exit 1";

fn a_post_that_waits_needs_a_service_that_is_not_held(site: &Site, dir: &Path) {
    let waiting = OwnPackage {
        scripts: &[("postinstall", WAITS)],
        ..OwnPackage::default()
    };
    let old = craft("craft", "4.0.0", OwnPackage::default()).build(site, dir);
    let new = craft("craft", "5.0.0", waiting).build(site, dir);
    site.has_craft(&[&old], &[]);
    let rpms = vec![(new, Role::Target), (old, Role::Previous)];
    let mut forge = forge(site, "craft", &[], rpms);
    site.carry(&forge);
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    for words in ["craft does not come up", "`hold = \"none\"`"] {
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
    }
    forge.product.components[0].hold = Hold::None;
    site.carry(&forge);
    site.must_install(&[BUNDLE]);
    assert_eq!(site.craft(), ("craft-5.0.0-1.x86_64".to_owned(), true));
}

#[test]
fn packages_in_lock_step_go_and_come_back_in_one_transaction() {
    let Some(site) = site("step") else { return };
    let dir = tempfile::tempdir().unwrap();
    let base = |version: &'static str| OwnPackage {
        name: "craft-base",
        version,
        files: if version == "1.0.0" {
            &[("/opt/craft/base", "base 1\n")]
        } else {
            &[("/opt/craft/base", "base 2\n")]
        },
        ..OwnPackage::default()
    };
    let needs = |version: &'static str| OwnPackage {
        depends: if version == "1.0.0" {
            &["craft-base = 1.0.0"]
        } else {
            &["craft-base = 2.0.0"]
        },
        ..OwnPackage::default()
    };
    let build = |package: &OwnPackage<'_>| site.fixtures.build(package, dir.path()).unwrap();
    let [base1, base2] = ["1.0.0", "2.0.0"].map(|version| build(&base(version)));
    let old = craft("craft", "1.0.0", needs("1.0.0")).build(&site, dir.path());
    let new = craft("craft", "2.0.0", needs("2.0.0")).build(&site, dir.path());
    let bad = Craft {
        is_bad: true,
        ..craft("craft", "2.1.0", needs("2.0.0"))
    };
    let bad = bad.build(&site, dir.path());
    site.has_craft(&[&base1, &old], &[]);
    site.shell(&format!(
        "echo edited >{CONF}; echo edited >>/opt/craft/base"
    ));
    let before = site.snapshot();
    for (target, code) in [(bad, 5), (new, 0)] {
        let rpms = vec![
            (target, Role::Target),
            (base2.clone(), Role::Target),
            (old.clone(), Role::Previous),
            (base1.clone(), Role::Previous),
        ];
        site.carry(&forge(&site, "craft", &["craft-base"], rpms));
        let plan = site.must_plan();
        assert!(plan.contains("(in lock step with Craft)"), "{plan}");
        let run = site.install(&[BUNDLE]);
        assert_eq!(run.code(), Some(code), "{}{}", run.stderr, run.stdout);
        if code != 0 {
            assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
        }
    }
    let both = "craft-2.0.0-1.x86_64 craft-base-2.0.0-1.x86_64".to_owned();
    assert_eq!(site.craft(), (both, true));
    site.must_install(&["undo", "2"]);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
}

#[test]
fn a_package_that_takes_another_name_comes_back_under_the_old_one() {
    let Some(site) = site("renamed") else { return };
    let dir = tempfile::tempdir().unwrap();
    let successor = || OwnPackage {
        obsoletes: &["craft < 2"],
        provides: &["craft = 2"],
        ..OwnPackage::default()
    };
    let old = craft(
        "craft",
        "1.0.0",
        OwnPackage {
            files: &[("/opt/craft/old-only", "old\n")],
            prefixes: &["/opt"],
            ..OwnPackage::default()
        },
    );
    let old = old.build(&site, dir.path());
    let new = craft("craft-ng", "2.0.0", successor()).build(&site, dir.path());
    let bad = Craft {
        is_bad: true,
        ..craft("craft-ng", "3.0.0", successor())
    };
    let bad = bad.build(&site, dir.path());
    // One that was installed with `--prefix` is refused by name.
    let elsewhere = craft("craft", "2.0.0", OwnPackage::default()).build(&site, dir.path());
    site.has_craft(&[&old], &[]);
    site.shell("rpm -e craft; rpm -i --prefix /mnt /root/craft-1.0.0-1.x86_64.rpm");
    let rpms = vec![(elsewhere, Role::Target), (old.clone(), Role::Previous)];
    site.carry(&forge(&site, "craft", &[], rpms));
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    assert!(
        run.stderr.contains("with another --prefix"),
        "{}",
        run.stderr
    );
    site.without_craft();
    site.has_craft(&[&old], &[]);
    site.shell(&format!("echo edited >{CONF}"));
    let before = site.snapshot();
    for (target, code) in [(bad, 5), (new, 0)] {
        let rpms = vec![(target, Role::Target), (old.clone(), Role::Previous)];
        site.carry(&forge(&site, "craft-ng", &[], rpms));
        let run = site.install(&[BUNDLE]);
        assert_eq!(run.code(), Some(code), "{}{}", run.stderr, run.stdout);
        if code != 0 {
            assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
        }
    }
    assert_eq!(site.craft(), ("craft-ng-2.0.0-1.x86_64".to_owned(), true));
    assert_eq!(site.shell(&format!("cat {CONF}")), "edited\n");
    site.must_install(&["undo", "2"]);
    assert_eq!(site.craft(), ("craft-1.0.0-1.x86_64".to_owned(), true));
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
}
