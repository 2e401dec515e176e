//! Reads facts that the host keeps in small files.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use manifests::host_inventory::Observed;

use crate::layout::Layout;

const CRYPTO_POLICIES: [&str; 2] = [
    "/etc/crypto-policies/state/current",
    "/etc/crypto-policies/config",
];
const FACT_MAX_BYTES: usize = 256;

/// Returns the crypto policy in force, or else the configured one.
pub(crate) fn crypto_policy(layout: &Layout) -> Observed<String> {
    let [current, configured] = CRYPTO_POLICIES.map(|path| fact(&layout.at(path)));
    match current {
        Observed::Known(policy) => Observed::Known(policy),
        other if configured == Observed::Absent => other,
        _ => configured,
    }
}

/// Returns the first line of a small file that is not a comment.
pub(crate) fn fact(path: &Path) -> Observed<String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Observed::Absent,
        Err(_) => return Observed::Unknown,
    };
    let lines = text.lines().map(str::trim);
    match lines
        .filter(|line| !line.is_empty())
        .find(|line| !line.starts_with('#'))
    {
        Some(line) if line.len() <= FACT_MAX_BYTES && !line.contains(char::is_control) => {
            Observed::Known(line.to_owned())
        }
        _ => Observed::Unknown,
    }
}
