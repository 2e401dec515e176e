//! What a host's rpm would refuse, found before anything is carried there. Pure.

mod space;

use std::collections::BTreeSet;

use manifests::acceptance::HostRules;
use manifests::bundle::{LintFlag, Role, Target};
use manifests::host_inventory::HostPackage;

use crate::dependencies::Dependencies;
use crate::hosts::{Fleet, FleetHost, HostsError, Unfit};
use crate::package::DownloadedRpm;

use space::room;

/// What one host would do with the bundle: each previous package, if there is one, and what follows.
struct Upgrade<'a> {
    from: Option<&'a DownloadedRpm>,
    to: &'a DownloadedRpm,
}

impl<'a> Upgrade<'a> {
    fn rpms(&self) -> impl Iterator<Item = &'a DownloadedRpm> {
        [self.to].into_iter().chain(self.from)
    }
}

/// Refuses what would not install, verify or fit on any of the hosts; everything at once.
pub fn check(
    fleet: &Fleet,
    rpms: &[DownloadedRpm],
    dependencies: &[Dependencies],
) -> Result<(), HostsError> {
    let mut unfit = Vec::new();
    for host in fleet.hosts() {
        let label = Some(&host.label);
        let own = dependencies.iter().filter(|one| one.host.as_ref() == label);
        let needed: BTreeSet<String> = own
            .flat_map(|one| &one.added)
            .map(|added| added.found.package.nevra.to_string())
            .collect();
        let upgrades = upgrades(host, rpms, &needed, &mut unfit);
        for upgrade in &upgrades {
            for rpm in upgrade.rpms() {
                unfit.extend(refused(host, rpm));
            }
        }
        unfit.extend(room(host, &upgrades));
    }
    if unfit.is_empty() {
        Ok(())
    } else {
        Err(HostsError::Unfit(unfit))
    }
}

fn upgrades<'a>(
    host: &FleetHost,
    rpms: &'a [DownloadedRpm],
    needed: &BTreeSet<String>,
    unfit: &mut Vec<Unfit>,
) -> Vec<Upgrade<'a>> {
    let mut found = Vec::new();
    let pairs = [
        (Role::Target, Role::Previous),
        (Role::Dependency, Role::PreviousDependency),
    ];
    let ends_with = pairs.into_iter().flat_map(|(role, previous)| {
        // What other hosts need does not concern this one.
        let concerns = move |rpm: &&DownloadedRpm| {
            role == Role::Target || needed.contains(&rpm.planned().nevra.to_string())
        };
        let found = rpms.iter().filter(move |rpm| serves(rpm, host, role));
        let found = found.filter(concerns);
        found.map(move |to| (to, role, previous))
    });
    for (to, role, previous) in ends_with {
        let installed = host.installed(to.planned().nevra.name());
        if role == Role::Dependency && installed.is_empty() {
            found.push(Upgrade { from: None, to });
            continue;
        }
        let older = installed
            .iter()
            .find(|package| package.nevra.evr() < to.planned().nevra.evr());
        let Some(older) = older else { continue };
        let from = rpms.iter().find(|rpm| {
            serves(rpm, host, previous)
                && rpm.planned().nevra.to_string() == older.nevra.to_string()
        });
        let Some(from) = from else { continue };
        if let Some(why) = other_build(older, from) {
            let (label, nevra) = (&host.label, &older.nevra);
            unfit.push(Unfit {
                why: format!("{label}: {nevra} is installed, but {why} than the one published now"),
                next: "the vendor published two packages under one name: build from a mirror that \
                       holds the one those hosts run (--repo-url)",
            });
        }
        let from = Some(from);
        found.push(Upgrade { from, to });
    }
    found
}

fn serves(rpm: &DownloadedRpm, host: &FleetHost, role: Role) -> bool {
    let uses = &rpm.planned().uses;
    uses.iter().any(|purpose| {
        purpose.role == role && purpose.distro == host.distro && purpose.arch == host.arch
    })
}

