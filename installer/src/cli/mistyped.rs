//! A word that is neither a file nor a command: most likely a command with a letter wrong.

use std::path::Path;

use crate::failure::{Exit, Failure};

/// Refuses a bundle that is no file and looks like one of our commands.
pub(super) fn refuse(bundle: &Path) -> Result<(), Failure> {
    let Some(word) = bundle.to_str().filter(|word| is_word(word)) else {
        return Ok(());
    };
    if bundle.symlink_metadata().is_ok() {
        return Ok(());
    }
    let command = super::command();
    let names = command.get_subcommands().filter(|one| !one.is_hide_set());
    let names =
        names.flat_map(|one| std::iter::once(one.get_name()).chain(one.get_visible_aliases()));
    let next = match nearest(word, names) {
        Some(name) => format!("did you mean `{name}`? `--help` shows the commands"),
        None => {
            "name a bundle, such as bundle.tar.zst, or a command: `--help` shows them".to_owned()
        }
    };
    Err(Failure::new(
        Exit::Usage,
        format!("there is no command `{word}`"),
        "there is no file of that name either",
        next,
    ))
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Returns the name that differs from a word by at most two letters, or by a third of them.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.len() / 3).clamp(1, 2);
    let near = names.map(|name| (distance(word, name), name));
    let near = near.filter(|(distance, _)| *distance <= limit);
    near.min().map(|(_, name)| name)
}

/// Counts the letters to insert, remove, replace or exchange with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_wrong_is_still_the_command() {
        let names = ["status", "plan", "history", "undo", "doctor"];
        for (word, name) in [
            ("stauts", Some("status")),
            ("staus", Some("status")),
            ("paln", Some("plan")),
            ("doctr", Some("doctor")),
            ("bundle", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, names.into_iter()), name, "{word}");
        }
    }

    #[test]
    fn a_path_is_never_a_command() {
        for path in ["bundle.tar.zst", "./stauts", "/media/stauts"] {
            assert_eq!(refuse(Path::new(path)), Ok(()), "{path}");
        }
        assert_eq!(refuse(Path::new("stauts")).unwrap_err().exit, Exit::Usage);
    }
}
