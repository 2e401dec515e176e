//! Entries that are not regular files, and extensions that describe the entry after them.

use anyhow::Result;

use super::archive::{Archive, DEVICE, Item, SIZE, TYPE};
use super::{Attack, Workshop, attack};

const KIND: &str = "a field differs from what format 1 allows";
const NO_USTAR: &str = "no ustar magic";
/// Between the two packages.
const INSIDE: usize = 7;
const EXTRA: &str = "extras/plugins/evil";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "symlink-first",
        "RUSTSEC-2021-0080 (tar-rs): a symlink in the archive let later entries make directories outside the destination",
        KIND,
        |shop| insert(shop, 0, Item::of_type(b'2', b"packages", "/etc", b"")?),
    ),
    attack(
        "symlink-then-file-through-it",
        "RUSTSEC-2021-0080 (tar-rs): the file behind the symlink is written wherever it points",
        KIND,
        |shop| {
            shop.changed(|archive| {
                let file =
                    Item::of_type(b'0', b"packages/0123456789abcdef/cron", "", b"* * * * *")?;
                let link = Item::of_type(b'2', b"packages/0123456789abcdef", "/etc/cron.d", b"")?;
                Ok(archive.insert(INSIDE, file).insert(INSIDE, link))
            })
        },
    ),
    attack(
        "symlink-then-directory-of-its-name",
        "CVE-2026-33056, RUSTSEC-2026-0067 (tar-rs): the directory's mode was set on what the symlink points to",
        KIND,
        |shop| {
            shop.changed(|archive| {
                let directory = Item::of_type(b'5', b"packages/x/", "", b"")?;
                let link = Item::of_type(b'2', b"packages/x", "/etc", b"")?;
                Ok(archive.insert(INSIDE, directory).insert(INSIDE, link))
            })
        },
    ),
    attack(
        "symlink-for-a-signed-entry",
        "ours: a name that the signed list does hold, as a symlink to a file of the host",
        KIND,
        |shop| listed(shop, b'2', "/etc/shadow"),
    ),
    attack(
        "hard-link-to-a-host-file",
        "CVE-2016-6321 and its kin (GNU tar): an extracted link made a host's file part of the tree, to be read or overwritten",
        KIND,
        |shop| {
            insert(
                shop,
                INSIDE,
                Item::of_type(b'1', b"packages/x.rpm", "/etc/shadow", b"")?,
            )
        },
    ),
    attack(
        "hard-link-for-a-signed-entry",
        "ours: as above, under a name that the signed list holds",
        KIND,
        |shop| listed(shop, b'1', "/etc/shadow"),
    ),
    attack(
        "character-device",
        "ours: an unpacker run as root would make a node that reaches the kernel's memory",
        KIND,
        |shop| device(shop, b'3', b"0000001\x000000001\x00"),
    ),
    attack(
        "block-device",
        "ours: as above, with the first disk of the host",
        KIND,
        |shop| device(shop, b'4', b"0000010\x000000000\x00"),
    ),
    attack(
        "fifo",
        "ours: a reader that opens it waits for ever",
        KIND,
        |shop| listed(shop, b'6', ""),
    ),
    attack(
        "directory",
        "ours: a directory under the name of a file stops whatever wants to write there",
        KIND,
        |shop| listed(shop, b'5', ""),
    ),
    attack(
        "contiguous-file",
        "ours: a type that some readers take for a regular file and others skip",
        KIND,
        |shop| listed(shop, b'7', ""),
    ),
    attack(
        "old-style-file",
        "ours: the type byte of tar before POSIX; readers differ over a name that ends in a slash",
        KIND,
        |shop| listed(shop, 0, ""),
    ),
    attack(
        "unknown-type",
        "ours: readers skip it, or take it for a file",
        KIND,
        |shop| listed(shop, b'Z', ""),
    ),
    attack(
        "pax-size-for-the-next-entry",
        "CVE-2025-62518, RUSTSEC-2025-0111 (tokio-tar): with a PAX size of its own a file's content was read as further entries",
        KIND,
        |shop| before(shop, b'x', &pax("size", "1536")),
    ),
    attack(
        "pax-size-beside-a-header-size",
        "CVE-2026-33055, RUSTSEC-2026-0068 (tar-rs): the PAX size was ignored where the header had one, so two readers saw two archives",
        KIND,
        |shop| {
            shop.changed(|archive| {
                let inner =
                    Archive::new(vec![Item::good("packages/inner.rpm", b"smuggled")?]).tar();
                let outer = Item::of_type(b'0', b"packages/outer.rpm", "", &inner)?;
                let size = pax("size", "512");
                let header = Item::of_type(b'x', b"PaxHeaders/x", "", &size)?;
                Ok(archive.insert(INSIDE, outer).insert(INSIDE, header))
            })
        },
    ),
    attack(
        "pax-header-before-a-long-name",
        "GHSA-3cv2-h65g-fgmm, RUSTSEC-2026-0145 (astral-tokio-tar), also tar-rs: the PAX header was applied to the long name in between",
        KIND,
        |shop| {
            shop.changed(|archive| {
                let long = Item::of_type(b'L', b"././@LongLink", "", b"packages/longname.rpm\0")?;
                let header = Item::of_type(b'x', b"PaxHeaders/x", "", &pax("size", "2048"))?;
                Ok(archive.insert(INSIDE, long).insert(INSIDE, header))
            })
        },
    ),
    attack(
        "pax-headers-two-for-one-entry",
        "RUSTSEC-2026-0112, GHSA-fp55-jw48-c537 (astral-tokio-tar): which header counts decided which entries were seen",
        KIND,
        |shop| {
            shop.changed(|archive| {
                let first =
                    Item::of_type(b'x', b"PaxHeaders/1", "", &pax("path", "packages/a.rpm"))?;
                let second = Item::of_type(b'x', b"PaxHeaders/2", "", &pax("size", "0"))?;
                Ok(archive.insert(INSIDE, second).insert(INSIDE, first))
            })
        },
    ),
    attack(
        "pax-path-of-the-next-entry",
        "ours: the header's name is harmless, the one that counts is not",
        KIND,
        |shop| before(shop, b'x', &pax("path", "../../etc/cron.d/evil")),
    ),
    attack(
        "pax-global-header",
        "ours: one header that would speak about every entry after it",
        KIND,
        |shop| {
            insert(
                shop,
                0,
                Item::of_type(b'g', b"PaxHeaders/g", "", &pax("size", "1"))?,
            )
        },
    ),
    attack(
        "gnu-long-name",
        "ours: the real name stands in a body, past every check of the header's",
        KIND,
        |shop| before(shop, b'L', b"../../etc/cron.d/evil\0"),
    ),
    attack(
        "gnu-long-link",
        "ours: the same for the target of a link",
        KIND,
        |shop| before(shop, b'K', b"/etc/shadow\0"),
    ),
    attack(
        "gnu-sparse-file",
        "ours: a few stored bytes that claim to be terabytes",
        NO_USTAR,
        |shop| {
            let mut item = Item::of_type(b'S', b"packages/sparse.rpm", "", b"")?;
            item.put(super::archive::MAGIC, b"ustar  \0");
            item.put(SIZE, b"00000000000\0");
            insert(shop, INSIDE, item)
        },
    ),
    attack(
        "gnu-magic",
        "ours: the header of another format, whose fields mean something else",
        NO_USTAR,
        |shop| {
            shop.changed(|archive| {
                Ok(archive.edit(INSIDE, |item| item.put(super::archive::MAGIC, b"ustar  \0")))
            })
        },
    ),
    attack(
        "gnu-volume-label",
        "ours: not a file at all; readers skip it without a word",
        KIND,
        |shop| insert(shop, 0, Item::of_type(b'V', b"label", "", b"")?),
    ),
];

