//! A machine as a judge sees it: packages, files, units, answers. `guest/look.sh` lists them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::machine::Machine;

const LOOK: &str = include_str!("guest/look.sh");
const DEADLINE: Duration = Duration::from_mins(30);

const PACKAGES: &str = "packages";
const TIMES: &str = "times";
const ANSWERS: &str = "answers";
/// The sections of a look at a machine. One is missing only if the look was cut off.
const SECTIONS: [&str; 7] = [
    ANSWERS, PACKAGES, "rpm -V", "units", "content", TIMES, "paths",
];

/// Where a run may leave something: its state, the trust roots, its own installed copy.
const OURS: [&str; 3] = [
    "/etc/airgap-bundle",
    "/var/lib/airgap-bundle",
    "/usr/libexec/airgap-bundle",
];
const LIBEXEC: &str = "/usr/libexec ";

/// Everything that has to be as before, or as the target has it: lines by section, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    sections: BTreeMap<String, Vec<String>>,
}

impl Look {
    pub(super) fn at(machine: &mut Machine) -> Result<Self> {
        let said = machine.run(LOOK, DEADLINE)?;
        Self::parse(&said.stdout).with_context(|| format!("the look failed: {}", said.stderr))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut section = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== ") {
                name.clone_into(&mut section);
                sections.entry(section.clone()).or_default();
            } else {
                sections
                    .entry(section.clone())
                    .or_default()
                    .push(line.to_owned());
            }
        }
        for name in SECTIONS {
            ensure!(sections.contains_key(name), "nothing about {name}");
        }
        for lines in sections.values_mut() {
            lines.retain(|line| !is_ours(line));
            lines.sort();
        }
        Ok(Self { sections })
    }

    /// Whether the same packages are installed.
    pub(super) fn has_packages_of(&self, other: &Self) -> bool {
        self.lines(PACKAGES) == other.lines(PACKAGES)
    }

    /// Whether every service answers well.
    pub(super) fn is_well(&self) -> bool {
        let mut answers = self.lines(ANSWERS).iter();
        answers.all(|line| line.split(' ').nth(1) == Some("200"))
    }

    pub(super) fn packages(&self) -> String {
        self.lines(PACKAGES).join(", ")
    }

    /// Returns, line by line, how `later` differs.
    pub(super) fn diff(&self, later: &Self) -> Vec<String> {
        SECTIONS
            .iter()
            .flat_map(|name| diff_lines(name, self.lines(name), later.lines(name)))
            .collect()
    }

    /// The same, but for the times of files: of two upgrades, each has its own.
    pub(super) fn diff_timeless(&self, later: &Self) -> Vec<String> {
        self.timeless().diff(&later.timeless())
    }

    fn timeless(&self) -> Self {
        let mut look = self.clone();
        look.sections.remove(TIMES);
        look
    }

    fn lines(&self, name: &str) -> &[String] {
        self.sections.get(name).map_or(&[], Vec::as_slice)
    }
}

fn is_ours(line: &str) -> bool {
    line.starts_with(LIBEXEC) || line.split(' ').any(is_below_ours)
}

fn is_below_ours(word: &str) -> bool {
    OURS.iter().any(|ours| {
        word.strip_prefix(ours)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Lines as a multiset: a package that is installed twice is two lines.
fn diff_lines(section: &str, was: &[String], is: &[String]) -> Vec<String> {
    let mut count: BTreeMap<&str, i32> = BTreeMap::new();
    for line in was {
        *count.entry(line).or_default() -= 1;
    }
    for line in is {
        *count.entry(line).or_default() += 1;
    }
    count
        .into_iter()
        .filter(|(_, surplus)| *surplus != 0)
        .map(|(line, surplus)| {
            let sign = if surplus > 0 { "new" } else { "gone" };
            format!("{section}, {sign}: {line}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Look;

    const TEXT: &str = "== answers\nx.service 200 1\n== packages\na\n== rpm -V\n== units\n== content\n\
                        aa  /opt/x\nbb  /etc/airgap-bundle/trust/1\n== times\n/opt/x 1\n== paths\n/opt d";

    #[test]
    fn what_is_the_installers_own_does_not_count() {
        let before = Look::parse(TEXT).unwrap();
        let after = TEXT.replace("bb  /etc", "cc  /etc").replace("x 1", "x 2");
        let after = Look::parse(&after).unwrap();
        assert_eq!(
            before.diff(&after),
            ["times, new: /opt/x 2", "times, gone: /opt/x 1"]
                .map(str::to_owned)
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
        );
        assert_eq!(before.diff_timeless(&after), Vec::<String>::new());
        assert!(before.is_well() && before.has_packages_of(&after));
    }

    #[test]
    fn a_look_that_was_cut_off_is_ignored() {
        assert!(Look::parse("== packages\na\n").is_err());
    }
}
