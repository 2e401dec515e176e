//! The closure beside dnf's, over random repositories.
#![expect(
    clippy::disallowed_methods,
    reason = "a test lays out repositories and asks dnf"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use manifests::closure::{Capabilities, Index, Offer, System, close};
use manifests::digest::Sha256;
use manifests::nevra::Arch;
use manifests::package_files::Dependency;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const CASES: usize = 200;
const PYTHON: &str = "/usr/bin/python3";
const COMPARISONS: [(&str, &str); 3] = [(">=", "GE"), ("<=", "LE"), ("=", "EQ")];

fn plain(name: &str, comparison: &str, version: &str) -> Dependency {
    Dependency {
        name: name.to_owned(),
        comparison: comparison.to_owned(),
        version: version.to_owned(),
    }
}

/// A need of something that may be there: a package, a virtual name, a file, or a rich one.
fn need(rng: &mut StdRng, names: usize) -> Dependency {
    let name = |rng: &mut StdRng| match rng.gen_range(0..4) {
        0 => format!("virtual{}", rng.gen_range(0..4)),
        _ => format!("p{}", rng.gen_range(0..names)),
    };
    let (a, b, c) = (name(rng), name(rng), name(rng));
    match rng.gen_range(0..12) {
        0 => plain(&format!("/usr/bin/tool{}", rng.gen_range(0..4)), "", ""),
        1 => plain(&format!("({a} or {b})"), "", ""),
        2 => plain(&format!("({a} if {b})"), "", ""),
        3 => plain(&format!("({a} if {b} else {c})"), "", ""),
        4 => plain(&format!("({a} and ({b} or {c}))"), "", ""),
        5 => plain(&format!("({a} with {b})"), "", ""),
        6 => plain(&format!("({a} without {b})"), "", ""),
        7 | 8 => {
            let (comparison, _) = COMPARISONS[rng.gen_range(0..3)];
            plain(&a, comparison, &rng.gen_range(1..4).to_string())
        }
        _ => plain(&a, "", ""),
    }
}

pub(crate) fn repository(rng: &mut StdRng) -> Vec<Offer> {
    let names = rng.gen_range(6..14);
    let mut offers = vec![offer(rng, "root", 1, names)];
    for number in 0..names {
        for version in 1..=rng.gen_range(1..4) {
            offers.push(offer(rng, &format!("p{number}"), version, names));
        }
    }
    offers
}

fn offer(rng: &mut StdRng, name: &str, version: u32, names: usize) -> Offer {
    let mut capabilities = Capabilities {
        provides: vec![plain(name, "=", &format!("{version}-1"))],
        ..Capabilities::default()
    };
    if rng.gen_bool(0.4) {
        let comparison = if rng.gen_bool(0.5) { "=" } else { "" };
        let offered = if comparison.is_empty() {
            String::new()
        } else {
            version.to_string()
        };
        let name = format!("virtual{}", rng.gen_range(0..4));
        capabilities
            .provides
            .push(plain(&name, comparison, &offered));
    }
    if rng.gen_bool(0.3) {
        let tool = format!("/usr/bin/tool{}", rng.gen_range(0..4));
        capabilities.files.push(tool);
    }
    let needs = if name == "root" {
        3
    } else {
        rng.gen_range(0..3)
    };
    capabilities.requires = (0..needs).map(|_| need(rng, names)).collect();
    if rng.gen_bool(0.1) {
        let other = format!("p{}", rng.gen_range(0..names));
        if other != name {
            capabilities.conflicts.push(plain(&other, "", ""));
        }
    }
    let nevra: manifests::nevra::Nevra = format!("{name}-{version}-1.x86_64").parse().unwrap();
    Offer {
        nevra,
        source: "case".to_owned(),
        capabilities,
    }
}

fn entries(kind: &str, dependencies: &[Dependency]) -> String {
    let mut text = format!("<rpm:{kind}>");
    for dependency in dependencies {
        let _ = write!(text, "<rpm:entry name=\"{}\"", dependency.name);
        if let Some((_, flags)) = COMPARISONS
            .iter()
            .find(|(c, _)| *c == dependency.comparison)
        {
            let (version, release) = match dependency.version.split_once('-') {
                Some((version, release)) => (version, format!(" rel=\"{release}\"")),
                None => (dependency.version.as_str(), String::new()),
            };
            let _ = write!(
                text,
                " flags=\"{flags}\" epoch=\"0\" ver=\"{version}\"{release}"
            );
        }
        text.push_str("/>");
    }
    text + &format!("</rpm:{kind}>")
}

