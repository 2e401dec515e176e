use std::collections::{BTreeMap, BTreeSet};

use manifests::digest::Sha256;
use manifests::nevra::Arch;
use manifests::product::{Engine, TYK};

use super::*;
use crate::plan::{
    DUMP_LIMIT_SECS, Group, PLAN_TYPE, PlanKind, PlannedRpm, extras::Extras, test_inventory,
};
use crate::stores::{FoundStore, UnclearStore};

fn product() -> ProductManifest {
    ProductManifest::from_toml(TYK).unwrap()
}

fn rpm(version: &str) -> PlannedRpm {
    PlannedRpm {
        nevra: format!("tyk-dashboard-{version}-1.x86_64").parse().unwrap(),
        build_time: 0,
        sha256: Sha256::of(version.as_bytes()),
        size_bytes: 0,
        installed_bytes: 0,
        program_sha256: None,
        directories: Vec::new(),
    }
}

fn plan(from: &str, to: &str) -> InstallPlan {
    let planned = PlannedComponent {
        component: product().component("dashboard").unwrap().clone(),
        from: Some(rpm(from)),
        to: Some(rpm(to)),
        config: Vec::new(),
        files: Vec::new(),
        turned: Vec::new(),
    };
    InstallPlan {
        document: PLAN_TYPE.to_owned(),
        kind: PlanKind::Upgrade,
        bundle: Sha256::of(b""),
        product: "tyk".to_owned(),
        title: "Tyk".to_owned(),
        version: to.to_owned(),
        channel: "stable".to_owned(),
        sequence: 1,
        signers: BTreeSet::new(),
        downgrade_because: None,
        extras_ignored_because: None,
        unhealthy_before: BTreeMap::new(),
        health_budgets: BTreeMap::new(),
        distro: "el8".to_owned(),
        arch: Arch::X86_64,
        host: String::new(),
        groups: vec![Group {
            name: "dashboard".to_owned(),
            components: vec![planned],
            packages: Vec::new(),
            extras: Extras::default(),
        }],
        current: Vec::new(),
        absent: Vec::new(),
        stores: Vec::new(),
        bystanders: Vec::new(),
        dump_limit_secs: DUMP_LIMIT_SECS,
        dump_dir: None,
        notes: Vec::new(),
    }
}

fn asked(
    versions: (&str, &str),
    inventory: &Inventory,
    elsewhere: &[(&str, &str)],
) -> (Vec<PlannedStore>, Vec<Problem>) {
    let owned = |(name, why): &(&str, &str)| ((*name).to_owned(), (*why).to_owned());
    let consent = Consent {
        elsewhere: elsewhere.iter().map(owned).collect::<BTreeMap<_, _>>(),
        ..Consent::default()
    };
    let mut plan = plan(versions.0, versions.1);
    let mut problems = Vec::new();
    crate::plan::stores::add(&product(), inventory, &consent, &mut plan, &mut problems);
    (plan.stores, problems)
}

const CROSSED: (&str, &str) = ("5.2.5", "5.3.2");

/// H-01: the run went on, migrated, and no dump was anywhere.
#[test]
fn data_that_are_rewritten_and_not_found_are_a_reason_to_refuse() {
    let inventory = test_inventory();
    let (_, problems) = asked(CROSSED, &inventory, &[]);
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert!(
        problem
            .what
            .contains("rewrites APIs, policies, users for good"),
        "{problem:?}"
    );
    let way_on = "--backed-up-elsewhere dashboard-main=REASON";
    assert!(problem.cure.contains(way_on), "{problem:?}");
    for versions in [("5.3.0", "5.3.2"), ("5.2.4", "5.2.5"), ("5.3.2", "5.2.5")] {
        assert_eq!(asked(versions, &inventory, &[]), (Vec::new(), Vec::new()));
    }
}

#[test]
fn the_way_on_works_and_the_data_stay_in_the_plan() {
    let inventory = test_inventory();
    let reason = ("dashboard-main", "the database team dumps it");
    let (stores, problems) = asked(CROSSED, &inventory, &[reason]);
    assert_eq!(problems, []);
    let [store] = stores.as_slice() else {
        panic!("{stores:?}");
    };
    assert!(!store.is_dumped() && store.change.is_some(), "{store:?}");
}

#[test]
fn data_that_are_found_or_unclear_have_one_word_about_them() {
    let mut inventory = test_inventory();
    inventory.stores.unclear.push(UnclearStore {
        name: "dashboard-main".to_owned(),
        component: "dashboard".to_owned(),
        why: "MySQL: not dumped by this tool".to_owned(),
        is_denied: false,
        out_of_reach: true,
    });
    let (_, problems) = asked(CROSSED, &inventory, &[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].what.contains("MySQL: not dumped by this tool"),
        "{problems:?}"
    );
    assert!(!problems[0].cure.contains("mend"), "{problems:?}");
    let reason = ("dashboard-main", "the database team dumps it");
    let (stores, problems) = asked(CROSSED, &inventory, &[reason]);
    assert_eq!((stores.len(), problems), (1, Vec::new()));

    inventory.stores.unclear.clear();
    inventory.stores.found.push(FoundStore {
        names: vec!["dashboard-main".to_owned()],
        title: "APIs, policies, users".to_owned(),
        engine: Engine::Postgresql,
        endpoint: "postgresql db:5432/tyk".to_owned(),
        users: vec![("dashboard".to_owned(), "main".to_owned())],
        may_be_empty: false,
        cache: false,
        exclude: Vec::new(),
    });
    let (stores, problems) = asked(CROSSED, &inventory, &[]);
    assert_eq!((stores.len(), problems), (1, Vec::new()));
    assert!(stores[0].is_dumped() && stores[0].change.is_some());
}
