//! The addresses of this host's network interfaces.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

/// Where the kernel lists its own addresses, also those without a name.
const ADDRESSES_4: &str = "/proc/net/fib_trie";
const ADDRESSES_6: &str = "/proc/net/if_inet6";

/// The addresses of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses(BTreeSet<IpAddr>);

impl Addresses {
    /// Reads them. What cannot be read is not this host's: a session from there counts as another
    /// host's.
    pub(super) fn of_this_host() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::of_texts(&read(ADDRESSES_4), &read(ADDRESSES_6))
    }

    pub(super) fn of_texts(trie: &str, inet6: &str) -> Self {
        let mut found = BTreeSet::new();
        let mut last = None;
        for line in trie.lines().map(str::trim) {
            if let Some(address) = line.strip_prefix("|-- ") {
                last = address.parse().ok();
            } else if line == "/32 host LOCAL" {
                found.extend(last.map(IpAddr::V4));
            }
        }
        let six = inet6.lines().filter_map(|line| {
            let digits = line.split_whitespace().next()?;
            let bits = u128::from_str_radix(digits, 16).ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(bits)))
        });
        found.extend(six);
        Self(found)
    }

    /// Whether an address is one of them.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// Reads an address as servers write it, with or without brackets and a zone.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_matches(['[', ']']);
    let bare = bare.split('%').next().unwrap_or(bare);
    bare.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.77.0.0/24 2 0 2
        |-- 10.77.0.0
           /24 link UNICAST
        |-- 10.77.0.2
           /32 host LOCAL
        |-- 10.77.0.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
";
    const INET6: &str = "\
00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000042acfffe110002 02 40 20 80     eth0
";

    #[test]
    fn only_own_addresses_are_read() {
        let here = Addresses::of_texts(TRIE, INET6);
        for own in [
            "10.77.0.2",
            "::ffff:10.77.0.2",
            "::1",
            "fe80::42:acff:fe11:2%eth0",
        ] {
            assert!(here.has(address(own).unwrap()), "{own}");
        }
        for other in ["10.77.0.1", "10.77.0.255", "10.77.0.0", "fe80::1"] {
            assert!(!here.has(address(other).unwrap()), "{other}");
        }
        assert!(!Addresses::of_texts("", "").has(address("10.77.0.2").unwrap()));
    }
}
