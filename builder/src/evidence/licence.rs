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

/// Whole statements, as packages had them before SPDX names were usual, that can mean one listed licence
/// only. `GPL`, `BSD` and the like are not among them: guessing a licence would be worse than quoting it.
const FORMER_NAMES: [(&str, &str); 10] = [
    ("ASL 2.0", "Apache-2.0"),
    ("Apache 2.0", "Apache-2.0"),
    ("Apache License 2.0", "Apache-2.0"),
    ("MPL 2.0", "MPL-2.0"),
    ("MPLv2.0", "MPL-2.0"),
    ("GPLv2", "GPL-2.0-only"),
    ("GPLv2+", "GPL-2.0-or-later"),
    ("GPLv3", "GPL-3.0-only"),
    ("GPLv3+", "GPL-3.0-or-later"),
    ("AGPLv3", "AGPL-3.0-only"),
];

impl Licence {
    /// Reads a statement. A reference to a text that the package does not give stays a name.
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
    let plain = stated.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if !plain || stated.len() > EXPRESSION_MAX_BYTES {
        return None;
    }
    let former = FORMER_NAMES.iter().find(|(name, _)| *name == stated);
    let text = match former {
        Some((_, expression)) => (*expression).to_owned(),
        None => with_large_operators(stated),
    };
    let expression = Expression::parse(&text).ok()?;
    let listed = expression
        .requirements()
        .all(|found| matches!(found.req.license, LicenseItem::Spdx { .. }));
    listed.then_some(text)
}

/// No identifier has a space, so what stands between spaces is an operator.
fn with_large_operators(stated: &str) -> String {
    let large = |word: &str| match word {
        "and" | "or" | "with" => word.to_uppercase(),
        other => other.to_owned(),
    };
    let words: Vec<String> = stated.split(' ').map(large).collect();
    words.join(" ")
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
        assert_eq!(
            Licence::read("(MIT or BSD-3-Clause) and Zlib"),
            expression("(MIT OR BSD-3-Clause) AND Zlib")
        );
        assert_eq!(Licence::read("GPLv2+"), expression("GPL-2.0-or-later"));
        assert_eq!(Licence::read("  "), Licence::Unstated);
        let long = "MIT OR ".repeat(1000) + "MIT";
        for named in [
            "Commercial",
            "GPL",
            "BSD",
            "GNU GPL v2",
            "MIT License",
            "MIT\nOR\tZlib",
            "LicenseRef-Tyk",
            "<script>",
            "(((((",
            "MIT\u{202e}",
            &long,
        ] {
            assert_eq!(Licence::read(named), Licence::Named(named.to_owned()));
        }
    }

    /// Whatever a package states is read without a panic, and comes back as it was or listed.
    #[test]
    fn no_statement_is_too_strange() {
        let pieces = [
            "MIT",
            "(",
            ")",
            " ",
            "or",
            "AND",
            "WITH",
            "+",
            "GPL-2.0",
            "LicenseRef-",
            "DocumentRef-a:",
            "/",
            "\u{202e}",
            "é",
            "-",
            "Classpath-exception-2.0",
            "AdditionRef-x",
            "\n",
        ];
        let mut seed: usize = 7;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..=seed % 7 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text += pieces[(seed >> 33) % pieces.len()];
            }
            if let Licence::Named(name) = Licence::read(&text) {
                assert_eq!(name, text.trim());
            }
        }
    }
}
