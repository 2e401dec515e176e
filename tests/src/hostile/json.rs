//! Signed text in place of a manifest: a trusted key signed it, and it is not a manifest.

use anyhow::{Context as _, Result};
use manifests::json::canonical;

use super::{Attack, Workshop, attack};

const SHAPE: &str = "does not have the shape";
/// Deeper than any stack.
const DEEP: usize = 200_000;

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "nothing-but-brackets",
        "CVE-2020-36242's kin: nesting that runs a recursive parser out of its stack",
        SHAPE,
        |shop| shop.sign_text(&vec![b'['; DEEP]),
    ),
    attack(
        "nesting-in-a-field",
        "the same inside a manifest that is otherwise good",
        SHAPE,
        |shop| replaced(shop, "\"title\": \"Acme Relay\"", &nested("\"title\": ")),
    ),
    attack(
        "nesting-of-objects-in-an-unknown-field",
        "the same in a field that some parsers skip without counting",
        SHAPE,
        |shop| {
            let deep = format!("{{\"a\":{}0{},", "{\"a\":".repeat(DEEP), "}".repeat(DEEP));
            replaced(shop, "{", &deep)
        },
    ),
    attack(
        "key-twice",
        "CVE-2017-12635 (CouchDB): two parsers took two different values of a repeated key",
        SHAPE,
        |shop| replaced(shop, "{", "{\"sequence\": 99,"),
    ),
    attack(
        "key-twice-in-an-entry",
        "the same for the digest of a package",
        SHAPE,
        |shop| {
            replaced(
                shop,
                "\"encoding\": \"plain\",",
                "\"encoding\": \"plain\", \"size\": 1,",
            )
        },
    ),
    attack(
        "key-twice-in-another-spelling",
        "the same with an escape, so that only a parser sees it",
        SHAPE,
        |shop| replaced(shop, "{", "{\"\\u0073equence\": 99,"),
    ),
    attack(
        "unknown-field",
        "ours: a critical field of a later format that an old reader would skip",
        SHAPE,
        |shop| replaced(shop, "{", "{\"must_understand\": true,"),
    ),
    attack(
        "unknown-field-in-an-entry",
        "ours: as above",
        SHAPE,
        |shop| {
            replaced(
                shop,
                "\"encoding\": \"plain\",",
                "\"encoding\": \"plain\", \"mode\": 2541,",
            )
        },
    ),
    attack(
        "missing-field",
        "ours: a default where the signer said nothing",
        SHAPE,
        |shop| replaced(shop, "\"sequence\": 1,", ""),
    ),
    attack(
        "number-without-end",
        "ours: a million digits, which some parsers read in quadratic time",
        SHAPE,
        |shop| {
            replaced(
                shop,
                "\"sequence\": 1,",
                &format!("\"sequence\": {},", "9".repeat(1 << 20)),
            )
        },
    ),
    attack(
        "number-with-an-exponent",
        "ours: 1e999, which is infinite to some parsers and an error to others",
        SHAPE,
        |shop| replaced(shop, "\"sequence\": 1,", "\"sequence\": 1e999,"),
    ),
    attack(
        "number-that-is-negative",
        "ours: a size below zero that becomes one of 2^64",
        SHAPE,
        |shop| {
            shop.signed_json(|json| {
                json["entries"][0]["size"] = (-1).into();
                Ok(())
            })
        },
    ),
    attack(
        "number-that-is-negative-zero",
        "ours: -0, which is a float to some parsers and nothing to others",
        SHAPE,
        |shop| replaced(shop, "\"sequence\": 1,", "\"sequence\": -0,"),
    ),
    attack(
        "number-that-is-a-float",
        "ours: above 2^53 a float is another number",
        SHAPE,
        |shop| {
            replaced(
                shop,
                "\"sequence\": 1,",
                "\"sequence\": 9007199254740993.0,",
            )
        },
    ),
    attack(
        "number-as-text",
        "ours: \"1\", which lenient parsers take for 1",
        SHAPE,
        |shop| replaced(shop, "\"sequence\": 1,", "\"sequence\": \"1\","),
    ),
    attack(
        "null-for-a-number",
        "ours: nothing, which lenient parsers take for 0",
        SHAPE,
        |shop| replaced(shop, "\"sequence\": 1,", "\"sequence\": null,"),
    ),
    attack(
        "byte-order-mark",
        "ours: three bytes that one parser skips and another refuses",
        SHAPE,
        |shop| shop.sign_text(&[b"\xef\xbb\xbf", &text(shop)?[..]].concat()),
    ),
    attack(
        "text-of-two-byte-letters",
        "ours: UTF-16, which some parsers guess",
        SHAPE,
        |shop| {
            let text = String::from_utf8(text(shop)?)?;
            shop.sign_text(
                &text
                    .encode_utf16()
                    .flat_map(u16::to_be_bytes)
                    .collect::<Vec<u8>>(),
            )
        },
    ),
    attack(
        "text-that-is-no-utf-8",
        "ours: bytes that every parser replaces in its own way",
        SHAPE,
        |shop| {
            let text = text(shop)?;
            let at = text
                .windows(4)
                .position(|word| word == b"Acme")
                .context("no title")?;
            shop.sign_text(&[&text[..at], b"\xff\xfe", &text[at..]].concat())
        },
    ),
    attack(
        "half-a-surrogate",
        "ours: an escape that stands for no character",
        SHAPE,
        |shop| replaced(shop, "\"title\": \"Acme", "\"title\": \"\\ud800"),
    ),
    attack(
        "raw-control-character",
        "ours: a line break inside a string",
        SHAPE,
        |shop| replaced(shop, "\"title\": \"Acme", "\"title\": \"\n"),
    ),
    attack(
        "second-document-behind",
        "ours: parsers that stop at the first never see what else was signed",
        SHAPE,
        |shop| shop.sign_text(&[text(shop)?, b"{}".to_vec()].concat()),
    ),
    attack(
        "nul-behind",
        "ours: where the text ends for one reader it goes on for another",
        SHAPE,
        |shop| shop.sign_text(&[text(shop)?, vec![0]].concat()),
    ),
    attack(
        "comment",
        "ours: what lenient parsers skip",
        SHAPE,
        |shop| shop.sign_text(&[b"// signed\n", &text(shop)?[..]].concat()),
    ),
    attack("empty-manifest", "ours: nothing, signed", SHAPE, |shop| {
        shop.sign_text(b"")
    }),
    attack(
        "manifest-that-is-null",
        "ours: a document without content, signed",
        SHAPE,
        |shop| shop.sign_text(b"null"),
    ),
    attack(
        "manifest-as-a-list",
        "ours: the values without their names, which derived parsers take for the object",
        "a list stands where an object belongs",
        |shop| {
            let values = shop.good.json()?;
            let order = [
                "type",
                "format",
                "product",
                "title",
                "version",
                "channel",
                "sequence",
                "timestamp",
                "expires",
                "minimum_installer",
                "tool_version",
                "targets",
                "entries",
                "rpms",
            ];
            let list: Vec<_> = order.map(|key| values[key].clone()).to_vec();
            shop.sign_text(&serde_json::to_vec(&list)?)
        },
    ),
    attack(
        "entry-as-a-list",
        "ours: the same inside",
        "a list stands where an object belongs",
        |shop| {
            shop.signed_json(|json| {
                let entry = json["entries"][0].take();
                json["entries"][0] = serde_json::json!([
                    entry["path"],
                    entry["size"],
                    entry["sha256"],
                    entry["encoding"]
                ]);
                Ok(())
            })
        },
    ),
    attack(
        "a-million-empty-words",
        "ours: four bytes of JSON that take twenty-four of memory, over and over",
        "more values than a reader takes",
        |shop| {
            let words = "\"\",".repeat(1_300_000);
            replaced(shop, "\"os_ids\": [", &format!("\"os_ids\": [{words}"))
        },
    ),
    attack(
        "digest-in-capitals",
        "ours: two spellings of one digest",
        SHAPE,
        |shop| {
            shop.signed_json(|json| {
                let digest = json["entries"][0]["sha256"].as_str().context("no digest")?;
                json["entries"][0]["sha256"] =
                    digest.to_uppercase().replace(char::is_numeric, "A").into();
                Ok(())
            })
        },
    ),
    attack(
        "path-that-leads-out",
        "CVE-2018-1002200 and its kin (Zip Slip), in the signed list itself",
        SHAPE,
        |shop| {
            shop.signed_json(|json| {
                json["entries"][4]["path"] = "../../etc/cron.d/evil".into();
                Ok(())
            })
        },
    ),
    attack(
        "encoding-that-is-not-known",
        "ours: a delta that an old reader would install as it lies there",
        SHAPE,
        |shop| {
            shop.signed_json(|json| {
                json["entries"][4]["encoding"] = "delta".into();
                Ok(())
            })
        },
    ),
    attack(
        "format-of-the-future",
        "ours: fields that mean something else from format 2 on",
        "of format 2",
        |shop| {
            shop.signed_json(|json| {
                json["format"] = 2.into();
                Ok(())
            })
        },
    ),
];

fn text(shop: &Workshop) -> Result<Vec<u8>> {
    Ok(canonical(&shop.good.manifest)?)
}

/// The good manifest with its first `from` replaced, signed.
fn replaced(shop: &Workshop, from: &str, to: &str) -> Result<Vec<u8>> {
    let text = String::from_utf8(text(shop)?)?;
    anyhow::ensure!(text.contains(from), "the manifest has no {from}");
    shop.sign_text(text.replacen(from, to, 1).as_bytes())
}

fn nested(before: &str) -> String {
    format!("{before}{}{}", "[".repeat(DEEP), "]".repeat(DEEP))
}
