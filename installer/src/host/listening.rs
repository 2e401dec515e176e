//! On which TCP ports a process listens, as the kernel lists them.

use std::collections::BTreeSet;
use std::fs;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// Returns the ports on which a process listens, in the network of this process. A process of a
/// container with a network of its own has none.
pub(super) fn ports_of(pid: u32) -> BTreeSet<u16> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return BTreeSet::new();
    };
    let links = entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    let inodes: BTreeSet<String> = links.filter_map(|link| inode(link.to_str()?)).collect();
    ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/self/net/{table}")).ok())
        .flat_map(|table| ports(&table, &inodes))
        .collect()
}

fn inode(link: &str) -> Option<String> {
    let number = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    Some(number.to_owned())
}

fn ports(table: &str, inodes: &BTreeSet<String>) -> BTreeSet<u16> {
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        if *state != LISTENS || !inodes.contains(*inode) {
            return None;
        }
        u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
    };
    table.lines().skip(1).filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 24680 1
   1: 0100007F:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 13579 1
   2: 0100007F:18EB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   107        0 24681 1\n";

    #[test]
    fn only_listening_sockets_of_the_process_count() {
        let own = BTreeSet::from(["24680".to_owned(), "24681".to_owned()]);
        assert_eq!(ports(TABLE, &own), BTreeSet::from([6379]));
        assert_eq!(inode("socket:[24680]").as_deref(), Some("24680"));
        assert_eq!(inode("/dev/null"), None);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(ports_of(std::process::id()).contains(&port));
    }
}
