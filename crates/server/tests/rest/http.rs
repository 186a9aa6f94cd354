//! A client of HTTP/1.1, as small as can be: one connection a request.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::support::DEADLINE;

/// Who asks, and where.
#[derive(Clone)]
pub struct Admin {
    pub address: SocketAddr,
    pub app: String,
    pub user: String,
    pub user_sig: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    /// `Null` where there is none.
    pub body: Value,
}

impl Admin {
    /// Asks under `/v4`, as the original's backends do.
    pub fn v4(&self, command: &str, body: &str) -> Answer {
        let Admin {
            app, user, user_sig, ..
        } = self;
        let target = format!(
            "/v4/{command}?sdkappid={app}&identifier={user}&usersig={user_sig}&random=99999999&contenttype=json"
        );
        request(self.address, "POST", &target, "", body)
    }

    /// Asks under `/v1`.
    pub fn v1(&self, method: &str, path: &str, body: &str) -> Answer {
        let Admin {
            app, user, user_sig, ..
        } = self;
        let headers =
            format!("X-Tim-App: {app}\r\nX-Tim-User: {user}\r\nAuthorization: Bearer {user_sig}\r\n");
        request(self.address, method, &format!("/v1{path}"), &headers, body)
    }
}

/// One request and its answer. `headers` are whole lines.
pub fn request(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    answer(&raw(address, text.as_bytes()))
}

/// Sends bytes and reads until the server closes.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    // The server may answer and close before it has read all.
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no answer: {error}"),
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads an answer whose connection was closed after it.
pub fn answer(text: &str) -> Answer {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
    };
    Answer {
        status: status.unwrap_or_else(|| panic!("no status: {head}")),
        head: head.to_ascii_lowercase(),
        body,
    }
}
