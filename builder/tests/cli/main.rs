//! The program `bundle` as a user meets it: exit codes, three-part errors, files that appear.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod cosign;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod dnf_download;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod extract;
#[cfg(test)]
mod extras;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod http;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod order;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod people;
#[cfg(test)]
mod places;
#[cfg(test)]
mod product;
#[cfg(test)]
mod program;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod roots;
#[cfg(test)]
mod runbook;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod transfers;
#[cfg(test)]
mod vendor;
