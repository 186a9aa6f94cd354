//! The program with TLS: it says where, takes a new certificate on SIGHUP, and keeps the old one when the new is bad.

#[allow(dead_code)] // each test program uses a part of it
mod support;

use presence_transport::testing::Authority;
use support::{Client, KEY, Server, TempFile, run};

fn configuration(certificate: &str, key: &str) -> String {
    format!(
        "listen = []\nlisten_tls = [\"127.0.0.1:0\"]\ntls_certificate_file = \"{certificate}\"\n\
         tls_key_file = \"{key}\"\n[[apps]]\nid = 7\nsecret_key = \"{KEY}\"\n"
    )
}

#[test]
fn sighup_replaces_the_certificate_and_a_bad_one_changes_nothing() {
    let (old, new) = (Authority::new(), Authority::new());
    let file = TempFile::new("tls", "");
    let (certificate, key) = (format!("{}.crt", file.path()), format!("{}.key", file.path()));
    let install = |authority: &Authority| {
        let issued = authority.issue(&["127.0.0.1"]);
        std::fs::copy(issued.certificate_file, &certificate).expect("a file");
        std::fs::copy(issued.key_file, &key).expect("a file");
    };
    install(&old);
    file.write(&configuration(&certificate, &key));
    let mut server = Server::start(&["--config", &file.path()]);
    let user_sig = run(&["sign", "--config", &file.path(), "--user", "alice"]).stdout;
    let user_sig = String::from_utf8(user_sig).expect("UTF-8");
    let log_in = |client: &mut Client| client.login(7, "alice", user_sig.trim_end()).code;

    let mut first = Client::connect_tls(server.address, old.client()).expect("it is trusted");
    assert_eq!(log_in(&mut first), 0);

    std::fs::write(&certificate, "half of a certif").expect("a file");
    server.signal(libc::SIGHUP);
    let refused = server.await_log("not reloaded, nothing changed");
    assert!(refused.contains("has no certificate"), "{refused}");
    let mut second = Client::connect_tls(server.address, old.client()).expect("the old one is in use");
    assert_eq!(log_in(&mut second), 0);

    install(&new);
    server.signal(libc::SIGHUP);
    server.await_log("TLS certificate replaced");
    let mut third = Client::connect_tls(server.address, new.client()).expect("the new one is in use");
    assert_eq!(log_in(&mut third), 0);
    let Err(error) = Client::connect_tls(server.address, old.client()) else {
        panic!("the old one is still in use");
    };
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    // What the client made of it is in the log, for whoever wonders where the clients are.
    server.await_log("UnknownCA");
}

#[test]
fn a_certificate_is_no_reason_to_be_open_without_tls() {
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let text = configuration(&path(&issued.certificate_file), &path(&issued.key_file));
    let file = TempFile::new(
        "tls-open",
        &text.replace("listen = []", "listen = [\"0.0.0.0:0\"]"),
    );
    let output = run(&["--config", &file.path()]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        text.contains("listen_tls") && text.contains("--insecure"),
        "{text}"
    );
}
