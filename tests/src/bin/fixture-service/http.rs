//! HTTP/1.1 in its smallest form: one thread and one answer for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::behaviour::Behaviour;
use crate::role::Service;

const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_HEAD_BYTES: u64 = 16 * 1024;

/// What goes back to the client.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) body: String,
}

/// Answers until the process ends.
pub(crate) fn serve(listener: &TcpListener, service: &Arc<Service>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let service = Arc::clone(service);
        std::thread::spawn(move || {
            if let Err(error) = respond(stream, &service) {
                eprintln!("a connection ended early: {error}");
            }
        });
    }
}

fn respond(stream: TcpStream, service: &Service) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.take(LONGEST_HEAD_BYTES));
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    if matches!(service.behaviour, Behaviour::Hangs) {
        std::thread::sleep(Duration::from_hours(1));
        return Ok(());
    }
    let mut words = request.split_ascii_whitespace();
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let answer = service.answer(method, target.split('?').next().unwrap_or_default());
    let mut stream = reader.into_inner().into_inner();
    write!(
        stream,
        "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{}",
        answer.status,
        answer.body.len(),
        answer.body
    )
}
