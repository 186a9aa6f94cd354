//! Connections that are opened and not used: they are bounded by address, and nobody else is disturbed. What ends them, and
//! when, is tested on a clock that jumps, in `http`.
#![cfg(target_os = "linux")] // 127.0.0.2 is another address of this machine without being set up

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::http::answer;
use crate::support::DEADLINE;
use crate::{APP, World};

/// As `http::CONNECTIONS_PER_ADDRESS_MAX`.
const PER_ADDRESS_MAX: usize = 64;

#[test]
fn an_address_that_opens_all_it_may_and_says_little_locks_out_itself_alone() {
    let world = World::new("slow");
    let address = world.admin.address;
    let sig = &world.admin.user_sig;
    let who = format!(
        "X-Tim-App: {}\r\nX-Tim-User: boss\r\nAuthorization: Bearer {sig}\r\n",
        world.admin.app
    );
    let begun = [
        String::new(),
        "PATCH /v1/app HTTP/1.1\r\nX-Slow: ".to_owned(),
        format!("PATCH /v1/app HTTP/1.1\r\nHost: h\r\n{who}Content-Length: 20\r\n\r\n{{\"rate"),
    ];
    let mut slow: Vec<TcpStream> = (0..PER_ADDRESS_MAX).map(|_| from_elsewhere(address)).collect();
    for (stream, begun) in slow.iter_mut().zip(begun.iter().cycle()) {
        stream.write_all(begun.as_bytes()).expect("written");
    }
    let mut one_more = from_elsewhere(address);
    let mut said = Vec::new();
    // Closed or reset, but not answered.
    let _ = one_more.read_to_end(&mut said);
    assert!(said.is_empty(), "{said:?}");
    for _ in 0..10 {
        assert_eq!(world.admin.v1("GET", "/app", "").status, 200, "from here");
    }
    // Who goes makes room.
    drop(slow);
    loop {
        let mut again = from_elsewhere(address);
        let request = format!("GET /v1/app HTTP/1.1\r\nHost: h\r\n{who}Connection: close\r\n\r\n");
        let mut said = String::new();
        if again.write_all(request.as_bytes()).is_ok()
            && again.read_to_string(&mut said).is_ok()
            && !said.is_empty()
        {
            assert!(said.starts_with("HTTP/1.1 200"), "{said}");
            break;
        }
    }
}

/// A connection that is closed with unread bytes is reset, and its answer lost: a backend must learn what was wrong.
#[test]
fn who_sends_too_much_is_told_so_and_not_reset() {
    let world = World::new("too-large");
    let body = format!("{{\"UserID\":\"{}\"}}", "x".repeat(3 * 1024 * 1024));
    let (sig, length) = (&world.admin.user_sig, body.len());
    let head = format!(
        "POST /v4/im_open_login_svc/kick?sdkappid={APP}&identifier=boss&usersig={sig} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = from_elsewhere(world.admin.address);
    stream.write_all(head.as_bytes()).expect("the head is taken");
    stream.write_all(body.as_bytes()).expect("the body is taken");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer and an end");
    assert_eq!(answer(&said).body["ErrorCode"], 60_002);
}

/// A connection with little room for what is written, from another address than every other test's.
fn from_elsewhere(to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_send_buffer_size(64 * 1024)?;
        socket.bind(([127, 0, 0, 2], 0).into())?;
        socket.connect(to).await?.into_std()
    });
    let stream = connected.expect("it listens");
    stream.set_nonblocking(false).expect("blocking");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream
}
