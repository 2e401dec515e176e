//! Shows the contents of a configuration file as differences for a reader.

use manifests::printable::printable_lines;
use serde::Serialize;

use super::{Content, FileChange};
use crate::backup::blobs::Blobs;

/// A file with its differences. These quote lines of the file, including any secrets in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pictured {
    /// The file.
    #[serde(flatten)]
    pub change: FileChange,
    /// What happened to the file, and what to do next.
    pub said: String,
    /// From the old default to the new one; `None` where it cannot be shown.
    pub default_difference: Option<String>,
    /// From the old default to the file before the run.
    pub own_difference: Option<String>,
    /// From the file before the run to the file after it.
    pub result_difference: Option<String>,
}

/// Looks up the contents of a file and compares them. An error means that the backup is damaged.
pub fn picture(change: &FileChange, blobs: &Blobs) -> Result<Pictured, String> {
    let text = |content: Option<Content>| -> Result<Option<String>, String> {
        let Some(content) = content else {
            return Ok(None);
        };
        let bytes = blobs.load_text(&content.sha256);
        let bytes = bytes.map_err(|error| crate::failure::chain(&error))?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    };
    let [old, own, new, result] = [
        ("old default", text(change.old_default)?),
        ("yours", text(change.yours)?),
        ("new default", text(change.new_default)?),
        ("now", text(change.result)?),
    ];
    Ok(Pictured {
        change: change.clone(),
        said: change.line(),
        default_difference: difference(&old, &new),
        own_difference: difference(&old, &own),
        result_difference: difference(&own, &result),
    })
}

type Named = (&'static str, Option<String>);

fn difference(from: &Named, to: &Named) -> Option<String> {
    let (old, new) = (from.1.as_ref()?, to.1.as_ref()?);
    let mut options = diffy::DiffOptions::new();
    options
        .set_original_filename(from.0)
        .set_modified_filename(to.0);
    Some(if old == new {
        String::new()
    } else {
        options.create_patch(old, new).to_string()
    })
}

impl Pictured {
    /// Returns the file as text for a terminal. Characters that would control the terminal are
    /// escaped.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", printable_lines(&self.said));
        let parts = [
            ("old default -> new default", &self.default_difference),
            ("old default -> yours", &self.own_difference),
            ("yours -> now", &self.result_difference),
        ];
        for (name, difference) in parts {
            match difference.as_deref() {
                None => text.push_str(&format!("  {name}: cannot be shown\n")),
                Some("") => text.push_str(&format!("  {name}: the same\n")),
                Some(lines) => {
                    text.push_str(&format!("  {name}:\n"));
                    for line in lines.lines() {
                        text.push_str(&format!("    {}\n", printable_lines(line)));
                    }
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use manifests::digest::Sha256;

    use super::*;
    use crate::backup::changes::Decision;

    #[test]
    fn a_picture_shows_both_sides_and_cannot_steer_a_terminal() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
        let put = |text: &str| {
            let sha256 = Sha256::of(text.as_bytes());
            blobs.put(&sha256, text.as_bytes()).unwrap();
            let size = text.len() as u64;
            Some(Content { sha256, size })
        };
        let mut change = FileChange {
            path: "/etc/p.conf".to_owned(),
            package: "p".to_owned(),
            decision: Decision::KeptWithRpmnew,
            why: None,
            old_default: put("a = 1\nb = 1\n"),
            yours: put("a = mine\u{1b}[2J\u{202e}\nb = 1\n"),
            new_default: put("a = 1\nb = 2\n"),
            result: put("a = mine\u{1b}[2J\u{202e}\nb = 1\n"),
        };
        let text = picture(&change, &blobs).unwrap().text();
        for line in [
            "/etc/p.conf: your edit stays; compare it",
            "--- old default",
            "+++ new default",
            "-b = 1",
            "+b = 2",
            "+++ yours",
            "+a = mine\\u{1b}[2J\\u{202e}",
            "yours -> now: the same",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
        change.new_default = None;
        let text = picture(&change, &blobs).unwrap().text();
        assert!(text.contains("old default -> new default: cannot be shown"));
        change.yours.as_mut().unwrap().sha256 = Sha256::of(b"lost");
        assert!(picture(&change, &blobs).is_err());
    }
}
