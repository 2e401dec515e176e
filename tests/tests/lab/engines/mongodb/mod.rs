//! `MongoDB`. Neither a server nor its tools were available where this was built. Scripts stand for
//! both, in a mount namespace: they behave as the tools' public source and documentation describe.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use installer::stores::{
    Access, DumpedPart, Limit, MongodbAccess, Restoring, StoreError, Stores as _,
};

use crate::engines::stores;

const FAKE: &str = include_str!("fake.py");
const STATE: &str = "AIRGAP_ENGINES_MONGODB";
const PART: &str = "database.archive.gz";
const SERVER: &str =
    r#"{"shop": {"keys": ["grün", "b", "c"], "empty": []}, "other": {"x": ["y"]}}"#;

fn store(uri: &str) -> Access {
    Access::Mongodb(MongodbAccess::parse(uri, None).unwrap())
}

fn limit() -> Limit<'static> {
    Limit {
        time: Duration::from_secs(60),
        stopped: &|| false,
    }
}

fn restore(access: &Access, dump: &File, items: Option<u64>) -> Result<Vec<String>, StoreError> {
    let parts = [DumpedPart {
        name: PART.to_owned(),
        file: dump.try_clone().unwrap(),
    }];
    let restoring = Restoring {
        run: 1,
        parts: &parts,
        items,
    };
    stores().restore(access, &restoring, limit())
}

#[test]
fn missing_tools_are_named_with_their_package() {
    let error = stores().look(&store("mongodb://127.0.0.1:1/shop"), limit());
    let error = error.unwrap_err();
    assert!(
        error.why.contains("`mongodump` is not installed"),
        "{error}"
    );
    assert!(
        error.next.contains("--tool mongodb-database-tools"),
        "{error}"
    );
}

#[test]
fn the_tools_are_driven_as_their_documentation_has_it() {
    let state = tempfile::tempdir().unwrap();
    fs::write(
        state.path().join("fake"),
        FAKE.replace("@STATE@", state.path().to_str().unwrap()),
    )
    .unwrap();
    let script = "set -e; mount -t tmpfs none /usr/sbin
                  for tool in mongodump mongorestore; do cp $1/fake /usr/sbin/$tool; done
                  chmod 755 /usr/sbin/mongo*
                  exec \"$0\" --exact engines::mongodb::the_other_half --ignored --nocapture";
    let done = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(state.path())
        .env(STATE, state.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    assert!(state.path().join("finished").exists(), "{done:?}");
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
#[ignore = "the other half of the test above"]
fn the_other_half() {
    let Some(state) = std::env::var_os(STATE) else {
        return;
    };
    let state = Path::new(&state);
    let put = |name: &str, text: &str| fs::write(state.join(name), text).unwrap();
    let server = || fs::read_to_string(state.join("server.json")).unwrap();
    put("server.json", SERVER);
    put("version", "100.9.4");
    put("failures", "0");
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listening.local_addr().unwrap().port();
    let access = store(&format!(
        "mongodb://u:Right%2FPass@127.0.0.1:1,127.0.0.1:{port}/shop"
    ));

    let look = stores().look(&access, limit()).unwrap();
    assert_eq!((look.parts, look.bytes), (vec![PART.to_owned()], 0));
    let wrong = store(&format!("mongodb://u:Wrong%2FPass@127.0.0.1:{port}/shop"));
    let error = stores().look(&wrong, limit()).unwrap_err();
    assert!(
        error.why.contains("does not take this user's password"),
        "{error}"
    );
    let error = stores().look(&store("mongodb://u:Right%2FPass@127.0.0.1:1/shop"), limit());
    assert!(
        error
            .unwrap_err()
            .why
            .contains("none of its servers can be reached")
    );
    put("version", "r4.0.28");
    let error = stores().look(&access, limit()).unwrap_err();
    assert!(error.why.contains("older than 100.3"), "{error}");

    let dump = tempfile::tempfile().unwrap();
    stores().dump(&access, PART, &dump, limit()).unwrap();
    let items = stores().prove(&access, PART, &dump, limit()).unwrap();
    assert_eq!(items, Some(3));
    put(
        "server.json",
        r#"{"shop": {"keys": ["changed"], "newer": ["n"]}, "other": {"x": []}}"#,
    );
    let notes = restore(&access, &dump, items).unwrap();
    assert!(notes[0].contains("left as they are"), "{notes:?}");
    let after = server();
    assert!(
        after.contains(r#""keys": ["gr\u00fcn", "b", "c"]"#),
        "{after}"
    );
    assert!(
        after.contains(r#""newer": ["n"]"#) && after.contains(r#""x": []"#),
        "{after}"
    );

    let error = restore(&access, &dump, Some(4)).unwrap_err();
    assert!(error.why.contains("restored 3 documents"), "{error}");
    put("failures", "2");
    let error = restore(&access, &dump, items).unwrap_err();
    assert!(
        error.why.contains("2 documents could not be restored"),
        "{error}"
    );

    let mut bytes = Vec::new();
    (&dump).rewind().unwrap();
    (&dump).read_to_end(&mut bytes).unwrap();
    for length in [0, 5, bytes.len() / 2, bytes.len() - 1] {
        let cut = tempfile::tempfile().unwrap();
        (&cut).write_all(&bytes[..length]).unwrap();
        let error = stores().prove(&access, PART, &cut, limit()).unwrap_err();
        assert!(error.why.contains("damaged"), "{length}: {error}");
    }
    let seen = fs::read_to_string(state.join("seen")).unwrap();
    assert!(
        seen.contains("--config=/proc/self/fd/") && !seen.contains("Pass"),
        "{seen}"
    );
    put("finished", "");
}
