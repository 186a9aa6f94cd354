//! The same over https.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use presence_transport::testing::Authority;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::http::{answer, raw};
use crate::support::{DEADLINE, Server, TempFile};
use crate::{APP, configuration, signed};

/// Asks for the app's settings over TLS; the error, if the certificate is not one to trust.
fn get(address: SocketAddr, client: Arc<ClientConfig>) -> Result<u16, std::io::Error> {
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(client, name).expect("a client");
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut stream = StreamOwned::new(connection, stream);
    let user_sig = signed("boss");
    let request = format!(
        "GET /v1/app HTTP/1.1\r\nHost: localhost\r\nX-Tim-App: {APP}\r\nX-Tim-User: boss\r\n\
         Authorization: Bearer {user_sig}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(answer(&text).status)
}

#[test]
fn administrators_are_served_with_tls_and_a_reload_replaces_the_certificate() {
    let (first, second) = (Authority::new(), Authority::new());
    let issued = first.issue(&["localhost"]);
    let (certificate, key) = (&issued.certificate_file, &issued.key_file);
    let top = format!(
        "admin_tls = true\ntls_certificate_file = \"{}\"\ntls_key_file = \"{}\"",
        certificate.display(),
        key.display()
    );
    let file = TempFile::new("https", &configuration(&top, ""));
    let mut server = Server::start(&["--config", &file.path()]);
    let line = server.stdout_line();
    let address = line
        .strip_prefix("administration at https://")
        .expect("its address");
    let address: SocketAddr = address.parse().expect("IP:PORT");

    assert_eq!(get(address, first.client()).expect("a trusted certificate"), 200);
    assert!(get(address, second.client()).is_err(), "of somebody else");
    let plain = raw(address, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!plain.starts_with("HTTP"), "nothing without TLS: {plain}");

    let newer = second.issue(&["localhost"]);
    std::fs::copy(&newer.certificate_file, certificate).expect("a file");
    std::fs::copy(&newer.key_file, key).expect("a file");
    server.signal(libc::SIGHUP);
    server.await_log("configuration reloaded");
    assert_eq!(get(address, second.client()).expect("the new certificate"), 200);
    assert!(get(address, first.client()).is_err(), "the old one is gone");
}

#[test]
fn with_tls_administrators_may_be_served_beyond_loopback() {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost"]);
    let top = format!(
        "admin_tls = true\ntls_certificate_file = \"{}\"\ntls_key_file = \"{}\"",
        issued.certificate_file.display(),
        issued.key_file.display()
    );
    let text =
        configuration(&top, "").replace("admin_listen = \"127.0.0.1:0\"", "admin_listen = \"0.0.0.0:0\"");
    let file = TempFile::new("https-anywhere", &text);
    let mut server = Server::start(&["--config", &file.path()]);
    let line = server.stdout_line();
    assert!(line.starts_with("administration at https://0.0.0.0:"), "{line}");
}
