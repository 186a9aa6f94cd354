//! The server as its operator sees it: health, metrics, and a stop that loses nobody.

#[allow(dead_code)] // each test program uses a part of it
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use presence_protocol::message::{Request, ServerMessage};
use support::{Client, DEADLINE, KEY, Server, TempFile, run};

fn configuration(top: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\n{top}\n[[apps]]\nid = 7\nsecret_key = \"{KEY}\"\n\
         accounts = [\"alice\", \"bob\"]\nrate_calls = 1\n"
    )
}

fn sign(user: &str) -> String {
    let output = run(&["sign", "--app", "7", "--key", KEY, "--user", user]);
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim_end()
        .to_owned()
}

/// A server and the address of its administration.
fn start(file: &TempFile, environment: &[(&str, &str)]) -> (Server, String) {
    let mut server = Server::start_in(&["--config", &file.path()], environment);
    let line = server.stdout_line();
    let address = line
        .strip_prefix("administration at http://")
        .expect("its address");
    (server, address.to_owned())
}

/// The status and the body.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .expect("a status")
        .parse()
        .expect("a number");
    (status, body.to_owned())
}

/// The value of a metric.
fn value(page: &str, metric: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {metric} in:\n{page}"));
    line.parse().expect("a number")
}

fn subscribe(client: &mut Client, user: &str) -> i32 {
    let user_ids = vec![user.to_owned()];
    client.request(&Request::Subscribe { user_ids }).code
}

