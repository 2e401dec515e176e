//! Paths that are something else than plain directories: symlinks in the middle of a tree, and
//! directories that a package turns into symlinks.

use std::path::Path;

use lab::vendor::OwnPackage;
use manifests::bundle::Role;

use crate::sites::craft::{Craft, forge};
use crate::sites::only_gateway;
use crate::upgrade::support::{Site, changes, site};

const BUNDLE: &str = "/root/bundle.tar.zst";
const PLUGINS: &str = "/opt/craft/plugins";

/// Moves the directory away before rpm puts the symlink there, as the packaging guides advise.
const PRETRANS: &str = "if [ -d /opt/craft/plugins -a ! -L /opt/craft/plugins ]; then \
                        mv /opt/craft/plugins /opt/craft/plugins.rpmmoved; fi";

fn with_directory(version: &str) -> Craft<'_> {
    Craft {
        package: OwnPackage {
            name: "craft",
            version,
            files: &[("/opt/craft/plugins/a", "vendor's\n")],
            directories: &[PLUGINS],
            ..OwnPackage::default()
        },
        is_bad: false,
    }
}

fn with_link(version: &str) -> Craft<'_> {
    Craft {
        package: OwnPackage {
            name: "craft",
            version,
            files: &[("/srv/craft/b", "new\n")],
            directories: &["/srv/craft"],
            links: &[(PLUGINS, "/srv/craft")],
            scripts: &[("pretrans", PRETRANS)],
            ..OwnPackage::default()
        },
        is_bad: false,
    }
}

#[test]
fn a_directory_that_becomes_a_symlink_is_a_directory_again_after_a_revert_and_an_undo() {
    let Some(site) = site("turned") else { return };
    let dir = tempfile::tempdir().unwrap();
    let old = with_directory("1.0.0").build(&site, dir.path());
    let [good, bad] = [("2.0.0", false), ("3.0.0", true)].map(|(version, is_bad)| {
        let new = Craft {
            is_bad,
            ..with_link(version)
        };
        new.build(&site, dir.path())
    });
    site.has_craft(&[&old], &[]);
    site.shell("echo mine >/opt/craft/plugins/mine; echo edited >/opt/craft/plugins/a");
    let before = site.snapshot();
    // The new version does not run: the revert meets a symlink where its directory was.
    let rpms = vec![(bad, Role::Target), (old.clone(), Role::Previous)];
    site.carry(&forge(&site, "craft", &[], rpms));
    let plan = site.must_plan();
    assert!(
        plan.contains("/opt/craft/plugins becomes a symlink to /srv/craft"),
        "{plan}"
    );
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}{}", run.stderr, run.stdout);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
    // The one that runs, and its undo.
    let rpms = vec![(good, Role::Target), (old, Role::Previous)];
    site.carry(&forge(&site, "craft", &[], rpms));
    site.must_install(&[BUNDLE]);
    assert_eq!(site.craft(), ("craft-2.0.0-1.x86_64".to_owned(), true));
    assert_eq!(site.shell("readlink /opt/craft/plugins"), "/srv/craft\n");
    site.must_install(&["undo", "2"]);
    assert_eq!(site.craft(), ("craft-1.0.0-1.x86_64".to_owned(), true));
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
}

#[test]
fn what_rpm_would_refuse_on_either_way_is_refused_before_the_run() {
    let Some(site) = site("refused-way") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    // A symlink that becomes a directory: rpm refuses the way there.
    let linked = Craft {
        package: OwnPackage {
            scripts: &[],
            ..with_link("1.0.0").package
        },
        is_bad: false,
    };
    let old = linked.build(&site, dir.path());
    let new = with_directory("2.0.0").build(&site, dir.path());
    site.has_craft(&[&old], &[]);
    let rpms = vec![(new, Role::Target), (old.clone(), Role::Previous)];
    site.carry(&forge(&site, "craft", &[], rpms));
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    assert!(
        run.stderr.contains("rpm would refuse the upgrade"),
        "{}",
        run.stderr
    );
    site.without_craft();
    a_package_that_the_old_one_needs_and_the_new_one_removes(&site, dir.path());
}

