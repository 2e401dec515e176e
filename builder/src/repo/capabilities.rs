//! What a package of a list offers and needs, as `primary.xml` says it below `<format>`.

use manifests::package_files::Dependency;
use quick_xml::events::BytesStart;

use super::repomd::attribute;

/// Most entries of one package.
const ENTRIES_MAX: usize = 200_000;

/// What a package offers and needs. Weak dependencies are not read: nothing fails without them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What it offers.
    pub provides: Vec<Dependency>,
    /// What it needs.
    pub requires: Vec<Dependency>,
    /// What it cannot live with.
    pub conflicts: Vec<Dependency>,
    /// What it replaces.
    pub obsoletes: Vec<Dependency>,
    /// Those of its files that the list names.
    pub files: Vec<String>,
}

impl Capabilities {
    /// Takes an `<rpm:entry>` of a section; returns whether there was room for it.
    pub(super) fn entry(&mut self, section: &str, tag: &BytesStart<'_>) -> bool {
        let list = match section {
            "provides" => &mut self.provides,
            "requires" => &mut self.requires,
            "conflicts" => &mut self.conflicts,
            "obsoletes" => &mut self.obsoletes,
            _ => return true,
        };
        if let Some(name) = attribute(tag, "name") {
            list.push(dependency(name, tag));
        }
        list.len() <= ENTRIES_MAX
    }

    /// Begins the name of a file; returns whether there was room for it.
    pub(super) fn begin_file(&mut self) -> bool {
        self.files.push(String::new());
        self.files.len() <= ENTRIES_MAX
    }

    /// Goes on with the name of a file.
    pub(super) fn file_text(&mut self, text: &str) {
        if let Some(file) = self.files.last_mut() {
            file.push_str(text.trim());
        }
    }
}

fn dependency(name: String, tag: &BytesStart<'_>) -> Dependency {
    let comparison = match attribute(tag, "flags").as_deref() {
        Some("EQ") => "=",
        Some("LT") => "<",
        Some("LE") => "<=",
        Some("GT") => ">",
        Some("GE") => ">=",
        _ => "",
    };
    let epoch = attribute(tag, "epoch").filter(|epoch| epoch != "0");
    let epoch = epoch.map_or(String::new(), |epoch| format!("{epoch}:"));
    let release = attribute(tag, "rel").map_or(String::new(), |release| format!("-{release}"));
    let version = match attribute(tag, "ver") {
        Some(version) if !comparison.is_empty() => format!("{epoch}{version}{release}"),
        _ => String::new(),
    };
    Dependency {
        name,
        comparison: if version.is_empty() { "" } else { comparison }.to_owned(),
        version,
    }
}
