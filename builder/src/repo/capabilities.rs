//! What a package of a list offers and needs, as `primary.xml` lists it below `<format>`.

use manifests::closure::Capabilities;
use manifests::package_files::Dependency;
use quick_xml::events::BytesStart;

use super::repomd::attribute;

/// Most entries of one package.
const ENTRIES_MAX: usize = 200_000;

/// Takes an `<rpm:entry>` of a section; returns whether there was room for it.
pub(super) fn take_entry(into: &mut Capabilities, section: &str, tag: &BytesStart<'_>) -> bool {
    let list = match section {
        "provides" => &mut into.provides,
        "requires" => &mut into.requires,
        "conflicts" => &mut into.conflicts,
        "obsoletes" => &mut into.obsoletes,
        _ => return true,
    };
    if let Some(name) = attribute(tag, "name") {
        list.push(dependency(name, tag));
    }
    list.len() <= ENTRIES_MAX
}

/// Begins the name of a file; returns whether there was room for it.
pub(super) fn begin_file(into: &mut Capabilities) -> bool {
    into.files.push(String::new());
    into.files.len() <= ENTRIES_MAX
}

/// Goes on with the name of a file.
pub(super) fn take_file_text(into: &mut Capabilities, text: &str) {
    if let Some(file) = into.files.last_mut() {
        file.push_str(text);
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
