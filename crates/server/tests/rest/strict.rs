//! Requests that two readers could cut differently, and other tricks of HTTP: what a proxy lets through must not mean
//! something else here.

use crate::World;
use crate::http::raw;

/// The statuses of all that was answered, in order.
fn statuses(answers: &str) -> Vec<u16> {
    answers
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, found)| answers.get(at + found.len()..)?.get(..3)?.parse().ok())
        .collect()
}

#[test]
fn a_request_whose_end_is_not_plain_is_refused_and_nothing_after_it_is_read() {
    let world = World::new("smuggling");
    let behind = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    for (headers, body) in [
        ("Content-Length: 0\r\nContent-Length: 5\r\n", ""),
        ("Content-Length: 5, 0\r\n", ""),
        ("Content-Length: +5\r\n", "12345"),
        ("Content-Length: 0x5\r\n", "12345"),
        ("Content-Length: -1\r\n", ""),
        ("Content-Length: 99999999999999999999\r\n", ""),
        ("Content-Length : 5\r\n", "12345"),
        ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("X-Folded: a\r\n b\r\n", ""),
        ("X-Nul: a\0b\r\n", ""),
        ("X Space: a\r\n", ""),
        ("No-Colon\r\n", ""),
    ] {
        let request = format!("POST /v1/query HTTP/1.1\r\nHost: h\r\n{headers}\r\n{body}{behind}");
        let said = raw(world.admin.address, request.as_bytes());
        assert_eq!(statuses(&said), [400], "{headers:?}: {said}");
    }
    for wrong in [
        "GET  /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/1.1 \r\nHost: h\r\n\r\n",
        "GET /health\tz HTTP/1.1\r\nHost: h\r\n\r\n",
        "\0GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        let said = raw(world.admin.address, wrong.as_bytes());
        assert_eq!(statuses(&said), [400], "{wrong:?}: {said}");
    }
}

/// RFC 9112, 6.3: what is chunked has no other length, whatever it says, and who says one is answered for the last time.
#[test]
fn of_two_lengths_the_chunks_count_and_the_connection_ends_as_after_a_bad_chunk() {
    let world = World::new("chunks");
    let who = format!(
        "X-Tim-App: {}\r\nX-Tim-User: boss\r\nAuthorization: Bearer {}\r\n",
        world.admin.app, world.admin.user_sig
    );
    let send = |headers: &str, body: &str| {
        let request = format!(
            "POST /v1/query HTTP/1.1\r\nHost: h\r\n{who}{headers}\r\n{body}GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        );
        statuses(&raw(world.admin.address, request.as_bytes()))
    };
    let asked = r#"{"user_ids": ["alice"]}"#;
    let chunks = format!("{:x};a=b\r\n{asked}\r\n0\r\nX-Trailer: t\r\n\r\n", asked.len());
    assert_eq!(send("Transfer-Encoding: chunked\r\n", &chunks), [200, 200]);
    assert_eq!(
        send("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", &chunks),
        [200]
    );
    assert_eq!(
        send("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", &chunks),
        [200]
    );
    for bad in [
        "zz\r\nab\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "ffffffffffffffffff\r\n",
        "2\r\nabc\r\n0\r\n\r\n",
    ] {
        let answered = send("Transfer-Encoding: chunked\r\n", bad);
        assert_eq!(answered, [408], "{bad:?}");
    }
}

#[test]
fn a_body_that_is_deep_or_no_text_is_refused() {
    let world = World::new("deep");
    let bodies = [
        "[".repeat(200_000),
        "{\"a\":".repeat(80_000),
        "{\"user_ids\": [\"alice\"]} {}".to_owned(),
        "{\"user_ids\": [\"\\ud800\"]}".to_owned(),
        "{\"user_ids\": 1e999}".to_owned(),
    ];
    for body in bodies {
        let answer = world.admin.v1("POST", "/query", &body);
        let begin = body.get(..20).unwrap_or_default();
        assert_eq!(answer.status, 400, "{begin}: {}", answer.body);
        assert!(world.v4_code("openim/query_online_status", &body) > 0, "{begin}");
    }
    assert_eq!(world.admin.v1("GET", "/app", "").status, 200);
}

/// A path is decoded once, segment by segment, and means nothing to a file system.
#[test]
fn a_path_is_an_account_or_nothing() {
    let world = World::new("paths");
    for (path, status) in [
        ("/accounts/%61lice", 200),
        ("/accounts/alice/", 404),
        ("/accounts//alice", 404),
        ("/accounts/..%2falice", 404),
        ("/accounts/%2e%2e/app", 404),
        ("/../v1/app", 404),
        ("/accounts/%2561lice", 404),
        ("/accounts/alice%00", 400),
        ("/accounts/%ff", 404),
        ("/accounts/%0d%0aX-Injected:%201", 400),
    ] {
        let answer = world.admin.v1("GET", path, "");
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(!answer.head.contains("x-injected"), "{path}");
    }
    for path in [
        "/console/../v1/app",
        "/console/%2e%2e/%2e%2e/etc/passwd",
        "/console//main.js",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let said = raw(world.admin.address, request.as_bytes());
        assert_eq!(statuses(&said), [404], "{path}: {said}");
    }
}
