//! The program under test, run from a process so small that its memory does not count.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::json;

/// Longer than the slowest case takes on a busy machine; a slower case hangs.
const SECONDS: u64 = 120;

/// Runs programs, one after another.
pub(crate) struct Runner {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    scratch: tempfile::TempDir,
}

/// How a program ended.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ended {
    /// Exit code; the negative number of a signal.
    pub(crate) code: i32,
    /// It was not killed for taking too long.
    pub(crate) in_time: bool,
    pub(crate) ms: f64,
    pub(crate) peak_kib: u64,
    #[serde(skip)]
    pub(crate) stderr: String,
}

impl Runner {
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/hostile/watch.py");
        let mut child = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            orders: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn run(&mut self, argv: &[&Path]) -> Ended {
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.scratch.path().join(name));
        let order = json!({"argv": argv, "stdout": stdout, "stderr": stderr, "seconds": SECONDS});
        let orders = self.orders.as_mut().unwrap();
        writeln!(orders, "{order}").unwrap();
        orders.flush().unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut ended: Ended = serde_json::from_str(&line).unwrap();
        ended.stderr = String::from_utf8_lossy(&fs::read(&stderr).unwrap()).into_owned();
        ended
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It ends when there are no more orders.
        self.orders.take();
        let _ = self.child.wait();
    }
}
