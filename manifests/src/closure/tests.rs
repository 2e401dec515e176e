use super::*;
use crate::host_inventory::HostPackage;
use crate::nevra::Arch;

/// A package, described as `name-1-1; P what; R what; C what; O what; F path`.
fn offer(text: &str) -> Offer {
    let mut parts = text.split(';').map(str::trim);
    let nevra: Nevra = format!("{}.x86_64", parts.next().unwrap()).parse().unwrap();
    let mut capabilities = Capabilities::default();
    let own = format!("{} = {}", nevra.name(), nevra.evr());
    capabilities.provides.push(Dependency::parse(&own));
    for part in parts {
        let (kind, text) = part.split_at(2);
        let dependency = if text.starts_with('(') {
            let (comparison, version) = (String::new(), String::new());
            let name = text.to_owned();
            crate::package_files::Dependency {
                name,
                comparison,
                version,
            }
        } else {
            Dependency::parse(text)
        };
        match kind.trim() {
            "P" => capabilities.provides.push(dependency),
            "R" => capabilities.requires.push(dependency),
            "C" => capabilities.conflicts.push(dependency),
            "O" => capabilities.obsoletes.push(dependency),
            _ => capabilities.files.push(text.to_owned()),
        }
    }
    Offer {
        nevra,
        source: "base".to_owned(),
        capabilities,
    }
}

/// Closes over the first of the packages, on a host with those installed.
fn closed_on(installed: &[HostPackage], offers: &[&str]) -> Closure {
    let offers: Vec<Offer> = offers.iter().map(|text| offer(text)).collect();
    let system = System::of(installed, true);
    let index = Index::new(&offers, Arch::X86_64, system.merged_usr);
    let root = index.find(&offers[0].nevra).unwrap();
    close(&index, &system, &[root])
}

fn closed(offers: &[&str]) -> Closure {
    closed_on(&[], offers)
}

fn installed(nevra: &str, provides: &[&str], conflicts: &[&str], paths: &[&str]) -> HostPackage {
    let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    HostPackage {
        nevra: format!("{nevra}.x86_64").parse().unwrap(),
        build_time: 1,
        header: String::new(),
        provides: list(provides),
        conflicts: list(conflicts),
        paths: list(paths),
    }
}

fn names(closure: &Closure) -> Vec<String> {
    let mut names: Vec<String> = closure
        .added
        .iter()
        .map(|added| format!("{}-{}", added.nevra.name(), added.nevra.evr()))
        .collect();
    names.sort();
    names
}

#[test]
fn needs_of_needs_are_met_with_the_newest_that_works() {
    let closure = closed(&[
        "a-1-1; R b >= 2; R rpmlib(X) <= 1; R /bin/sh",
        "b-1-1",
        "b-2-1; R c",
        "b-3-1; R nowhere",
        "c-1-1",
        "sh-1-1; F /usr/bin/sh",
    ]);
    // The newest b cannot be installed: the one before is taken.
    assert_eq!(names(&closure), ["b-2-1", "c-1-1", "sh-1-1"]);
    assert!(closure.missing.is_empty() && closure.conflicts.is_empty());
}

#[test]
fn what_nothing_offers_is_missing_with_who_needs_it() {
    let closure = closed(&["a-1-1; R b; R nowhere > 1; R (x or", "b-1-1; R gone"]);
    let missing: Vec<&str> = closure.missing.iter().map(|m| m.need.as_str()).collect();
    assert_eq!(missing, ["nowhere > 1", "(x or", "gone"]);
    assert_eq!(names(&closure), ["b-1-1"]);
}

#[test]
fn rich_dependencies_decide_by_what_is_there() {
    let with = |need: &str| {
        names(&closed(&[
            &format!("a-1-1; R {need}"),
            "b-1-1",
            "c-1-1; P both; P x = 2",
            "d-1-1; P x = 3; P bad",
        ]))
    };
    for (need, expected) in [
        ("(b if nothing)", &[][..]),
        ("(b if nothing else c)", &["c-1-1"]),
        ("(b if a)", &["b-1-1"]),
        ("(nothing or b)", &["b-1-1"]),
        ("(b and (nothing or c))", &["b-1-1", "c-1-1"]),
        ("(x with both)", &["c-1-1"]),
        ("(x without bad)", &["c-1-1"]),
        ("(x >= 1 with x >= 3)", &["d-1-1"]),
        ("(b unless nothing)", &["b-1-1"]),
        ("(nothing unless a else b)", &["b-1-1"]),
    ] {
        assert_eq!(with(need), expected, "{need}");
    }
}

#[test]
fn what_is_installed_is_not_carried_and_its_names_come_first() {
    let bash = installed("bash-5-1", &["bash = 5-1"], &[], &["/usr/bin/sh"]);
    let z = installed("z-1-1", &["z = 1-1", "x = 1"], &[], &[]);
    let closure = closed_on(
        &[bash, z],
        &[
            "a-1-1; R /bin/sh; R x >= 2; R z",
            "b-1-1; P x = 2",
            "z-2-1; P x = 2",
        ],
    );
    assert_eq!(names(&closure), ["z-2-1"]);
    // Older than what is installed is no way.
    let newer = installed("b-3-1", &["b = 3-1"], &[], &[]);
    let closure = closed_on(&[newer], &["a-1-1; R x", "b-2-1; P x"]);
    assert_eq!(closure.missing.len(), 1);
}

#[test]
fn conflicts_are_avoided_where_there_is_a_way_and_else_told() {
    let closure = closed(&["a-1-1; R x; C b", "b-1-1; P x", "c-1-1; P x"]);
    assert_eq!(names(&closure), ["c-1-1"]);
    let enemy = installed("old-1-1", &["old = 1-1"], &["a >= 1"], &[]);
    let closure = closed_on(&[enemy], &["a-1-1; O old-name"]);
    assert_eq!(
        closure.conflicts,
        ["the installed old-1-1.x86_64 conflicts with a-1-1.x86_64"]
    );
    let old = installed("old-1-1", &["old = 1-1"], &["a"], &[]);
    let closure = closed_on(&[old], &["a-1-1; O old < 2"]);
    assert!(
        closure.conflicts.is_empty(),
        "what is replaced conflicts with nothing"
    );
    assert_eq!(
        closure.obsoleted,
        ["the installed old-1-1.x86_64 by a-1-1.x86_64"]
    );
}

#[test]
fn the_order_of_the_lists_does_not_show() {
    let mut offers = vec![
        "a-1-1; R x; R y",
        "b-1-1; P x; P y",
        "c-1-1; P x",
        "d-1-1; P y",
    ];
    let one = closed(&offers);
    offers[1..].reverse();
    assert_eq!(names(&one), names(&closed(&offers)));
}
