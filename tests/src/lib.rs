//! The test lab: a fixture vendor that behaves as packagecloud and the vendor's RPMs do, and an
//! isolated host with a real rpm and a real systemd behind a real air gap.

pub mod forge;
pub mod hostile;
pub mod isolated;
pub mod program;
pub mod skip;
pub mod stores;
pub mod sweep;
pub mod vendor;
pub mod vm;
