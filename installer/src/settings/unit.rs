//! Which files a component's service really uses: those that its unit names, not those that its
//! product usually has.

use std::collections::BTreeMap;
use std::path::{Component as Part, Path, PathBuf};

use manifests::product::Component;

use super::load::Trouble;
use crate::host::{Services, UnitSettings};
use crate::layout::Layout;

/// Our own file among those of a unit; it holds the service and comes and goes with a run.
const HOLD: &str = "zz-airgap-bundle.conf";
/// Directories whose files are made anew by something else.
const MADE_ANEW: [&str; 4] = ["/run/", "/proc/", "/sys/", "/dev/"];

/// A component's service, as systemd runs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// The unit.
    pub name: String,
    /// What systemd gives it.
    pub unit: UnitSettings,
    /// The configuration file that its command line names.
    pub config: Option<String>,
    /// The program that systemd starts, if it is not the component's own: what that one gives the
    /// component's program is not in the unit.
    pub launcher: Option<String>,
    /// The files of variables that it uses, with patterns resolved.
    pub environment_files: Vec<String>,
}

impl Service {
    /// Asks systemd. Returns nothing where the product's usual files are all that is known.
    pub(super) fn of(
        services: &dyn Services,
        component: &Component,
    ) -> Result<Option<Self>, Trouble> {
        // A bare template is not run; its instances have settings of their own.
        let Some(name) = component.unit.as_ref().filter(|unit| !unit.contains("@.")) else {
            return Ok(None);
        };
        let unit = services.unit_settings(name).map_err(|error| Trouble {
            why: format!(
                "what systemd gives {name} is not known: {}",
                crate::failure::chain(&error)
            ),
            is_denied: false,
        })?;
        Ok(unit.map(|unit| Self {
            name: name.clone(),
            unit,
            ..Self::default()
        }))
    }

    /// Takes away the variables that the unit does not want.
    pub(super) fn unset(&self, environment: &mut BTreeMap<String, String>) {
        for word in &self.unit.unset {
            match word.split_once('=') {
                Some((name, value)) if environment.get(name).is_some_and(|v| v == value) => {
                    environment.remove(name);
                }
                Some(_) => {}
                None => drop(environment.remove(word)),
            }
        }
    }

    /// Looks at the command line for the configuration file and for another program in between.
    pub(super) fn read_command(
        &mut self,
        layout: &Layout,
        component: &Component,
        environment: &BTreeMap<String, String>,
    ) -> Result<(), Trouble> {
        let Some(program) = &component.program else {
            return Ok(());
        };
        let real = |path: &str| layout.at(path).canonicalize().ok();
        let is_program =
            |path: &str| path == program || (real(path).is_some() && real(path) == real(program));
        let commands = &self.unit.commands;
        let own = commands.iter().find(|command| is_program(&command.path));
        let Some(command) = own.or_else(|| commands.last()) else {
            return Ok(());
        };
        let words = arguments(&command.line, environment);
        let after = if own.is_some() {
            words.get(1..)
        } else {
            self.launcher = Some(command.path.clone());
            let at = words.iter().position(|word| is_program(word));
            at.and_then(|at| words.get(at + 1..))
        };
        let at = |word: &str| self.absolute(word);
        let found = named_config(after.unwrap_or_default(), component, |path| {
            at(path).is_ok_and(|path| layout.at(&path).is_file())
        });
        self.config = found.map(|path| self.absolute(&path)).transpose()?;
        Ok(())
    }

