//! The run's journal, read from outside while it is written.

use serde::Deserialize;

use crate::isolated::Guest;

/// Where the first run of a host keeps its records.
pub(super) const RUN: &str = "/var/lib/airgap-bundle/runs/1";

#[derive(Deserialize)]
struct Line {
    step: String,
    phase: String,
}

/// The records so far, each as `step:phase`, without a torn last line.
pub(super) fn marks(guest: &Guest) -> Vec<String> {
    let bytes = guest.read(format!("{RUN}/journal")).unwrap_or_default();
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Vec<String> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
        .map(|line| format!("{}:{}", line.step, line.phase))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn whole_lines_count() {
        let text =
            b"{\"seq\":1,\"step\":\"backup\",\"phase\":\"intent\"}\n{\"seq\":2,\"step\":\"ba";
        assert_eq!(parse(text), ["backup:intent"]);
    }
}
