//! Single flipped bits, each in a copy of a good bundle: every byte that is signed or describes
//! something, and many bytes that are only carried.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::thread;

use installer::bundle::{BundleError, OpenBundle, UntrustedBundle};
use lab::hostile::{FRAME_PIECE, Frame, frame_checksum};
use manifests::format::{BLOCK_BYTES, padding, read_header};
use manifests::reader::ReadError;
use manifests::trust::TrustRoot;

use crate::budget;
use crate::tamper::{case, numbers};

const THREADS: usize = 2;

/// A good bundle in memory, whose blocks are stored as they are: a byte of the archive is a byte of
/// the file.
struct Copy {
    memory: File,
    starts: Vec<usize>,
    tar: Vec<u8>,
    /// Where the checksum of the frame stands, and that of the good bundle.
    end: u64,
    checksum: [u8; 4],
}

impl Copy {
    fn of(tar: &[u8]) -> Self {
        let mut frame = Frame::start();
        let starts = frame.raw(tar);
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let mut memory = File::from(rustix::fs::memfd_create("bundle", flags).unwrap());
        let checksum = frame_checksum(tar).unwrap();
        let file = frame.end_with(checksum);
        memory.write_all(&file).unwrap();
        Self {
            memory,
            starts,
            tar: tar.to_vec(),
            end: file.len() as u64 - 4,
            checksum,
        }
    }

    fn read(&self, roots: &[TrustRoot]) -> Result<(), BundleError> {
        // Each reader has its own open file, which starts at the beginning.
        let path = PathBuf::from(format!("/proc/self/fd/{}", self.memory.as_raw_fd()));
        let archive = UntrustedBundle::open(&path)?;
        OpenBundle::verify(archive, roots)?
            .verify_payload()
            .map(|_| ())
    }

    /// Reads the bundle with one bit flipped, and puts the bit back.
    fn read_with(&mut self, at: usize, roots: &[TrustRoot]) -> Result<(), BundleError> {
        self.flip(at);
        let checksum = frame_checksum(&self.tar).unwrap();
        self.memory.write_all_at(&checksum, self.end).unwrap();
        let read = self.read(roots);
        self.flip(at);
        self.memory.write_all_at(&self.checksum, self.end).unwrap();
        read
    }

    fn flip(&mut self, at: usize) {
        let place = (self.starts[at / FRAME_PIECE] + at % FRAME_PIECE) as u64;
        self.tar[at] ^= 1 << (at % 8);
        self.memory.write_all_at(&[self.tar[at]], place).unwrap();
    }
}

/// Where headers, and where bodies of packages, stand in an archive.
struct Places {
    /// Everything before the product manifest: manifest, signature, their headers and padding.
    signed: Vec<usize>,
    /// The headers after that.
    headers: Vec<usize>,
    payload: Vec<std::ops::Range<usize>>,
}

fn places(tar: &[u8]) -> Places {
    let (mut headers, mut payload, mut product) = (Vec::new(), Vec::new(), None);
    let mut at = 0;
    while tar[at..at + BLOCK_BYTES] != [0; BLOCK_BYTES] {
        let block = tar[at..].first_chunk().unwrap();
        let claim = read_header(block).unwrap();
        if claim.path.as_str() == "product.json" {
            product = Some(at);
        }
        if product.is_some() {
            headers.extend(at..at + BLOCK_BYTES);
        }
        let size = usize::try_from(claim.size).unwrap();
        let body = at + BLOCK_BYTES;
        if claim.path.is_under("packages") {
            payload.push(body..body + size);
        }
        at = body + size + padding(claim.size);
    }
    Places {
        signed: (0..product.unwrap()).collect(),
        headers,
        payload,
    }
}

/// Flips a bit of each byte, on several threads, and counts the refusals.
fn all_are_refused(tar: &[u8], roots: &[TrustRoot], flips: &[usize]) -> usize {
    let share = flips.len().div_ceil(THREADS);
    thread::scope(|scope| {
        let work = |flips: &'_ [usize]| {
            let mut copy = Copy::of(tar);
            copy.read(roots).unwrap();
            for &at in flips {
                let read = copy.read_with(at, roots);
                let error = read.expect_err(&format!("byte {at} is free"));
                let is_of_the_bundle = match &error {
                    BundleError::Refused(error) => !matches!(error, ReadError::Input(_)),
                    _ => false,
                };
                assert!(is_of_the_bundle, "byte {at}: {error}");
            }
            copy.read(roots).unwrap();
            flips.len()
        };
        let threads: Vec<_> = flips
            .chunks(share)
            .map(|flips| scope.spawn(move || work(flips)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

#[test]
fn every_signed_byte_every_header_byte_and_ten_thousand_payload_bytes_are_refused_when_flipped() {
    let case = case();
    let places = places(&case.tar);
    let carried: Vec<usize> = places.payload.iter().cloned().flatten().collect();
    let random = numbers(7).map(|n| carried[n % carried.len()]);
    let random: Vec<usize> = random.take(budget::FLIPS_OF_CONTENT).collect();
    let refused = |flips: &[usize]| all_are_refused(&case.tar, &case.roots, flips);
    let (signed, headers) = (refused(&places.signed), refused(&places.headers));
    let payload = refused(&random);
    assert!(
        signed > 4 * BLOCK_BYTES
            && headers > 4 * BLOCK_BYTES
            && payload == budget::FLIPS_OF_CONTENT
    );
    let _ = writeln!(
        std::io::stderr(),
        "flipped bytes: all {signed} before the product manifest, all {headers} of the headers after \
         it and {payload} of the payload refused"
    );
}