    /// Returns where the service's own path is on the host.
    pub(super) fn absolute(&self, path: &str) -> Result<String, Trouble> {
        let UnitSettings {
            working_directory,
            root_directory,
            ..
        } = &self.unit;
        let home = match working_directory.as_str() {
            "" => "/",
            directory => directory,
        };
        let whole = Path::new(home).join(path);
        if !whole.is_absolute() {
            return Err(Trouble {
                why: format!(
                    "{} reads {path}, which is below {home}: which directory that is is not known here",
                    self.name
                ),
                is_denied: false,
            });
        }
        let mut plain = PathBuf::from("/");
        for part in Path::new(root_directory)
            .components()
            .chain(whole.components())
        {
            match part {
                Part::Normal(name) => plain.push(name),
                Part::ParentDir => {
                    plain.pop();
                }
                _ => {}
            }
        }
        Ok(plain.to_string_lossy().into_owned())
    }

    /// Returns the files that give the service its settings. Generators of systemd make their units
    /// anew from other files.
    pub(super) fn settings_files(&self) -> impl Iterator<Item = &String> {
        let units = self.unit.files.iter();
        let units = units
            .filter(|path| !path.ends_with(HOLD) && !path.starts_with("/run/systemd/generator"));
        units.chain(&self.environment_files).chain(&self.config)
    }

    /// Returns the files that a backup must have to bring the service's settings back.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let units = self.unit.files.iter();
        // What a package brings is in the package.
        let units =
            units.filter(|path| !path.starts_with("/usr/lib/") && !path.starts_with("/lib/"));
        let all = units.chain(&self.environment_files).chain(&self.config);
        let is_kept = |path: &&String| {
            !path.ends_with(HOLD) && !MADE_ANEW.iter().any(|start| path.starts_with(start))
        };
        let mut files: Vec<String> = all.filter(is_kept).cloned().collect();
        files.sort();
        files.dedup();
        files
    }
}

/// Splits a command line and fills its variables in, as systemd does.
fn arguments(line: &str, environment: &BTreeMap<String, String>) -> Vec<String> {
    let value = |name: &str| environment.get(name).map_or("", String::as_str);
    let mut words = Vec::new();
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        match word.strip_prefix('$') {
            // A variable that is a word of its own is split at its blanks.
            Some(name) if !name.starts_with(['{', '$']) => {
                words.extend(value(name).split_whitespace().map(str::to_owned));
            }
            _ => words.push(filled(word, value)),
        }
    }
    words
}

fn filled<'a>(word: &str, value: impl Fn(&str) -> &'a str) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        text += before;
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some((name, after)) = after
            .strip_prefix('{')
            .and_then(|name| name.split_once('}'))
        {
            text += value(name);
            rest = after;
        } else {
            text.push('$');
            rest = after;
        }
    }
    text + rest
}

/// What may end a word in the text of a shell.
const SHELL_MARKS: [char; 5] = [';', '&', ')', '"', '\''];

/// Finds the configuration file in what follows the program. Systemd tells arguments with blanks
/// between them: a path that has blanks itself is known by the file being there.
pub(super) fn named_config(
    words: &[String],
    component: &Component,
    is_there: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut found = None;
    for (at, word) in words.iter().enumerate() {
        for flag in &component.config_flags {
            let is_short = flag.len() == 2 && word.len() > 2;
            let first = match word.strip_prefix(flag.as_str()) {
                Some("") => words.get(at + 1).map(|next| (next.clone(), at + 2)),
                Some(rest) if rest.starts_with('=') => Some((rest[1..].to_owned(), at + 1)),
                Some(rest) if is_short => Some((rest.to_owned(), at + 1)),
                _ => None,
            };
            let Some((first, next)) = first else { continue };
            // In the text of `sh -c`, a mark of the shell may follow.
            let bare = first.trim_end_matches(SHELL_MARKS);
            if !is_there(&first) && is_there(bare) {
                found = Some(bare.to_owned());
                continue;
            }
            let mut whole = first.clone();
            let mut longer = words[next.min(words.len())..].iter();
            while !is_there(&whole) {
                match longer.next() {
                    Some(word) => whole = format!("{whole} {word}"),
                    None => break,
                }
            }
            found = Some(if is_there(&whole) { whole } else { first });
        }
    }
    found
}
