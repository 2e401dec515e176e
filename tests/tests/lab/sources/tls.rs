//! HTTPS with a certificate of the user's own authority: nginx and openssl.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::vendor::VendorOptions;

use crate::sources::builder::{Builder, published, start};

/// The headers that the server received: `PROXY-AUTHORIZATION|AUTHORIZATION|PATH` a line, below its
/// directory.
pub(crate) const LOG: &str = "heard.log";

/// Ended when dropped.
pub(crate) struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments}: {output:?}");
}

/// An authority, and a certificate of it for 127.0.0.1 and a name that no resolver knows.
pub(crate) fn certificates(dir: &Path) {
    let names = "subjectAltName=IP:127.0.0.1,DNS:vendor.invalid\n";
    std::fs::write(dir.join("san"), names).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let authority = "-x509 -days 2 -subj /CN=lab-authority -keyout ca.key -out ca.pem";
    openssl(dir, &format!("req {key} {authority}"));
    openssl(
        dir,
        &format!("req {key} -subj /CN=lab -keyout tls.key -out tls.csr"),
    );
    let signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out tls.pem";
    openssl(dir, &format!("x509 -req -in tls.csr {signed}"));
}

pub(crate) fn serve(dir: &Path, root: &Path) -> (Nginx, String) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (here, root) = (dir.display(), root.display());
    let config = format!(
        "daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;\n\
         events {{}}\nhttp {{\n\
         log_format heard '$http_proxy_authorization|$http_authorization|$uri';\n\
         access_log {here}/{LOG} heard; client_body_temp_path {here}/body;\n\
         proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;\n\
         uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;\n\
         server {{ listen {address} ssl; ssl_certificate {here}/tls.pem;\n\
         ssl_certificate_key {here}/tls.key; root {root}; }} }}\n"
    );
    std::fs::write(dir.join("nginx.conf"), config).unwrap();
    let child = Command::new("nginx")
        .arg("-c")
        .arg(dir.join("nginx.conf"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let nginx = Nginx(child);
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "nginx does not answer"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    (nginx, format!("https://{address}"))
}

#[test]
fn an_extra_authority_is_trusted_and_without_it_no_server_is() {
    let (vendor, dir, builder) = (
        start(VendorOptions::default()),
        tempfile::tempdir().unwrap(),
        Builder::new(),
    );
    certificates(dir.path());
    let (_nginx, url) = serve(dir.path(), &vendor.document_root());
    let run = builder.build(&url, &[], &[]);
    builder.assert_refused(&run, 1, &["certificate"]);
    let authority = dir.path().join("ca.pem");
    let authority = authority.to_str().unwrap();
    let run = builder.build(&url, &["--ca-file", authority], &[]);
    builder.assert_right(&run, &published());
    let other = Builder::new();
    let run = other.build(&url, &[], &[("SSL_CERT_FILE", authority)]);
    other.assert_right(&run, &published());
    let third = Builder::new();
    let run = third.build(&url, &["--ca-file", "product.toml"], &[]);
    third.assert_refused(&run, 2, &["no certificate"]);
}
