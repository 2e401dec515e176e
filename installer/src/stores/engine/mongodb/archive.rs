//! Reads the archive of `mongodump` to its end: a magic number, then blocks of a header, of
//! documents and of a terminator. The first block lists the content. Every other block belongs to a
//! collection, and the collection's last block marks its end.

use std::collections::BTreeSet;
use std::io::{self, Read};

const MAGIC: [u8; 4] = 0x8199_e26d_u32.to_le_bytes();
const TERMINATOR: [u8; 4] = [0xff; 4];
const DOCUMENT_MIN_BYTES: usize = 5;
/// Servers store documents of up to 16 MiB, and some more of their own.
const DOCUMENT_MAX_BYTES: usize = 48 * 1024 * 1024;
/// The tool does not restore the documents of this collection.
const NOT_RESTORED: &str = "system.profile";

/// Reads an archive and returns how many documents a restore puts back.
pub(super) fn documents(mut from: impl Read) -> Result<u64, String> {
    let mut magic = [0; 4];
    from.read_exact(&mut magic).map_err(cut)?;
    if magic != MAGIC {
        return Err("it is not an archive of mongodump".to_owned());
    }
    let mut document = Vec::new();
    // The list of collections does not show where the data end.
    loop {
        match next(&mut from, &mut document)? {
            Next::Document => {}
            Next::Terminator => break,
            Next::End => return Err("it ends within its list of collections".to_owned()),
        }
    }
    let (mut count, mut open) = (0, BTreeSet::new());
    loop {
        match next(&mut from, &mut document)? {
            Next::End => break,
            Next::Terminator => return Err("a block in it has no header".to_owned()),
            Next::Document => {}
        }
        let header = Header::read(&document).ok_or("a header in it cannot be read")?;
        let mut inside = 0;
        loop {
            match next(&mut from, &mut document)? {
                Next::Document => inside += 1,
                Next::Terminator => break,
                Next::End => return Err("it ends within a block".to_owned()),
            }
        }
        let name = (header.database, header.collection);
        if header.is_last {
            open.remove(&name);
        } else {
            count += if name.1 == NOT_RESTORED { 0 } else { inside };
            open.insert(name);
        }
    }
    match open.first() {
        None => Ok(count),
        Some((database, collection)) => {
            Err(format!("the end of {database}.{collection} is missing"))
        }
    }
}

enum Next {
    Document,
    Terminator,
    End,
}

fn next(from: &mut impl Read, document: &mut Vec<u8>) -> Result<Next, String> {
    let mut length = [0; 4];
    let mut had = 0;
    while had < length.len() {
        match from.read(&mut length[had..]) {
            Ok(0) if had == 0 => return Ok(Next::End),
            Ok(0) => return Err("it is cut off".to_owned()),
            Ok(more) => had += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cut(error)),
        }
    }
    if length == TERMINATOR {
        return Ok(Next::Terminator);
    }
    let size = usize::try_from(i32::from_le_bytes(length)).unwrap_or(0);
    if !(DOCUMENT_MIN_BYTES..=DOCUMENT_MAX_BYTES).contains(&size) {
        return Err("a document in it has an impossible length".to_owned());
    }
    document.clear();
    let rest = size - length.len();
    let read = from.by_ref().take(rest as u64).read_to_end(document);
    if read.map_err(cut)? < rest {
        return Err("it is cut off".to_owned());
    }
    match document.last() {
        Some(0) => Ok(Next::Document),
        _ => Err("a document in it does not match its own length".to_owned()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn cut(error: io::Error) -> String {
    format!("it is cut off or cannot be read: {error}")
}

#[derive(Default)]
struct Header {
    database: String,
    collection: String,
    is_last: bool,
}

impl Header {
    /// Reads the fields of a document that follow its length.
    fn read(mut rest: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        loop {
            let (kind, after) = rest.split_first()?;
            if *kind == 0 {
                return after.is_empty().then_some(header);
            }
            let end = after.iter().position(|byte| *byte == 0)?;
            let (name, after) = (&after[..end], &after[end + 1..]);
            let length = match kind {
                0x02 => 4 + usize::try_from(i32::from_le_bytes(*after.first_chunk()?)).ok()?,
                0x08 => 1,
                0x10 => 4,
                0x01 | 0x12 => 8,
                0x0a => 0,
                _ => return None,
            };
            let (value, after) = after.split_at_checked(length)?;
            let text = || {
                let bytes = value.get(4..)?.strip_suffix(b"\0")?;
                String::from_utf8(bytes.to_vec()).ok()
            };
            match name {
                b"db" => header.database = text()?,
                b"collection" => header.collection = text()?,
                b"EOF" => header.is_last = value == [1],
                _ => {}
            }
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(fields: &[u8]) -> Vec<u8> {
        let length = u32::try_from(fields.len() + 5).unwrap();
        [&length.to_le_bytes(), fields, &[0]].concat()
    }

    fn text(name: &str, value: &str) -> Vec<u8> {
        let length = u32::try_from(value.len() + 1).unwrap().to_le_bytes();
        [
            &[2],
            name.as_bytes(),
            &[0],
            &length[..],
            value.as_bytes(),
            &[0],
        ]
        .concat()
    }

    fn header(collection: &str, is_last: bool) -> Vec<u8> {
        let flag = [&b"\x08EOF\0"[..], &[u8::from(is_last)]].concat();
        let sum = [&b"\x12CRC\0"[..], &[7; 8]].concat();
        document(
            &[
                text("db", "shop"),
                text("collection", collection),
                flag,
                sum,
            ]
            .concat(),
        )
    }

    fn archive(documents: &[usize]) -> Vec<u8> {
        let prelude = document(
            &[
                &b"\x10concurrent_collections\0\x04\0\0\0"[..],
                &text("version", "0.1"),
            ]
            .concat(),
        );
        let mut all = [
            &MAGIC[..],
            &prelude,
            &document(&text("db", "shop")),
            &TERMINATOR,
        ]
        .concat();
        for (at, count) in documents.iter().enumerate() {
            let name = format!("c{at}");
            all.extend(header(&name, false));
            all.extend(document(&text("v", "grün")).repeat(*count));
            all.extend([&TERMINATOR[..], &header(&name, true), &TERMINATOR].concat());
        }
        all
    }

    #[test]
    fn documents_are_counted() {
        assert_eq!(documents(&archive(&[3, 0, 4])[..]), Ok(7));
        assert_eq!(documents(&archive(&[])[..]), Ok(0));
    }

    #[test]
    fn an_archive_that_is_cut_off_is_refused_wherever_data_is_missing() {
        let all = archive(&[2, 1]);
        let ends = [archive(&[]).len(), archive(&[2]).len(), all.len()];
        for length in 0..=all.len() {
            let result = documents(&all[..length]);
            // Between two collections only the end of the compression can show the cut.
            assert_eq!(
                result.is_ok(),
                ends.contains(&length),
                "{length} {result:?}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_an_archive_is_refused() {
        let mut odd = archive(&[2]);
        let last = odd.len() - 60;
        odd[last] ^= 0xff;
        for bytes in [
            &b"nonsense"[..],
            &[MAGIC, [0x7f; 4]].concat(),
            &[MAGIC, [0; 4]].concat(),
        ] {
            documents(bytes).unwrap_err();
        }
    }
}
