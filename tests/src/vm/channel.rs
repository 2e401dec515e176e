//! The only ways into a machine without a network: a port on which its agent answers questions, and
//! the port on which qemu itself takes orders.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

const CONNECT_DEADLINE: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(5);
const ORDER_DEADLINE: Duration = Duration::from_mins(5);
const LINES_OF_AN_ANSWER: usize = 3;

/// The result of a command in the machine.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Lines that come one by one. A deadline that passes loses none of them.
#[derive(Debug)]
struct Lines {
    stream: BufReader<UnixStream>,
    part: Vec<u8>,
}

impl Lines {
    /// Connects to a socket that is about to appear.
    fn connect(socket: &Path) -> Result<Self> {
        let started = Instant::now();
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => {
                    stream.set_write_timeout(Some(ORDER_DEADLINE))?;
                    return Ok(Self {
                        stream: BufReader::new(stream),
                        part: Vec::new(),
                    });
                }
                Err(error) if started.elapsed() > CONNECT_DEADLINE => {
                    return Err(error)
                        .with_context(|| format!("no process listens at {}", socket.display()));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let line = format!("{line}\n");
        Ok(self.stream.get_mut().write_all(line.as_bytes())?)
    }

    /// The next line, or `None` if none has come by then.
    fn next(&mut self, until: Instant) -> Result<Option<String>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let wait = Some(left.max(Duration::from_millis(1)));
            self.stream.get_mut().set_read_timeout(wait)?;
            match self.stream.read_until(b'\n', &mut self.part) {
                Ok(0) => bail!("the machine is gone"),
                Ok(_) if self.part.ends_with(b"\n") => {
                    let line = std::mem::take(&mut self.part);
                    return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
                }
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut if left.is_zero() => {
                        return Ok(None);
                    }
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(error).context("cannot hear the machine"),
                },
            }
        }
    }
}

/// The agent of the machine.
#[derive(Debug)]
pub(super) struct Channel {
    lines: Lines,
    asked: u64,
    heard: Vec<String>,
}

impl Channel {
    pub(super) fn connect(socket: &Path) -> Result<Self> {
        Ok(Self {
            lines: Lines::connect(socket)?,
            asked: 0,
            heard: Vec::new(),
        })
    }

    /// Waits for the agent's first line, which it sends once a boot.
    pub(super) fn await_ready(&mut self, deadline: Duration) -> Result<bool> {
        let word = self.lines.next(Instant::now() + deadline)?;
        Ok(word.is_some_and(|word| word == "ready"))
    }

    /// Puts a question: a script for the machine's shell.
    pub(super) fn ask(&mut self, script: &str) -> Result<()> {
        self.asked += 1;
        let line = format!("{} {}", self.asked, BASE64.encode(script));
        self.lines.say(&line).context("cannot ask the machine")
    }

    /// The answer to the last question, or nothing if it has not come by then. Answers to earlier
    /// questions, which were given up, are passed over.
    pub(super) fn answer(&mut self, deadline: Duration) -> Result<Option<Answer>> {
        let until = Instant::now() + deadline;
        loop {
            while self.heard.len() < LINES_OF_AN_ANSWER {
                match self.lines.next(until)? {
                    Some(line) => self.heard.push(line),
                    None => return Ok(None),
                }
            }
            let (number, answer) = parse(&std::mem::take(&mut self.heard))?;
            if number == self.asked {
                return Ok(Some(answer));
            }
            ensure!(
                number < self.asked,
                "the agent answers question {number}, which was never asked"
            );
        }
    }
}

fn parse(lines: &[String]) -> Result<(u64, Answer)> {
    let [head, stdout, stderr] = [0, 1, 2].map(|at| lines[at].as_str());
    let (number, code) = head
        .split_once(' ')
        .with_context(|| format!("the agent says {head:?}"))?;
    let text = |encoded| -> Result<String> {
        Ok(String::from_utf8_lossy(&BASE64.decode(encoded)?).into_owned())
    };
    let answer = Answer {
        code: code.parse()?,
        stdout: text(stdout)?,
        stderr: text(stderr)?,
    };
    Ok((number.parse()?, answer))
}

/// qemu's control port (QMP).
#[derive(Debug)]
pub(super) struct Orders {
    lines: Lines,
}

impl Orders {
    pub(super) fn connect(socket: &Path) -> Result<Self> {
        let mut orders = Self {
            lines: Lines::connect(socket)?,
        };
        orders.hear()?;
        orders.give("qmp_capabilities", &json!({}))?;
        Ok(orders)
    }

    /// Gives an order and returns qemu's answer.
    pub(super) fn give(&mut self, order: &str, arguments: &Value) -> Result<Value> {
        let line = json!({ "execute": order, "arguments": arguments });
        self.lines.say(&line.to_string())?;
        loop {
            let said = self.hear()?;
            if let Some(result) = said.get("return") {
                return Ok(result.clone());
            }
            if let Some(error) = said.get("error") {
                bail!("qemu refuses {order}: {error}");
            }
        }
    }

    fn hear(&mut self) -> Result<Value> {
        let line = self.lines.next(Instant::now() + ORDER_DEADLINE)?;
        let line = line.context("qemu does not answer")?;
        Ok(serde_json::from_str(&line)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn an_answer_that_comes_too_late_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("channel");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut channel = Channel::connect(&socket).unwrap();
        let (mut agent, _) = listener.accept().unwrap();
        channel.ask("first").unwrap();
        agent.write_all(b"1 0\n").unwrap();
        let soon = Duration::from_millis(20);
        assert!(channel.answer(soon).unwrap().is_none());
        channel.ask("second").unwrap();
        agent.write_all(b"YQ==\n\n2 3\nYg==\n\n").unwrap();
        let answer = channel.answer(ORDER_DEADLINE).unwrap().unwrap();
        assert_eq!((answer.code, answer.stdout.as_str()), (3, "b"));
        drop(agent);
        assert!(channel.answer(ORDER_DEADLINE).is_err(), "no agent is there");
    }
}
