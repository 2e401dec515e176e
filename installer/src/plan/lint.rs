//! Compares the builder's notes about packages with this host, so that a run is refused before
//! anything changes.

use manifests::acceptance::HostRules;
use manifests::bundle::BundledRpm;

use crate::host::Identity;
use crate::problem::Problem;

/// Refuses before the run what rpm would refuse during it, for the target packages and for those of
/// a revert.
pub(super) fn refuse_by_lint(host: &Identity, rpms: &[&BundledRpm]) -> Result<(), Problem> {
    let rules = HostRules {
        major: host.major(),
        fips: host.fips,
        crypto_policy: host.crypto_policy.as_deref(),
    };
    let refusals = rpms.iter().filter_map(|rpm| {
        let reasons: Vec<String> = rpm.lint.iter().filter_map(|f| rules.refusal(*f)).collect();
        (!reasons.is_empty()).then(|| format!("{} {}", rpm.nevra, reasons.join("; it ")))
    });
    let refusals: Vec<String> = refusals.collect();
    if refusals.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        format!(
            "this host's rpm would refuse a package: {}",
            refusals.join("; ")
        ),
        "ask the vendor for packages that this host accepts, or upgrade this host in steps that have \
         them",
    ))
}

#[cfg(test)]
mod tests {
    use manifests::bundle::LintFlag;
    use manifests::digest::Sha256;
    use manifests::nevra::{Arch, Nevra};

    use super::super::test_rpm;
    use super::*;

    fn rpm(version: &str, lint: &[LintFlag]) -> BundledRpm {
        let nevra: Nevra = format!("relay-{version}-1.x86_64").parse().unwrap();
        let sha256 = Sha256::of(version.as_bytes());
        BundledRpm {
            lint: lint.to_vec(),
            ..test_rpm::rpm(nevra, sha256)
        }
    }

    fn host(version_id: &str, fips: bool, crypto_policy: Option<&str>) -> Identity {
        Identity {
            os_id: "rocky".to_owned(),
            version_id: version_id.to_owned(),
            pretty: String::new(),
            arch: Some(Arch::X86_64),
            rpm_version: "4.14.3".to_owned(),
            systemd: true,
            fips,
            crypto_policy: crypto_policy.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn both_directions_are_held_against_the_host() {
        use LintFlag::{
            Md5FileDigests, NoPayloadDigest, NoSha256Header, PayloadNotForEl7, Sha1Signature,
        };
        let good = rpm("2", &[]);
        for (flag, accepting, refusing) in [
            (
                PayloadNotForEl7,
                host("8.9", true, None),
                host("7.9", false, None),
            ),
            (
                NoSha256Header,
                host("8", false, None),
                host("8", true, None),
            ),
            (
                NoPayloadDigest,
                host("8", false, None),
                host("8", true, None),
            ),
            (
                Md5FileDigests,
                host("8", false, None),
                host("8", true, None),
            ),
            (
                Sha1Signature,
                host("9.4", false, Some("LEGACY")),
                host("9.4", false, None),
            ),
        ] {
            let bad = rpm("1", &[flag]);
            for pair in [[&good, &bad], [&bad, &good]] {
                assert_eq!(refuse_by_lint(&accepting, &pair), Ok(()), "{flag:?}");
                let problem = refuse_by_lint(&refusing, &pair).unwrap_err();
                assert!(
                    problem.what.contains("relay-1-1.x86_64"),
                    "{}",
                    problem.what
                );
            }
        }
        let unsigned = rpm("1", &[LintFlag::Unsigned]);
        assert!(refuse_by_lint(&host("8", false, None), &[&unsigned]).is_err());
    }

    #[test]
    fn every_reason_of_every_package_is_reported_at_once() {
        let both = [LintFlag::NoSha256Header, LintFlag::NoPayloadDigest];
        let (one, two) = (rpm("1", &both), rpm("2", &[LintFlag::Md5FileDigests]));
        let problem = refuse_by_lint(&host("8", true, None), &[&one, &two]).unwrap_err();
        for word in [
            "relay-1-1",
            "relay-2-1",
            "header digest",
            "payload digest",
            "MD5",
        ] {
            assert!(problem.what.contains(word), "{word}: {}", problem.what);
        }
    }
}
