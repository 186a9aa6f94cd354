//! What strangers try against the real server, and that the others do not notice. Figures of these runs are in
//! docs/OPERATIONS.md.

#[allow(dead_code)] // each test program uses a part of it
mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use presence_protocol::message::{Request, ServerMessage};
use support::{Client, DEADLINE, KEY, Server, TempFile, run};

/// Connections that never log in, where the system allows so many files.
const STRANGERS: usize = 10_000;
/// Files that a test and a server need besides.
const OTHER_FILES: usize = 500;

fn start(name: &str, top: &str) -> (TempFile, Server, String) {
    let text = format!(
        "listen = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\n{top}\n[[apps]]\nid = 7\nsecret_key = \"{KEY}\"\n\
         accounts = [\"alice\", \"bob\"]\n"
    );
    let file = TempFile::new(name, &text);
    let mut server = Server::start(&["--config", &file.path()]);
    let line = server.stdout_line();
    let address = line
        .strip_prefix("administration at http://")
        .expect("its address");
    (file, server, address.to_owned())
}

fn online(address: SocketAddr, user: &str) -> Client {
    let output = run(&["sign", "--app", "7", "--key", KEY, "--user", user]);
    let user_sig = String::from_utf8(output.stdout).expect("UTF-8");
    let mut client = Client::connect(address);
    assert_eq!(client.login(7, user, user_sig.trim_end()).code, 0);
    client
}

/// A watcher of a user, both logged in.
fn pair(server: &Server) -> (Client, Client) {
    let alice = online(server.address, "alice");
    let mut bob = online(server.address, "bob");
    let user_ids = vec!["alice".to_owned()];
    assert_eq!(bob.request(&Request::Subscribe { user_ids }).code, 0);
    (alice, bob)
}

/// From the call of the one to the notification of the other.
fn round(alice: &mut Client, bob: &mut Client, text: &str) -> Duration {
    let begun = Instant::now();
    let custom_status = text.to_owned();
    assert_eq!(alice.request(&Request::SetSelfStatus { custom_status }).code, 0);
    loop {
        match bob.next() {
            Some(ServerMessage::Push(users)) if users.iter().any(|user| user.custom_status == text) => {
                return begun.elapsed();
            }
            Some(_) => {}
            None => panic!("the watcher was cut"),
        }
    }
}

fn metric(address: &str, metric: &str) -> u64 {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("answered");
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {metric} in {page}"))
        .parse()
        .expect("a number")
}

/// Raises the limit of open files, for this process and its children, and answers it.
fn open_files() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls read or write the one structure that is given, for as long as they last.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max.min(20_000);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    usize::try_from(limit.rlim_cur).expect("a number")
}

/// Silent, half a preface, half a frame: none of them is heard of again after the login deadline.
#[test]
fn ten_thousand_half_open_connections_disturb_nobody_and_are_closed_in_time() {
    let strangers = STRANGERS.min(open_files() - OTHER_FILES);
    assert!(strangers >= 500, "too few files may be open here: {strangers}");
    let (_file, server, address) = start("half-open", "login_deadline_ms = 3000");
    let (mut alice, mut bob) = pair(&server);
    let quiet = (0..20)
        .map(|number| round(&mut alice, &mut bob, &format!("quiet {number}")))
        .max();
    let mut half_open = Vec::new();
    let mut disturbed = Duration::ZERO;
    for number in 0..strangers {
        let mut stranger = TcpStream::connect(server.address).expect("it listens");
        let begun: &[u8] = [&b""[..], b"TI", b"TIMP\x01\xff"][number % 3];
        // On a slow machine the first are closed while the last come.
        let _ = stranger.write_all(begun);
        half_open.push(stranger);
        if number % 500 == 0 {
            disturbed = disturbed.max(round(&mut alice, &mut bob, &format!("flood {number}")));
        }
    }
    for mut stranger in half_open {
        stranger.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        // The end, in order or by a reset for what was not read.
        match stranger.read(&mut [0; 8]) {
            Ok(count) => assert_eq!(count, 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    round(&mut alice, &mut bob, "after");
    let closed = metric(
        &address,
        "tim_presence_connections_closed_total{reason=\"no_login\"}",
    );
    assert_eq!(closed, strangers as u64);
    assert_eq!(metric(&address, "tim_presence_connections"), 2);
    println!("{strangers} half-open; slowest of 20 rounds before: {quiet:?}, while they came: {disturbed:?}");
}

#[test]
fn an_address_at_its_limit_is_refused_and_those_connected_go_on() {
    let (_file, server, address) = start("per-address", "connections_per_address_max = 10");
    let (mut alice, mut bob) = pair(&server);
    let mut held = Vec::new();
    for _ in 0..50 {
        held.push(TcpStream::connect(server.address).expect("the system accepts it"));
    }
    // The last were closed at once, without a byte.
    let last = held.last_mut().expect("fifty");
    last.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    assert_eq!(last.read(&mut [0; 8]).expect("closed"), 0);
    round(&mut alice, &mut bob, "still here");
    let refused = "tim_presence_connections_refused_total{limit=\"connections_per_address_max\"}";
    assert_eq!(metric(&address, refused), 42);
    drop(held);
    let begun = Instant::now();
    while metric(&address, "tim_presence_connections") > 2 {
        assert!(begun.elapsed() < DEADLINE);
    }
    online(server.address, "carol");
}

#[test]
fn an_address_that_connects_too_fast_is_refused_for_the_rest_of_the_second() {
    let (_file, server, address) = start("accept-rate", "accepts_per_address_max = 5");
    let (mut alice, mut bob) = pair(&server);
    let refused = "tim_presence_connections_refused_total{limit=\"accepts_per_address_max\"}";
    let begun = Instant::now();
    while metric(&address, refused) == 0 {
        drop(TcpStream::connect(server.address).expect("the system accepts it"));
        assert!(
            begun.elapsed() < DEADLINE,
            "five a second are passed by any machine"
        );
    }
    round(&mut alice, &mut bob, "still here");
}
