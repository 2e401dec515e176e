//! False numbers: wrong sizes of every kind, and fields that no check may leave free.

use anyhow::Result;
use manifests::bundle::Encoding;
use manifests::digest::Sha256;
use manifests::limits::{
    DOCUMENT_MAX_BYTES, ENTRIES_MAX, MANIFEST_MAX_BYTES, PACKAGE_FILES_MAX_BYTES,
    PRODUCT_MAX_BYTES, SIGNATURE_MAX_BYTES,
};
use manifests::{bundle::Entry, json::canonical};

use super::archive::{Archive, Frame, Item, MODE, MTIME, SIZE, UID, USER};
use super::{Attack, Workshop, attack};

const FIELD: &str = "a field differs from what format 1 allows";
const LISTED: &str = "differs from the signed manifest";
const MUCH: &str = "more than the";
/// The first package.
const FIRST: usize = 6;

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "size-one-too-large",
        "ours: the next header is read as content, and content as headers",
        LISTED,
        |shop| size_off_by(shop, 1),
    ),
    attack(
        "size-one-too-small",
        "ours: the last byte is left to whatever reads on",
        LISTED,
        |shop| size_off_by(shop, -1),
    ),
    attack(
        "size-negative",
        "ours: a base-256 number below zero, which moves some readers backwards",
        "does not fit into a ustar header",
        |shop| size_field(shop, &[0xff; 12]),
    ),
    attack(
        "size-in-base-256",
        "ours: the right size in a notation that others do not read",
        FIELD,
        |shop| {
            let mut field = [0; 12];
            field[0] = 0x80;
            field[10..].copy_from_slice(&3362_u16.to_be_bytes());
            size_field(shop, &field)
        },
    ),
    attack(
        "size-of-all-the-bits",
        "ours: 2^95 bytes in base 256",
        "illegal header",
        |shop| size_field(shop, &[0xbf; 12]),
    ),
    attack(
        "size-that-is-no-number",
        "ours: digits that octal does not have, which some readers take for zero",
        "the size is not octal",
        |shop| size_field(shop, b"0000000899z\0"),
    ),
    attack(
        "size-with-spaces",
        "ours: the right size in another spelling",
        FIELD,
        |shop| size_field(shop, b"       6442 "),
    ),
    attack(
        "size-that-is-empty",
        "ours: no number at all",
        "the size is not octal",
        |shop| size_field(shop, b""),
    ),
    attack(
        "checksum-that-is-wrong",
        "ours: a header changed after it was sealed",
        FIELD,
        |shop| shop.changed(|archive| Ok(archive.edit(FIRST, |item| item.header[148] ^= 1))),
    ),
    attack(
        "another-time",
        "ours: unchecked bytes of a header can carry anything",
        LISTED,
        |shop| field(shop, FIRST, MTIME, b"14522104401\0"),
    ),
    attack(
        "another-time-of-the-manifest",
        "ours: as above, in the header that comes before the signature",
        LISTED,
        |shop| field(shop, 0, MTIME, b"14522104401\0"),
    ),
    attack(
        "setuid-mode",
        "ours: an unpacker run as root would make a program that gives root to everybody",
        FIELD,
        |shop| field(shop, FIRST, MODE, b"0004755\0"),
    ),
    attack(
        "another-owner",
        "ours: files that a user of the host could change after they were verified",
        FIELD,
        |shop| field(shop, FIRST, UID, b"0001750\0"),
    ),
    attack(
        "name-of-an-owner",
        "ours: the same by name",
        FIELD,
        |shop| field(shop, FIRST, USER, b"nobody"),
    ),
    attack(
        "manifest-larger-than-readers-take",
        "CVE-2020-25860's neighbours, TUF's endless data: a reader that takes all that comes",
        MUCH,
        |shop| shop.sign_text(&vec![b' '; usize::try_from(MANIFEST_MAX_BYTES)? + 1]),
    ),
    attack(
        "manifest-that-claims-8-gib",
        "TUF's endless data: memory taken before a byte was read",
        MUCH,
        |shop| {
            let mut item = Item::good("manifest.json", b"")?;
            item.claim(0o77_777_777_777);
            let mut frame = Frame::start();
            frame.raw(&item.header);
            frame.run(b' ', 0o77_777_777_777);
            let _ = shop;
            Ok(frame.end())
        },
    ),
    attack(
        "signature-larger-than-readers-take",
        "ours: memory taken before anybody was asked who signed",
        MUCH,
        |shop| {
            let size = usize::try_from(SIGNATURE_MAX_BYTES)? + 1;
            let item = Item::good("signatures/0000000000000000.sig", &vec![1; size])?;
            shop.changed(|archive| Ok(archive.insert(1, item)))
        },
    ),
    attack(
        "product-larger-than-readers-take",
        "ours, signed: a document that fills the memory of a small host",
        "readers take at most",
        |shop| {
            shop.signed(|parts| {
                let at = parts.find("product.json")?;
                parts.contents[at].1 = vec![b' '; usize::try_from(PRODUCT_MAX_BYTES)? + 1];
                parts.relist();
                Ok(())
            })
        },
    ),
    attack(
        "file-list-larger-than-readers-take",
        "ours, signed: as above",
        "readers take at most",
        |shop| list_of_sizes(shop, &[PACKAGE_FILES_MAX_BYTES + 1]),
    ),
    attack(
        "file-lists-too-large-together",
        "ours, signed: each is small enough",
        "readers take at most",
        |shop| list_of_sizes(shop, &[PACKAGE_FILES_MAX_BYTES; 5]),
    ),
    attack(
        "document-larger-than-readers-take",
        "ours, signed: a review page of a gigabyte",
        "readers take at most",
        |shop| claimed(shop, "docs/review.html", DOCUMENT_MAX_BYTES + 1),
    ),
    attack(
        "payload-larger-than-a-header-says",
        "ours, signed: a size that eleven octal digits do not hold",
        "readers take at most",
        |shop| claimed(shop, "extras/plugins/big", 1 << 33),
    ),
    attack(
        "size-of-2-to-the-64",
        "ours, signed: a number that wraps around to nothing",
        "does not have the shape",
        |shop| {
            shop.signed_json(|manifest| {
                manifest["entries"][0]["size"] = serde_json::from_str("18446744073709551616")?;
                Ok(())
            })
        },
    ),
    attack(
        "size-short-by-2-to-the-32",
        "CVE-2026-34155 (RAUC): of a bundle over 2 GiB only the first bytes were signed",
        LISTED,
        |shop| {
            shop.changed(|archive| {
                Ok(archive.edit(FIRST, |item| item.claim((1 << 32) + item.body.len() as u64)))
            })
        },
    ),
    attack(
        "entries-without-end",
        "ours, signed: a list of more entries than readers count",
        "readers take at most",
        |shop| {
            let mut parts = shop.good.clone();
            let entry = |number| -> Result<Entry> {
                Ok(Entry {
                    path: format!("extras/plugins/{number}").parse()?,
                    size: 0,
                    sha256: Sha256::of(b""),
                    encoding: Encoding::Plain,
                })
            };
            for number in 0..ENTRIES_MAX {
                parts.manifest.entries.push(entry(number)?);
            }
            shop.sign_text(&canonical(&parts.manifest)?)
        },
    ),
];