/// NEVRA alone is not identity.
fn other_build(installed: &HostPackage, rpm: &DownloadedRpm) -> Option<&'static str> {
    let own = match installed.header.split_once(':') {
        Some(("sha256", digest)) => rpm
            .header_digests()
            .sha256
            .as_ref()
            .map(|own| (own, digest)),
        Some(("sha1", digest)) => rpm.header_digests().sha1.as_ref().map(|own| (own, digest)),
        _ => None,
    };
    match own {
        Some((own, digest)) if !own.eq_ignore_ascii_case(digest) => Some("with another header"),
        _ if installed.build_time != rpm.build_time() => Some("built at another time"),
        _ => None,
    }
}

fn refused(host: &FleetHost, rpm: &DownloadedRpm) -> Vec<Unfit> {
    let nevra = &rpm.planned().nevra;
    let unfit = |why: &str| Unfit {
        why: format!("{}: {nevra} {why}", host.label),
        next: "ask the vendor for packages that these hosts accept, or leave the host out",
    };
    let reasons = rpm.lint().iter().filter_map(|flag| reason(host, *flag));
    reasons.map(|why| unfit(&why)).collect()
}

/// Returns why this host's rpm refuses packages with such a flag, if it does.
fn reason(host: &FleetHost, flag: LintFlag) -> Option<String> {
    let security = &host.inventory.security;
    let rules = HostRules {
        major: host.inventory.major(),
        fips: security.fips,
        crypto_policy: security.crypto_policy.known().map(String::as_str),
    };
    rules.refusal(flag)
}

/// Refuses what no host of a target could unpack, whether any host is known or not. Each host judges
/// what depends on its own setup.
pub fn check_targets(targets: &[Target], rpms: &[DownloadedRpm]) -> Result<(), HostsError> {
    let mut unfit = Vec::new();
    for target in targets {
        let rules = HostRules {
            major: Some(target.major),
            fips: false,
            crypto_policy: None,
        };
        let Some(why) = rules.refusal(LintFlag::PayloadNotForEl7) else {
            continue;
        };
        let is_for = |rpm: &&DownloadedRpm| {
            let mut uses = rpm.planned().uses.iter();
            uses.any(|purpose| purpose.distro == target.distro && purpose.arch == target.arch)
        };
        let flagged = |rpm: &&DownloadedRpm| rpm.lint().contains(&LintFlag::PayloadNotForEl7);
        for rpm in rpms.iter().filter(is_for).filter(flagged) {
            let (distro, arch, nevra) = (&target.distro, target.arch, &rpm.planned().nevra);
            unfit.push(Unfit {
                why: format!("{distro} {arch}: {nevra} {why}"),
                next: "build for newer distributions only (--distro), or ask the vendor for packages \
                       compressed with gzip or xz",
            });
        }
    }
    if unfit.is_empty() {
        Ok(())
    } else {
        Err(HostsError::Unfit(unfit))
    }
}

#[cfg(test)]
mod tests {
    use manifests::host_inventory::{HostInventory, Observed};

    use super::*;
    use crate::hosts::tests::{fleet, inventory};

    fn refuses(flag: LintFlag, version_id: &str, change: fn(&mut HostInventory)) -> bool {
        let mut host = inventory(version_id, &[]);
        change(&mut host);
        let fleet = fleet(&[("a", host)]).unwrap();
        reason(&fleet.hosts()[0], flag).is_some()
    }

    #[test]
    fn what_an_inventory_says_decides() {
        use LintFlag::{NoPayloadDigest, PayloadNotForEl7, Sha1Signature};
        let el7 = |i: &mut HostInventory| i.os.id = "centos".to_owned();
        assert!(refuses(PayloadNotForEl7, "7", el7));
        assert!(!refuses(PayloadNotForEl7, "8.9", |_| ()));
        assert!(refuses(NoPayloadDigest, "8", |i| i.security.fips = true));
        assert!(!refuses(NoPayloadDigest, "8", |_| ()));
        // An EL9 with an unreadable policy counts as one with the default.
        assert!(refuses(Sha1Signature, "9.3", |_| ()));
        assert!(!refuses(Sha1Signature, "9.3", |i| {
            i.security.crypto_policy = Observed::Known("DEFAULT:SHA1".to_owned());
        }));
    }
}
