//! R10 end to end: the real server, real connections, and a backend that listens, with and without TLS.

#[allow(dead_code)] // each test program uses a part of it
#[path = "support/receiver.rs"]
mod receiver;
#[allow(dead_code)] // each test program uses a part of it
mod support;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use presence_protocol::message::Request;
use receiver::{Answer, Received, Receiver};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::{Client, DEADLINE, KEY, Server, TempFile, run};

fn configuration(app: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:0\"]\nadmin_listen = \"off\"\n[[apps]]\nid = 7\nsecret_key = \"{KEY}\"\n{app}\n"
    )
}

fn sign(user: &str) -> String {
    let output = run(&["sign", "--app", "7", "--key", KEY, "--user", user]);
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim_end()
        .to_owned()
}

/// Who, action, reason, platform, and what else the body says.
fn story(received: &Received) -> String {
    let body: serde_json::Value = serde_json::from_str(&received.body).expect("JSON");
    let info = &body["Info"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let (_, platform) = received.line.rsplit_once("OptPlatform=").expect("a platform");
    assert!(received.query().contains("SdkAppid=7&"), "{}", received.line);
    assert!(
        received.query().contains("&ClientIP=127.0.0.1&"),
        "{}",
        received.line
    );
    assert!(body["EventTime"].as_i64().expect("milliseconds") > 1_600_000_000_000);
    let (who, action, reason) = (
        text(&info["To_Account"]),
        text(&info["Action"]),
        text(&info["Reason"]),
    );
    let kicked = &body["KickedDevice"];
    let kicked = if kicked.is_null() {
        String::new()
    } else {
        format!(" {kicked}")
    };
    let custom = info["CustomStatus"]
        .as_str()
        .map_or(String::new(), |text| format!(" {text:?}"));
    format!("{who} {action} {reason} {platform}{custom}{kicked}")
}

fn set(client: &mut Client, text: &str) {
    let reply = client.request(&Request::SetSelfStatus {
        custom_status: text.to_owned(),
    });
    assert_eq!(reply.code, 0);
}

/// R10.1, R8.3, R8.8, R2.2.
#[test]
fn a_backend_hears_what_a_users_devices_do() {
    let receiver = Receiver::start(|_| Answer::ok());
    let webhook = format!("webhook_url = \"{}\"\nmulti_login = \"single\"", receiver.url());
    let file = TempFile::new("webhook", &configuration(&webhook));
    let server = Server::start(&["--config", &file.path()]);
    let user_sig = sign("alice");
    let mut first = Client::connect(server.address);
    assert_eq!(first.login_on(7, "alice", &user_sig, "iOS").code, 0);
    assert_eq!(story(&receiver.next()), "alice Login Register iOS");
    set(&mut first, "at lunch");
    assert_eq!(
        story(&receiver.next()),
        "alice CustomStatusChange SetCustomStatus iOS \"at lunch\""
    );
    let mut second = Client::connect(server.address);
    assert_eq!(second.login_on(7, "alice", &user_sig, "Windows").code, 0);
    assert_eq!(
        story(&receiver.next()),
        "alice Login Register Windows [{\"Platform\":\"iOS\"}]"
    );
    first.await_close();
    assert_eq!(second.request(&Request::Logout).code, 0);
    assert_eq!(story(&receiver.next()), "alice Logout Unregister Windows");
    let mut third = Client::connect(server.address);
    assert_eq!(third.login_on(7, "alice", &user_sig, "Web").code, 0);
    assert_eq!(story(&receiver.next()), "alice Login Register Web");
    drop(third);
    assert_eq!(story(&receiver.next()), "alice Disconnect LinkClose Web");
}

/// R7.6: as the app's other settings.
#[test]
fn a_reload_moves_and_removes_a_webhook_and_shows_no_secret() {
    let (old, new) = (
        Receiver::start(|_| Answer::ok()),
        Receiver::start(|_| Answer::ok()),
    );
    let with = |receiver: &Receiver, secret: &str| {
        configuration(&format!(
            "webhook_url = \"{}?token=hush\"\nwebhook_secret = \"{secret}\"",
            receiver.url()
        ))
    };
    let file = TempFile::new("webhook-reload", &with(&old, "hush-1"));
    let mut server = Server::start(&["--config", &file.path(), "--log-level", "trace"]);
    let user_sig = sign("bob");
    let mut client = Client::connect(server.address);
    assert_eq!(client.login(7, "bob", &user_sig).code, 0);
    assert!(old.next().line.starts_with("POST /hook?token=hush&SdkAppid=7&"));
    file.write(&with(&new, "hush-2"));
    server.signal(libc::SIGHUP);
    server.await_log("configuration reloaded");
    set(&mut client, "moved");
    assert_eq!(
        story(&new.next()),
        "bob CustomStatusChange SetCustomStatus Linux \"moved\""
    );
    file.write(&configuration(""));
    server.signal(libc::SIGHUP);
    server.await_log("configuration reloaded");
    set(&mut client, "gone");
    server.signal(libc::SIGTERM);
    assert!(server.await_end().0.success());
    assert!(old.is_quiet() && new.is_quiet());
    let log = server.log.join("\n");
    assert!(
        log.contains("webhook changed") && log.contains("webhook removed"),
        "{log}"
    );
    assert!(!log.contains("hush"), "{log}");
}

#[test]
fn events_that_wait_when_the_server_stops_are_sent_first() {
    let (release, released) = channel::<()>();
    let released = std::sync::Mutex::new(released);
    let receiver = Receiver::start(move |received| {
        if received.body.contains("\"Login\"") {
            released
                .lock()
                .expect("one at a time")
                .recv_timeout(DEADLINE)
                .expect("released");
        }
        Answer::ok()
    });
    let webhook = format!("webhook_url = \"{}\"", receiver.url());
    let file = TempFile::new("webhook-stop", &configuration(&webhook));
    let mut server = Server::start(&["--config", &file.path()]);
    let mut client = Client::connect(server.address);
    assert_eq!(client.login(7, "carol", &sign("carol")).code, 0);
    for text in ["1", "2", "3"] {
        set(&mut client, text);
    }
    server.signal(libc::SIGTERM);
    server.await_log("node stopped");
    release.send(()).expect("it waits");
    let (status, _) = server.await_end();
    assert!(status.success());
    assert_eq!(story(&receiver.next()), "carol Login Register Linux");
    for text in ["1", "2", "3"] {
        assert!(story(&receiver.next()).ends_with(&format!("{text:?}")));
    }
    assert!(server.log.join("\n").contains("delivered=4"), "{:#?}", server.log);
}

/// A backend with a certificate of its own authority.
#[test]
fn an_https_backend_is_checked_against_the_authorities_of_the_system() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let authority = TempFile::new("webhook-authority", &certified.cert.pem());
    let chain = vec![CertificateDer::from(certified.cert.der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a fitting key");
    let tls = Arc::new(tls);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&tls)).expect("a connection");
            let answer: Arc<dyn Fn(&Received) -> Answer + Send + Sync> = Arc::new(|_| Answer::ok());
            let sender = sender.clone();
            thread::spawn(move || receiver::serve(StreamOwned::new(connection, stream), &sender, &answer));
        }
    });
    let file = TempFile::new(
        "webhook-tls",
        &configuration(&format!("webhook_url = \"https://localhost:{port}/hook\"")),
    );

    let trusting = Server::start_in(
        &["--config", &file.path()],
        &[("SSL_CERT_FILE", &authority.path())],
    );
    let mut client = Client::connect(trusting.address);
    assert_eq!(client.login(7, "dave", &sign("dave")).code, 0);
    let received = requests.recv_timeout(DEADLINE).expect("a request");
    assert_eq!(story(&received), "dave Login Register Linux");

    let mut wary = Server::start(&["--config", &file.path()]);
    let mut client = Client::connect(wary.address);
    assert_eq!(client.login(7, "dave", &sign("dave")).code, 0);
    let line = wary.await_log("the webhook failed");
    assert!(line.contains("certificate"), "{line}");
    // The trusting one is still connected and has nothing to tell.
    assert!(requests.recv_timeout(Duration::ZERO).is_err());
}
