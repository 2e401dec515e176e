//! How many cases the sweeps of a test run play. This is the one place that decides it: the numbers
//! fit into half an hour on two processors (docs/testing.md). `scripts/kill-sweep`,
//! `scripts/disk-full` and `scripts/power-cut` take their numbers from the command line.

/// Kills of the installer, rpm, both, or the whole host.
pub(crate) const KILLS: u64 = 8;
/// The same with an rpm that keeps Berkeley DB.
pub(crate) const KILLS_WITH_BERKELEY_DB: u64 = 5;
/// The same on hosts with data stores. From the seed of that sample on there are two power cuts, kills
/// in a migration, and runs that end before they hold anything.
pub(crate) const KILLS_WITH_STORES: u64 = 8;
/// Power cuts of a virtual machine.
pub(crate) const POWER_CUTS: usize = 3;
/// Disks that fill up during a run.
pub(crate) const DISKS_FILLING_UP: u64 = 12;
/// The sizes of disks that are full before a run are this far apart.
pub(crate) const DISK_STEP_MIB: u64 = 40;
/// Installs that must have run under each attack on names and bytes.
pub(crate) const INSTALLS_UNDER_ATTACK: usize = 4;
/// Bytes of a bundle file that are flipped, one at a time.
pub(crate) const FLIPS: usize = 1000;
/// Bits of a bundle's content that are flipped, one at a time.
pub(crate) const FLIPS_OF_CONTENT: usize = 10_000;
