//! An HTTP server whose every answer a test decides.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) path: String,
    pub(crate) range: Option<(u64, Option<u64>)>,
    pub(crate) if_range: Option<String>,
    pub(crate) authorization: Option<String>,
    /// How many requests came before.
    pub(crate) earlier: usize,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How much of the body is sent.
    pub(crate) sent: usize,
    /// Whether the connection then stays open and silent.
    pub(crate) stalls: bool,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            sent: 0,
            stalls: false,
        }
    }

    pub(crate) fn whole(body: &[u8]) -> Self {
        Self {
            body: body.to_vec(),
            sent: body.len(),
            ..Self::status(200)
        }
    }

    pub(crate) fn to(address: &str) -> Self {
        Self::status(302).with("Location", address)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers as a good server: ranges, `If-Range` and an `ETag`.
    pub(crate) fn ranged(asked: &Asked, bytes: &[u8], tag: &str) -> Self {
        let tag = format!("\"{tag}\"");
        let same = asked.if_range.as_ref().is_none_or(|wanted| *wanted == tag);
        let Some((first, last)) = asked.range.filter(|_| same) else {
            return Self::whole(bytes).with("ETag", &tag);
        };
        let total = bytes.len() as u64;
        if first >= total {
            return Self::status(416);
        }
        let last = last.unwrap_or(total - 1).min(total - 1);
        let [from, to] = [first, last + 1].map(|at| usize::try_from(at).unwrap());
        let range = format!("bytes {first}-{last}/{total}");
        let mut reply = Self::whole(&bytes[from..to]).with("ETag", &tag);
        reply.status = 206;
        reply.with("Content-Range", &range)
    }

    pub(crate) fn cut(mut self, sent: usize) -> Self {
        self.sent = self.sent.min(sent);
        self
    }

    pub(crate) fn stalling(mut self) -> Self {
        self.stalls = true;
        self
    }
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

/// The server; it lives as long as the test process.
pub(crate) struct Scripted {
    pub(crate) url: String,
    log: Arc<Mutex<Vec<(Asked, usize)>>>,
}

impl Scripted {
    pub(crate) fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (script, requests): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&log));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, requests) = (Arc::clone(&script), Arc::clone(&requests));
                thread::spawn(move || answer(&stream, &*script, &requests));
            }
        });
        Self { url, log }
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.log
            .lock()
            .unwrap()
            .iter()
            .map(|(asked, _)| asked.clone())
            .collect()
    }

    /// How many bytes of bodies were promised to be sent so far.
    pub(crate) fn sent_bytes(&self) -> usize {
        self.log.lock().unwrap().iter().map(|(_, sent)| sent).sum()
    }
}

/// Serves a directory as a good server does.
pub(crate) fn from_directory(root: &Path, asked: &Asked) -> Reply {
    match std::fs::read(root.join(asked.path.trim_start_matches('/'))) {
        Ok(bytes) => Reply::ranged(asked, &bytes, "one"),
        Err(_) => Reply::status(404),
    }
}

fn answer(stream: &TcpStream, script: &Script, log: &Mutex<Vec<(Asked, usize)>>) {
    let Some(mut asked) = read(stream) else {
        return;
    };
    let reply = {
        let mut log = log.lock().unwrap();
        asked.earlier = log.len();
        log.push((asked.clone(), 0));
        drop(log);
        script(&asked)
    };
    log.lock().unwrap()[asked.earlier].1 = reply.sent;
    let _ = send(stream, &reply);
}

/// Reads a request's head.
pub(crate) fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut asked = Asked {
        path: target.split('?').next()?.to_owned(),
        target,
        ..Asked::default()
    };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? <= 2 {
            return Some(asked);
        }
        let (name, value) = header.split_once(':')?;
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => asked.authorization = Some(value),
            "if-range" => asked.if_range = Some(value),
            "range" => {
                let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
                asked.range = Some((first.parse().ok()?, last.parse().ok()));
            }
            _ => {}
        }
    }
}

fn send(mut stream: &TcpStream, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!(
        "Content-Length: {}\r\nConnection: close\r\n\r\n",
        reply.body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&reply.body[..reply.sent])?;
    if reply.stalls {
        stream.set_read_timeout(Some(Duration::from_mins(10)))?;
        // Waits until the other side gives up.
        let _ = stream.read(&mut [0]);
    }
    Ok(())
}
