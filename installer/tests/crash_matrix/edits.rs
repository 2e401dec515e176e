//! Edits of plain files, over which rpm writes: one that merges with the new version and one that does
//! not.

use installer::layout::Layout;
use installer::plan::forecast::{Fate, Forecast};

use crate::fake::disk;
use crate::scene::{Part, Scene, config_path};

/// A template of the relay, edited in another place than its new version changes.
pub(crate) const LETTER: &str = "/opt/relay/letter.txt";
/// Edited so that nothing merges.
const POLICIES: &str = "/opt/relay/policies.json";

/// What becomes of edits of plain files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edits {
    /// The plan does not mention them.
    Overwritten,
    /// They are carried over or put beside, as the plan forecasts.
    CarriedOver,
}

impl Scene {
    pub(crate) fn carries(&self) -> bool {
        self.edits == Edits::CarriedOver
    }

    /// Returns what the plan forecasts of a component's files.
    pub(crate) fn forecasts(&self, part: &Part) -> Vec<Forecast> {
        let fates = [
            (config_path("relay"), Fate::KeptWithRpmnew),
            (LETTER.to_owned(), Fate::Overwritten),
            (POLICIES.to_owned(), Fate::Overwritten),
        ];
        let has_some = self.carries() && part.name == "relay";
        let fates = fates.into_iter().filter(|_| has_some);
        fates
            .map(|(path, fate)| Forecast {
                path,
                fate,
                is_deleted_again: false,
            })
            .collect()
    }

    /// Returns the letter as its operator left it.
    pub(crate) fn edited_letter(&self) -> Option<(String, (String, u32))> {
        let text = letter("Dear customer of 1.4.2,", "farewell");
        self.carries().then(|| (LETTER.to_owned(), (text, 0o600)))
    }

    /// Checks that the edits from before a finished upgrade are where the plan announced.
    pub(crate) fn expect_edits(&self, layout: &Layout) {
        if !self.carries() {
            return;
        }
        let read = |path: &str| disk::read(&layout.at(path)).map(String::from_utf8);
        let merged = letter("Dear customer of 2.0.0,", "farewell");
        assert_eq!(read(LETTER), Some(Ok(merged)));
        let new = "policies of relay 2.0.0\n".to_owned();
        assert_eq!(read(POLICIES), Some(Ok(new)));
        let yours = read(&format!("{POLICIES}.yours"));
        assert_eq!(yours, Some(Ok("our own policies\n".to_owned())));
    }
}

/// Returns the letter of a version.
pub(crate) fn letter_of(version: &str) -> String {
    letter(&format!("Dear customer of {version},"), "goodbye")
}

fn letter(title: &str, end: &str) -> String {
    format!("{title}\n\none\ntwo\nthree\n\n{end}\n")
}