/// Sizes at which a number that is too narrow overflows. The zeros are not stored, only counted.
pub(super) const HUGE: &[Attack] = &[
    attack(
        "last-byte-of-2-to-the-31-less-1",
        "CVE-2026-34155 (RAUC): bytes behind the two-gigabyte edge were not covered by the signature",
        "has SHA-256",
        |shop| huge(shop, (1 << 31) - 1, 1),
    ),
    attack(
        "last-byte-of-2-to-the-31",
        "as above",
        "has SHA-256",
        |shop| huge(shop, 1 << 31, 1),
    ),
    attack(
        "last-byte-of-2-to-the-32-less-1",
        "the same at the edge of 32 bits",
        "has SHA-256",
        |shop| huge(shop, (1 << 32) - 1, 1),
    ),
    attack(
        "last-byte-of-2-to-the-32",
        "as above",
        "has SHA-256",
        |shop| huge(shop, 1 << 32, 1),
    ),
    attack(
        "last-byte-of-2-to-the-32-and-1",
        "as above",
        "has SHA-256",
        |shop| huge(shop, (1 << 32) + 1, 1),
    ),
];

/// SHA-256 of that many zeros.
const ZEROS: [(u64, &str); 5] = [
    (
        2_147_483_647,
        "25ba9187e4e7b89d2a7f1a49f0155c233ea8fe0b19c881bc53d23fd7b93deda0",
    ),
    (
        2_147_483_648,
        "a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51",
    ),
    (
        4_294_967_295,
        "318eea1453f3a536e42d9637db593982c5c297220b2019bd4b7ad08e88d91e4b",
    ),
    (
        4_294_967_296,
        "8479e43911dc45e89f934fe48d01297e16f51d17aa561d4d1c216b1ae0fcddca",
    ),
    (
        4_294_967_297,
        "fbb82f7b353676bb562eb82157fcf0ea42c36492ca13ee56dbf82c08b6802c5c",
    ),
];

