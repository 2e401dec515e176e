//! Past runs for tests.

use std::collections::{BTreeMap, BTreeSet};

use manifests::digest::Sha256;
use manifests::nevra::Arch;
use manifests::product::ProductManifest;

use super::PastRun;
use crate::history::report::{Outcome, REPORT_TYPE, RunReport};
use crate::plan::{Group, InstallPlan, PLAN_TYPE, PlanKind, PlannedComponent, PlannedRpm};

/// Returns a group whose two RPMs belong to no other run.
fn group(id: u64) -> Group {
    let tyk = ProductManifest::from_toml(manifests::product::TYK).unwrap();
    let rpm = |version: &str| PlannedRpm {
        nevra: format!("tyk-gateway-{version}-1.x86_64").parse().unwrap(),
        build_time: 0,
        sha256: Sha256::of(format!("{id} {version}").as_bytes()),
        size_bytes: 10,
        installed_bytes: 10,
        program_sha256: None,
        directories: Vec::new(),
    };
    let (component, from, to) = (tyk.components[0].clone(), rpm("1"), rpm("2"));
    let planned = PlannedComponent {
        component,
        from: Some(from),
        to: Some(to),
        config: Vec::new(),
        files: Vec::new(),
        turned: Vec::new(),
    };
    Group {
        name: "gateway".to_owned(),
        components: vec![planned],
        packages: Vec::new(),
        extras: crate::plan::extras::Extras::default(),
    }
}

/// Makes a run over one component; a run without an outcome was interrupted.
pub(crate) fn past_run(id: u64, kind: PlanKind, outcome: Option<Outcome>) -> PastRun {
    let plan = InstallPlan {
        document: PLAN_TYPE.to_owned(),
        kind,
        bundle: Sha256::of(b""),
        product: "p".to_owned(),
        title: "P".to_owned(),
        version: "1".to_owned(),
        channel: "stable".to_owned(),
        sequence: 1,
        signers: BTreeSet::new(),
        downgrade_because: None,
        sequence_jump_because: None,
        extras_ignored_because: None,
        unhealthy_before: BTreeMap::new(),
        health_budgets: BTreeMap::new(),
        stores: Vec::new(),
        bystanders: Vec::new(),
        idle: Vec::new(),
        idle_changes: BTreeMap::new(),
        dump_limit_secs: crate::plan::DUMP_LIMIT_SECS,
        dump_dir: None,
        chosen: Vec::new(),
        distro: "el8".to_owned(),
        arch: Arch::X86_64,
        host: String::new(),
        groups: vec![group(id)],
        current: Vec::new(),
        absent: Vec::new(),
        notes: Vec::new(),
    };
    let report = outcome.map(|outcome| RunReport {
        document: REPORT_TYPE.to_owned(),
        run: id,
        kind,
        title: "P".to_owned(),
        started: 0,
        ended: 0,
        outcome,
        changes: Vec::new(),
        health: Vec::new(),
        not_well: Vec::new(),
        notes: Vec::new(),
        data: Vec::new(),
        backup_recipients: Vec::new(),
        unit_logs: Vec::new(),
        chosen: Vec::new(),
    });
    PastRun { id, plan, report }
}
