//! Command lines that cannot be read, in our three parts.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Output;
use crate::failure::{Exit, Failure};

/// Flags by which other programs only show what they would do.
const DRY_RUNS: [&str; 5] = ["--dry-run", "--noop", "--no-act", "--simulate", "--test"];

/// Returns the failure for a command line that cannot be read; nothing where help is shown.
pub(super) fn failure(error: &clap::Error) -> Option<Failure> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return None;
    }
    let text = error.render().to_string();
    let (why, usage) = parts(&text);
    if let Some(flag) = argument(error).filter(|flag| DRY_RUNS.contains(&flag.as_str())) {
        let next = "`plan BUNDLE` shows what would change and checks everything; `undo RUN --plan` does \
                    so for an undo";
        return Some(unread(&format!("there is no {flag}"), next));
    }
    let help = "`--help` shows the options";
    let next = match usage {
        Some(usage) => format!("write it as `{usage}`; {help}"),
        None => help.to_owned(),
    };
    Some(unread(&why, &next))
}

fn unread(why: &str, next: &str) -> Failure {
    Failure::new(Exit::Usage, "cannot read the command line", why, next)
}

fn argument(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(flag) => Some(flag.clone()),
        _ => None,
    }
}

/// Returns the reason and the usage of a message.
fn parts(text: &str) -> (String, Option<String>) {
    let (mut why, mut usage) = (Vec::new(), None);
    for line in text.lines().map(str::trim) {
        let line = line.strip_prefix("error: ").unwrap_or(line);
        if let Some(found) = line.strip_prefix("Usage: ") {
            usage = Some(found.to_owned());
        } else if usage.is_none() && !line.is_empty() && !line.starts_with("For more information") {
            why.push(line);
        }
    }
    (why.join("\n"), usage)
}

/// Returns the form that a command line asks for which cannot be read as a whole.
pub(super) fn wanted_output() -> Output {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let asked = words.iter().enumerate().find_map(|(at, word)| {
        let next = || words.get(at + 1).map(String::as_str);
        let joined = word.strip_prefix("--output=");
        joined.or_else(|| (word == "--output").then(next).flatten())
    });
    let by_environment = std::env::var("INSTALL_OUTPUT").ok();
    match asked.or(by_environment.as_deref()) {
        Some("json") => Output::Json,
        _ => Output::Text,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn said(words: &[&str]) -> Option<Failure> {
        let all = std::iter::once("install").chain(words.iter().copied());
        let error = super::super::Cli::command().try_get_matches_from(all);
        failure(&error.unwrap_err())
    }

    #[test]
    fn a_command_line_fails_in_three_parts() {
        assert_eq!(said(&["--help"]), None);
        assert_eq!(said(&["--version"]), None);
        let undo = said(&["undo"]).unwrap().explained;
        assert!(undo.why.contains("<ID>"), "{undo:?}");
        assert!(undo.next.contains("install undo <ID>"), "{undo:?}");
        for flag in DRY_RUNS {
            let dry = said(&[flag, "bundle.tar.zst"]).unwrap().explained;
            assert!(dry.next.contains("`plan BUNDLE`"), "{dry:?}");
        }
    }
}
