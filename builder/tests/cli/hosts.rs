//! `bundle build --inventory`.

use std::path::PathBuf;

use manifests::host_inventory::{
    HostInventory, HostPackage, INVENTORY_TYPE, Observed, OperatingSystem, Place, RpmFacts,
    Security,
};
use manifests::nevra::Arch;

use crate::program::{User, text};
use crate::vendor::{BUILT, Vendor};

/// A host that runs these packages of the vendor.
fn host(version_id: &str, packages: &[&str]) -> HostInventory {
    let package = |nevra: &&str| HostPackage {
        nevra: nevra.parse().unwrap(),
        build_time: u64::from(BUILT),
        header: String::new(),
        provides: Vec::new(),
        conflicts: Vec::new(),
        paths: Vec::new(),
    };
    HostInventory {
        document: INVENTORY_TYPE.to_owned(),
        tool_version: "0.1.0".parse().unwrap(),
        taken: 1,
        name: None,
        product: "courier".to_owned(),
        os: OperatingSystem {
            id: "rocky".to_owned(),
            version_id: version_id.to_owned(),
            pretty: String::new(),
            distro: None,
            arch: Some(Arch::X86_64),
            kernel: Observed::Unknown,
            merged_usr: true,
        },
        rpm: RpmFacts {
            version: "4.14.3".to_owned(),
            database: "bdb".to_owned(),
        },
        security: Security {
            crypto_policy: Observed::Absent,
            fips: false,
            selinux: Observed::Absent,
            fapolicyd: Observed::Absent,
        },
        packages: packages.iter().map(package).collect(),
        skipped: Vec::new(),
        configs: Vec::new(),
        services: Vec::new(),
        places: vec![Place {
            path: "/".to_owned(),
            filesystem: 1,
            free_bytes: 1 << 40,
            free_inodes: Some(1 << 20),
            read_only: false,
        }],
    }
}

fn save(vendor: &Vendor, name: &str, host: &HostInventory) -> PathBuf {
    vendor.write(name, serde_json::to_vec(host).unwrap())
}

#[test]
fn one_bundle_for_several_hosts_and_its_lock_needs_none_of_them() {
    let (vendor, user) = (Vendor::new(), User::new());
    let a = save(
        &vendor,
        "a.json",
        &host("8.9", &["relay-5.1.0-1.x86_64", "agent-1.8.0-1.x86_64"]),
    );
    let b = save(&vendor, "b.json", &host("8.6", &["relay-5.3.9-1.x86_64"]));
    let hosts = ["--inventory", text(&a), "--inventory", text(&b)];
    let mut args = vec!["--version", "5.3"];
    args.extend(hosts);
    let built = user.build(&vendor, &args);
    built.assert_ok();
    let out = user.bundle();
    let inspected = user.run(&["--output", "json", "inspect", text(&out)]);
    for carried in [
        "relay-5.3.10-1",
        "relay-5.1.0-1",
        "relay-5.3.9-1",
        "agent-1.8.0-1",
    ] {
        assert!(inspected.stdout.contains(carried), "{carried}");
    }
    // `--from` would have chosen this version, but no host runs it.
    assert!(!inspected.stdout.contains("relay-5.2.7-1"));

    for name in ["a.json", "b.json"] {
        vendor.remove(name);
    }
    let again = user.path("again.tar.zst");
    let lock = user.path("out/bundle.lock.json");
    user.run(&[
        "build",
        "--locked",
        text(&lock),
        "-o",
        text(&again),
        "--without-installer",
        "x86_64",
    ])
    .assert_ok();
    let bytes = |path| std::fs::read(path).unwrap();
    assert!(bytes(&out) == bytes(&again), "the same lock, other bytes");
    let locked = String::from_utf8(bytes(&lock)).unwrap();
    assert!(locked.contains("\"label\": \"a.json\""), "{locked}");
}

