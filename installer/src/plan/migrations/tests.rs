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
        sequence_jump_because: None,
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
        idle: Vec::new(),
        idle_changes: BTreeMap::new(),
        dump_limit_secs: DUMP_LIMIT_SECS,
        dump_dir: None,
        chosen: Vec::new(),
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
        vanishing: Vec::new(),
        exclude: Vec::new(),
    });
    let (stores, problems) = asked(CROSSED, &inventory, &[]);
    assert_eq!((stores.len(), problems), (1, Vec::new()));
    assert!(stores[0].is_dumped() && stores[0].change.is_some());

    // Settings that a stop or a boot takes away are in memory only while the run goes on.
    inventory.stores.found[0].vanishing = vec!["/run/tyk/secret.env".to_owned()];
    let (_, problems) = asked(CROSSED, &inventory, &[]);
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert!(problem.what.contains("/run/tyk/secret.env"), "{problem:?}");
    let next = "--backed-up-elsewhere dashboard-main=REASON";
    assert!(problem.cure.contains(next), "{problem:?}");
    let (_, problems) = asked(CROSSED, &inventory, &[reason]);
    assert_eq!(problems, []);
    assert_eq!(asked(("5.3.0", "5.3.2"), &inventory, &[]).1, []);
}

/// H-14: an older bundle went back over a migration without a word about the data.
#[test]
fn a_downgrade_over_a_migration_needs_a_decision_about_the_data() {
    let run = |versions: (&str, &str), reason: Option<&str>| {
        let consent = Consent {
            keep_data_because: reason.map(str::to_owned),
            ..Consent::default()
        };
        let (mut plan, mut problems) = (plan(versions.0, versions.1), Vec::new());
        crate::plan::downgrade::add(&product(), &consent, &mut plan, &mut problems);
        (plan.notes.concat(), problems)
    };
    let back = ("5.3.2", "5.2.5");
    let (_, problems) = run(back, None);
    for words in ["--restore-data", "--keep-data-because REASON"] {
        assert!(problems[0].cure.contains(words), "{problems:?}");
    }
    let (notes, problems) = run(back, Some("the old one reads them"));
    assert_eq!(problems, []);
    assert!(notes.contains("the old one reads them"), "{notes}");
    for other in [CROSSED, ("5.3.2", "5.3.0"), ("5.2.5", "5.2.4")] {
        assert_eq!(run(other, None).1, []);
        assert_eq!(run(other, Some("the old one reads them")).1.len(), 1);
    }
}

/// H-30: a component that is not used here asked for backups of stores that do not exist.
#[test]
fn the_stores_of_a_component_that_is_not_used_are_not_asked_for() {
    let mut inventory = test_inventory();
    inventory.idle.insert("dashboard".to_owned());
    let consent = Consent::default();
    let (mut plan, mut problems) = (plan(CROSSED.0, CROSSED.1), Vec::new());
    crate::plan::stores::add(&product(), &inventory, &consent, &mut plan, &mut problems);
    assert_eq!((plan.stores.len(), problems), (0, Vec::new()));
    let notes = plan.notes.concat();
    for words in ["neither enabled nor running", "dump them first"] {
        assert!(notes.contains(words), "{notes}");
    }
}

/// H-31: a store that cannot be dumped stopped a run that leaves its data alone.
#[test]
fn what_is_out_of_reach_is_a_note_where_nothing_is_rewritten() {
    let mut inventory = test_inventory();
    inventory.stores.unclear.push(UnclearStore {
        name: "dashboard-redis".to_owned(),
        component: "dashboard".to_owned(),
        why: "vault://redis is not read".to_owned(),
        is_denied: false,
        out_of_reach: true,
    });
    assert_eq!(asked(("5.3.0", "5.3.2"), &inventory, &[]).1, []);
    assert!(!asked(CROSSED, &inventory, &[]).1.is_empty());
}

/// A first installation over settings that are there already meets the data that they name.
#[test]
fn a_first_installation_over_old_settings_crosses_their_migrations() {
    let mut plan = plan("5.2.5", "5.3.2");
    let new = &mut plan.groups[0].components[0];
    new.from = None;
    assert!(!any_crossed(&product(), &plan), "it meets no data");
    let new = &mut plan.groups[0].components[0];
    new.files.clone_from(&new.component.config);
    assert!(any_crossed(&product(), &plan));
    let mut problems = Vec::new();
    let (inventory, consent) = (test_inventory(), Consent::default());
    crate::plan::stores::add(&product(), &inventory, &consent, &mut plan, &mut problems);
    assert!(problems[0].what.contains("for good"), "{problems:?}");
}

#[test]
fn below_another_root_the_reason_is_that_root() {
    let mut inventory = test_inventory();
    inventory.is_elsewhere = true;
    let (_, problems) = asked(CROSSED, &inventory, &[]);
    assert!(problems[0].what.contains("--root"), "{problems:?}");
}
