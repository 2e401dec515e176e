//! A third server for what nginx cannot do wrong: bodies that end early or stall, and refusals that
//! pass.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// How a file is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Truncate,
    Stall(Duration),
    Refuse { status: u16, times: u32 },
    Page,
    Nothing,
}

const PAGE: &[u8] = b"<!DOCTYPE html>\n<title>Log in to the network</title>\n";

#[derive(Debug)]
struct Route {
    file: PathBuf,
    manner: Manner,
    requests: AtomicU32,
}

/// The running server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct StutterServer {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

impl StutterServer {
    /// Serves each URL path from a file in some manner.
    pub(crate) fn start(routes: Vec<(String, PathBuf, Manner)>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.3:0").context("cannot listen on 127.0.0.3")?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let routes: Arc<BTreeMap<String, Route>> = Arc::new(
            routes
                .into_iter()
                .map(|(path, file, manner)| {
                    (
                        path,
                        Route {
                            file,
                            manner,
                            requests: AtomicU32::new(0),
                        },
                    )
                })
                .collect(),
        );
        let stop = Arc::clone(&stopping);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let routes = Arc::clone(&routes);
                std::thread::spawn(move || stream.map(|stream| respond(stream, &routes)));
            }
        });
        Ok(Self { address, stopping })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for StutterServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn respond(mut stream: TcpStream, routes: &BTreeMap<String, Route>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let path = read_path(&stream)?;
    let Some(route) = routes.get(&path) else {
        return status(&mut stream, 404);
    };
    let body = match route.manner {
        Manner::Page => PAGE.to_vec(),
        Manner::Nothing => Vec::new(),
        _ => fs::read(&route.file)?,
    };
    let earlier = route.requests.fetch_add(1, Ordering::Relaxed);
    let sent = match route.manner {
        Manner::Refuse {
            status: code,
            times,
        } if earlier < times => {
            return status(&mut stream, code);
        }
        Manner::Refuse { .. } | Manner::Page | Manner::Nothing => body.len(),
        Manner::Truncate | Manner::Stall(_) => body.len() / 2,
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-rpm\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body[..sent])?;
    if let Manner::Stall(stall) = route.manner {
        stream.flush()?;
        std::thread::sleep(stall);
    }
    Ok(())
}

/// The path of the request, without its query.
fn read_path(stream: &TcpStream) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let target = request.split(' ').nth(1).unwrap_or_default();
    Ok(target.split('?').next().unwrap_or_default().to_owned())
}

fn status(stream: &mut TcpStream, code: u16) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {code} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}
