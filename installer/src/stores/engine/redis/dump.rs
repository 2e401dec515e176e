//! Makes a dump: the server streams a copy to `redis-cli`, as it would to a replica.

use std::fs::File;

use super::super::site::Site;
use super::client::{CLI, Server, is_needless};
use super::error::{Kind, Refusal};
use super::find::Member;
use super::{prove, saved, server_room};
use crate::host::cmd::tool::Tool;
use crate::host::cmd::{Finished, inherited_path};
use crate::stores::StoreError;

/// The last words of `redis-cli` after a complete copy; its exit code alone proves nothing.
const SUCCESS: &str = "Transfer finished with success";
/// The first version of `redis-cli` that takes a password from its environment.
const KNOWS_VARIABLE: u32 = 5;
/// The first version that can name a user.
const KNOWS_USERS: u32 = 6;
/// The first version to which a server can send its copy past its own disk.
pub(super) const TAKES_STREAM: u32 = 6;

/// Writes a server's dump into a new file.
pub(super) fn dump(member: &Member<'_>, into: &File, site: &Site<'_>) -> Result<(), StoreError> {
    server_room::spare(member, site)?;
    let streamed = stream(&member.server, into, site);
    match streamed {
        Ok(()) => {}
        Err(refusal) if is_forbidden(&refusal) => saved::save(member, into, site, &refusal)?,
        Err(refusal) => return Err(refusal.into()),
    }
    prove::shape(&member.part, into).map(drop)
}

/// Whether another way to a dump may work.
pub(super) fn is_forbidden(refusal: &Refusal) -> bool {
    matches!(refusal.kind, Kind::Rights | Kind::Unknown | Kind::OldTool)
}

fn stream(server: &Server<'_>, into: &File, site: &Site<'_>) -> Result<(), Refusal> {
    let what = "SYNC (redis-cli --rdb)";
    let path = inherited_path(into);
    let mut args = server.arguments();
    let mut environment = Vec::new();
    if let Some((user, word)) = server.login() {
        let least = if user.is_some() {
            KNOWS_USERS
        } else {
            KNOWS_VARIABLE
        };
        let own = version(server, site)?;
        if own < least {
            return Err(server.too_old(what, own, least));
        }
        environment.push(("REDISCLI_AUTH", word));
        args.extend(
            user.into_iter()
                .flat_map(|user| ["--user".to_owned(), user.to_owned()]),
        );
    }
    args.extend(["--rdb".to_owned(), path]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // The tool overwrites an existing file without shortening it.
    into.set_len(0)
        .map_err(|error| server.refusal(what, &format!("the file cannot be emptied: {error}")))?;
    let tool = Tool {
        program: CLI,
        args: &args,
        environment: &environment,
        files: &[into],
        ..Tool::default()
    };
    let finished = tool
        .run(site.left())
        .map_err(|error| server.unasked(what, &error))?;
    match complaint(&finished) {
        None => Ok(()),
        Some(words) if is_needless(&words) && server.login().is_some() => {
            stream(&server.anonymous(), into, site)
        }
        Some(words) => Err(judged(server, what, &words)),
    }
}

/// Returns the tool's words if it did not bring a whole copy.
pub(super) fn complaint(finished: &Finished) -> Option<String> {
    if finished.succeeded() && finished.stderr.contains(SUCCESS) {
        return None;
    }
    // The server may refuse the opening commands and still send the copy, so only the last words
    // count.
    // Tools before 6.2 report a refused SYNC on standard output.
    let lines = finished.stderr.lines().chain(finished.stdout.lines());
    let words: Vec<&str> = lines
        .filter(|line| !line.starts_with("sending ") && !line.starts_with("REPLCONF "))
        .collect();
    Some(words.join("\n"))
}

fn judged(server: &Server<'_>, what: &str, words: &str) -> Refusal {
    let is_full = ["No space left", "short write"]
        .iter()
        .any(|text| words.contains(text));
    if is_full {
        server.full(what)
    } else {
        server.refusal(what, words)
    }
}

/// Returns the tool's own major version.
pub(super) fn version(server: &Server<'_>, site: &Site<'_>) -> Result<u32, Refusal> {
    let tool = Tool {
        program: CLI,
        args: &["--version"],
        ..Tool::default()
    };
    let finished = tool
        .run(site.left())
        .map_err(|error| server.unasked("its tool's version", &error))?;
    major(&finished.stdout).ok_or_else(|| server.refusal("its tool's version", &finished.stdout))
}

/// Reads `redis-cli 7.0.15 (git:…)`.
pub(super) fn major(output: &str) -> Option<u32> {
    let version = output.trim().strip_prefix(CLI)?.trim();
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_version_is_read() {
        assert_eq!(major("redis-cli 7.0.15\n"), Some(7));
        assert_eq!(major("redis-cli 3.2.12"), Some(3));
        assert_eq!(major("redis-cli 6.2.7 (git:3fe1b0)"), Some(6));
        assert_eq!(major("redis-cli"), None);
    }
}
