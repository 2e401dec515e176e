//! Programs of the host for protocols that this one lacks: TLS to redis, and all of `PostgreSQL`.
//!
//! Their secrets are in their environment. Every user of a host can read arguments, so no secret is
//! among them.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// What a program left.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end, which must come soon with little output.
#[expect(
    clippy::disallowed_methods,
    reason = "a service runs the host's clients"
)]
pub(crate) fn run(
    program: &str,
    arguments: &[&str],
    environment: &[(&'static str, String)],
    input: &str,
) -> Result<Ended, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading explains itself by its code.
        let _ = stdin.write_all(input.as_bytes());
    }
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < PATIENCE => std::thread::sleep(POLL),
            other => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program} does not end: {other:?}"));
            }
        }
    };
    Ok(Ended {
        code: status.code(),
        stdout: text(child.stdout.take()),
        stderr: text(child.stderr.take()),
    })
}

fn text(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
