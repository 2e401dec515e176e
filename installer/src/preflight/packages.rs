//! Checks the staged packages, as rpm will meet them.

use manifests::digest::Sha256;

use super::rehearsal::rpm_tests;
use crate::bundle::{StagedBundle, StagedRpmSet, VerifiedMetadata};
use crate::failure::chain;
use crate::host::{Host, cmd};
use crate::layout::Layout;
use crate::plan::{InstallPlan, PackageChange, is_build};
use crate::problem::{Problem, coded};

/// Checks the staged packages: their signatures, whether each is the package that the plan names,
/// and rpm's own test of every transaction of the plan and of a revert.
pub fn packages(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    bundle: &StagedBundle,
) -> Vec<Problem> {
    let mut problems = signed(host, layout, plan, bundle, |set, problems| {
        identities(host, set, plan, bundle.metadata(), problems);
    });
    rpm_tests(host, layout, plan, &mut problems);
    coded(problems, "rpm")
}

/// Checks the signatures of the staged packages of a plan that is not whole, so that rpm could not
/// test its transactions.
pub fn package_signatures(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    bundle: &StagedBundle,
) -> Vec<Problem> {
    if plan.rpms().is_empty() {
        return Vec::new();
    }
    signed(host, layout, plan, bundle, |_, _| ())
}

/// Checks the signatures. Only headers with valid signatures can be trusted: `then` looks at those.
fn signed(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    bundle: &StagedBundle,
    then: impl FnOnce(&StagedRpmSet, &mut Vec<Problem>),
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let all: Vec<Sha256> = plan.rpms().into_iter().collect();
    match bundle.rpm_set(layout, &all) {
        Ok(set) => {
            signatures(host, &set, bundle.metadata().vendor_keys(), &mut problems);
            if problems.is_empty() {
                then(&set, &mut problems);
            }
        }
        Err(error) => problems.push(stored(&chain(&error))),
    }
    coded(problems, "package")
}

fn signatures(host: &dyn Host, set: &StagedRpmSet, keys: &[Vec<u8>], problems: &mut Vec<Problem>) {
    match host.rpm_signatures(set, keys) {
        Ok(answer) if answer.code == Some(0) => {}
        Ok(answer) => problems.push(Problem::new(
            format!(
                "this host's rpm does not accept the package signatures: {}",
                cmd::tail(&answer.output, 6)
            ),
            "compare the host's crypto policy with the packages' signatures (`rpmkeys -Kv`)",
        )),
        Err(error) => problems.push(Problem::new(
            format!(
                "the package signatures cannot be checked: {}",
                chain(&error)
            ),
            "make `rpmkeys` work on this host first",
        )),
    }
}

/// Compares the headers with the manifest. The plan was made from the manifest and the file lists,
/// but rpm installs what the headers contain, and a revert knows only what was planned.
fn identities(
    host: &dyn Host,
    set: &StagedRpmSet,
    plan: &InstallPlan,
    metadata: &VerifiedMetadata,
    problems: &mut Vec<Problem>,
) {
    let next = "do not use this bundle; build it again";
    let headers = match host.rpm_headers(set) {
        Ok(headers) if headers.len() == set.rpms().len() => headers,
        Ok(_) => {
            let why = "a file of the bundle is not exactly one package";
            return problems.push(Problem::new(why, next));
        }
        Err(error) => {
            let why = format!("the package headers cannot be read: {}", chain(&error));
            return problems.push(Problem::new(why, next));
        }
    };
    for (file, header) in set.rpms().iter().zip(&headers) {
        let sha256 = file.sha256();
        let mut listed = metadata.manifest().rpms.iter();
        let listed = listed.find(|rpm| rpm.sha256 == *sha256);
        let is_meant = match listed.zip(metadata.files(sha256)) {
            Some((rpm, list)) => is_build(header, rpm, list),
            // An RPM of the store: an earlier run installed it from its own bundle.
            None => plan.changes().flat_map(PackageChange::rpms).any(|rpm| {
                rpm.sha256 == *sha256
                    && rpm.nevra == header.nevra
                    && rpm.build_time == header.build_time
            }),
        };
        if !is_meant {
            let found = &header.nevra;
            problems.push(Problem::new(
                format!("the RPM {sha256} is {found}, not what the bundle says of it"),
                next,
            ));
        }
    }
}

pub(super) fn stored(why: &str) -> Problem {
    Problem::new(why, "copy the bundle again and run `install verify` on it")
}
