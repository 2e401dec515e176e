//! `primary.xml`: the package list, read as a stream.

use std::collections::BTreeSet;
use std::io::BufRead;

use manifests::closure::Capabilities;
use manifests::evr::{Evr, EvrError};
use manifests::limits::PAYLOAD_MAX_BYTES;
use manifests::nevra::{Nevra, NevraError};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use url::Url;

use super::RepoPackage;
use super::capabilities::{begin_file, take_entry, take_file_text};
use super::event_bound::EventBound;
use super::href::{self, BadHref};
use super::repomd::{attribute, name};
use crate::checksum::{Checksum, ChecksumError};

const PACKAGES_MAX: usize = 1_000_000;
const TEXT_MAX_BYTES: usize = 64 * 1024;
const EVENT_MAX_BYTES: usize = 4 * 1024 * 1024;
const DEPTH_MAX: usize = 32;

/// A package list that is not usable.
#[derive(Debug, thiserror::Error)]
pub enum PrimaryError {
    /// Not XML, cut off, or more than `repomd.xml` says.
    #[error("it is not well-formed: {0}")]
    Xml(String),
    /// More than a reader takes.
    #[error("it has {0}")]
    TooLarge(&'static str),
    /// A package without a field.
    #[error("its entry of `{name}` has no {field}")]
    Incomplete {
        /// The package's name, if known.
        name: String,
        /// The missing field.
        field: &'static str,
    },
    /// A version that rpm would not accept.
    #[error(transparent)]
    Evr(#[from] EvrError),
    /// A name that rpm would not accept.
    #[error(transparent)]
    Nevra(#[from] NevraError),
    /// A checksum that cannot be used.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
    /// A location outside the repository.
    #[error(transparent)]
    Href(#[from] BadHref),
}

#[derive(Debug, Default)]
struct Draft {
    name: String,
    arch: String,
    version: Option<(u32, String, String)>,
    checksum_type: String,
    checksum: String,
    size: Option<u64>,
    href: Option<String>,
    foreign_base: bool,
    capabilities: Capabilities,
}

/// Reads the packages whose name is `wanted`.
pub(super) fn parse(
    input: impl BufRead,
    base: &Url,
    wanted: &BTreeSet<String>,
) -> Result<Vec<RepoPackage>, PrimaryError> {
    let found = read(input, base, Some(wanted))?;
    Ok(found.into_iter().map(|(package, _)| package).collect())
}

/// Reads every package with what it offers and needs.
pub(super) fn parse_whole(
    input: impl BufRead,
    base: &Url,
) -> Result<Vec<(RepoPackage, Capabilities)>, PrimaryError> {
    read(input, base, None)
}

/// Reads the wanted packages of an unpacked list; without a choice, all of them and their
/// capabilities.
pub fn read(
    input: impl BufRead,
    base: &Url,
    wanted: Option<&BTreeSet<String>>,
) -> Result<Vec<(RepoPackage, Capabilities)>, PrimaryError> {
    let is_whole = wanted.is_none();
    let mut reader = Reader::from_reader(EventBound { input, left: 0 });
    let mut buffer = Vec::new();
    let mut depth = 0_usize;
    // Element names below `<package>`; `<format>` repeats some of them deeper down.
    let mut path: Vec<String> = Vec::new();
    let mut draft: Option<Draft> = None;
    let (mut found, mut seen) = (Vec::new(), 0_usize);
    loop {
        buffer.clear();
        reader.get_mut().left = EVENT_MAX_BYTES;
        let event = reader.read_event_into(&mut buffer).map_err(xml)?;
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(PrimaryError::TooLarge("elements nested too deep"));
        }
        match event {
            Event::Start(tag) => {
                let element = name(&tag);
                match &mut draft {
                    None if element == "package" => draft = Some(Draft::default()),
                    None => {}
                    Some(draft) => {
                        draft.attributes(&path, &element, &tag);
                        if is_whole {
                            draft.capabilities(&path, &element, &tag)?;
                        }
                        path.push(element);
                    }
                }
            }
            Event::Empty(tag) => {
                if let Some(draft) = &mut draft {
                    let element = name(&tag);
                    draft.attributes(&path, &element, &tag);
                    if is_whole {
                        draft.capabilities(&path, &element, &tag)?;
                    }
                }
            }
            Event::Text(text) => {
                if let Some(draft) = &mut draft {
                    draft.text(&path, text.as_ref())?;
                }
            }
            Event::CData(text) => {
                if let Some(draft) = &mut draft {
                    draft.text(&path, text.as_ref())?;
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(draft) = &mut draft {
                    draft.text(&path, &referred(&reference)?)?;
                }
            }
            Event::End(_) if path.pop().is_none() => {
                if let Some(mut draft) = draft.take() {
                    draft.trim();
                    seen += 1;
                    if wanted.is_none_or(|wanted| wanted.contains(&draft.name)) {
                        found.push(draft.finish(base)?);
                    }
                }
            }
            Event::Eof => break,
            _ => {}
        }
        if seen > PACKAGES_MAX {
            return Err(PrimaryError::TooLarge("too many packages"));
        }
    }
    if draft.is_some() {
        return Err(PrimaryError::Xml("it ends inside a package".to_owned()));
    }
    Ok(found)
}

impl Draft {
    fn attributes(&mut self, path: &[String], element: &str, tag: &BytesStart<'_>) {
        if !path.is_empty() {
            return;
        }
        match element {
            "version" => {
                let epoch = attribute(tag, "epoch").map_or(Some(0), |text| text.parse().ok());
                let (version, release) = (attribute(tag, "ver"), attribute(tag, "rel"));
                if let (Some(epoch), Some(version), Some(release)) = (epoch, version, release) {
                    self.version = Some((epoch, version, release));
                }
            }
            "checksum" => self.checksum_type = attribute(tag, "type").unwrap_or_default(),
            "size" => self.size = attribute(tag, "package").and_then(|text| text.parse().ok()),
            "location" => {
                self.href = attribute(tag, "href");
                self.foreign_base = attribute(tag, "xml:base").is_some();
            }
            _ => {}
        }
    }

    fn capabilities(
        &mut self,
        path: &[String],
        element: &str,
        tag: &BytesStart<'_>,
    ) -> Result<(), PrimaryError> {
        let has_room = match (path, element) {
            ([format, section], "entry") if format == "format" => {
                take_entry(&mut self.capabilities, section, tag)
            }
            ([format], "file") if format == "format" => begin_file(&mut self.capabilities),
            _ => true,
        };
        if has_room {
            Ok(())
        } else {
            Err(PrimaryError::TooLarge(
                "a package with too many capabilities",
            ))
        }
    }

    fn text(&mut self, path: &[String], text: &str) -> Result<(), PrimaryError> {
        let target = match path {
            [element] => match element.as_str() {
                "name" => &mut self.name,
                "arch" => &mut self.arch,
                "checksum" => &mut self.checksum,
                _ => return Ok(()),
            },
            [format, element] if format == "format" && element == "file" => {
                take_file_text(&mut self.capabilities, text);
                return Ok(());
            }
            _ => return Ok(()),
        };
        target.push_str(text);
        if target.len() > TEXT_MAX_BYTES {
            return Err(PrimaryError::TooLarge("a text that is too long"));
        }
        Ok(())
    }

    /// Texts arrive in pieces, around references and comments; white space counts between two.
    fn trim(&mut self) {
        let fields = [&mut self.name, &mut self.arch, &mut self.checksum];
        for text in fields.into_iter().chain(&mut self.capabilities.files) {
            *text = text.trim().to_owned();
        }
    }

    fn finish(self, base: &Url) -> Result<(RepoPackage, Capabilities), PrimaryError> {
        let missing = |field| PrimaryError::Incomplete {
            name: self.name.clone(),
            field,
        };
        let (epoch, version, release) = self.version.as_ref().ok_or_else(|| missing("version"))?;
        let href = self.href.as_deref().ok_or_else(|| missing("location"))?;
        let size = self.size.ok_or_else(|| missing("size"))?;
        if size > PAYLOAD_MAX_BYTES {
            return Err(PrimaryError::TooLarge("a package that no bundle can hold"));
        }
        if self.foreign_base {
            return Err(BadHref::new(href, "it names another base").into());
        }
        let evr = Evr::new(*epoch, version, release)?;
        let package = RepoPackage {
            nevra: Nevra::new(&self.name, evr, &self.arch)?,
            url: href::join(base, href)?,
            size,
            checksum: Checksum::new(&self.checksum_type, &self.checksum)?,
        };
        Ok((package, self.capabilities))
    }
}

/// Returns what a reference in a text stands for.
fn referred(reference: &BytesRef<'_>) -> Result<String, PrimaryError> {
    if let Some(character) = reference.resolve_char_ref().map_err(xml)? {
        return Ok(character.to_string());
    }
    let known = resolve_predefined_entity(reference.as_ref());
    known
        .map(ToOwned::to_owned)
        .ok_or_else(|| PrimaryError::Xml("it refers to something unknown".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
fn xml(error: quick_xml::Error) -> PrimaryError {
    PrimaryError::Xml(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _};

    use super::*;

    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!--generated by the amazing packagecloud.io RPM indexer-->
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="2">
<package type="rpm">
  <name>tyk-gateway</name><arch>x86_64</arch>
  <version epoch="0" ver="5.3.0" rel="1"/>
  <checksum type="sha" pkgid="YES">da39a3ee5e6b4b0d3255bfef95601890afd80709</checksum>
  <summary>x &amp; y</summary><size package="62000000" installed="1" archive="1"/>
  <location href="tyk-gateway-5.3.0-1.x86_64.rpm"/>
  <format><rpm:license></rpm:license><rpm:provides><rpm:entry name="x"/></rpm:provides>
  <file>/opt/x</file><name>decoy</name><location href="../decoy"/></format>
</package>
<package type="rpm"><name>other</name><arch>x86_64</arch></package>
</metadata>"#;

    fn read(text: &str) -> Result<Vec<RepoPackage>, PrimaryError> {
        let base = "https://host/el/8/x86_64/".parse().unwrap();
        let wanted = BTreeSet::from(["tyk-gateway".to_owned()]);
        parse(text.as_bytes(), &base, &wanted)
    }

    #[test]
    fn wanted_packages_are_read_and_nothing_below_format_confuses() {
        let packages = read(LIST).unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].nevra.to_string(), "tyk-gateway-5.3.0-1.x86_64");
        assert_eq!(packages[0].size, 62_000_000);
        assert_eq!(
            packages[0].url.as_str(),
            "https://host/el/8/x86_64/tyk-gateway-5.3.0-1.x86_64.rpm"
        );
    }

    /// What a reference stood for was left out: `/opt/a&amp;b` was `/opt/ab`.
    #[test]
    fn texts_in_pieces_are_whole() {
        let from = "<name>tyk-gateway</name>";
        let pieces = LIST
            .replace(from, "<name> tyk&#45;<!-- -->gate<![CDATA[way]]></name>")
            .replace("/opt/x", "/opt/a &amp; &#98;");
        let base = "https://host/".parse().unwrap();
        let wanted = BTreeSet::from(["tyk-gateway".to_owned()]);
        assert_eq!(parse(pieces.as_bytes(), &base, &wanted).unwrap().len(), 1);
        let end = pieces.find("<package type=\"rpm\"><name>other").unwrap();
        let whole = parse_whole(&pieces.as_bytes()[..end], &base).unwrap();
        assert_eq!(whole[0].1.files, ["/opt/a & b"]);
        let unknown = LIST.replace(from, "<name>tyk-gateway&x;</name>");
        assert!(read(&unknown).unwrap_err().to_string().contains("unknown"));
    }

    #[test]
    fn hostile_and_incomplete_entries_are_refused() {
        for (from, to) in [
            ("href=\"tyk", "href=\"../../tyk"),
            ("href=\"tyk", "xml:base=\"http://x/\" href=\"tyk"),
            ("<name>tyk-gateway", "<name>tyk-gateway</name><name>/../x"),
            ("ver=\"5.3.0\"", "ver=\"5.3.0/..\""),
            ("<size package=\"62000000\"", "<size"),
            ("</metadata>", ""),
        ] {
            let changed = LIST.replacen(from, to, 1);
            assert_ne!(changed, LIST);
            match read(&changed) {
                Err(_) => {}
                // A second name makes it another package, which nobody asked for.
                Ok(found) => assert!(found.is_empty() || to.is_empty(), "{to}"),
            }
        }
        assert!(read(&LIST[..LIST.len() / 2]).is_err());
    }

    #[test]
    fn an_empty_list_is_a_list() {
        assert!(
            read("<metadata packages=\"0\"></metadata>")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_would_fill_the_memory_is_refused_before_it_does() {
        let deep = LIST.replace(
            "<format>",
            &format!("<format>{}", "<a>".repeat(DEPTH_MAX + 1)),
        );
        let outside = "<a>".repeat(DEPTH_MAX + 1);
        let huge = LIST.replace("size package=\"62000000\"", "size package=\"8589934592\"");
        for text in [&deep, &outside, &huge] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, PrimaryError::TooLarge(_)), "{error}");
        }
        // An endless tag, text or comment: nothing after the bound is asked for.
        for start in ["<metadata><package a=\"", "<metadata>", "<metadata><!-- "] {
            let endless = io::BufReader::new(start.as_bytes().chain(io::repeat(b'x')));
            let base = "https://host/".parse().unwrap();
            let error = parse(endless, &base, &BTreeSet::new()).unwrap_err();
            assert!(error.to_string().contains("too long"), "{error}");
        }
    }
}
