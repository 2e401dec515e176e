//! Progress on standard error: bars on a terminal, plain lines elsewhere, JSON lines for programs
//! (docs/progress.md).

mod bars;
mod json;
mod lines;
mod pace;

use std::io::IsTerminal as _;
use std::sync::Arc;

use super::{Context, Format};
use crate::event::{Observer, Silent};

/// Returns the observer that suits standard error.
pub(super) fn observer(context: Context) -> Arc<dyn Observer> {
    if context.quiet {
        return Arc::new(Silent);
    }
    match context.format {
        Format::Json => Arc::new(json::JsonLines::default()),
        Format::Text if is_screen() => Arc::new(bars::Bars::new(is_coloured())),
        Format::Text => Arc::new(lines::Lines::default()),
    }
}

/// A terminal that can move its cursor.
fn is_screen() -> bool {
    let can_move = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    std::io::stderr().is_terminal() && can_move
}

fn is_coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
