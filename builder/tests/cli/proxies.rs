//! Builds through a proxy: the only way to a host that no resolver knows.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::program::{Run, User, text};
use crate::server::{Manner, Server};
use crate::vendor::Vendor;

/// `user:canary` as basic authentication.
const BASIC: &str = "proxy-authorization: basic dxnlcjpjyw5hcnk=";

/// A forward proxy that leads everything to one server. Returns its address and the requests it
/// got.
fn proxy(to: String, wants_login: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let log = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&log);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (to, asked) = (to.clone(), Arc::clone(&asked));
            thread::spawn(move || forward(stream, &to, wants_login, &asked));
        }
    });
    (address, log)
}

fn forward(mut stream: TcpStream, to: &str, wants_login: bool, log: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    log.lock().unwrap().push(target.clone());
    if wants_login && !head.to_ascii_lowercase().contains(BASIC) {
        let refusal = "HTTP/1.1 407 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(refusal.as_bytes());
        return;
    }
    let path = target
        .strip_prefix("http://vendor.invalid")
        .unwrap_or(&target);
    let mut server = TcpStream::connect(to).unwrap();
    let _ = write!(server, "GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n");
    let _ = std::io::copy(&mut server, &mut stream);
}

fn build(user: &User, vendor: &Vendor, url: &str, variables: &[(&str, &str)]) -> Run {
    let (product, out): (PathBuf, PathBuf) = (vendor.product(), user.bundle());
    let mut args = vec!["build", "--product", text(&product), "-o", text(&out)];
    args.extend(["--without-installer", "x86_64", "--version", "5.3"]);
    args.extend(["--distro", "el8", "--repo-url", url]);
    user.run_with(variables, &args)
}

#[test]
fn a_host_that_only_the_proxy_reaches_is_built_from() {
    let (vendor, user) = (Vendor::new(), User::new());
    let server = Server::start(&vendor.path(""), Manner::Plain);
    let to = server.url.replace("http://", "");
    let (address, log) = proxy(to, true);
    let with_login = format!("http://user:canary@{address}");
    let run = build(
        &user,
        &vendor,
        "http://vendor.invalid",
        &[("http_proxy", &with_login)],
    );
    run.assert_ok();
    assert!(
        log.lock()
            .unwrap()
            .iter()
            .all(|target| target.starts_with("http://vendor.invalid/"))
    );
    let lock = std::fs::read_to_string(user.path("out/bundle.lock.json")).unwrap();
    assert!(!lock.contains("canary") && !lock.contains(&address));
    // Exceptions are reached directly: the server itself never saw the proxy's form of an address.
    let asked = log.lock().unwrap().len();
    let variables = [
        ("ALL_PROXY", with_login.as_str()),
        ("NO_PROXY", "example.org, 127.0.0.0/8"),
    ];
    build(&user, &vendor, &server.url, &variables).assert_ok();
    assert_eq!(log.lock().unwrap().len(), asked);
}

#[test]
fn proxies_that_refuse_or_cannot_be_used_are_named_without_their_password() {
    let (vendor, user) = (Vendor::new(), User::new());
    let (address, _) = proxy("127.0.0.1:1".to_owned(), true);
    let refused = |variable: &str, value: &str, code: i32, words: &[&str]| {
        let run = build(
            &user,
            &vendor,
            "http://vendor.invalid",
            &[(variable, value)],
        );
        run.assert_refused(code, words);
        for secret in ["canary", "wrong"] {
            assert!(!run.stderr.contains(secret), "{}", run.stderr);
        }
    };
    let wrong = format!("http://user:wrong@{address}");
    refused("HTTP_PROXY", &wrong, 1, &["407", "proxy"]);
    refused(
        "ALL_PROXY",
        "socks5://u:canary@h:1",
        2,
        &["ALL_PROXY", "neither http nor https"],
    );
    refused("http_proxy", "http://u:canary@h:x", 2, &["http_proxy"]);
    refused(
        "http_proxy",
        "http://u:canary@127.0.0.1:1",
        1,
        &["vendor.invalid"],
    );
}
