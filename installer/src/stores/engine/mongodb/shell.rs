//! Asks for the size of a database with a shell of `MongoDB`, where the host has one. The size only
//! helps to foresee the room of a dump: without a shell, or without its answer, it is not known.

use std::path::Path;
use std::time::Duration;

use super::access::MongodbAccess;
use crate::host::cmd::tool::{Tool, is_available};
use crate::host::cmd::{Finished, inherited_path};
use crate::secure_fs;
use crate::stores::Limit;

const SHELLS: [&str; 2] = ["mongosh", "mongo"];
const PLACE: &str = "/run";
const ANSWER: Duration = Duration::from_secs(20);
/// The shell may print greetings and warnings besides.
const MARK: &str = "airgap-bundle-size=";

/// Returns the bytes of the database's documents without those that no dump has, if a shell reports
/// them.
pub(super) fn size(access: &MongodbAccess, limit: Limit<'_>) -> Option<u64> {
    let shell = SHELLS.into_iter().find(|shell| is_available(shell))?;
    // Root alone reads the script, which has the password.
    let script = secure_fs::unnamed(Path::new(PLACE), script(access)?.as_bytes()).ok()?;
    let path = inherited_path(&script);
    let tool = Tool {
        program: shell,
        args: &["--quiet", "--norc", "--nodb", &path],
        files: &[&script],
        // It would keep a log and a history in root's home.
        environment: &[("HOME", "/dev/null")],
        ..Tool::default()
    };
    let limit = Limit {
        time: limit.time.min(ANSWER),
        ..limit
    };
    let finished = tool.run(limit).ok().filter(Finished::succeeded)?;
    read(&finished.stdout)
}

fn script(access: &MongodbAccess) -> Option<String> {
    let quoted = |text: &str| serde_json::to_string(text).ok();
    let mut uri = access.uri.reveal().to_owned();
    if let Some(tls) = &access.tls {
        let is_bare = uri
            .splitn(3, '/')
            .nth(2)
            .is_some_and(|rest| !rest.contains('/'));
        if is_bare {
            uri.push('/');
        }
        let mut add = |name: &str, value: &str| {
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str(&format!("{name}={}", manifests::percent::encoded(value)));
        };
        add("tls", "true");
        tls.ca_file.iter().for_each(|file| add("tlsCAFile", file));
        tls.cert_file
            .iter()
            .for_each(|file| add("tlsCertificateKeyFile", file));
        if tls.insecure {
            add("tlsInsecure", "true");
        }
    }
    let exclude = serde_json::to_string(&access.exclude).ok()?;
    Some(format!(
        "const db_ = connect({uri}).getSiblingDB({database});\n\
         const left = {exclude};\n\
         const out = (name) => left.some((one) => one.endsWith('*') ? \
         name.startsWith(one.slice(0, -1)) : name === one);\n\
         let size = 0;\n\
         db_.getCollectionNames().filter((name) => !out(name)).forEach((name) => {{\n\
         const stats = db_.runCommand({{ collStats: name }});\n\
         if (stats.ok) size += Number(stats.size || 0);\n}});\n\
         print('{MARK}' + size);\n",
        uri = quoted(&uri)?,
        database = quoted(&access.database)?,
    ))
}

fn read(printed: &str) -> Option<u64> {
    let mut lines = printed.lines();
    let text = lines.find_map(|line| line.trim().strip_prefix(MARK))?;
    let digits = text.split('.').next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_behind_the_mark_is_a_size() {
        assert_eq!(read("warning: x\nairgap-bundle-size=2048\n"), Some(2048));
        for text in ["", "2048", "airgap-bundle-size=", "airgap-bundle-size=NaN"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_script_leaves_out_what_no_dump_has() {
        let uri = "mongodb://u:Zebra@h/shop";
        let mut access = MongodbAccess::parse(uri, None).unwrap();
        access.exclude = vec!["z_tyk_*".to_owned()];
        let script = script(&access).unwrap();
        assert!(script.contains("const left = [\"z_tyk_*\"];"), "{script}");
        assert!(script.contains("getSiblingDB(\"shop\")"), "{script}");
    }
}
