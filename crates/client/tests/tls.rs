//! A client of a server with TLS: whom it trusts and whom it does not, what it says of that, and the way through a proxy.

mod middle;

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use middle::{HttpProxy, Proxy};
use presence::ids::AppId;
use presence::settings::AppSettings;
use presence_client::{Client, ConnectionState, Listener, LogLevel, Outcome};
use presence_node::{AppConfig, Node, NodeConfig, ServerTls};
use presence_protocol::errors::code;
use presence_protocol::user_sig;
use presence_transport::testing::{Authority, Issued};
use sha2::{Digest as _, Sha256};

const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "a key of this test";

/// A node that listens on a port with TLS and on one without.
fn node(tls: ServerTls) -> Node {
    let config = NodeConfig {
        listen: vec![([127, 0, 0, 1], 0).into()],
        listen_tls: vec![([127, 0, 0, 1], 0).into()],
        tls: Some(tls),
        loops: 2,
        ..NodeConfig::default()
    };
    let app = AppConfig {
        id: AppId::new(7).unwrap(),
        secret_key: KEY.into(),
        settings: AppSettings::default(),
        accounts: Vec::new(),
        friends: Default::default(),
    };
    Node::start(config, vec![app]).unwrap()
}

fn tls_port(node: &Node) -> u16 {
    node.tls_addresses()[0].port()
}

