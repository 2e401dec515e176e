//! What systemd gives the processes of a unit, read from `systemctl show`.
//!
//! The form of its lists changed: systemd before 240 writes every blank inside a word as `\x20`,
//! later ones put such a word in quotes as a shell would. A name of a variable begins with neither a
//! quote nor a dollar sign, so the two forms cannot be mistaken for each other.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use super::{HostError, cmd};

const ASK: Duration = Duration::from_secs(60);
/// A systemd that does not know a property passes it over.
const PROPERTIES: &str = "LoadState,NeedDaemonReload,Environment,UnsetEnvironment,EnvironmentFiles,\
                          ExecStart,User,Group,SupplementaryGroups,WorkingDirectory,\
                          RootDirectory,DropInPaths,FragmentPath,MainPID";

/// What a service gets, and what its processes got.
pub trait Services {
    /// Returns what systemd gives a unit's processes. Returns nothing where no systemd manages this
    /// host, and for a unit that it could not load.
    fn unit_settings(&self, unit: &str) -> Result<Option<UnitSettings>, HostError>;
    /// Returns what the process that runs `program` was started with: the process with this id or
    /// one that descends from it. Returns nothing if none of them runs it.
    fn invocation(&self, pid: u32, program: &str) -> io::Result<Option<Invocation>>;
}

/// A host on which no systemd tells anything: one below another root, or a container.
#[derive(Debug, Clone, Copy)]
pub struct NoSystemd;

impl Services for NoSystemd {
    fn unit_settings(&self, _: &str) -> Result<Option<UnitSettings>, HostError> {
        Ok(None)
    }

    fn invocation(&self, _: u32, _: &str) -> io::Result<Option<Invocation>> {
        Ok(None)
    }
}

/// What systemd gives the processes of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitSettings {
    /// The version of systemd.
    pub systemd: u32,
    /// Variables of the manager itself and of `Environment=`; the latter win.
    pub environment: BTreeMap<String, String>,
    /// What `UnsetEnvironment=` takes away: names, or names with a value.
    pub unset: Vec<String>,
    /// The files of `EnvironmentFile=`, weakest first.
    pub environment_files: Vec<EnvironmentFile>,
    /// The commands of `ExecStart=`.
    pub commands: Vec<StartCommand>,
    /// The user that runs them; empty for root.
    pub user: String,
    /// `Group=`, which takes the place of the account's main group; empty if not set.
    pub group: String,
    /// `SupplementaryGroups=`.
    pub more_groups: Vec<String>,
    /// The directory in which they run.
    pub working_directory: String,
    /// The directory that they see as `/`; empty for the host's own.
    pub root_directory: String,
    /// The files that the unit is made of.
    pub files: Vec<String>,
    /// Its main process, 0 if none.
    pub main_pid: u32,
    /// Whether these files are newer than what systemd has read.
    pub needs_reload: bool,
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// Its path, or a pattern of several.
    pub path: String,
    /// Whether the service starts without it.
    pub is_optional: bool,
}

/// A command of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartCommand {
    /// The program.
    pub path: String,
    /// Its arguments, from its own name on, with blanks between them. Variables are not expanded.
    pub line: String,
}

/// What a running process was started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// Its arguments, from its own name on.
    pub arguments: Vec<String>,
}

/// Asks systemd about a unit.
pub(crate) fn ask(unit: &str) -> Result<Option<UnitSettings>, HostError> {
    let show = ["show", "-p", PROPERTIES, unit];
    let shown = secret(&show)?;
    let manager = secret(&["show-environment"])?;
    Ok(parse(&shown, &manager, version()?))
}

/// Asks for what may hold passwords: no error shows any of it.
fn secret(args: &[&str]) -> Result<String, HostError> {
    let mut finished = cmd::query("systemctl", args, ASK)?;
    if !finished.succeeded() {
        finished.stdout.clear();
    }
    Ok(finished.success()?.stdout)
}

fn version() -> Result<u32, HostError> {
    static VERSION: OnceLock<u32> = OnceLock::new();
    if let Some(known) = VERSION.get() {
        return Ok(*known);
    }
    let shown = cmd::query("systemctl", &["--version"], ASK)?.success()?;
    let found = version_of(&shown.stdout).ok_or_else(|| HostError::Answer {
        command: "systemctl --version",
        reason: "its second word is not a number".to_owned(),
    })?;
    Ok(*VERSION.get_or_init(|| found))
}

fn version_of(shown: &str) -> Option<u32> {
    let word = shown.split_whitespace().nth(1)?;
    let end = word.find(|c: char| !c.is_ascii_digit());
    word[..end.unwrap_or(word.len())].parse().ok()
}

fn parse(shown: &str, manager: &str, systemd: u32) -> Option<UnitSettings> {
    let mut found = UnitSettings {
        systemd,
        ..UnitSettings::default()
    };
    let mut is_loaded = false;
    let own = manager.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        // Systemd before 246 writes the value as it is.
        let is_quoted = quote_of(value).is_some();
        let value = if is_quoted {
            unquoted(value)
        } else {
            value.to_owned()
        };
        Some((name.to_owned(), value))
    });
    found.environment.extend(own);
    for (key, value) in shown.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "LoadState" => is_loaded = value == "loaded",
            "NeedDaemonReload" => found.needs_reload = value == "yes",
            "Environment" => found.environment.extend(words(value).filter_map(|word| {
                let (name, value) = word.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })),
            "UnsetEnvironment" => found.unset.extend(words(value)),
            // The name of the line is the setting's in old versions, and the property's in others.
            "EnvironmentFile" | "EnvironmentFiles" => {
                found.environment_files.extend(environment_file(value));
            }
            "ExecStart" => found.commands.extend(command(value)),
            "User" => value.clone_into(&mut found.user),
            "Group" => value.clone_into(&mut found.group),
            "SupplementaryGroups" => found.more_groups.extend(words(value)),
            "WorkingDirectory" => {
                // A mark stands before a directory that may be missing.
                value
                    .trim_start_matches('!')
                    .clone_into(&mut found.working_directory);
            }
            "RootDirectory" if value != "/" => value.clone_into(&mut found.root_directory),
            "FragmentPath" if !value.is_empty() => found.files.insert(0, value.to_owned()),
            "DropInPaths" => found.files.extend(words(value)),
            "MainPID" => found.main_pid = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    is_loaded.then_some(found)
}

