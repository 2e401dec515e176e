use manifests::digest::Sha256;
use manifests::nevra::Arch;
use manifests::product::{ProductManifest, TYK};

use super::*;
use crate::plan::PlannedRpm;

const DIRECTORY: &str = "/opt/tyk-gateway/middleware";

fn rpm(nevra: &str) -> PlannedRpm {
    PlannedRpm {
        nevra: nevra.parse().unwrap(),
        build_time: 1,
        sha256: Sha256::of(nevra.as_bytes()),
        size_bytes: 1,
        installed_bytes: 1,
        program_sha256: None,
        directories: Vec::new(),
    }
}

/// A gateway that goes from 5.2.5 to 5.3.2, on a host with these plugins, with a bundle of those.
fn judge(host: &[&str], bundle: &[&str]) -> (Extras, Vec<String>, Vec<Problem>) {
    judge_listed(Listing::Whole, host, bundle)
}

fn judge_listed(
    listing: Listing,
    host: &[&str],
    bundle: &[&str],
) -> (Extras, Vec<String>, Vec<Problem>) {
    let tyk = ProductManifest::from_toml(TYK).unwrap();
    let planned = PlannedComponent {
        component: tyk.component("gateway").unwrap().clone(),
        from: Some(rpm("tyk-gateway-5.2.5-1.x86_64")),
        to: Some(rpm("tyk-gateway-5.3.2-1.x86_64")),
        config: Vec::new(),
        files: Vec::new(),
        turned: Vec::new(),
    };
    let file = |name: &&str| FoundFile {
        path: format!("{DIRECTORY}/{name}"),
        mode: if name.contains("5.2.5") { 0o640 } else { 0o600 },
        uid: 990,
        gid: 991,
        content: bundle
            .contains(name)
            .then(|| OnDisk::Sha256(Sha256::of(name.as_bytes()))),
    };
    let found = FoundExtras {
        rule: "go-plugin".to_owned(),
        directory: DIRECTORY.to_owned(),
        listing,
        owner: (7, 8),
        files: host.iter().map(file).collect(),
    };
    let entries: Vec<Entry> = bundle
        .iter()
        .map(|name| Entry {
            path: format!("extras/go-plugin/{name}").parse().unwrap(),
            size: 9,
            sha256: Sha256::of(name.as_bytes()),
            encoding: manifests::bundle::Encoding::Plain,
        })
        .collect();
    let target = ExtraTarget {
        version: "5.3.2",
        arch: Arch::X86_64,
    };
    let rule = &tyk.extras[0];
    let case = Case {
        rule,
        planned: &planned,
        target,
        found: &found,
        carried: carried(&entries, rule, target),
        modified: 1,
    };
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    let extras = case.judge(&mut notes, &mut problems);
    (extras, notes, problems)
}

fn names(extras: &Extras) -> (Vec<&str>, Vec<(&str, bool)>) {
    let short = |path: &'_ str| path.len() - path.trim_start_matches(DIRECTORY).len() + 1;
    let coming = extras
        .coming
        .iter()
        .map(|one| &one.path[short(&one.path)..]);
    let present = extras.present.iter();
    let present = present.map(|one| (&one.path[short(&one.path)..], one.is_named));
    (coming.collect(), present.collect())
}

#[test]
fn a_plugin_for_the_old_version_alone_is_a_problem_and_its_build_in_the_bundle_the_cure() {
    let old = "auth_v5.2.5_linux_amd64.so";
    let new = "auth_v5.3.2_linux_amd64.so";
    let (extras, _, problems) = judge(&[old], &[]);
    assert!(extras.is_empty());
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}")
    };
    assert!(
        problem.what.contains(old) && problem.what.contains(new),
        "{problem:?}"
    );
    assert!(
        problem.cure.contains("plugin compiler of version v5.3.2"),
        "{problem:?}"
    );

    let leftover = "auth_v5.1.0_linux_amd64.so";
    let bundle = [new, "auth_v5.4.0_linux_amd64.so"];
    let (extras, _, problems) = judge(&[leftover, old], &bundle);
    assert_eq!(problems, []);
    assert_eq!(names(&extras), (vec![new], vec![]));
    let planned = &extras.coming[0];
    let owner = (planned.mode, planned.uid, planned.gid);
    assert_eq!((owner, &planned.from), ((0o640, 990, 991), &OnDisk::Absent));

    // A person put it there by hand, with or without the v.
    for there in [new, "auth_5.3.2_linux_amd64.so"] {
        let (extras, _, problems) = judge(&[old, there], &[]);
        assert_eq!(problems, []);
        assert_eq!(names(&extras), (vec![], vec![(there, true)]));
    }
}

#[test]
fn plain_names_are_for_a_trial_unless_a_build_goes_before_them() {
    let new = "auth_v5.3.2_linux_amd64.so";
    let (extras, _, problems) = judge(&["auth.so", "auth_v5.2.5_linux_amd64.so"], &[]);
    assert_eq!(problems, []);
    assert_eq!(names(&extras), (vec![], vec![("auth.so", false)]));
    let (extras, _, _) = judge(&["auth.so"], &[new]);
    assert_eq!(names(&extras), (vec![new], vec![]));
}

#[test]
fn leftovers_of_other_versions_and_machines_are_ignored() {
    let others = [
        "auth_v5.1.0_linux_amd64.so",
        "auth_v5.2.5_linux_arm64.so",
        "auth_v5.4.0_linux_amd64.so",
    ];
    let (extras, notes, problems) = judge(&others, &[]);
    assert!(
        extras.is_empty() && notes.is_empty() && problems.is_empty(),
        "{problems:?}"
    );
}

#[test]
fn a_build_goes_beside_every_other_of_its_name_and_a_new_one_to_the_top() {
    let new = "auth_v5.3.2_linux_amd64.so";
    let host = [
        "a/auth.so",
        "b/auth_v5.2.5_linux_amd64.so",
        "quota_v5.3.2_linux_amd64.so",
    ];
    let bundle = [
        new,
        "fresh_v5.3.2_linux_amd64.so",
        "quota_v5.3.2_linux_amd64.so",
    ];
    let (extras, _, problems) = judge(&host, &bundle);
    assert_eq!(problems, []);
    let (a, b) = (format!("a/{new}"), format!("b/{new}"));
    let coming = vec![&*a, &*b, "fresh_v5.3.2_linux_amd64.so"];
    // The host has the same bytes already: nothing is written, but the file is still tried.
    let present = vec![("quota_v5.3.2_linux_amd64.so", true)];
    assert_eq!(names(&extras), (coming, present));
}

#[test]
fn an_unreadable_directory_is_reported_and_never_taken_for_empty() {
    let new = ["auth_v5.3.2_linux_amd64.so"];
    let (_, notes, problems) = judge_listed(Listing::Forbidden("no".to_owned()), &[], &new);
    assert_eq!((notes.len(), problems.len()), (1, 0));
    let (_, notes, problems) = judge_listed(Listing::Failed("loop".to_owned()), &[], &[]);
    assert_eq!((notes.len(), problems.len()), (0, 1));
    let (_, _, problems) = judge_listed(Listing::Absent, &[], &[]);
    assert_eq!(problems, []);
    let (extras, _, problems) = judge_listed(Listing::Absent, &[], &new);
    assert!(extras.is_empty());
    assert_eq!(problems.len(), 1, "a plugin without a place");
}
