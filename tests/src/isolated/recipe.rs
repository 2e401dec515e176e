//! What the image is made of. A change here makes another image.

/// The Debian release of the root.
pub(super) const SUITE: &str = "bookworm";

/// What `debootstrap` installs beyond the essential packages.
pub(super) const PACKAGES: &[&str] = &[
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "less",
    "openssl",
    "passwd",
    "procps",
    "redis-server",
    "rpm",
    "systemd",
    "systemd-sysv",
    "tzdata",
    "util-linux",
    "zstd",
];

/// Turns the Debian root into the host; runs inside it.
pub(super) const PROVISION: &str = include_str!("provision.sh");
