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
    /// Not XML, cut off, or larger than `repomd.xml` states.
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
    let mut reader = Reader::from_reader(EventBound { input, left: 0 });
    let mut buffer = Vec::new();
    let mut depth = 0_usize;
    let mut list = List {
        base,
        wanted,
        path: Vec::new(),
        draft: None,
        seen: 0,
        found: Vec::new(),
    };
    loop {
        buffer.clear();
        reader.get_mut().left = EVENT_MAX_BYTES;
        let event = reader.read_event_into(&mut buffer).map_err(xml)?;
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Eof => break,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(PrimaryError::TooLarge("elements nested too deep"));
        }
        list.take(event)?;
        if list.seen > PACKAGES_MAX {
            return Err(PrimaryError::TooLarge("too many packages"));
        }
    }
    if list.draft.is_some() {
        return Err(PrimaryError::Xml("it ends inside a package".to_owned()));
    }
    Ok(list.found)
}

/// A package list, as far as it was read.
struct List<'a> {
    base: &'a Url,
    wanted: Option<&'a BTreeSet<String>>,
    /// Element names below `<package>`; `<format>` repeats some of them deeper down.
    path: Vec<String>,
    draft: Option<Draft>,
    seen: usize,
    found: Vec<(RepoPackage, Capabilities)>,
}

impl List<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), PrimaryError> {
        let Some(draft) = &mut self.draft else {
            if matches!(&event, Event::Start(tag) if name(tag) == "package") {
                self.draft = Some(Draft::default());
            }
            return Ok(());
        };
        match event {
            Event::Start(tag) => {
                let element = name(&tag);
                draft.element(&self.path, &element, &tag, self.wanted.is_none())?;
                self.path.push(element);
            }
            Event::Empty(tag) => {
                draft.element(&self.path, &name(&tag), &tag, self.wanted.is_none())?;
            }
            Event::Text(text) => draft.text(&self.path, text.as_ref())?,
            Event::CData(text) => draft.text(&self.path, text.as_ref())?,
            Event::GeneralRef(reference) => draft.text(&self.path, &referred(&reference)?)?,
            Event::End(_) if self.path.pop().is_none() => self.finish()?,
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), PrimaryError> {
        let Some(mut draft) = self.draft.take() else {
            return Ok(());
        };
        draft.trim();
        self.seen += 1;
        if self
            .wanted
            .is_none_or(|wanted| wanted.contains(&draft.name))
        {
            self.found.push(draft.finish(self.base)?);
        }
        Ok(())
    }
}

impl Draft {
    fn element(
        &mut self,
        path: &[String],
        element: &str,
        tag: &BytesStart<'_>,
        is_whole: bool,
    ) -> Result<(), PrimaryError> {
        self.attributes(path, element, tag);
        // What a package replaces is always read: a host may have that.
        let is_replaced =
            matches!(path, [format, section] if format == "format" && section == "obsoletes");
        if is_whole || is_replaced {
            self.capabilities(path, element, tag)?;
        }
        Ok(())
    }

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
            obsoletes: self.capabilities.obsoletes.clone(),
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
mod tests;