fn client(server: &str, more: &str) -> Client {
    let json = format!(
        r#"{{"server":"{server}","sdk_app_id":7,"backoff_base_ms":20,"backoff_max_ms":100,
            {more}}}"#,
        more = if more.contains("login_timeout_ms") {
            more.trim_start_matches(',').to_owned()
        } else {
            format!(r#""login_timeout_ms":20000{more}"#)
        }
    );
    Client::create(&json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn ca_file(path: &Path) -> String {
    format!(r#","ca_file":"{}""#, path.display())
}

fn pin(issued: &Issued) -> String {
    format!("sha256//{}", STANDARD.encode(Sha256::digest(&issued.public_key)))
}

fn pinned(pin: &str) -> String {
    format!(r#","pinned_public_key":"{pin}""#)
}

fn begin_login(client: &Client) -> Receiver<Outcome> {
    let now_s = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let user_sig = user_sig::sign(AppId::new(7).unwrap(), KEY, "alice", now_s as i64, 3600);
    let (tell, told) = mpsc::channel();
    let done = Box::new(move |outcome: Outcome| {
        let _ = tell.send(outcome);
    });
    client.login("alice", &user_sig, done).unwrap();
    told
}

fn log_in(client: &Client) -> Outcome {
    begin_login(client).recv_timeout(PATIENCE).expect("a result")
}

/// Logs in to `host`, whose certificate is `issued`.
fn result_of(issued: &Issued, host: &str, more: &str) -> Outcome {
    let node = node(issued.server());
    let client = client(&format!("tims://{host}:{}", tls_port(&node)), more);
    let outcome = log_in(&client);
    client.destroy(PATIENCE).unwrap();
    node.stop(PATIENCE).unwrap();
    outcome
}

#[test]
fn a_server_of_the_own_authority_is_trusted_by_name_and_by_address() {
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(
            result_of(&issued, host, &ca_file(&authority.file())).code,
            0,
            "{host}"
        );
    }
}

#[test]
fn a_certificate_that_is_wrong_ends_the_login_at_once_and_says_why() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ca = ca_file(&authority.file());
    let good = || authority.issue(&["127.0.0.1"]);
    let cases = [
        (
            authority.issue(&["elsewhere.example"]),
            ca.clone(),
            "is not for 127.0.0.1",
        ),
        (
            authority.issue_until(&["127.0.0.1"], 2020),
            ca.clone(),
            "has expired",
        ),
        (
            other.issue(&["127.0.0.1"]),
            ca.clone(),
            "an authority that is not trusted here",
        ),
        // The system knows no authority of a test.
        (good(), String::new(), "an authority that is not trusted here"),
    ];
    for (issued, more, why) in cases {
        let outcome = result_of(&issued, "127.0.0.1", &more);
        assert_eq!(outcome.code, code::SERVER_NOT_TRUSTED, "{}", outcome.message);
        assert!(outcome.message.contains(why), "{}", outcome.message);
    }
}

#[test]
fn a_pinned_key_is_trusted_whoever_issued_its_certificate_and_another_is_not() {
    let (authority, other) = (Authority::new(), Authority::new());
    let issued = authority.issue(&["127.0.0.1"]);
    let old = authority.issue_until(&["127.0.0.1"], 2020);
    let right = pinned(&pin(&issued));
    let result = |issued: &Issued, more: &str| result_of(issued, "127.0.0.1", more);

    assert_eq!(result(&issued, &right).code, 0);
    let either = pinned(&format!("{};{}", pin(&old), pin(&issued)));
    assert_eq!(result(&issued, &either).code, 0, "one of two");
    assert_eq!(
        result(&old, &pinned(&pin(&old))).code,
        0,
        "the key is what counts, not the date"
    );

    let wrong = result(&old, &right);
    assert_eq!(wrong.code, code::SERVER_NOT_TRUSTED);
    assert!(
        wrong.message.contains(&pin(&old)),
        "it says which key it is: {}",
        wrong.message
    );
    let nameless = result_of(&issued, "localhost", &right);
    assert_eq!(nameless.code, code::SERVER_NOT_TRUSTED);
    assert!(
        nameless.message.contains("is not for localhost"),
        "{}",
        nameless.message
    );
    // With authorities, both must hold.
    let both = format!("{right}{}", ca_file(&authority.file()));
    assert_eq!(result(&issued, &both).code, 0);
    let both = format!("{right}{}", ca_file(&other.file()));
    assert_eq!(result(&issued, &both).code, code::SERVER_NOT_TRUSTED);
}

/// In a process of its own, whose environment says where the system's authorities are.
#[test]
fn whom_the_system_trusts_is_trusted() {
    const CHILD: &str = "TIM_PRESENCE_PORT_OF_TEST";
    if let Ok(server) = std::env::var(CHILD) {
        let clients = [client(&server, ""), client(&server, r#","platform":"iPad""#)];
        for client in clients {
            assert_eq!(log_in(&client).code, 0);
            client.destroy(PATIENCE).unwrap();
        }
        return;
    }
    let authority = Authority::new();
    let node = node(authority.issue(&["127.0.0.1"]).server());
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "whom_the_system_trusts_is_trusted"])
        .env(CHILD, format!("tims://127.0.0.1:{}", tls_port(&node)))
        .env("SSL_CERT_FILE", authority.file())
        .env_remove("SSL_CERT_DIR")
        .status()
        .unwrap();
    assert!(status.success());
    node.stop(PATIENCE).unwrap();
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_refused_when_the_client_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").unwrap();
    for (path, why) in [
        (folder.path().join("none.pem"), "cannot read"),
        (empty, "has no certificate"),
    ] {
        let json = format!(
            r#"{{"server":"tims://127.0.0.1:1","sdk_app_id":7{}}}"#,
            ca_file(&path)
        );
        let error = Client::create(&json).err().expect("refused");
        assert_eq!(error.code, code::INVALID_OPTIONS);
        assert!(
            error.text.contains("ca_file") && error.text.contains(why),
            "{error}"
        );
    }
}

#[test]
fn tls_where_there_is_none_and_other_wrong_places_are_named() {
    let authority = Authority::new();
    let node = node(authority.issue(&["127.0.0.1"]).server());
    let soon = r#","login_timeout_ms":8000"#;
    let plain = client(&format!("tim://127.0.0.1:{}", tls_port(&node)), soon);
    let encrypted = client(
        &format!("tims://127.0.0.1:{}", node.addresses()[0].port()),
        &format!("{soon}{}", ca_file(&authority.file())),
    );
    // Two more wrong places: a port of HTTP, and one where nobody listens.
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = client(&format!("tim://{}", http.local_addr().unwrap()), soon);
    std::thread::spawn(move || {
        for stream in http.incoming() {
            let Ok(mut stream) = stream else { return };
            let answered = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            // To the end, so that nothing unread resets the connection and takes the answer with it.
            let heard = std::io::copy(&mut stream, &mut std::io::sink());
            drop((answered, heard));
        }
    });
    let nowhere = client("tim://127.0.0.1:1", soon);
    let results = [
        (&plain, "use tims://"),
        (&encrypted, "does it speak TLS on this port?"),
        (&elsewhere, "speaks HTTP"),
        (&nowhere, "127.0.0.1:1: "),
    ];
    for (result, why) in results.map(|(client, why)| (begin_login(client), why)) {
        let outcome = result.recv_timeout(PATIENCE).expect("a result");
        assert_eq!(outcome.code, code::NO_CONNECTION);
        assert!(outcome.message.contains(why), "{}", outcome.message);
    }
    for client in [plain, encrypted, elsewhere, nowhere] {
        client.destroy(PATIENCE).unwrap();
    }
    node.stop(PATIENCE).unwrap();
}

#[test]
fn a_session_whose_server_is_not_trusted_any_more_says_so_at_each_attempt_and_comes_back_once_it_is() {
    let (authority, other) = (Authority::new(), Authority::new());
    let trusted = node(authority.issue(&["127.0.0.1"]).server());
    let impostor = node(other.issue(&["127.0.0.1"]).server());
    let proxy = Proxy::start(trusted.tls_addresses()[0]);
    let client = client(
        &format!("tims://{}", proxy.address()),
        &ca_file(&authority.file()),
    );
    let (tell, told) = mpsc::channel();
    let tell_state = move |state, code, _: &str| {
        let _ = tell.send((state, code));
    };
    client
        .set_listener(Listener::ConnectionState(Box::new(tell_state)))
        .unwrap();
    let (tell, logged) = mpsc::channel();
    let tell_log = move |_, text: &str| {
        let _ = tell.send(text.to_owned());
    };
    client
        .set_listener(Listener::Log(LogLevel::Warn, Box::new(tell_log)))
        .unwrap();
    assert_eq!(log_in(&client).code, 0);

    proxy.redirect(impostor.tls_addresses()[0]);
    let mut warnings = 0;
    while warnings < 2 {
        let text = logged.recv_timeout(PATIENCE).expect("each attempt is logged");
        warnings += usize::from(text.contains("an authority that is not trusted here"));
    }
    let await_state = |expected| {
        while told.recv_timeout(PATIENCE).expect("it is told") != expected {}
    };
    await_state((ConnectionState::Disconnected, code::SERVER_NOT_TRUSTED));
    proxy.redirect(trusted.tls_addresses()[0]);
    await_state((ConnectionState::Connected, 0));
    client.destroy(PATIENCE).unwrap();
    for node in [trusted, impostor] {
        node.stop(PATIENCE).unwrap();
    }
}

#[test]
fn a_proxy_is_asked_for_the_server_and_told_who_asks() {
    let authority = Authority::new();
    let node = node(authority.issue(&["localhost"]).server());
    let proxy = HttpProxy::start("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n");
    let through = |secret: &str| format!(r#","http_proxy":"http://{secret}{}""#, proxy.address);

    let server = format!("tims://localhost:{}", tls_port(&node));
    let encrypted = client(
        &server,
        &format!("{}{}", through("me:p%40ss@"), ca_file(&authority.file())),
    );
    assert_eq!(log_in(&encrypted).code, 0);
    let asked = proxy.asked.recv_timeout(PATIENCE).expect("it was asked");
    let expected = format!("CONNECT localhost:{} HTTP/1.1\r\n", tls_port(&node));
    assert!(asked.starts_with(&expected), "{asked}");
    let secret = STANDARD.encode("me:p@ss");
    assert!(
        asked.contains(&format!("Proxy-Authorization: Basic {secret}\r\n")),
        "{asked}"
    );

    let plain = client(&format!("tim://{}", node.addresses()[0]), &through(""));
    assert_eq!(log_in(&plain).code, 0);
    let asked = proxy.asked.recv_timeout(PATIENCE).expect("it was asked");
    assert!(!asked.contains("Authorization"), "{asked}");
    for client in [encrypted, plain] {
        client.destroy(PATIENCE).unwrap();
    }
    node.stop(PATIENCE).unwrap();
}

#[test]
fn a_proxy_that_refuses_is_named_in_the_result() {
    let answers = [
        ("HTTP/1.1 407 Who are you\r\n\r\n", "user and password"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"),
        ("220 mail.example ESMTP\r\n\r\n", "no HTTP proxy"),
    ];
    // At once, because each login takes its whole time.
    let logins = answers.map(|(answer, why)| {
        let proxy = HttpProxy::start(answer);
        let more = format!(
            r#","http_proxy":"http://{}","login_timeout_ms":8000"#,
            proxy.address
        );
        let client = client("tim://127.0.0.1:9", &more);
        let result = begin_login(&client);
        (proxy, client, result, why)
    });
    for (_proxy, client, result, why) in logins {
        let outcome = result.recv_timeout(PATIENCE).expect("a result");
        assert_eq!(outcome.code, code::NO_CONNECTION);
        assert!(outcome.message.contains(why), "{}", outcome.message);
        client.destroy(PATIENCE).unwrap();
    }
}
