//! Which packages a host's rpm refuses, by what the builder noted about them. Both sides ask this:
//! the builder for the hosts it knows, the installer for the one it runs on.

use crate::bundle::LintFlag;

/// What decides about a package on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostRules<'a> {
    /// The major version of the operating system, if it has one.
    pub major: Option<u32>,
    /// Whether the kernel is in FIPS mode.
    pub fips: bool,
    /// The crypto policy, such as `DEFAULT:SHA1`; nothing where none is known.
    pub crypto_policy: Option<&'a str>,
}

impl HostRules<'_> {
    /// Returns why this host refuses packages with such a flag, as the end of a sentence about one.
    #[must_use]
    pub fn refusal(&self, flag: LintFlag) -> Option<String> {
        let fips = |text: &str| self.fips.then(|| format!("{text}, and FIPS mode is on"));
        match flag {
            LintFlag::PayloadNotForEl7 => self.is_before_el8().then(|| {
                "has a payload that rpm 4.11 cannot unpack, as systems before EL8 have it"
                    .to_owned()
            }),
            LintFlag::NoSha256Header => fips("has no SHA-256 header digest"),
            LintFlag::NoPayloadDigest => fips("has no payload digest"),
            LintFlag::Md5FileDigests => fips("has MD5 file digests"),
            LintFlag::Sha1Signature => self.sha1(),
            LintFlag::Unsigned => {
                Some("is not signed, and the installer refuses unsigned packages".to_owned())
            }
        }
    }

    fn is_before_el8(&self) -> bool {
        self.major.is_some_and(|major| major < 8)
    }

    /// EL8's DEFAULT takes SHA-1 signatures, EL9's does not.
    fn sha1(&self) -> Option<String> {
        let allows = |policy: &str| {
            let mut words = policy.split(':');
            words.any(|word| matches!(word, "LEGACY" | "SHA1"))
        };
        if self.major.is_none_or(|major| major < 9) || self.crypto_policy.is_some_and(allows) {
            return None;
        }
        let policy = match self.crypto_policy {
            Some(policy) => format!("the crypto policy {policy}"),
            None => "its unknown crypto policy, taken for DEFAULT,".to_owned(),
        };
        Some(format!("is signed with SHA-1, which {policy} refuses"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LintFlag::{
        Md5FileDigests, NoPayloadDigest, NoSha256Header, PayloadNotForEl7, Sha1Signature, Unsigned,
    };

    const ALL: [LintFlag; 6] = [
        PayloadNotForEl7,
        NoSha256Header,
        NoPayloadDigest,
        Md5FileDigests,
        Sha1Signature,
        Unsigned,
    ];

    fn refused(major: u32, fips: bool, crypto_policy: Option<&str>) -> Vec<LintFlag> {
        let rules = HostRules {
            major: Some(major),
            fips,
            crypto_policy,
        };
        let mut flags = ALL.to_vec();
        flags.retain(|flag| rules.refusal(*flag).is_some());
        flags
    }

    #[test]
    fn each_system_refuses_what_its_rpm_would() {
        assert_eq!(refused(7, false, None), [PayloadNotForEl7, Unsigned]);
        // Amazon Linux 2 has the same rpm, and 2023 a newer one.
        assert_eq!(refused(2, false, None), [PayloadNotForEl7, Unsigned]);
        assert_eq!(refused(2023, false, None), [Sha1Signature, Unsigned]);
        assert_eq!(refused(8, false, Some("DEFAULT")), [Unsigned]);
        assert_eq!(
            refused(9, false, Some("DEFAULT")),
            [Sha1Signature, Unsigned]
        );
        assert_eq!(refused(9, false, None), [Sha1Signature, Unsigned]);
        for policy in ["LEGACY", "DEFAULT:SHA1", "DEFAULT:AD-SUPPORT:SHA1"] {
            assert_eq!(refused(9, false, Some(policy)), [Unsigned], "{policy}");
        }
        for policy in ["DEFAULT:NO-SHA1", "FUTURE", "FIPS"] {
            assert!(refused(9, false, Some(policy)).contains(&Sha1Signature));
        }
        let without_md5 = [NoSha256Header, NoPayloadDigest, Md5FileDigests, Unsigned];
        assert_eq!(refused(8, true, Some("FIPS")), without_md5);
    }
}