fn insert(shop: &Workshop, at: usize, item: Item) -> Result<Vec<u8>> {
    shop.changed(|archive| Ok(archive.insert(at, item)))
}

/// An entry that describes the next one, before a package.
fn before(shop: &Workshop, kind: u8, body: &[u8]) -> Result<Vec<u8>> {
    insert(shop, INSIDE, Item::of_type(kind, b"extension", "", body)?)
}

/// An entry of another kind under a name that the signed manifest lists as an empty file.
fn listed(shop: &Workshop, kind: u8, link: &str) -> Result<Vec<u8>> {
    signed_entry(shop, |item| {
        item.put(super::archive::LINK, link.as_bytes());
        item.put(TYPE, &[kind]);
    })
}

fn device(shop: &Workshop, kind: u8, numbers: &[u8]) -> Result<Vec<u8>> {
    signed_entry(shop, |item| {
        item.put(TYPE, &[kind]);
        item.put(DEVICE, numbers);
    })
}

fn signed_entry(shop: &Workshop, change: impl FnOnce(&mut Item)) -> Result<Vec<u8>> {
    let mut parts = shop.good.clone();
    parts.add(EXTRA, Vec::new())?;
    let archive = shop.sign(&parts)?;
    let last = archive.items.len() - 1;
    archive.edit(last, change).pack()
}

/// A record of a PAX header, which begins with its own length.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while format!("{length}{rest}").len() != length {
        length += 1;
    }
    format!("{length}{rest}").into_bytes()
}
