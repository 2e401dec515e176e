//! Archives and frames made by hand: every byte of them can be false.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use manifests::format::{BLOCK_BYTES, header_for, padding};
use zstd::zstd_safe::CParameter;

use crate::forge::TIMESTAMP;

/// A header, byte for byte.
pub(super) type Block = [u8; BLOCK_BYTES];

/// Fields of a ustar header: where they start and how long they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field(usize, usize);

pub(super) const NAME: Field = Field(0, 100);
pub(super) const MODE: Field = Field(100, 8);
pub(super) const UID: Field = Field(108, 8);
pub(super) const SIZE: Field = Field(124, 12);
pub(super) const MTIME: Field = Field(136, 12);
const SUM: Field = Field(148, 8);
pub(super) const TYPE: Field = Field(156, 1);
pub(super) const LINK: Field = Field(157, 100);
pub(super) const MAGIC: Field = Field(257, 8);
pub(super) const USER: Field = Field(265, 32);
pub(super) const DEVICE: Field = Field(329, 16);
pub(super) const PREFIX: Field = Field(345, 155);
pub(super) const REST: Field = Field(500, 12);

/// One entry: its header, and the bytes behind it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) header: Block,
    pub(super) body: Vec<u8>,
}

/// An archive whose entries and end can be anything.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    pub(super) items: Vec<Item>,
    pub(super) end: Vec<u8>,
}

impl Item {
    /// An entry as a bundle has it.
    pub(super) fn good(path: &str, body: &[u8]) -> Result<Self> {
        let header = header_for(&path.parse()?, body.len() as u64, TIMESTAMP)?;
        Ok(Self {
            header,
            body: body.to_vec(),
        })
    }

    /// An entry of another kind, under any name.
    pub(super) fn of_type(kind: u8, name: &[u8], link: &str, body: &[u8]) -> Result<Self> {
        let mut item = Self::good("x", body)?;
        item.put(NAME, name);
        item.put(TYPE, &[kind]);
        item.put(LINK, link.as_bytes());
        Ok(item)
    }

    /// Overwrites a field, the rest of it with zeros, and corrects the checksum.
    pub(super) fn put(&mut self, Field(start, length): Field, bytes: &[u8]) {
        let field = &mut self.header[start..start + length];
        field.fill(0);
        let length = bytes.len().min(length);
        field[..length].copy_from_slice(&bytes[..length]);
        self.seal();
    }

    /// Overwrites the size field with a number as ustar writes it.
    pub(super) fn claim(&mut self, size: u64) {
        self.put(SIZE, format!("{size:011o}").as_bytes());
    }

    fn seal(&mut self) {
        let Field(start, length) = SUM;
        self.header[start..start + length].fill(b' ');
        let sum: u32 = self.header.iter().map(|&byte| u32::from(byte)).sum();
        let text = format!("{sum:07o}\0");
        self.header[start..start + length].copy_from_slice(text.as_bytes());
    }

    fn write(&self, tar: &mut Vec<u8>) {
        tar.extend(self.header);
        tar.extend(&self.body);
        tar.extend(vec![0; padding(self.body.len() as u64)]);
    }
}

impl Archive {
    /// Entries in a row, and the end that belongs after them.
    pub(super) fn new(items: Vec<Item>) -> Self {
        Self {
            items,
            end: vec![0; 2 * BLOCK_BYTES],
        }
    }

    /// Puts an entry before the one at a position.
    pub(super) fn insert(mut self, at: usize, item: Item) -> Self {
        self.items.insert(at, item);
        self
    }

    /// Changes the entry at a position.
    pub(super) fn edit(mut self, at: usize, change: impl FnOnce(&mut Item)) -> Self {
        change(&mut self.items[at]);
        self
    }

    pub(super) fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        self.items.iter().for_each(|item| item.write(&mut tar));
        tar.extend(&self.end);
        tar
    }

    /// The archive inside the frame that a bundle has.
    pub(super) fn pack(&self) -> Result<Vec<u8>> {
        pack(&self.tar())
    }
}

/// Compresses as the builder does: one frame with a checksum and a window that is small enough.
pub(super) fn pack(tar: &[u8]) -> Result<Vec<u8>> {
    pack_with(tar, &[])
}

/// Does the same with other parameters.
pub(super) fn pack_with(tar: &[u8], parameters: &[CParameter]) -> Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
    encoder.window_log(20)?;
    encoder.include_checksum(true)?;
    for parameter in parameters {
        encoder.set_parameter(*parameter)?;
    }
    encoder.write_all(tar)?;
    Ok(encoder.finish()?)
}

/// A zstd frame of blocks that are written, not compressed: a run of one byte takes four bytes for
/// each 128 KiB, so that ten gigabytes fit into little.
#[derive(Debug)]
pub struct Frame {
    bytes: Vec<u8>,
}

const BLOCK_MAX: usize = 128 * 1024;

impl Frame {
    /// Starts a frame with a window of 1 MiB.
    #[must_use]
    pub fn start() -> Self {
        Self::with_header(&[0, (20 - 10) << 3])
    }

    /// Starts a frame whose header is these bytes, and that has a checksum.
    #[must_use]
    pub fn with_header(header: &[u8]) -> Self {
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd];
        bytes.extend(header);
        bytes[4] |= 0b0000_0100;
        Self { bytes }
    }

    /// Appends bytes as they are and returns where each piece of them begins in the file.
    pub fn raw(&mut self, bytes: &[u8]) -> Vec<usize> {
        let mut starts = Vec::new();
        for piece in bytes.chunks(BLOCK_MAX) {
            self.block(0, piece.len());
            starts.push(self.bytes.len());
            self.bytes.extend(piece);
        }
        starts
    }

    /// Appends `count` times the same byte.
    pub fn run(&mut self, byte: u8, mut count: u64) {
        while count > 0 {
            let length = usize::try_from(count).map_or(BLOCK_MAX, |count| count.min(BLOCK_MAX));
            self.block(1, length);
            self.bytes.push(byte);
            count -= length as u64;
        }
    }

    /// Appends `count` blocks that hold nothing.
    pub fn nothing(&mut self, count: usize) {
        (0..count).for_each(|_| self.block(0, 0));
    }

    /// Ends the frame with a false checksum: a reader has to refuse it before it comes to that.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        self.end_with([0; 4])
    }

    /// Ends the frame with this checksum.
    #[must_use]
    pub fn end_with(mut self, checksum: [u8; 4]) -> Vec<u8> {
        // The last block is empty.
        self.bytes.extend([1, 0, 0]);
        self.bytes.extend(checksum);
        self.bytes
    }

    fn block(&mut self, kind: usize, length: usize) {
        let header = length << 3 | kind << 1;
        self.bytes.extend(&header.to_le_bytes()[..3]);
    }
}

/// The checksum is of the content, whatever the level: this one hardly compresses.
const FASTEST: i32 = -100;

/// Returns the checksum of a frame that holds these bytes.
pub fn frame_checksum(content: &[u8]) -> Result<[u8; 4]> {
    let mut encoder = zstd::Encoder::new(Vec::new(), FASTEST)?;
    encoder.include_checksum(true)?;
    encoder.write_all(content)?;
    let packed = encoder.finish()?;
    packed.last_chunk().copied().context("an empty frame")
}

/// The size of a piece of [`Frame::raw`].
pub const FRAME_PIECE: usize = BLOCK_MAX;