#[test]
fn what_a_host_would_refuse_is_refused_before_anything_is_carried() {
    let (vendor, user) = (Vendor::new(), User::new());
    let full = {
        let mut host = host("8", &["relay-5.1.0-1.x86_64"]);
        host.places[0].free_bytes = 1 << 20;
        host
    };
    let read_only = {
        let mut host = host("8", &["relay-5.1.0-1.x86_64"]);
        host.places[0].read_only = true;
        host
    };
    let rebuilt = {
        let mut host = host("8", &["relay-5.1.0-1.x86_64"]);
        host.packages[0].build_time += 1;
        host
    };
    let other_header = {
        let mut host = host("8", &["relay-5.1.0-1.x86_64"]);
        host.packages[0].header = format!("sha256:{}", "0".repeat(64));
        host
    };
    for (host, word) in [
        (full, "MiB free"),
        (read_only, "read-only"),
        (rebuilt, "built at another time"),
        (other_header, "another header"),
        (host("8", &["relay-5.0.0-1.x86_64"]), "does not list"),
        (host("8", &["relay-5.9.0-1.x86_64"]), "newer than"),
        (host("7", &["relay-5.1.0-1.x86_64"]), "rocky 7"),
    ] {
        let file = save(&vendor, "host.json", &host);
        let run = user.build(&vendor, &["--version", "5.3", "--inventory", text(&file)]);
        run.assert_refused(2, &[word, "host.json"]);
        user.assert_nothing_written();
    }
}

#[test]
fn flags_that_contradict_inventories_and_files_that_are_not_inventories_are_refused() {
    let (vendor, user) = (Vendor::new(), User::new());
    let good = save(&vendor, "a.json", &host("8", &["relay-5.1.0-1.x86_64"]));
    let good = text(&good);
    for (more, word) in [
        (&["--distro", "el9"][..], "--distro"),
        (&["--arch", "aarch64"], "--arch"),
        (&["--from", "5.2"], "--from"),
    ] {
        let args = [&["--version", "5.3", "--inventory", good][..], more].concat();
        user.build(&vendor, &args).assert_refused(2, &[word]);
    }
    for bytes in ["", "{}", "\u{1b}[2J", "{\"type\":\"airgap-bundle/root/1\"}"] {
        let file = vendor.write("bad.json", bytes);
        let args = ["--version", "5.3", "--inventory", text(&file)];
        let run = user.build(&vendor, &args);
        run.assert_refused(2, &["bad.json"]);
        assert!(!run.stderr.contains('\u{1b}'));
    }
    user.assert_nothing_written();
}

#[test]
fn repositories_of_dependencies_are_read_with_an_accepted_key_only() {
    let (vendor, user) = (Vendor::new(), User::new());
    let key = std::fs::read(vendor.path("agent/gpgkey")).unwrap();
    vendor.write("agent/el/8/x86_64/repodata/repomd.xml.key", key);
    let address = format!("{}/agent/el/{{major}}/{{arch}}", vendor.url());
    let asked = [
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--with-deps",
        &address,
    ];
    let plan = [&asked[..], &["--plan"]].concat();
    user.build(&vendor, &plan)
        .assert_refused(3, &["with-deps-1"]);
    let fingerprint = vendor.metadata_fingerprint();
    let run = user.build(
        &vendor,
        &[&plan[..], &["--trust-vendor-key", &fingerprint]].concat(),
    );
    run.assert_ok();
    assert!(
        run.stdout.contains("dependencies of el8 x86_64"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("needs nothing more"), "{}", run.stdout);
    user.assert_nothing_written();
    // Each distribution's key has to be accepted, not only that of the first.
    vendor.publish_large("relay", 9, "5.3.10", 1000);
    let both = [&plan[..], &["--trust-vendor-key", &fingerprint]].concat();
    let both = [&both[..], &["--distro", "el9"]].concat();
    user.build(&vendor, &both)
        .assert_refused(1, &["el/9/x86_64/repodata/repomd.xml.key"]);
    // `--tool` takes only names from the product manifest.
    let with_tool = [&plan[..], &["--trust-vendor-key", &fingerprint]].concat();
    let with_tool = [&with_tool[..], &["--tool", "anything"]].concat();
    user.build(&vendor, &with_tool)
        .assert_refused(2, &["anything", "no tool"]);
}
