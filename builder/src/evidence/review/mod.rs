//! The review page: one HTML file for the person who lets a bundle in. It has no script, loads
//! nothing, and shows every foreign text escaped.

mod changes;
mod diff;
mod findings;
mod model;
mod shown;
mod territory;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::{EvidenceError, Facts};
use model::Sheet;

/// Longest list of files on the page. What is left out is counted, and stands whole in the bundle's
/// `files/<sha256>.json`.
const ROWS_MAX: usize = 1000;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// Writes the page.
pub(super) fn page(facts: &Facts<'_>) -> Result<Vec<u8>, EvidenceError> {
    let sheet = Serde(Sheet::new(facts)?);
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build()?);
    environment.add_template("page.html", TEMPLATE)?;
    let style = minijinja::Value::from_safe_string(STYLE.to_owned());
    let page = environment.get_template("page.html")?;
    Ok(page.render(context! { sheet, style })?.into_bytes())
}
