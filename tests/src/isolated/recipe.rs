//! What the image is made of. A change here makes another image.

/// How rpm keeps its database. This decides which rpm and which systemd a host has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RpmDatabase {
    /// sqlite, as on EL9: rpm 4.18 and systemd 252, of Debian 12.
    #[default]
    Sqlite,
    /// Berkeley DB, as on EL7 and EL8: rpm 4.16.1 and systemd 247, of Debian 11.
    BerkeleyDb,
}

impl RpmDatabase {
    /// The Debian release of the root.
    pub(super) const fn suite(self) -> &'static str {
        match self {
            Self::Sqlite => "bookworm",
            Self::BerkeleyDb => "bullseye",
        }
    }
}

/// The release that the machine's own apt knows a mirror of; the mirror has the others too.
pub(super) const MIRRORED: &str = "bookworm";

/// What `debootstrap` installs beyond the essential packages. `PostgreSQL` is 15 on Debian 12 and 13 on
/// Debian 11.
pub(super) const PACKAGES: &[&str] = &[
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "less",
    "openssl",
    "passwd",
    "postgresql",
    "postgresql-client",
    "procps",
    "redis-server",
    "redis-tools",
    "rpm",
    "systemd",
    "systemd-sysv",
    "tzdata",
    "util-linux",
    "zstd",
];

/// Turns the Debian root into the host; runs inside it.
pub(super) const PROVISION: &str = include_str!("provision.sh");
