use super::*;

fn inventory() -> HostInventory {
    HostInventory {
        document: INVENTORY_TYPE.to_owned(),
        tool_version: Version::new(0, 1, 0),
        taken: 1_700_000_000,
        name: Some("a".to_owned()),
        product: "tyk".to_owned(),
        os: OperatingSystem {
            id: "rocky".to_owned(),
            version_id: "8.9".to_owned(),
            pretty: "Rocky Linux 8.9".to_owned(),
            distro: Some("el8".to_owned()),
            arch: Some(Arch::X86_64),
            kernel: Observed::Unknown,
            merged_usr: true,
        },
        rpm: RpmFacts {
            version: "4.14.3".to_owned(),
            database: "bdb".to_owned(),
        },
        security: Security {
            crypto_policy: Observed::Known("DEFAULT".to_owned()),
            fips: false,
            selinux: Observed::Absent,
            fapolicyd: Observed::Absent,
        },
        packages: vec![HostPackage {
            nevra: "bash-4.4.20-4.el8.x86_64".parse().unwrap(),
            build_time: 1,
            header: String::new(),
            provides: vec!["bash = 4.4.20-4.el8".to_owned()],
            conflicts: Vec::new(),
            paths: vec!["/usr/bin/bash".to_owned()],
        }],
        skipped: Vec::new(),
        configs: Vec::new(),
        services: Vec::new(),
        places: ["/", "/opt", "/opt/x"]
            .iter()
            .map(|path| Place {
                path: (*path).to_owned(),
                filesystem: 1,
                free_bytes: 1,
                free_inodes: None,
                read_only: false,
            })
            .collect(),
    }
}

fn bytes(inventory: &HostInventory) -> Vec<u8> {
    crate::json::canonical(inventory).unwrap()
}

#[test]
fn an_inventory_survives_the_round_trip() {
    let one = inventory();
    assert_eq!(HostInventory::parse(&bytes(&one)).unwrap(), one);
    assert_eq!(one.major(), Some(8));
    let place = |path| one.place_of(path).map(|place| place.path.as_str());
    assert_eq!(place("/opt/x/bin"), Some("/opt/x"));
    assert_eq!(place("/opt/xy"), Some("/opt"));
    assert_eq!(place("/etc/passwd"), Some("/"));
}

#[test]
fn what_no_host_says_is_refused() {
    type Change = fn(&mut HostInventory);
    let changes: [Change; 7] = [
        |i| i.document = "airgap-bundle/root/1".to_owned(),
        |i| i.name = Some("a\u{1b}[2Jb".to_owned()),
        |i| i.os.pretty = "x".repeat(TEXT_MAX_BYTES + 1),
        |i| i.packages.push(i.packages[0].clone()),
        |i| i.packages[0].provides[0].push('\n'),
        |i| i.packages[0].paths = vec![String::new(); CAPABILITIES_MAX + 1],
        |i| i.places = vec![i.places[0].clone(); FACTS_MAX + 1],
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut other = inventory();
        change(&mut other);
        let error = HostInventory::parse(&bytes(&other)).unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'), "{at}");
    }
    let text = String::from_utf8(bytes(&inventory())).unwrap();
    for (from, to) in [
        ("\"product\"", "\"hostname\": \"x\", \"product\""),
        ("bash-4.4.20-4.el8.x86_64", "../bash"),
        ("\"x86_64\"", "\"sparc\""),
        ("{", "["),
    ] {
        let other = text.replacen(from, to, 1);
        assert!(HostInventory::parse(other.as_bytes()).is_err(), "{to}");
    }
    let long = vec![b' '; usize::try_from(INVENTORY_MAX_BYTES).unwrap() + 1];
    assert!(matches!(
        HostInventory::parse(&long),
        Err(InventoryError::TooLarge)
    ));
}

#[test]
fn paths_that_a_package_list_would_hold() {
    for path in [
        "/bin/sh",
        "/usr/sbin/useradd",
        "/etc/passwd",
        "/usr/lib/sendmail",
    ] {
        assert!(is_primary_path(path), "{path}");
    }
    assert!(!is_primary_path("/usr/lib64/libc.so.6"));
}
