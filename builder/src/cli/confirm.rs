//! A person's yes.

use std::io::{IsTerminal as _, Write as _};

use crate::explain::{Error, usage};

/// Goes on only with `--yes` or a typed yes.
pub(super) fn agreed(yes: bool, question: &str) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    let refused = |reason: &str| {
        Err(usage(
            "nothing was signed",
            reason,
            "read what is to be signed, then type yes, or run the command again with --yes",
        ))
    };
    if !std::io::stdin().is_terminal() {
        return refused("there is no terminal to confirm at");
    }
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{question} Type yes to go on: ");
    let _ = err.flush();
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(_) if line.trim() == "yes" => Ok(()),
        _ => refused("the answer was not yes"),
    }
}
