//! Licences: as packages state them, and as SPDX writes them where that is certain.

use spdx::{Expression, LicenseItem};

/// Longer texts are not taken for expressions.
const EXPRESSION_MAX_BYTES: usize = 1000;

/// What a package states as its licence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Licence {
    /// Nothing.
    Unstated,
    /// An SPDX expression of listed licences.
    Expression(String),
    /// Something else, word for word.
    Named(String),
}

impl Licence {
    /// Reads a statement. Only names that SPDX lists, or that can mean only one of them, are
    /// rewritten; a reference to a text that the package does not give stays a name.
    pub(crate) fn read(stated: &str) -> Self {
        let stated = stated.trim();
        if stated.is_empty() {
            return Self::Unstated;
        }
        match normalised(stated) {
            Some(expression) => Self::Expression(expression),
            None => Self::Named(stated.to_owned()),
        }
    }
}

fn normalised(stated: &str) -> Option<String> {
    if stated.len() > EXPRESSION_MAX_BYTES {
        return None;
    }
    let rewritten = Expression::canonicalize(stated).ok()?;
    let text = rewritten.as_deref().unwrap_or(stated);
    let expression = Expression::parse(text).ok()?;
    let listed = expression
        .requirements()
        .all(|found| matches!(found.req.license, LicenseItem::Spdx { .. }));
    listed.then(|| expression.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spdx_lists_is_an_expression_and_everything_else_a_name() {
        let expression = |text: &str| Licence::Expression(text.to_owned());
        assert_eq!(Licence::read("MPL-2.0"), expression("MPL-2.0"));
        assert_eq!(
            Licence::read("MIT OR Apache-2.0"),
            expression("MIT OR Apache-2.0")
        );
        assert_eq!(Licence::read("  "), Licence::Unstated);
        let long = "MIT OR ".repeat(1000) + "MIT";
        for named in [
            "Commercial",
            "LicenseRef-Tyk",
            "<script>",
            "(((((",
            "MIT\u{202e}",
            &long,
        ] {
            assert_eq!(Licence::read(named), Licence::Named(named.to_owned()));
        }
    }
}
