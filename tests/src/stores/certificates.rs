//! An authority of the host's own, and one certificate for both servers.

use anyhow::Result;

use crate::isolated::Guest;

pub(super) const AUTHORITY: &str = "/etc/lab-stores/ca.pem";
pub(super) const CERTIFICATE: &str = "/etc/lab-stores/server.pem";

/// Where a server finds its copy of the private key, which must be its own.
pub(super) fn key_of(user: &str) -> String {
    format!("/etc/lab-stores/{user}.key")
}

/// The authority's key does not outlive this.
const MAKE: &str = r#"
set -eu
[ ! -e /etc/lab-stores/ca.pem ] || exit 0
umask 077
mkdir -p /etc/lab-stores
cd /etc/lab-stores
new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
new_key ca.key
openssl req -x509 -new -key ca.key -days 3650 -subj "/CN=Lab stores" -out ca.pem
new_key redis.key
openssl req -new -key redis.key -subj "/CN=127.0.0.1" -out server.csr
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 3650 -extfile server.ext \
    -out server.pem
cp redis.key postgres.key
chown redis: redis.key
chown postgres: postgres.key
rm ca.key server.csr server.ext
chmod 755 .
chmod 644 ca.pem server.pem
"#;

/// Makes the certificates that the host lacks.
pub(super) fn make(guest: &Guest) -> Result<()> {
    Ok(guest.check(&["sh", "-c", MAKE]).map(drop)?)
}