pub(crate) fn publish(dir: &Path, offers: &[Offer]) {
    std::fs::create_dir_all(dir.join("repodata")).unwrap();
    let mut list = format!(
        "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"{}\">\n",
        offers.len()
    );
    for Offer {
        nevra,
        capabilities,
        ..
    } in offers
    {
        let evr = nevra.evr();
        let files: Vec<String> = capabilities
            .files
            .iter()
            .map(|file| format!("<file>{file}</file>"))
            .collect();
        let files = files.concat();
        let _ = writeln!(
            list,
            "<package type=\"rpm\"><name>{}</name><arch>x86_64</arch>\
             <version epoch=\"0\" ver=\"{}\" rel=\"{}\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><summary/><description/>\
             <time file=\"1\" build=\"1\"/><size package=\"1\" installed=\"1\" archive=\"1\"/>\
             <location href=\"{}\"/><format>{}{}{}{files}</format></package>",
            nevra.name(),
            evr.version(),
            evr.release(),
            Sha256::of(nevra.to_string().as_bytes()),
            nevra.file_name(),
            entries("provides", &capabilities.provides),
            entries("requires", &capabilities.requires),
            entries("conflicts", &capabilities.conflicts),
        );
    }
    list.push_str("</metadata>\n");
    std::fs::write(dir.join("repodata/primary.xml"), &list).unwrap();
    let repomd = format!(
        "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1</revision>\
         <data type=\"primary\"><checksum type=\"sha256\">{}</checksum>\
         <location href=\"repodata/primary.xml\"/><timestamp>1</timestamp><size>{}</size></data></repomd>",
        Sha256::of(list.as_bytes()),
        list.len()
    );
    std::fs::write(dir.join("repodata/repomd.xml"), repomd).unwrap();
}

/// Asks dnf about cases; `None` for a case without a solution.
fn dnf(questions: &str) -> BTreeMap<usize, Option<Vec<String>>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/oracle.dnf.py");
    let mut child = Command::new(PYTHON)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let questions = questions.to_owned();
    // Both pipes may fill.
    let asking = std::thread::spawn(move || input.write_all(questions.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    asking.join().unwrap();
    assert!(output.status.success(), "dnf's answer is no answer");
    let text = String::from_utf8(output.stdout).unwrap();
    let answer = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let case = words.next().unwrap().parse().unwrap();
        let names: Vec<String> = words.collect();
        (case, (names != ["NONE"]).then_some(names))
    };
    text.lines().map(answer).collect()
}

/// The builder's closure as sorted names; `None` if it reports a problem.
fn ours(offers: &[Offer]) -> Option<Vec<String>> {
    let index = Index::new(offers, Arch::X86_64, true);
    let root = index.find(&"root-1-1.x86_64".parse().unwrap()).unwrap();
    let closure = close(&index, &System::unknown(), &[root]);
    if !closure.missing.is_empty() || !closure.conflicts.is_empty() {
        return None;
    }
    let added = closure.added.iter().map(|added| &added.nevra);
    let mut names: Vec<String> = added.map(|n| format!("{}-{}", n.name(), n.evr())).collect();
    names.push("root-1-1".to_owned());
    names.sort();
    Some(names)
}

/// Whether there is a dnf to ask; CI has one.
pub(crate) fn has_dnf() -> bool {
    let asked = Command::new(PYTHON)
        .args(["-c", "import dnf, dnfpluginscore"])
        .stderr(Stdio::null())
        .status();
    let is_there = asked.is_ok_and(|status| status.success());
    assert!(
        is_there || std::env::var_os("CI").is_none(),
        "CI has no dnf to compare with"
    );
    is_there
}

pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("ORACLE_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => 20_261_124,
    };
    println!("ORACLE_SEED={seed}");
    seed
}

#[test]
fn random_repositories_are_closed_as_dnf_closes_them() {
    if !has_dnf() {
        return;
    }
    let seed = seed();
    let (dir, mut rng) = (tempfile::tempdir().unwrap(), StdRng::seed_from_u64(seed));
    let cases: Vec<Vec<Offer>> = (0..CASES).map(|_| repository(&mut rng)).collect();
    let path = |case: usize| dir.path().join(case.to_string());
    let mut questions = String::new();
    for (case, offers) in cases.iter().enumerate() {
        publish(&path(case), offers);
        let _ = writeln!(questions, "{case} {} root", path(case).display());
    }
    let theirs = dnf(&questions);
    assert_eq!(theirs.len(), CASES);
    let (mut differing, mut same, mut none) = (BTreeMap::new(), 0, 0);
    let mut again = String::new();
    for (case, offers) in cases.iter().enumerate() {
        match (ours(offers), &theirs[&case]) {
            (None, None) => none += 1,
            (Some(ours), Some(theirs)) if ours == *theirs => same += 1,
            (Some(ours), Some(_)) => {
                let place = path(case);
                let _ = writeln!(again, "{case} {} root {}", place.display(), ours.join(" "));
                differing.insert(case, ours);
            }
            (ours, theirs) => {
                panic!("seed {seed}, case {case}: {ours:?} and dnf {theirs:?}\n{offers:#?}")
            }
        }
    }
    println!(
        "{same} the same, {none} without solution, {} another choice",
        differing.len()
    );
    // Another choice is also correct if dnf, offered only those packages, installs all of them.
    for (case, answer) in dnf(&again) {
        assert_eq!(
            answer.as_ref(),
            Some(&differing[&case]),
            "seed {seed}, case {case}"
        );
    }
    assert!(same > CASES / 4 && none > 0, "the cases say little");
}
