//! One attack, carried out.

use std::fs;
use std::path::Path;

use lab::hostile::{Aim, Attack, Workshop};

use crate::hostile::host::Host;
use crate::hostile::runner::{Ended, Runner};

/// Most memory that a refusal may take.
pub(crate) const PEAK_MAX_KIB: u64 = 64 * 1024;

/// The result of an attack.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) code: i32,
    pub(crate) ms: f64,
    pub(crate) peak_kib: u64,
    /// Why this does not count as a refusal.
    pub(crate) flaws: Vec<String>,
}

/// What every case needs.
pub(crate) struct Bench<'a> {
    pub(crate) shop: &'a Workshop,
    pub(crate) template: &'a Host,
    pub(crate) installer: &'a Path,
}

impl Bench<'_> {
    /// Carries an attack out on a host of its own: `verify`, then `install`; or `trust add`.
    pub(crate) fn play(&self, attack: &'static Attack, runner: &mut Runner) -> Outcome {
        let carried = tempfile::tempdir().unwrap();
        let file = carried.path().join(attack.file_name());
        let bytes = attack.make(self.shop).unwrap();
        fs::write(&file, &bytes).unwrap();
        let host = self.template.copy();
        let before = host.picture();
        let mut flaws = Vec::new();
        let ended = match attack.aim {
            Aim::Root => {
                let ended = host.enrol(self.installer, runner, &file, &bytes);
                vec![(attack.verify_code(), ended)]
            }
            Aim::Bundle | Aim::Host => {
                let verified = self.install(&host, &["verify"], &file, runner);
                let installed = self.install(&host, &[], &file, runner);
                vec![
                    (attack.verify_code(), verified),
                    (attack.install_code(), installed),
                ]
            }
        };
        for (code, ended) in &ended {
            judge(attack, *code, ended, &mut flaws);
        }
        let after = host.picture();
        let both = before.keys().chain(after.keys());
        let mut changed: Vec<_> = both
            .filter(|path| before.get(*path) != after.get(*path))
            .collect();
        changed.dedup();
        flaws.extend(
            changed
                .iter()
                .map(|path| format!("changed {}", path.display())),
        );
        let strays = host.strays();
        flaws.extend(strays.iter().map(|path| format!("left {}", path.display())));
        let (_, last) = ended.last().unwrap();
        Outcome {
            name: attack.name,
            code: last.code,
            ms: ended.iter().map(|(_, ended)| ended.ms).fold(0.0, f64::max),
            peak_kib: ended.iter().map(|(_, ended)| ended.peak_kib).max().unwrap(),
            flaws,
        }
    }

    pub(crate) fn install(
        &self,
        host: &Host,
        command: &[&str],
        file: &Path,
        runner: &mut Runner,
    ) -> Ended {
        let mut argv: Vec<&Path> = vec![self.installer, Path::new("--root"), host.root()];
        argv.extend(command.iter().map(Path::new));
        argv.push(file);
        runner.run(&argv)
    }
}

fn judge(attack: &Attack, code: i32, ended: &Ended, flaws: &mut Vec<String>) {
    let said = &ended.stderr;
    if ended.code != code {
        flaws.push(format!("exit code {}, not {code}: {said}", ended.code));
    }
    if !ended.in_time {
        flaws.push("it had to be killed".to_owned());
    }
    if ended.peak_kib >= PEAK_MAX_KIB {
        flaws.push(format!("{} KiB of memory", ended.peak_kib));
    }
    if code == 0 {
        return;
    }
    if !has_three_parts(said) {
        flaws.push(format!("no error in three parts: {said}"));
    }
    if !said.contains(attack.refusal) {
        flaws.push(format!("another reason than `{}`: {said}", attack.refusal));
    }
}

/// Whether the error states what failed, why, and what next.
fn has_three_parts(said: &str) -> bool {
    let mut rest = said;
    let mut parts = ["error:", "why:", "next:"].into_iter().map(|start| {
        let (before, after) = rest.split_once(start)?;
        rest = after;
        Some(before)
    });
    let texts: Option<Vec<&str>> = parts.by_ref().collect();
    let texts = texts.unwrap_or_default();
    texts.len() == 3
        && texts[1..]
            .iter()
            .chain([&rest])
            .all(|text| !text.trim().is_empty())
}
