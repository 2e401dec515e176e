//! Runs the tools of data stores. They receive secrets in their environment or in inherited files
//! and never in arguments. They may take long, and are ended at their limit or on a request to
//! stop.

use std::fs::File;
use std::path::PathBuf;

use super::child::{Ends, Output, Spec, Until};
use super::{CmdError, Finished, Limit, find};

/// Where database vendors install their tools, newest version last.
const VERSIONED: [(&str, &str, &str); 2] = [
    ("/usr", "pgsql-", "bin"),
    ("/usr/lib/postgresql", "", "bin"),
];

/// A call of a tool.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tool<'a> {
    /// Its name.
    pub program: &'a str,
    /// Its arguments, which messages show.
    pub args: &'a [&'a str],
    /// Additional variables, which are never shown.
    pub environment: &'a [(&'a str, &'a str)],
    /// Open files that it inherits, named in its arguments by [`super::inherited_path`].
    pub files: &'a [&'a File],
    /// The bytes on its standard input.
    pub input: Option<&'a [u8]>,
    /// The file for its standard output, which is otherwise kept as text.
    pub output: Option<&'a File>,
}

impl Tool<'_> {
    /// Runs the tool until it ends or reaches the limit.
    pub fn run(&self, limit: Limit<'_>) -> Result<Finished, CmdError> {
        self.run_of(None, limit)
    }

    /// Runs the tool that fits a version of its server, if several versions are installed.
    pub fn run_of(&self, version: Option<u32>, limit: Limit<'_>) -> Result<Finished, CmdError> {
        let spec = Spec::new(locate(self.program, version)?, self.program, self.args);
        Spec {
            environment: self.environment,
            files: self.files,
            input: self.input,
            output: self.output.map_or(Output::Text, Output::File),
            ends: Ends::Group,
            ..spec
        }
        .run(Until::Limit(limit))
    }
}

/// Whether a tool is installed.
#[must_use]
pub fn is_available(program: &str) -> bool {
    locate(program, None).is_ok()
}

/// Finds a tool. If the vendor installs versions side by side, this is the oldest that is not older
/// than the server, because a newer tool may send commands that an older server does not know.
/// Without a server version it is the newest.
fn locate(program: &str, version: Option<u32>) -> Result<PathBuf, CmdError> {
    let mut found = versioned(program);
    if let Some(version) = version {
        let fits = |(known, _): &(u32, PathBuf)| *known >= version;
        if let Some(at) = found.iter().position(fits) {
            return Ok(found.swap_remove(at).1);
        }
        return find(program).or_else(|missing| newest(found).ok_or(missing));
    }
    newest(found).map_or_else(|| find(program), Ok)
}

fn newest(mut found: Vec<(u32, PathBuf)>) -> Option<PathBuf> {
    found.pop().map(|(_, path)| path)
}

/// Lists the installed versions of a tool that have their own directories, oldest first.
fn versioned(program: &str) -> Vec<(u32, PathBuf)> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, bin) in VERSIONED {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix));
            let version = version.and_then(|text| text.parse().ok());
            let path = entry.path().join(bin).join(program);
            found.extend(version.filter(|_| path.is_file()).map(|v| (v, path)));
        }
    }
    found.sort();
    found
}
