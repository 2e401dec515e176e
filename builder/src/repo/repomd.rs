//! `repomd.xml`: the signed table of contents of a repository.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::href::BadHref;
use crate::checksum::{Checksum, ChecksumError};

/// What a build needs of `repomd.xml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repomd {
    /// A number that grows with every publication.
    pub revision: Option<u64>,
    /// The package list.
    pub primary: PrimaryEntry,
}

/// The entry of the package list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryEntry {
    /// Where it is, as written.
    pub href: String,
    /// Its checksum.
    pub checksum: Checksum,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// What it unpacks to, in bytes.
    pub open_size: Option<u64>,
}

/// A `repomd.xml` that is not usable.
#[derive(Debug, thiserror::Error)]
pub enum RepomdError {
    /// Not XML.
    #[error("it is not well-formed XML: {0}")]
    Xml(String),
    /// No entry of type `primary`.
    #[error("it names no package list (primary)")]
    NoPrimary,
    /// An entry without location or checksum.
    #[error("its package list has no {0}")]
    Incomplete(&'static str),
    /// A checksum that cannot be used.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
    /// A location outside the repository.
    #[error(transparent)]
    Href(#[from] BadHref),
}

#[derive(Default)]
struct Draft {
    href: Option<String>,
    checksum: Option<(String, String)>,
    size: Option<u64>,
    open_size: Option<u64>,
}

/// Reads a `repomd.xml` whose signature was found good.
pub fn parse(bytes: &[u8]) -> Result<Repomd, RepomdError> {
    let mut reader = Reader::from_reader(bytes);
    let mut buffer = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut revision = None;
    let mut draft: Option<Draft> = None;
    let mut checksum_type = String::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(xml)? {
            Event::Start(tag) if is_primary(&tag) => {
                draft = Some(Draft::default());
                path.push("primary".to_owned());
            }
            Event::Empty(tag) if is_primary(&tag) => draft = Some(Draft::default()),
            Event::Start(tag) => {
                if let Some(kind) = attribute(&tag, "type") {
                    checksum_type = kind;
                }
                path.push(name(&tag));
            }
            Event::Empty(tag) => {
                let inside = path.last().is_some_and(|p| p == "primary");
                if let Some(draft) = draft
                    .as_mut()
                    .filter(|_| inside && name(&tag) == "location")
                {
                    if attribute(&tag, "xml:base").is_some() {
                        let href = attribute(&tag, "href").unwrap_or_default();
                        return Err(BadHref::new(&href, "it names another base").into());
                    }
                    draft.href = attribute(&tag, "href");
                }
            }
            Event::Text(text) => {
                let text = AsRef::<str>::as_ref(&text).trim().to_owned();
                let parent = path.iter().rev().nth(1).map(String::as_str);
                match (parent, path.last().map(String::as_str)) {
                    (Some("repomd"), Some("revision")) => revision = text.parse().ok(),
                    (Some("primary"), Some(element)) => {
                        note(draft.as_mut(), element, &checksum_type, text);
                    }
                    _ => {}
                }
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let primary = finish(draft.ok_or(RepomdError::NoPrimary)?)?;
    Ok(Repomd { revision, primary })
}

fn note(draft: Option<&mut Draft>, element: &str, checksum_type: &str, text: String) {
    let Some(draft) = draft else { return };
    match element {
        "checksum" => draft.checksum = Some((checksum_type.to_owned(), text)),
        "size" => draft.size = text.parse().ok(),
        "open-size" => draft.open_size = text.parse().ok(),
        _ => {}
    }
}

fn finish(draft: Draft) -> Result<PrimaryEntry, RepomdError> {
    let (kind, hex) = draft.checksum.ok_or(RepomdError::Incomplete("checksum"))?;
    Ok(PrimaryEntry {
        href: draft.href.ok_or(RepomdError::Incomplete("location"))?,
        checksum: Checksum::new(&kind, &hex)?,
        size: draft.size,
        open_size: draft.open_size,
    })
}

fn is_primary(tag: &BytesStart<'_>) -> bool {
    name(tag) == "data" && attribute(tag, "type").is_some_and(|kind| kind == "primary")
}

pub(super) fn name(tag: &BytesStart<'_>) -> String {
    tag.local_name().as_ref().to_owned()
}

pub(super) fn attribute(tag: &BytesStart<'_>, key: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(key).ok()??;
    let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
    value.ok().map(std::borrow::Cow::into_owned)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
fn xml(error: quick_xml::Error) -> RepomdError {
    RepomdError::Xml(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGECLOUD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1719300000</revision>
  <data type="filelists"><checksum type="sha">aaaa</checksum><location href="repodata/f.xml.gz"/></data>
  <data type="primary">
    <checksum type="sha">da39a3ee5e6b4b0d3255bfef95601890afd80709</checksum>
    <open-checksum type="sha">da39a3ee5e6b4b0d3255bfef95601890afd80709</open-checksum>
    <location href="repodata/primary.xml.gz"/>
    <timestamp>1719300000</timestamp><size>120</size><open-size>900</open-size>
  </data>
</repomd>"#;

    #[test]
    fn the_primary_entry_is_found_among_others() {
        let repomd = parse(PACKAGECLOUD.as_bytes()).unwrap();
        assert_eq!(repomd.revision, Some(1_719_300_000));
        assert_eq!(repomd.primary.href, "repodata/primary.xml.gz");
        assert_eq!(
            (repomd.primary.size, repomd.primary.open_size),
            (Some(120), Some(900))
        );
        assert!(repomd.primary.checksum.matches(b""));
    }

    /// Such an element was never left, and what followed it was taken for its own.
    #[test]
    fn an_empty_entry_takes_nothing_from_its_neighbours() {
        let empty = "<data type=\"primary\"/>";
        let list = PACKAGECLOUD.replace("</repomd>", &format!("{empty}</repomd>"));
        let with_more = list.replace(empty, &format!("{empty}<location href=\"x\"/>"));
        for list in [list, with_more] {
            assert!(matches!(
                parse(list.as_bytes()),
                Err(RepomdError::Incomplete("checksum"))
            ));
        }
        let beside = format!(
            "<repomd>{empty}<checksum type=\"sha\">da39a3ee5e6b4b0d3255bfef95601890afd80709\
             </checksum><location href=\"x\"/></repomd>"
        );
        assert!(parse(beside.as_bytes()).is_err());
    }

    #[test]
    fn missing_parts_and_foreign_bases_are_refused() {
        let cut = |from: &str, to: &str| parse(PACKAGECLOUD.replace(from, to).as_bytes());
        assert!(matches!(
            cut("\"primary\"", "\"other\""),
            Err(RepomdError::NoPrimary)
        ));
        assert!(cut("<location href=\"repodata/primary.xml.gz\"/>", "").is_err());
        assert!(
            cut(
                "location href=\"repodata/p",
                "location xml:base=\"http://x/\" href=\"p"
            )
            .is_err()
        );
        assert!(cut("\"sha\">da39", "\"md5\">da39").is_err());
        assert!(cut("</repomd>", "</repomdx>").is_err());
    }
}
