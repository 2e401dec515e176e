//! Why there was no answer, in words for people. Nothing of the request is quoted: its address and
//! path come from configuration, where a mistake may have put anything.

use std::io::ErrorKind;
use std::time::Duration;

use rustls::AlertDescription as Alert;

/// Describes an error of the HTTP library.
pub(super) fn of(error: &ureq::Error, timeout: Duration) -> String {
    match error {
        ureq::Error::Timeout(_) => late(timeout),
        ureq::Error::HostNotFound => {
            "this host cannot resolve the name of its listen address".to_owned()
        }
        ureq::Error::Io(error) => of_io(error, timeout),
        ureq::Error::Rustls(error) => of_tls(error),
        ureq::Error::Tls(_) => "the TLS handshake failed".to_owned(),
        ureq::Error::ConnectionFailed => "no connection to it can be made".to_owned(),
        ureq::Error::Protocol(_) => "its answer is not HTTP".to_owned(),
        ureq::Error::LargeResponseHeader(..) => "the head of its answer is too large".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            "the address that its configuration gives cannot be asked".to_owned()
        }
        _ => "it could not be asked".to_owned(),
    }
}

fn late(timeout: Duration) -> String {
    let secs = timeout.as_secs_f64();
    format!("it did not answer within {secs} s")
}

fn of_io(error: &std::io::Error, timeout: Duration) -> String {
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return of_tls(tls);
    }
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        return of(error, timeout);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => "it refuses connections: nothing listens there",
        ErrorKind::TimedOut | ErrorKind::WouldBlock => return late(timeout),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "it broke the connection off"
        }
        ErrorKind::UnexpectedEof => "it closed the connection without an answer",
        ErrorKind::AddrNotAvailable => "its listen address is not an address of this host",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "there is no way to its listen address"
        }
        ErrorKind::PermissionDenied => "this host does not let connections to it through",
        _ => "the connection to it failed",
    }
    .to_owned()
}

fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::AlertReceived(Alert::CertificateRequired | Alert::BadCertificate) => {
            "TLS: it demands a client certificate"
        }
        // OpenSSL says the same for both, before TLS 1.3.
        rustls::Error::AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity) => {
            "TLS: it demands a client certificate, or shares no cipher with this program (which knows \
             TLS 1.2 with ECDHE and TLS 1.3)"
        }
        rustls::Error::AlertReceived(Alert::ProtocolVersion)
        | rustls::Error::PeerIncompatible(_) => {
            "TLS: it shares no version or cipher with this program (which knows TLS 1.2 with ECDHE and \
             TLS 1.3)"
        }
        rustls::Error::AlertReceived(Alert::UnrecognisedName | Alert::AccessDenied) => {
            "TLS: it does not know the name that it was asked by"
        }
        rustls::Error::AlertReceived(Alert::UnknownCA | Alert::CertificateUnknown)
        | rustls::Error::InvalidCertificate(_) => "TLS: a certificate is not trusted",
        rustls::Error::InvalidMessage(_) => "TLS: it answers without TLS",
        _ => "the TLS handshake failed",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_the_library_is_repeated() {
        let wait = Duration::from_secs(5);
        let io = |kind| ureq::Error::Io(std::io::Error::new(kind, "canary"));
        let tls = |error| ureq::Error::Io(std::io::Error::other(error));
        let alert = rustls::Error::AlertReceived;
        for (error, words) in [
            (
                ureq::Error::Timeout(ureq::Timeout::Global),
                "it did not answer within 5 s",
            ),
            (io(ErrorKind::ConnectionRefused), "it refuses connections"),
            (
                io(ErrorKind::ConnectionReset),
                "it broke the connection off",
            ),
            (io(ErrorKind::Other), "the connection to it failed"),
            (tls(alert(Alert::CertificateRequired)), "client certificate"),
            (tls(alert(Alert::HandshakeFailure)), "no cipher"),
            (tls(alert(Alert::ProtocolVersion)), "no version or cipher"),
            (
                tls(rustls::Error::InvalidCertificate(
                    rustls::CertificateError::UnknownIssuer,
                )),
                "not trusted",
            ),
            (
                ureq::Error::Rustls(alert(Alert::UnrecognisedName)),
                "the name",
            ),
            (ureq::Error::BadUri("canary".to_owned()), "cannot be asked"),
        ] {
            let said = of(&error, wait);
            assert!(said.contains(words), "{said}");
            assert!(!said.contains("canary"), "{said}");
        }
    }
}
