//! The mount units that a recovery waits for at boot: those of the filesystems that the run touches.

use std::collections::BTreeSet;

use crate::host::{Host, HostError};
use crate::plan::{InstallPlan, mounted};

/// Returns their names, sorted. The root filesystem is always there.
pub(super) fn of(host: &dyn Host, plan: &InstallPlan) -> Result<Vec<String>, HostError> {
    let touched = plan.touched(&host.mounts()?);
    let found = mounted::filesystems(&touched, &host.filesystems()?);
    let points: BTreeSet<String> = found.into_values().map(|found| found.point).collect();
    let points = points.iter().filter(|point| *point != "/");
    Ok(points.map(|point| unit_name(point)).collect())
}

/// Returns the name of the unit of a mount point, as `systemd-escape --path --suffix=mount` does.
fn unit_name(point: &str) -> String {
    let path = point.trim_matches('/');
    let mut name = String::new();
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at == 0 => name.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => name.push(byte.into()),
            other => name.push_str(&format!("\\x{other:02x}")),
        }
    }
    format!("{name}.mount")
}

#[cfg(test)]
mod tests {
    use super::unit_name;

    #[test]
    fn a_mount_point_has_the_name_that_systemd_gives_it() {
        for (point, name) in [
            ("/opt", "opt.mount"),
            ("/var/lib/redis", "var-lib-redis.mount"),
            ("/srv/a-b c", "srv-a\\x2db\\x20c.mount"),
            ("/.hidden/ä", "\\x2ehidden-\\xc3\\xa4.mount"),
        ] {
            assert_eq!(unit_name(point), name);
        }
    }
}
