//! Which packages and versions the vendor has, where each is published, and what is wrong with it.

use super::releases;

/// A family of packages that share a vendor, and so a package key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// `tyk-gateway`, `tyk-dashboard` and `tyk-pump`, each in a repository of its own.
    Tyk,
    /// `relayd` and `relay-console`, both in the repository `acme-relay`.
    Acme,
}

impl Product {
    /// Every product.
    pub const ALL: [Self; 2] = [Self::Tyk, Self::Acme];

    /// A short name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tyk => "tyk",
            Self::Acme => "acme",
        }
    }
}

/// Which versions a vendor publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Only versions that work.
    #[default]
    Good,
    /// Those and the line 5.4, whose versions each fail in their own way.
    ///
    /// | version | what fails |
    /// |---|---|
    /// | 5.4.0 | the gateway ends a second after its start, with code 2, before it is seen well twice |
    /// | 5.4.1 | the gateway accepts connections and never answers |
    /// | 5.4.2 | the gateway answers with version 5.3.9 |
    /// | 5.4.3 | the gateway's `%post` ends with code 3 |
    /// | 5.4.4 | the gateway's `%pre` ends with code 1 |
    /// | 5.4.5 | the dashboard ends at once; the gateway is well |
    /// | 5.4.6 | the gateway reports `fail` with status 200 |
    /// | 5.4.7 | the gateway reports `fail` with status 503 |
    /// | 5.4.8 | the gateway never listens |
    /// | 5.4.9 | the dashboard's `%post` ends with code 3; the gateway is well |
    /// | 5.4.10 | the gateway ends at once, and its `%preun` ends with code 1: it refuses its replacement |
    /// | 5.4.11 | the gateway's `%pretrans` ends with code 1 |
    /// | 5.4.12 | the gateway's `%posttrans` ends with code 4 |
    /// | 5.4.13 | the gateway ends at once, and its `%postun` ends with code 5 |
    ///
    /// Pump 1.10.0 goes with all of them and is well; 1.10.1 ends at once.
    Bad,
}

impl Profile {
    pub(crate) const ALL: [Self; 2] = [Self::Good, Self::Bad];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// Another build of `tyk-gateway-5.3.1-1.x86_64.rpm`, which is not published unless a fault asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Rebuilt a day later and signed by the vendor: same NEVRA, other bytes.
    Repushed,
    /// Without a signature.
    Unsigned,
    /// Signed by a key that is not the vendor's.
    ForeignKey,
}

impl Variant {
    pub(crate) const ALL: [Self; 3] = [Self::Repushed, Self::Unsigned, Self::ForeignKey];

    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Repushed => "repushed",
            Self::Unsigned => "unsigned",
            Self::ForeignKey => "foreign-key",
        }
    }
}

/// The name that every RPM of the vendor has, such as `tyk-gateway-5.3.0-1.x86_64.rpm`.
#[must_use]
pub fn rpm_file_name(package: &str, version: &str, arch: &str) -> String {
    format!("{package}-{version}-1.{arch}.rpm")
}

pub(crate) const ARCHES: [&str; 2] = ["x86_64", "aarch64"];
pub(crate) const DISTROS: [&str; 3] = ["el7", "el8", "el9"];

/// The role of a package without a service.
pub(crate) const LIBRARY: &str = "library";

/// One line of packages.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) product: Product,
    pub(crate) repo: &'static str,
    /// What the fixture service is to play.
    pub(crate) role: &'static str,
    pub(crate) description: &'static str,
    pub(crate) binary: &'static str,
    pub(crate) config: &'static str,
    pub(crate) unit_dir: &'static str,
    pub(crate) link: Option<(&'static str, &'static str)>,
    /// Whether `%post` gives the package's tree to the service's user.
    pub(crate) change_ownership: bool,
    pub(crate) releases: &'static [Release],
}

/// One version.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) version: &'static str,
    pub(crate) date: &'static str,
    pub(crate) builds: &'static [Build],
    /// As `fixture-service` spells behaviours.
    pub(crate) behaviour: &'static str,
    pub(crate) fault: Option<ScriptletFault>,
    pub(crate) profile: Profile,
    /// What it requires of other packages.
    pub(crate) needs: &'static [&'static str],
}

/// A scriptlet that fails, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScriptletFault {
    Pretrans,
    Pre,
    Post,
    Preun,
    Postun,
    Posttrans,
}

/// One file for one or more distributions: a version may have two that share a NEVRA.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) tag: &'static str,
    /// Of the release's date, so that builds differ in their time.
    pub(crate) hour: u8,
    pub(crate) distros: &'static [&'static str],
}

pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "tyk-gateway",
        product: Product::Tyk,
        repo: "tyk-gateway",
        role: "gateway",
        description: "Tyk Open Source API Gateway written in Go (lab)",
        binary: "/opt/tyk-gateway/tyk",
        config: "/opt/tyk-gateway/tyk.conf",
        unit_dir: "/lib/systemd/system",
        link: Some(("/opt/tyk", "/opt/tyk-gateway")),
        change_ownership: false,
        releases: releases::GATEWAY,
    },
    Package {
        name: "tyk-dashboard",
        product: Product::Tyk,
        repo: "tyk-dashboard",
        role: "dashboard",
        description: "Dashboard for the Tyk API Gateway (lab)",
        binary: "/opt/tyk-dashboard/tyk-analytics",
        config: "/opt/tyk-dashboard/tyk_analytics.conf",
        unit_dir: "/lib/systemd/system",
        link: Some(("/opt/tyk-analytics", "/opt/tyk-dashboard")),
        change_ownership: true,
        releases: releases::DASHBOARD,
    },
    Package {
        name: "tyk-pump",
        product: Product::Tyk,
        repo: "tyk-pump",
        role: "pump",
        description: "Tyk Analytics Pump to move analytics data from Redis (lab)",
        binary: "/opt/tyk-pump/tyk-pump",
        config: "/opt/tyk-pump/pump.conf",
        unit_dir: "/lib/systemd/system",
        link: None,
        change_ownership: true,
        releases: releases::PUMP,
    },
    Package {
        name: "relayd",
        product: Product::Acme,
        repo: "acme-relay",
        role: "relay",
        description: "Acme message relay (lab)",
        binary: "/usr/lib/relayd/bin/relayd",
        config: "/etc/relayd/relayd.json",
        unit_dir: "/usr/lib/systemd/system",
        link: None,
        change_ownership: false,
        releases: releases::RELAYD,
    },
    Package {
        name: "relay-console",
        product: Product::Acme,
        repo: "acme-relay",
        role: "relay-console",
        description: "Acme relay console (lab)",
        binary: "/usr/lib/relay-console/bin/relay-console",
        config: "/etc/relay-console/console.json",
        unit_dir: "/usr/lib/systemd/system",
        link: None,
        change_ownership: false,
        releases: releases::RELAY_CONSOLE,
    },
    Package {
        name: "relay-codec",
        product: Product::Acme,
        repo: "acme-base",
        role: LIBRARY,
        description: "What Acme relays need (lab)",
        binary: "/usr/lib/relay-codec/bin/codec-info",
        config: "/etc/relay-codec/relay-codec.conf",
        unit_dir: "/usr/lib/systemd/system",
        link: None,
        change_ownership: false,
        releases: releases::RELAY_CODEC,
    },
    Package {
        name: "relay-tables",
        product: Product::Acme,
        repo: "acme-base",
        role: LIBRARY,
        description: "What Acme codecs need (lab)",
        binary: "/usr/lib/relay-tables/tables.bin",
        config: "/etc/relay-tables/relay-tables.conf",
        unit_dir: "/usr/lib/systemd/system",
        link: None,
        change_ownership: false,
        releases: releases::RELAY_TABLES,
    },
    Package {
        name: "relay-legacy",
        product: Product::Acme,
        repo: "acme-base",
        role: LIBRARY,
        description: "What Acme relays no longer are (lab)",
        binary: "/usr/lib/relay-legacy/convert",
        config: "/etc/relay-legacy/relay-legacy.conf",
        unit_dir: "/usr/lib/systemd/system",
        link: None,
        change_ownership: false,
        releases: releases::RELAY_LEGACY,
    },
    Package {
        name: "relay-dump",
        product: Product::Acme,
        repo: "acme-base",
        role: LIBRARY,
        description: "A tool for operators of Acme relays (lab)",
        binary: "/usr/bin/relay-dump",
        config: "/etc/relay-dump/relay-dump.conf",
        unit_dir: "/usr/lib/systemd/system",
        link: None,
        change_ownership: false,
        releases: releases::RELAY_DUMP,
    },
];

/// The package and version whose [`Variant`]s are built.
pub(crate) const VARIED: (&str, &str, &str) = ("tyk-gateway", "5.3.1", "x86_64");

/// One RPM to build.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Artifact {
    pub(crate) package: &'static Package,
    pub(crate) release: &'static Release,
    pub(crate) build: &'static Build,
    pub(crate) arch: &'static str,
    pub(crate) variant: Option<Variant>,
}

impl Artifact {
    /// Where it lies below the directory of all RPMs.
    pub(crate) fn path(&self) -> String {
        let tag = self.variant.map_or(self.build.tag, Variant::tag);
        format!("{tag}/{}", self.file_name())
    }

    pub(crate) fn file_name(&self) -> String {
        rpm_file_name(self.package.name, self.release.version, self.arch)
    }
}

/// Everything that is published, and the variants.
pub(crate) fn artifacts() -> Vec<Artifact> {
    let mut artifacts = Vec::new();
    for package in PACKAGES {
        for release in package.releases {
            for build in release.builds {
                for arch in ARCHES {
                    let artifact = Artifact {
                        package,
                        release,
                        build,
                        arch,
                        variant: None,
                    };
                    artifacts.push(artifact);
                    if (package.name, release.version, arch) == VARIED {
                        let vary = |variant| Artifact {
                            variant: Some(variant),
                            ..artifact
                        };
                        artifacts.extend(Variant::ALL.map(vary));
                    }
                }
            }
        }
    }
    artifacts
}

/// Every repository's name.
pub(crate) fn repos() -> Vec<&'static str> {
    let mut repos: Vec<_> = PACKAGES.iter().map(|package| package.repo).collect();
    repos.dedup();
    repos
}
