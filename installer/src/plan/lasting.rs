//! Notes of a plan that count after its run, too. Pure.

use super::InstallPlan;

/// How such a note begins.
const AFTERWARDS: &str = "afterwards: ";

impl InstallPlan {
    /// Adds a note that the report repeats.
    pub fn note_for_afterwards(&mut self, text: &str) {
        let note = format!("{AFTERWARDS}{text}");
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Returns the notes that the report repeats.
    pub fn lasting_notes(&self) -> impl Iterator<Item = &String> {
        let lasts = |note: &&String| note.starts_with(AFTERWARDS);
        self.notes.iter().filter(lasts)
    }
}
