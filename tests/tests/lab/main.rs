//! The lab's tests, one program: real hosts, real rpm, real servers. docs/testing.md describes how
//! to run them, all or one.

mod budget;
mod config;
mod engines;
mod evidence;
mod full;
mod hostile;
mod isolated;
mod power;
mod sites;
mod sources;
mod stores;
mod sweep;
mod tamper;
mod upgrade;
mod vendor;
