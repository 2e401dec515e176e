//! Names that lead out of the place they belong to, and entries where they do not belong.

use anyhow::Result;

use super::archive::{Item, NAME, PREFIX, REST};
use super::{Attack, Workshop, attack};

const NAME_REFUSED: &str = "illegal entry name";
const FIELD: &str = "a field differs from what format 1 allows";
const ORDER: &str = "stands where";
/// The first package.
const FIRST: usize = 6;

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "parent-directory",
        "CVE-2018-1002200 and its kin (Zip Slip): an entry wrote outside the destination",
        NAME_REFUSED,
        |shop| renamed(shop, b"../../etc/cron.d/evil"),
    ),
    attack(
        "parent-directory-inside",
        "the same, behind a harmless beginning",
        NAME_REFUSED,
        |shop| renamed(shop, b"packages/../../../etc/cron.d/evil"),
    ),
    attack(
        "absolute-name",
        "CVE-2016-6321 and its kin (GNU tar): an entry chose its place on the host",
        NAME_REFUSED,
        |shop| renamed(shop, b"/etc/cron.d/evil"),
    ),
    attack(
        "parent-directory-in-the-prefix",
        "ours: the name is harmless, the prefix field before it is not",
        NAME_REFUSED,
        |shop| {
            shop.changed(|archive| {
                Ok(archive.edit(FIRST, |item| {
                    item.put(PREFIX, b"../../etc");
                    item.put(NAME, b"passwd");
                }))
            })
        },
    ),
    attack(
        "dot-before-the-name",
        "ours: two spellings of one name, so that a check and a write see two files",
        NAME_REFUSED,
        |shop| {
            shop.changed(|archive| Ok(archive.edit(0, |item| item.put(NAME, b"./manifest.json"))))
        },
    ),
    attack("doubled-slash", "ours: as above", NAME_REFUSED, |shop| {
        renamed(shop, b"packages//0123456789abcdef/a.rpm")
    }),
    attack(
        "trailing-slash",
        "ours: a file that old readers take for a directory",
        NAME_REFUSED,
        |shop| renamed(shop, b"packages/0123456789abcdef/"),
    ),
    attack(
        "empty-name",
        "ours: the destination itself",
        NAME_REFUSED,
        |shop| renamed(shop, b""),
    ),
    attack(
        "nul-in-the-name",
        "ours: what follows the NUL is seen by one reader and not by another",
        FIELD,
        |shop| {
            shop.changed(|archive| {
                Ok(archive.edit(0, |item| item.put(NAME, b"manifest.json\0.rpm")))
            })
        },
    ),
    attack(
        "control-character-in-the-name",
        "CVE-2019-9924 and its kin: a name that rewrites the terminal on which it is shown",
        NAME_REFUSED,
        |shop| renamed(shop, b"packages/\x1b[2Ja.rpm"),
    ),
    attack(
        "line-break-in-the-name",
        "ours: a name that is two lines in SHA256SUMS",
        NAME_REFUSED,
        |shop| renamed(shop, b"packages/a\nb.rpm"),
    ),
    attack(
        "name-that-is-not-text",
        "ours: bytes that are no UTF-8, which every language shows in another way",
        "the name is not text",
        |shop| renamed(shop, b"packages/\xff\xfe.rpm"),
    ),
    attack(
        "right-to-left-name",
        "CVE-2021-42574 (Trojan Source): what people read is not what the name is",
        NAME_REFUSED,
        |shop| renamed(shop, "packages/a\u{202e}mpr.exe".as_bytes()),
    ),
    attack(
        "backslash-in-the-name",
        "CVE-2021-37713 and its kin (node-tar): a separator on some systems",
        NAME_REFUSED,
        |shop| renamed(shop, b"packages\\..\\..\\evil"),
    ),
    attack(
        "name-that-is-an-option",
        "known from `tar *`: a file named --checkpoint-action=exec=sh is run by the next command",
        NAME_REFUSED,
        |shop| renamed(shop, b"--checkpoint-action=exec=sh"),
    ),
    attack(
        "hidden-name",
        "ours: a name that `ls` does not show",
        NAME_REFUSED,
        |shop| renamed(shop, b"packages/.evil/a.rpm"),
    ),
    attack(
        "name-with-a-pattern",
        "facts M12: rpm reads x[1].rpm as a pattern and installs another package, with exit code 0",
        NAME_REFUSED,
        |shop| renamed(shop, b"packages/0123456789abcdef/x[1].rpm"),
    ),
    attack(
        "name-that-is-too-long",
        "ours: 255 bytes of name and prefix",
        NAME_REFUSED,
        |shop| {
            shop.changed(|archive| {
                Ok(archive.edit(FIRST, |item| {
                    item.put(PREFIX, &[b'a'; 155]);
                    item.put(NAME, &[b'b'; 100]);
                }))
            })
        },
    ),
    attack(
        "name-that-is-too-deep",
        "ours: a path of fifty parts",
        NAME_REFUSED,
        |shop| {
            renamed(
                shop,
                &b"a/"
                    .repeat(49)
                    .iter()
                    .chain(b"a")
                    .copied()
                    .collect::<Vec<u8>>(),
            )
        },
    ),
    attack(
        "data-in-the-header-s-rest",
        "ours: twelve bytes of a header that no reader looks at",
        FIELD,
        |shop| shop.changed(|archive| Ok(archive.edit(FIRST, |item| item.put(REST, b"hidden")))),
    ),
    attack(
        "other-spelling-of-the-manifest",
        "ours: one file on a file system that does not see the case, two for the check",
        ORDER,
        |shop| shop.changed(|archive| Ok(archive.edit(0, |item| item.put(NAME, b"Manifest.json")))),
    ),
    attack(
        "manifest-not-first",
        "ours: payload that a reader takes in before it knows who signed",
        ORDER,
        |shop| {
            shop.changed(|mut archive| {
                archive.items.swap(0, FIRST);
                Ok(archive)
            })
        },
    ),
    attack(
        "manifest-twice",
        "the kin of Android bug 8219321 (master key): the first was verified, the last was used",
        "it carries no signature",
        |shop| again(shop, 0, 1),
    ),
    attack(
        "manifest-twice-at-the-end",
        "the same, with the second one last",
        ORDER,
        |shop| again(shop, 0, 8),
    ),
    attack(
        "signature-twice",
        "ours: one signature that is counted as two",
        ORDER,
        |shop| again(shop, 1, 2),
    ),
    attack(
        "package-twice",
        "Android bug 8219321 (master key): two entries of one name, of which each reader takes another",
        ORDER,
        |shop| again(shop, FIRST, FIRST + 1),
    ),
    attack(
        "packages-in-another-order",
        "ours: the order is the order of installation",
        ORDER,
        |shop| {
            shop.changed(|mut archive| {
                archive.items.swap(FIRST, FIRST + 1);
                Ok(archive)
            })
        },
    ),
    attack(
        "entry-that-is-not-listed",
        "ours: an unsigned file between signed ones",
        ORDER,
        |shop| {
            shop.changed(|archive| {
                let item = Item::good("packages/0123456789abcdef/evil-1-1.noarch.rpm", b"evil")?;
                Ok(archive.insert(FIRST + 1, item))
            })
        },
    ),
    attack(
        "entry-that-is-not-listed-at-the-end",
        "ours: the same behind the last signed one",
        ORDER,
        |shop| {
            shop.changed(|archive| {
                Ok(archive.insert(8, Item::good("extras/plugins/evil", b"evil")?))
            })
        },
    ),
    attack(
        "listed-entry-left-out",
        "ours: the package that a revert needs is not there",
        "it ends where",
        |shop| {
            shop.changed(|mut archive| {
                archive.items.pop();
                Ok(archive)
            })
        },
    ),
];

fn renamed(shop: &Workshop, name: &[u8]) -> Result<Vec<u8>> {
    shop.changed(|archive| Ok(archive.edit(FIRST, |item| item.put(NAME, name))))
}

/// The entry at a position once more, at another one.
fn again(shop: &Workshop, from: usize, to: usize) -> Result<Vec<u8>> {
    shop.changed(|archive| {
        let item = archive.items[from].clone();
        Ok(archive.insert(to, item))
    })
}
