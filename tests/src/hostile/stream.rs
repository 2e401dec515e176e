//! The stream around the archive: frames, ends, cuts, additions and bombs.

use anyhow::Result;
use manifests::format::BLOCK_BYTES;
use zstd::zstd_safe::CParameter;

use super::archive::{Frame, Item, frame_checksum, pack, pack_with};
use super::{Attack, Workshop, attack};

const AFTER_END: &str = "data after the end marker";
const AFTER_FRAME: &str = "data after the zstd frame";
const NO_BUNDLE: &str = "it is not a bundle";
const DAMAGED: &str = "it is damaged or incomplete";
const EARLY: &str = "it ends too early";
/// Ten gigabytes.
const BOMB: u64 = 10 << 30;

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "third-zero-block",
        "ours: bytes that are neither signed nor checked",
        AFTER_END,
        |shop| ended(shop, &[0; 3 * BLOCK_BYTES]),
    ),
    attack(
        "byte-after-the-end-marker",
        "ours: as above, one byte",
        AFTER_END,
        |shop| ended(shop, &[0; 2 * BLOCK_BYTES + 1]),
    ),
    attack(
        "entries-after-the-end-marker",
        "CVE-2025-62518 and its kin: entries that one reader sees and another does not",
        AFTER_END,
        |shop| {
            let more = Item::good("packages/0123456789abcdef/evil.rpm", b"evil")?;
            let end = [&[0; 2 * BLOCK_BYTES], &more.header[..], b"evil"].concat();
            ended(shop, &end)
        },
    ),
    attack(
        "one-archive-after-another",
        "ours: readers that ignore zeros go on to the second archive",
        AFTER_END,
        |shop| {
            let tar = shop.good_tar()?;
            pack(&[&tar[..], &tar].concat())
        },
    ),
    attack(
        "half-an-end-marker",
        "ours: a reader cannot know that the archive is whole",
        EARLY,
        |shop| ended(shop, &[0; BLOCK_BYTES]),
    ),
    attack(
        "half-an-end-marker-and-an-entry",
        "ours: readers that want one zero block stop, others go on",
        "the end marker is incomplete",
        |shop| {
            let more = Item::good("packages/0123456789abcdef/evil.rpm", b"")?;
            ended(shop, &[&[0; BLOCK_BYTES], &more.header[..]].concat())
        },
    ),
    attack(
        "no-end-marker",
        "ours: a cut that looks like an end",
        EARLY,
        |shop| ended(shop, &[]),
    ),
    attack(
        "padding-that-is-not-zero",
        "ours: up to 511 bytes behind every entry that no digest covers",
        "the padding of an entry is not zero",
        |shop| {
            let mut tar = shop.good_tar()?;
            let last = tar.len() - 2 * BLOCK_BYTES - 1;
            tar[last] = 1;
            pack(&tar)
        },
    ),
    attack(
        "cut-inside-a-package",
        "facts M9: rpm 4.11 takes a truncated package in its test and dies half-way through it",
        EARLY,
        |shop| {
            let tar = shop.good_tar()?;
            pack(&tar[..tar.len() - 3 * BLOCK_BYTES])
        },
    ),
    attack(
        "cut-inside-the-manifest",
        "ours: a copy that stopped",
        EARLY,
        |shop| pack(&shop.good_tar()?[..BLOCK_BYTES + 100]),
    ),
    attack(
        "cut-inside-the-frame",
        "ours: a copy that stopped, on the medium",
        DAMAGED,
        |shop| {
            let good = shop.good()?;
            Ok(good[..good.len() / 2].to_vec())
        },
    ),
    attack(
        "cut-before-the-frame-s-checksum",
        "ours: all the bytes are there, and the end of the frame is not",
        DAMAGED,
        |shop| {
            let good = shop.good()?;
            Ok(good[..good.len() - 4].to_vec())
        },
    ),
    attack(
        "checksum-of-the-frame-that-is-wrong",
        "ours: a medium that changes bytes",
        DAMAGED,
        |shop| {
            let mut bytes = shop.good()?;
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            Ok(bytes)
        },
    ),
    attack(
        "frame-without-a-checksum",
        "ours: a medium that changes bytes, and nothing that tells it from a forger",
        "has no checksum",
        |shop| pack_with(&shop.good_tar()?, &[CParameter::ChecksumFlag(false)]),
    ),
    attack(
        "empty-file",
        "ours: a copy that did not begin",
        NO_BUNDLE,
        |_| Ok(Vec::new()),
    ),
    attack("one-byte", "ours: as above", NO_BUNDLE, |_| Ok(vec![0x28])),
    attack(
        "archive-without-a-frame",
        "ours: a file unpacked and put together by hand",
        NO_BUNDLE,
        Workshop::good_tar,
    ),
    attack(
        "another-compression",
        "ours: readers that guess the format run a decoder without bounds",
        NO_BUNDLE,
        |shop| {
            use std::io::Write as _;
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&shop.good_tar()?)?;
            Ok(encoder.finish()?)
        },
    ),
    attack(
        "frame-of-an-old-zstd",
        "ours: the magic number of version 0.7, whose decoder has had its own defects",
        NO_BUNDLE,
        |shop| {
            let mut bytes = shop.good()?;
            bytes[0] = 0x27;
            Ok(bytes)
        },
    ),
    attack(
        "byte-behind-the-frame",
        "ours: a tail that no signature covers",
        AFTER_FRAME,
        |shop| Ok([shop.good()?, vec![0]].concat()),
    ),
    attack(
        "second-bundle-behind-the-frame",
        "zstd's own rule: frames in a row are one stream, so tools would see two archives",
        AFTER_FRAME,
        |shop| Ok([shop.good()?, shop.good()?].concat()),
    ),
    attack(
        "skippable-frame-behind",
        "zstd's own rule: decoders skip it, so it can carry anything unseen",
        AFTER_FRAME,
        |shop| Ok([shop.good()?, skippable()].concat()),
    ),
    attack(
        "skippable-frame-before",
        "the same at the beginning",
        NO_BUNDLE,
        |shop| Ok([skippable(), shop.good()?].concat()),
    ),
    attack(
        "archive-split-over-two-frames",
        "ours: tools join them; a reader that stops at the first has half an archive",
        EARLY,
        |shop| {
            let tar = shop.good_tar()?;
            let (front, back) = tar.split_at(4 * BLOCK_BYTES);
            Ok([pack(front)?, pack(back)?].concat())
        },
    ),
    attack(
        "frame-that-needs-a-dictionary",
        "ours: content that depends on a file which is not part of the bundle",
        "needs a dictionary",
        |shop| {
            // This bit announces one byte of dictionary id after the window.
            let mut bytes = shop.good()?;
            bytes[4] |= 1;
            bytes.insert(6, 7);
            Ok(bytes)
        },
    ),
    attack(
        "frame-with-the-reserved-bit",
        "ours: a bit that a later decoder may read in another way",
        "a reserved bit",
        |shop| {
            let mut bytes = shop.good()?;
            bytes[4] |= 0b0000_1000;
            Ok(bytes)
        },
    ),
    attack(
        "window-of-128-mib",
        "zstd's own default: decoders take 2^27 bytes of memory because the frame says so",
        "window is larger than 8 MiB",
        |shop| pack_with(&shop.good_tar()?, &[CParameter::WindowLog(27)]),
    ),
    attack(
        "window-just-above-the-bound",
        "ours: 9 MiB",
        "window is larger than 8 MiB",
        |shop| {
            let mut frame = Frame::with_header(&[0, (23 - 10) << 3 | 1]);
            frame.raw(&shop.good_tar()?);
            Ok(frame.end())
        },
    ),
    attack(
        "window-of-terabytes",
        "ours: the largest window that the byte can say",
        "window is larger than 8 MiB",
        |shop| {
            let mut frame = Frame::with_header(&[0, 0xff]);
            frame.raw(&shop.good_tar()?);
            Ok(frame.end())
        },
    ),
    attack(
        "single-segment-of-exabytes",
        "ours: the content's size is the window, and the content says 2^63",
        "window is larger than 8 MiB",
        |shop| {
            let mut frame = Frame::with_header(&[0b1110_0000, 0, 0, 0, 0, 0, 0, 0, 0x80]);
            frame.raw(&shop.good_tar()?);
            Ok(frame.end())
        },
    ),
    attack(
        "content-size-of-the-frame-that-is-wrong",
        "ours: a frame that says how much it holds, and holds more",
        DAMAGED,
        |shop| {
            let mut frame = Frame::with_header(&[0b1000_0000, (20 - 10) << 3, 0, 4, 0, 0]);
            frame.raw(&shop.good_tar()?);
            Ok(frame.end_with(frame_checksum(&shop.good_tar()?)?))
        },
    ),
    attack(
        "block-of-a-reserved-type",
        "ours: a kind of block that no decoder knows yet",
        DAMAGED,
        |shop| {
            let mut frame = Frame::start();
            frame.raw(&shop.good_tar()?);
            let mut bytes = frame.end_with(frame_checksum(&shop.good_tar()?)?);
            bytes[6] |= 0b110;
            Ok(bytes)
        },
    ),
    attack(
        "blocks-of-nothing",
        "ours: a million blocks that decode to no byte; readers that wait for one never come back",
        EARLY,
        |shop| {
            let mut frame = Frame::start();
            frame.raw(&shop.good_tar()?[..BLOCK_BYTES]);
            frame.nothing(1 << 20);
            let checksum = frame_checksum(&shop.good_tar()?[..BLOCK_BYTES])?;
            Ok(frame.end_with(checksum))
        },
    ),
    attack(
        "bomb-of-zeros",
        "the decompression bomb: 320 KB become 10 GiB, from the first byte on",
        AFTER_END,
        |_| {
            let mut frame = Frame::start();
            frame.run(0, BOMB);
            // Two zero blocks are an empty archive's end.
            Ok(frame.end())
        },
    ),
    attack(
        "bomb-behind-the-end-marker",
        "the same behind a good archive: every check passed, and the tool is still unpacking",
        AFTER_END,
        |shop| {
            let mut frame = Frame::start();
            frame.raw(&shop.good_tar()?);
            frame.run(0, BOMB);
            Ok(frame.end())
        },
    ),
    attack(
        "bomb-in-a-package",
        "the same inside an entry: the signed size, then 10 GiB more",
        "the padding of an entry is not zero",
        |shop| {
            let mut archive = shop.archive()?;
            let last = archive.items.pop();
            archive.end = last.map_or_else(Vec::new, |item| item.header.to_vec());
            let mut frame = Frame::start();
            frame.raw(&archive.tar());
            frame.run(b'x', BOMB);
            Ok(frame.end())
        },
    ),
    attack(
        "bomb-in-the-signatures",
        "the same before anybody was asked who signed",
        "more than the",
        |shop| {
            let mut archive = shop.archive()?;
            archive.items.truncate(1);
            let mut item = Item::good("signatures/0000000000000000.sig", b"")?;
            item.claim(0o77_777_777_777);
            archive.end = item.header.to_vec();
            let mut frame = Frame::start();
            frame.raw(&archive.tar());
            frame.run(0, BOMB);
            Ok(frame.end())
        },
    ),
];

/// The good entries with another end.
fn ended(shop: &Workshop, end: &[u8]) -> Result<Vec<u8>> {
    shop.changed(|mut archive| {
        archive.end = end.to_vec();
        Ok(archive)
    })
}

/// A frame that decoders skip.
fn skippable() -> Vec<u8> {
    let content = b"anything";
    [&[0x50, 0x2a, 0x4d, 0x18, 8, 0, 0, 0][..], content].concat()
}
