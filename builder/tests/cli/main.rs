//! The program `bundle` as a user meets it: exit codes, three-part errors, files that appear.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod http;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod order;
#[cfg(test)]
mod places;
#[cfg(test)]
mod program;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod vendor;
