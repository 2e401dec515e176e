//! The documentation lists the catalogue, no more and no less.

use std::collections::BTreeSet;
use std::path::Path;

use lab::hostile::{catalogue, table};

#[test]
fn every_attack_has_a_unique_name_and_a_description() {
    let attacks = catalogue();
    let names: BTreeSet<&str> = attacks.iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), attacks.len());
    for attack in attacks {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(attack.name.chars().all(is_plain), "{}", attack.name);
        assert!(!attack.elsewhere.is_empty() && !attack.refusal.is_empty());
        assert!(!attack.elsewhere.contains(['|', '\n']), "{}", attack.name);
    }
}

#[test]
fn the_documentation_has_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hostile-bundles.md");
    let document = std::fs::read_to_string(path).unwrap();
    let lines = document.lines().filter(|line| line.starts_with('|'));
    let found: Vec<&str> = lines.collect();
    let expected = table();
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(
        found, expected,
        "write the table anew: `lab hostile table`, into docs/hostile-bundles.md"
    );
}
