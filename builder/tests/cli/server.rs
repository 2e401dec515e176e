//! A small HTTP server with bad manners.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What to do with requests whose path ends in a given text; everything else is served.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// Serves from a directory.
    Plain,
    /// Redirects everything to the same path at this address, with an expiring query.
    Redirect(String),
    /// Redirects files that end so to this address.
    RedirectOne(&'static str, String),
    /// Answers with this status.
    Status(&'static str, u16),
    /// Answers with this status so many times, then serves.
    Passing(&'static str, u16, usize),
    /// Announces the whole file and sends half of it.
    Half(&'static str),
    /// Changes the last byte but one so many times, then serves.
    Stale(&'static str, usize),
    /// Announces the whole file and sends a byte now and then.
    Drip(&'static str),
    /// Sends a file that is shorter than listed.
    Shorter(&'static str),
    /// Sends a file that goes on after its end.
    Longer(&'static str),
    /// Announces the whole file, sends half of it and then stays silent.
    Stall(&'static str),
}

/// The server; it lives as long as the test process.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(root: &Path, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (root, log) = (root.to_owned(), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, log, manner) = (root.clone(), Arc::clone(&log), manner.clone());
                thread::spawn(move || answer(&stream, &root, &log, &manner));
            }
        });
        Self { url, requests }
    }

    /// How many requests had a path that ends with this text.
    pub(crate) fn asked_for(&self, end: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|path| path.ends_with(end)).count()
    }
}

fn answer(stream: &TcpStream, root: &Path, log: &Mutex<Vec<String>>, manner: &Manner) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let _ = reader.read_line(&mut line);
    let mut header = String::new();
    while reader.read_line(&mut header).is_ok_and(|n| n > 2) {
        header.clear();
    }
    let target = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    log.lock().unwrap().push(path.clone());
    let seen = log.lock().unwrap().iter().filter(|p| **p == path).count();
    let file: PathBuf = root.join(path.trim_start_matches('/'));
    let bytes = std::fs::read(file).ok();
    let _ = respond(stream, &path, bytes, seen, manner);
}

fn respond(
    mut out: &TcpStream,
    path: &str,
    bytes: Option<Vec<u8>>,
    seen: usize,
    manner: &Manner,
) -> std::io::Result<()> {
    let status = |mut out: &TcpStream, code: u16, more: &str| {
        write!(
            out,
            "HTTP/1.1 {code} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    let found = |to: &str| format!("Location: {to}{path}?Expires=1&Signature=secret\r\n");
    match manner {
        Manner::Redirect(to) => return status(out, 302, &found(to)),
        Manner::RedirectOne(end, to) if path.ends_with(end) => return status(out, 302, &found(to)),
        Manner::Status(end, code) if path.ends_with(end) => return status(out, *code, ""),
        Manner::Passing(end, code, times) if path.ends_with(end) && seen <= *times => {
            return status(out, *code, "");
        }
        _ => {}
    }
    let Some(mut bytes) = bytes else {
        return status(out, 404, "");
    };
    let half = bytes.len() / 2;
    match manner {
        Manner::Shorter(end) if path.ends_with(end) => bytes.truncate(half),
        Manner::Stale(end, times) if path.ends_with(end) && seen <= *times => {
            let at = bytes.len() - 2;
            bytes[at] ^= 1;
        }
        Manner::Longer(end) if path.ends_with(end) => bytes.push(b'x'),
        _ => {}
    }
    let length = bytes.len();
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    match manner {
        Manner::Half(end) if path.ends_with(end) => out.write_all(&bytes[..half]),
        Manner::Drip(end) if path.ends_with(end) => {
            for byte in bytes {
                out.write_all(&[byte])?;
                out.flush()?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        Manner::Stall(end) if path.ends_with(end) => {
            out.write_all(&bytes[..half])?;
            out.flush()?;
            out.set_read_timeout(Some(Duration::from_mins(1)))?;
            // Waits until the other side gives up.
            let _ = out.read(&mut [0]);
            Ok(())
        }
        _ => out.write_all(&bytes),
    }
}
