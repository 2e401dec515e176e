//! Names this program in the commands of messages: the bare word `install` is another program on
//! every host.

use crate::shell;

/// Returns a text whose commands name the running program by its absolute path.
pub(super) fn commands(text: &str) -> String {
    match program() {
        Some(program) => with(text, &program),
        None => text.to_owned(),
    }
}

/// Returns the path of the running program, if it still has one.
fn program() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    let text = path.to_str().filter(|_| path.exists())?;
    Some(shell::quoted(text))
}

fn with(text: &str, program: &str) -> String {
    text.replace("`install ", &format!("`{program} "))
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn a_command_in_a_message_names_this_program() {
        let text = "see `install history`, then `install undo 1`; install nothing else";
        let named = "see `/mnt/install history`, then `/mnt/install undo 1`; install nothing else";
        assert_eq!(with(text, "/mnt/install"), named);
    }
}