fn a_package_that_the_old_one_needs_and_the_new_one_removes(site: &Site, dir: &Path) {
    let helper = OwnPackage {
        name: "craft-helper",
        version: "1.0.0",
        files: &[("/opt/craft/helper", "1\n")],
        ..OwnPackage::default()
    };
    let helper = site.fixtures.build(&helper, dir).unwrap();
    let needing = Craft {
        package: OwnPackage {
            name: "craft",
            version: "4.0.0",
            depends: &["craft-helper"],
            ..OwnPackage::default()
        },
        is_bad: false,
    };
    let needing = needing.build(site, dir);
    let replacing = Craft {
        package: OwnPackage {
            name: "craft",
            version: "5.0.0",
            obsoletes: &["craft-helper"],
            ..OwnPackage::default()
        },
        is_bad: false,
    };
    let replacing = replacing.build(site, dir);
    site.has_craft(&[&helper, &needing], &[]);
    let before = site.snapshot();
    let rpms = vec![
        (replacing.clone(), Role::Target),
        (needing.clone(), Role::Previous),
    ];
    site.carry(&forge(site, "craft", &[], rpms));
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    assert!(
        run.stderr.contains("could not bring it back"),
        "{}",
        run.stderr
    );
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
    // With the helper in the bundle there is one.
    let rpms = vec![
        (replacing, Role::Target),
        (needing, Role::Previous),
        (helper, Role::Previous),
    ];
    site.carry(&forge(site, "craft", &[], rpms));
    site.must_install(&[BUNDLE]);
    assert_eq!(site.craft(), ("craft-5.0.0-1.x86_64".to_owned(), true));
    site.must_install(&["undo", "1"]);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
}

#[test]
fn files_behind_a_symlink_in_the_middle_of_a_tree_come_back() {
    const MIDDLE: &str = "/opt/tyk-gateway/middleware";
    let Some(site) = site("middle") else { return };
    site.shell(&format!(
        "mkdir -p /srv && mv {MIDDLE} /srv/mw && ln -s /srv/mw {MIDDLE}"
    ));
    let sample =
        site.shell("rpm -ql tyk-gateway | grep '^/opt/tyk-gateway/middleware/.*js$' | head -1");
    let sample = sample.trim();
    assert!(!sample.is_empty(), "the package has a file there");
    site.shell(&format!(
        "echo '// mine' >>{sample}; echo own >/srv/mw/own.js"
    ));
    let before = site.snapshot();
    let forge = only_gateway(&site, "5.4.0");
    site.carry(&forge);
    let plan = site.must_plan();
    assert!(
        plan.contains(&format!("{MIDDLE} is a symlink to /srv/mw")),
        "{plan}"
    );
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}{}", run.stderr, run.stdout);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
    // H-42: a service could have made the symlink, so a revert would not follow it.
    let tree = "/opt/tyk-gateway";
    for (case, make, unmake) in [
        (
            "a symlink of another user",
            format!("mv {tree} /srv/gw && ln -s /srv/gw {tree} && chown -h nobody {tree}"),
            format!("rm {tree} && mv /srv/gw {tree}"),
        ),
        (
            "a directory that a group may write",
            format!("mv {tree} /srv/gw && ln -s /srv/gw {tree} && chmod g+w /opt"),
            format!("rm {tree} && mv /srv/gw {tree} && chmod g-w /opt"),
        ),
    ] {
        site.shell(&make);
        let run = site.install(&[BUNDLE]);
        assert_eq!(run.code(), Some(4), "{case}: {}", run.stderr);
        let words = "a symlink that a service could have made";
        assert!(run.stderr.contains(words), "{case}: {}", run.stderr);
        assert!(
            run.stderr.contains("chown -h root:root"),
            "{case}: {}",
            run.stderr
        );
        site.shell(&unmake);
    }
    // The whole product behind root's own symlink is as good as a directory.
    site.shell(&format!("mv {tree} /srv/gw && ln -s /srv/gw {tree}"));
    let before = site.snapshot();
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}{}", run.stderr, run.stdout);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
}
