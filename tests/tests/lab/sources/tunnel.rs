//! HTTPS through a proxy that does nothing but CONNECT. It passes on bytes that it cannot read, and
//! keeps the login that it receives.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use lab::vendor::{Vendor, VendorOptions};
use tempfile::TempDir;

use crate::sources::builder::{Builder, published, rpm, start};
use crate::sources::tls::{self, Nginx};

/// `user:canary`, as basic authentication.
const BASIC: &str = "Basic dXNlcjpjYW5hcnk=";
/// `token77:`, the same way.
const TOKEN_BASIC: &str = "Basic dG9rZW43Nzo=";

/// The proxy; it lives as long as the test process.
struct Tunnels {
    address: String,
    /// The heads of all requests.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    /// Connects every client that has the login to one server.
    fn start(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (to, log) = (to.to_owned(), Arc::clone(&heads));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (to, log) = (to.clone(), Arc::clone(&log));
                thread::spawn(move || tunnel(stream, &to, &log));
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn with_login(&self, login: &str) -> String {
        format!("http://{login}@{}", self.address)
    }
}

fn tunnel(mut near: TcpStream, to: &str, log: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if near.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let (is_tunnel, is_known) = (head.starts_with("CONNECT "), head.contains(BASIC));
    log.lock().unwrap().push(head);
    let refusal = match (is_tunnel, is_known) {
        (true, true) => {
            let mut far = TcpStream::connect(to).unwrap();
            let _ = near.write_all(b"HTTP/1.1 200 X\r\n\r\n");
            let (mut from, mut back) = (far.try_clone().unwrap(), near.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut back);
                let _ = back.shutdown(Shutdown::Write);
            });
            let _ = std::io::copy(&mut near, &mut far);
            let _ = far.shutdown(Shutdown::Write);
            return;
        }
        (true, false) => 407,
        (false, _) => 405,
    };
    let _ = write!(
        near,
        "HTTP/1.1 {refusal} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

/// A vendor by https and a proxy before it.
struct Place {
    _vendor: Vendor,
    dir: TempDir,
    _nginx: Nginx,
    url: String,
    proxy: Tunnels,
}

fn place() -> Place {
    let (vendor, dir) = (
        start(VendorOptions::default()),
        tempfile::tempdir().unwrap(),
    );
    tls::certificates(dir.path());
    let (nginx, url) = tls::serve(dir.path(), &vendor.document_root());
    let proxy = Tunnels::start(url.trim_start_matches("https://"));
    Place {
        _vendor: vendor,
        dir,
        _nginx: nginx,
        url,
        proxy,
    }
}

impl Place {
    fn authority(&self) -> String {
        self.dir.path().join("ca.pem").display().to_string()
    }

    /// The proxy and login headers that the origin received:
    /// `PROXY-AUTHORIZATION|AUTHORIZATION|PATH` a line.
    fn heard(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.path().join(tls::LOG)).unwrap();
        log.lines().map(ToOwned::to_owned).collect()
    }
}

#[track_caller]
fn assert_no_word(dir: &Path, words: &[&str]) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_word(&path, words);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let holds = |word: &&&str| bytes.windows(word.len()).any(|at| at == word.as_bytes());
        assert_eq!(words.iter().find(holds), None, "in {}", path.display());
    }
}

#[test]
fn the_proxy_login_stays_at_the_proxy_and_the_token_passes_it_unseen() {
    let (place, builder) = (place(), Builder::new());
    let (authority, proxy) = (place.authority(), place.proxy.with_login("user:canary"));
    // Only the proxy knows where that is.
    let variables = [("https_proxy", proxy.as_str()), ("BUNDLE_TOKEN", "token77")];
    let run = builder.build(
        "https://vendor.invalid",
        &["--ca-file", &authority],
        &variables,
    );
    builder.assert_right(&run, &published());
    let heads = place.proxy.heads();
    assert!(!heads.is_empty());
    for head in heads {
        let lower = head.to_ascii_lowercase();
        assert!(head.starts_with("CONNECT vendor.invalid:443 "), "{head}");
        let logins = lower.matches("authorization:").count();
        assert!(
            logins == 1 && head.contains(BASIC) && !head.contains(TOKEN_BASIC),
            "{head}"
        );
    }
    let heard = place.heard();
    assert!(heard.iter().any(|line| line.ends_with(&rpm())), "{heard:?}");
    let expected = format!("-|{TOKEN_BASIC}|/");
    assert!(
        heard.iter().all(|line| line.starts_with(&expected)),
        "{heard:?}"
    );
    assert!(!run.stderr.contains("canary") && !run.stderr.contains("token77"));
    let words = [
        "canary",
        BASIC,
        "token77",
        TOKEN_BASIC,
        &place.proxy.address,
    ];
    assert_no_word(builder.home.path(), &words);
}

#[test]
fn exceptions_do_not_meet_the_proxy() {
    let place = place();
    let (authority, proxy) = (place.authority(), place.proxy.with_login("user:canary"));
    let more = ["--ca-file", authority.as_str()];
    let through = [("https_proxy", proxy.as_str())];
    let around = [("https_proxy", proxy.as_str()), ("no_proxy", "127.0.0.1")];
    let builder = Builder::new();
    let run = builder.build(&place.url, &more, &around);
    builder.assert_right(&run, &published());
    assert_eq!(place.proxy.heads(), Vec::<String>::new());
    let heard = place.heard();
    assert!(
        heard.iter().all(|line| line.starts_with("-|-|/")),
        "{heard:?}"
    );
    // The same address without the exception.
    let builder = Builder::new();
    let run = builder.build(&place.url, &more, &through);
    builder.assert_right(&run, &published());
    assert!(!place.proxy.heads().is_empty());
}

#[test]
fn a_proxy_that_refuses_the_login_is_asked_once_and_named() {
    let (place, builder) = (place(), Builder::new());
    let (authority, proxy) = (place.authority(), place.proxy.with_login("user:wrong"));
    let run = builder.build(
        &place.url,
        &["--ca-file", &authority],
        &[("https_proxy", &proxy)],
    );
    builder.assert_refused(&run, 1, &["407", "proxy's user name and password"]);
    assert!(!run.stderr.contains("wrong"), "{}", run.stderr);
    assert_eq!(place.heard(), Vec::<String>::new());
    // One request for each of the keys, which come first: a second try would be of no use.
    let heads = place.proxy.heads();
    assert!(heads.len() <= 4, "{heads:?}");
}