fn environment_file(value: &str) -> Option<EnvironmentFile> {
    let (path, rest) = value.rsplit_once(" (ignore_errors=")?;
    Some(EnvironmentFile {
        path: path.to_owned(),
        is_optional: rest.starts_with("yes"),
    })
}

/// Reads `{ path=… ; argv[]=… ; ignore_errors=… ; … }`.
fn command(value: &str) -> Option<StartCommand> {
    let (_, rest) = value.split_once("{ path=")?;
    let (path, rest) = rest.split_once(" ; argv[]=")?;
    let (line, _) = rest.rsplit_once(" ; ignore_errors=")?;
    Some(StartCommand {
        path: path.to_owned(),
        line: line.to_owned(),
    })
}

/// Splits a list into its words.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(' ');
        if rest.is_empty() {
            return None;
        }
        let end = end_of_word(rest);
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(unquoted(word))
    })
}

fn quote_of(word: &str) -> Option<(&str, char)> {
    if let Some(body) = word.strip_prefix('"') {
        return Some((body, '"'));
    }
    word.strip_prefix("$'").map(|body| (body, '\''))
}

fn end_of_word(text: &str) -> usize {
    let Some((body, quote)) = quote_of(text) else {
        return text.find(' ').unwrap_or(text.len());
    };
    let start = text.len() - body.len();
    let mut is_escaped = false;
    for (at, letter) in body.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            letter if letter == quote => return start + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Undoes the quotes and the escapes of one word.
fn unquoted(word: &str) -> String {
    let body = quote_of(word).and_then(|(body, quote)| body.strip_suffix(quote));
    let text = body.unwrap_or(word);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let Some((&escape, after)) = rest.split_first() else {
            bytes.push(first);
            break;
        };
        let (byte, taken) = match escape {
            b'x' => number(&rest[1..], 2, 16),
            b'0'..=b'7' => number(rest, 3, 8).map(|(byte, _)| (byte, 2)),
            _ => None,
        }
        .unwrap_or_else(|| (literal(escape), 0));
        bytes.push(byte);
        rest = &after[taken..];
    }
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let bytes = error.into_bytes();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

const fn literal(escape: u8) -> u8 {
    match escape {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        other => other,
    }
}

/// Reads a byte that is written as so many digits, and returns how many those are.
fn number(digits: &[u8], count: usize, radix: u32) -> Option<(u8, usize)> {
    let text = std::str::from_utf8(digits.get(..count)?).ok()?;
    Some((u8::from_str_radix(text, radix).ok()?, count))
}

/// More processes than a launcher puts between systemd and its program.
const DESCENDANTS_MAX: usize = 64;
/// More threads than a launcher has.
const THREADS_MAX: usize = 4096;

/// Finds the process that runs `program` and returns what it was started with.
pub(crate) fn invocation(pid: u32, program: &str) -> io::Result<Option<Invocation>> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() && found.len() < DESCENDANTS_MAX {
        found.extend(children(found[at]));
        at += 1;
    }
    // A program's own image says more than a word on the command line of its launcher.
    let by_image = found.iter().find(|pid| runs(**pid, program));
    let by_word = || {
        let names =
            |pid: &&u32| list(**pid, "cmdline").is_ok_and(|all| all.iter().any(|w| w == program));
        found.iter().find(names)
    };
    let Some(pid) = by_image.or_else(by_word) else {
        return Ok(None);
    };
    let environment = match list(*pid, "environ") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let pair = |text: &String| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    Ok(Some(Invocation {
        environment: environment.iter().filter_map(pair).collect(),
        arguments: list(*pid, "cmdline")?,
    }))
}

/// Every thread has children of its own, and a launcher in Go starts its program from any of them.
fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten().take(THREADS_MAX);
    let texts = threads.filter_map(|one| std::fs::read_to_string(one.path().join("children")).ok());
    let each = |text: String| -> Vec<u32> {
        let words = text.split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    texts.flat_map(each).collect()
}

fn runs(pid: u32, program: &str) -> bool {
    let Ok(image) = std::fs::read_link(format!("/proc/{pid}/exe")) else {
        return false;
    };
    // A package that was replaced takes the name of its program away.
    let image = image.to_string_lossy();
    let image = image.strip_suffix(" (deleted)").unwrap_or(&image);
    let real = std::fs::canonicalize(program);
    image == program || real.is_ok_and(|real| Path::new(image) == real)
}

fn list(pid: u32, name: &str) -> io::Result<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/{name}"))?;
    let texts = bytes.split(|byte| *byte == 0);
    let mut texts: Vec<String> = texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    // Every text ends with a zero byte.
    texts.pop();
    Ok(texts)
}

#[cfg(test)]
mod tests;
