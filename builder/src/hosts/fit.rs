//! What a host's rpm would refuse, found before anything is carried there. Pure.

use std::collections::BTreeSet;

use manifests::bundle::{LintFlag, Role};
use manifests::host_inventory::{HostPackage, Observed};

use super::space::room;
use super::{Fleet, FleetHost, HostsError};
use crate::dependencies::Dependencies;
use crate::package::DownloadedRpm;

/// One reason why a host cannot use the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The host, the package and the reason.
    pub why: String,
    /// What to do about it.
    pub next: &'static str,
}

/// What one host would do with the bundle: each previous package, if there is one, and what follows.
pub(super) struct Upgrade<'a> {
    pub(super) from: Option<&'a DownloadedRpm>,
    pub(super) to: &'a DownloadedRpm,
}

impl<'a> Upgrade<'a> {
    pub(super) fn rpms(&self) -> impl Iterator<Item = &'a DownloadedRpm> {
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

/// Says why this host's rpm refuses packages with such a flag, if it does.
fn reason(host: &FleetHost, flag: LintFlag) -> Option<String> {
    let inventory = &host.inventory;
    let (fips, rpm) = (inventory.security.fips, &inventory.rpm.version);
    match flag {
        LintFlag::PayloadNotForEl7 if is_older_than_4_14(rpm) => {
            Some(format!("has a payload that rpm {rpm} cannot unpack"))
        }
        LintFlag::NoSha256Header if fips => {
            Some("has no SHA-256 header digest, and FIPS mode is on".to_owned())
        }
        LintFlag::Md5FileDigests if fips => {
            Some("has MD5 file digests, and FIPS mode is on".to_owned())
        }
        LintFlag::Sha1Signature => sha1_is_refused(host),
        LintFlag::Unsigned => {
            Some("is not signed, and the installer refuses unsigned packages".to_owned())
        }
        _ => None,
    }
}

fn sha1_is_refused(host: &FleetHost) -> Option<String> {
    let policy = &host.inventory.security.crypto_policy;
    let allows = |policy: &String| {
        policy
            .split(':')
            .any(|word| matches!(word, "LEGACY" | "SHA1"))
    };
    // EL8's DEFAULT takes SHA-1 signatures, EL9's does not.
    if host.inventory.major().is_none_or(|major| major < 9) || policy.known().is_some_and(allows) {
        return None;
    }
    let policy = match policy {
        Observed::Known(policy) => format!("the crypto policy {policy}"),
        _ => "its unknown crypto policy, taken for DEFAULT,".to_owned(),
    };
    Some(format!("is signed with SHA-1, which {policy} refuses"))
}

fn is_older_than_4_14(version: &str) -> bool {
    manifests::evr::compare_versions(version, "4.14").is_lt()
}

#[cfg(test)]
mod tests {
    use manifests::host_inventory::HostInventory;

    use super::super::tests::{fleet, inventory};
    use super::*;

    const ALL: [LintFlag; 6] = [
        LintFlag::PayloadNotForEl7,
        LintFlag::NoSha256Header,
        LintFlag::NoPayloadDigest,
        LintFlag::Md5FileDigests,
        LintFlag::Sha1Signature,
        LintFlag::Unsigned,
    ];

    fn refusals(version_id: &str, change: fn(&mut HostInventory)) -> Vec<LintFlag> {
        let mut host = inventory(version_id, &[]);
        change(&mut host);
        let fleet = fleet(&[("a", host)]).unwrap();
        let host = &fleet.hosts()[0];
        let mut flags = ALL.to_vec();
        flags.retain(|flag| reason(host, *flag).is_some());
        flags
    }

    #[test]
    fn each_host_refuses_what_its_rpm_would() {
        use LintFlag::{Md5FileDigests, NoSha256Header, PayloadNotForEl7, Sha1Signature, Unsigned};
        assert_eq!(refusals("8", |_| ()), [Unsigned]);
        let el7 = refusals("7", |i| {
            i.os.id = "centos".to_owned();
            i.rpm.version = "4.11.3".to_owned();
        });
        assert_eq!(el7, [PayloadNotForEl7, Unsigned]);
        let fips = refusals("8", |i| i.security.fips = true);
        assert_eq!(fips, [NoSha256Header, Md5FileDigests, Unsigned]);
        // An EL9 whose policy nobody could read is taken for one with the default.
        assert_eq!(refusals("9.3", |_| ()), [Sha1Signature, Unsigned]);
        let strict = refusals("9", |i| {
            i.security.crypto_policy = Observed::Known("DEFAULT".to_owned());
        });
        assert_eq!(strict, [Sha1Signature, Unsigned]);
        for policy in ["DEFAULT:SHA1", "LEGACY"] {
            let mut host = inventory("9", &[]);
            host.security.crypto_policy = Observed::Known(policy.to_owned());
            let fleet = fleet(&[("a", host)]).unwrap();
            assert_eq!(reason(&fleet.hosts()[0], Sha1Signature), None, "{policy}");
        }
    }
}