/// A bundle that is signed to hold `size` zeros and holds `last` in place of the last of them.
pub(super) fn huge(shop: &Workshop, size: u64, last: u8) -> Result<Vec<u8>> {
    let digest = ZEROS.iter().find(|(zeros, _)| *zeros == size);
    let digest = digest.map_or("", |(_, digest)| *digest);
    let mut parts = shop.good.clone();
    parts.manifest.entries.push(Entry {
        path: "extras/plugins/big".parse()?,
        size,
        sha256: digest.parse()?,
        encoding: Encoding::Plain,
    });
    let mut archive = shop.sign(&parts)?;
    let mut item = Item::good("extras/plugins/big", b"")?;
    item.claim(size);
    archive.end = item.header.to_vec();
    let mut frame = Frame::start();
    frame.raw(&archive.tar());
    frame.run(0, size - 1);
    frame.run(last, 1);
    let padding = manifests::format::padding(size);
    frame.raw(&vec![0; padding + 1024]);
    Ok(frame.end())
}

fn size_off_by(shop: &Workshop, by: i64) -> Result<Vec<u8>> {
    shop.changed(|archive| {
        Ok(archive.edit(FIRST, |item| {
            item.claim((item.body.len() as u64).saturating_add_signed(by));
        }))
    })
}

fn size_field(shop: &Workshop, bytes: &[u8]) -> Result<Vec<u8>> {
    field(shop, FIRST, SIZE, bytes)
}

fn field(
    shop: &Workshop,
    at: usize,
    field: super::archive::Field,
    bytes: &[u8],
) -> Result<Vec<u8>> {
    shop.changed(|archive: Archive| Ok(archive.edit(at, |item| item.put(field, bytes))))
}

/// A manifest that lists an entry of a size, without the entry.
fn claimed(shop: &Workshop, path: &str, size: u64) -> Result<Vec<u8>> {
    let mut parts = shop.good.clone();
    let entry = Entry {
        path: path.parse()?,
        size,
        sha256: Sha256::of(b""),
        encoding: Encoding::Plain,
    };
    let docs = path.starts_with("docs/");
    let at = if docs {
        FIRST - 2
    } else {
        parts.manifest.entries.len()
    };
    parts.manifest.entries.insert(at, entry);
    shop.sign(&parts)?.pack()
}

/// A manifest that lists file lists of these sizes, without the lists.
fn list_of_sizes(shop: &Workshop, sizes: &[u64]) -> Result<Vec<u8>> {
    let mut parts = shop.good.clone();
    for (&size, number) in sizes.iter().zip(0_u64..) {
        let entry = Entry {
            path: format!("files/{number:064x}.json").parse()?,
            size,
            sha256: Sha256::of(b""),
            encoding: Encoding::Plain,
        };
        parts.manifest.entries.insert(4, entry);
    }
    shop.sign(&parts)?.pack()
}