#[test]
fn health_and_metrics_say_what_happened() {
    let file = TempFile::new("metrics", &configuration(""));
    let (server, address) = start(&file, &[]);
    assert_eq!(get(&address, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/readyz"), (200, "ready\n".to_owned()));

    let mut alice = Client::connect(server.address);
    assert_eq!(alice.login(7, "alice", &sign("alice")).code, 0);
    let mut bob = Client::connect(server.address);
    assert_eq!(bob.login(7, "bob", &sign("bob")).code, 0);
    let mut eve = Client::connect(server.address);
    assert_eq!(eve.login(7, "alice", &sign("eve")).code, 70_013);
    eve.await_close();
    assert_eq!(subscribe(&mut bob, "alice"), 0);
    assert_eq!(subscribe(&mut bob, "alice"), 7_008, "R7.5");
    let custom_status = "busy".to_owned();
    assert_eq!(alice.request(&Request::SetSelfStatus { custom_status }).code, 0);
    let mut stranger = TcpStream::connect(server.address).expect("it listens");
    stranger.write_all(b"SSH-2.0-stranger\r\n").expect("written");
    stranger.read_to_end(&mut Vec::new()).expect("closed");

    let (status, page) = get(&address, "/metrics");
    assert_eq!(status, 200);
    let is = |metric: &str, expected: f64| assert_eq!(value(&page, metric), expected, "{metric} in:\n{page}");
    is("tim_presence_devices", 2.0);
    is("tim_presence_users", 2.0);
    is("tim_presence_watched_users", 1.0);
    is("tim_presence_connections_accepted_total", 4.0);
    is("tim_presence_connections_closed_total{reason=\"protocol\"}", 1.0);
    is("tim_presence_logins_total{result=\"ok\"}", 2.0);
    is("tim_presence_logins_total{result=\"refused\"}", 1.0);
    is("tim_presence_requests_total{request=\"login\",code=\"0\"}", 2.0);
    is(
        "tim_presence_requests_total{request=\"login\",code=\"70013\"}",
        1.0,
    );
    is(
        "tim_presence_requests_total{request=\"subscribe\",code=\"0\"}",
        1.0,
    );
    is(
        "tim_presence_requests_total{request=\"subscribe\",code=\"7008\"}",
        1.0,
    );
    is(
        "tim_presence_requests_total{request=\"set_self_status\",code=\"0\"}",
        1.0,
    );
    is("tim_presence_webhook_waiting", 0.0);
    // Two accounts made, two logins, one custom status.
    is("tim_presence_changes_total", 5.0);
    assert!(value(&page, "process_resident_memory_bytes") > 1e6);
    assert!(value(&page, "tim_presence_turn_duration_seconds_count") >= 1.0);
    // Every metric that the page of them names is there, but for the store's.
    let documented = include_str!("../../../docs/METRICS.md");
    for row in documented.lines().filter(|line| line.starts_with("| `")) {
        let name = row.split('`').nth(1).expect("a name");
        let is_there = page.contains(&format!("# TYPE {name} "));
        assert_eq!(is_there, !name.starts_with("tim_presence_store"), "{name}");
    }
    assert!(
        !page.contains("alice") && !page.contains(KEY),
        "no metric names a user"
    );
}

#[test]
fn with_a_store_its_commits_are_measured() {
    let file = TempFile::new("metrics-store", &configuration("data_dir = \"data\""));
    let (_server, address) = start(&file, &[]);
    let page = get(&address, "/metrics").1;
    assert_eq!(value(&page, "tim_presence_store_failing"), 0.0);
    for name in [
        "commits_total",
        "records_total",
        "commit_seconds_total",
        "commit_seconds_max",
    ] {
        assert!(value(&page, &format!("tim_presence_store_{name}")) >= 0.0);
    }
}

/// The next GoAway; what else comes before it is passed over.
fn await_go_away(client: &mut Client) -> u32 {
    loop {
        match client.next() {
            Some(ServerMessage::GoAway { spread_ms, .. }) => return spread_ms,
            Some(_) => {}
            None => panic!("closed without a word"),
        }
    }
}

/// R2.9: who is asked to go and comes back was never OFFLINE to those who watch it, whichever goes first.
#[test]
fn a_planned_restart_shows_no_offline_of_those_who_return() {
    let file = TempFile::new(
        "drain",
        &configuration("data_dir = \"data\"\ndrain_ms = 1234\nrestart_grace_ms = 60000"),
    );
    let (mut server, address) = start(&file, &[]);
    let mut alice = Client::connect(server.address);
    assert_eq!(alice.login(7, "alice", &sign("alice")).code, 0);
    let mut bob = Client::connect(server.address);
    assert_eq!(bob.login(7, "bob", &sign("bob")).code, 0);
    assert_eq!(subscribe(&mut bob, "alice"), 0);
    server.signal(libc::SIGTERM);
    assert_eq!(await_go_away(&mut alice), 1234);
    assert_eq!(await_go_away(&mut bob), 1234);
    // Bob stays a moment longer, so the server is still there, ready for nobody new.
    drop(alice);
    assert_eq!(get(&address, "/readyz"), (503, "stopping\n".to_owned()));
    // Each loop lets go of the listener in its own turn; then nobody new is taken.
    let begun = Instant::now();
    while TcpStream::connect(server.address).is_ok() {
        assert!(begun.elapsed() < DEADLINE, "new connections are taken");
    }
    let user_ids = vec!["alice".to_owned()];
    let reply = bob.request(&Request::GetUserStatus { user_ids });
    assert_eq!(reply.users[0].status, 1, "alice is expected back, and so ONLINE");
    drop(bob);
    assert!(server.await_end().0.success());
    assert!(
        server.log.join("\n").contains("every client has gone"),
        "{:#?}",
        server.log
    );

    let (server, _) = start(&file, &[]);
    let mut bob = Client::connect(server.address);
    assert_eq!(bob.login(7, "bob", &sign("bob")).code, 0);
    let user_ids = vec!["alice".to_owned()];
    let reply = bob.request(&Request::GetUserStatus { user_ids });
    assert_eq!(reply.users[0].status, 1, "in grace after the restart");
}

#[test]
fn a_second_signal_stops_at_once_and_in_order() {
    let file = TempFile::new("drain-twice", &configuration(""));
    let (mut server, _) = start(&file, &[]);
    let mut alice = Client::connect(server.address);
    assert_eq!(alice.login(7, "alice", &sign("alice")).code, 0);
    server.signal(libc::SIGTERM);
    await_go_away(&mut alice);
    server.signal(libc::SIGTERM);
    assert!(server.await_end().0.success());
    let log = server.log.join("\n");
    assert!(log.contains("a second signal: stopping at once"), "{log}");
    assert!(!log.contains("have not gone by themselves"), "{log}");
}

#[test]
fn systemd_is_told_when_the_server_is_ready_and_when_it_stops() {
    let file = TempFile::new("notify", &configuration(""));
    let socket_path = format!("{}.socket", file.path());
    let socket = UnixDatagram::bind(&socket_path).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let (mut server, _) = start(&file, &[("NOTIFY_SOCKET", &socket_path)]);
    let mut said = [0; 64];
    let length = socket.recv(&mut said).expect("a word");
    assert_eq!(&said[..length], b"READY=1");
    server.signal(libc::SIGTERM);
    let length = socket.recv(&mut said).expect("a word");
    assert_eq!(&said[..length], b"STOPPING=1");
    assert!(server.await_end().0.success());
}
