//! The HTTP/1.1 heads with which WebSocket begins: a client asks, a server agrees or says why not. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// Bytes of a head, at most.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Headers of a head, at most.
const HEADERS_MAX: usize = 64;
/// Bytes of a key before they are written in base64.
const KEY_BYTES: usize = 16;
/// What our messages are, among those who know several kinds.
pub(crate) const SUBPROTOCOL: &str = "tim-presence.1";
/// Of the RFC: who answers with it has understood.
const UNDERSTOOD: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Characters of the other end's own words that are told on.
const REASON_CHARS_MAX: usize = 100;

/// What a server makes of the bytes received so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The head has not come whole.
    Incomplete,
    /// It wants WebSocket: the answer, and the length of the head.
    Agreed { answer: Vec<u8>, head: usize },
    /// The answer, after which the connection ends.
    Refused(&'static [u8]),
}

macro_rules! refusal {
    ($status:literal, $headers:literal, $text:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\nContent-Type: text/plain\r\nConnection: close\r\n",
            $headers,
            "\r\n",
            $text,
            "\n"
        )
        .as_bytes()
    };
}

const NO_UPGRADE: &[u8] = refusal!(
    "426 Upgrade Required",
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "This is a tim-presence server, for clients that speak WebSocket, version 13."
);
const BAD_REQUEST: &[u8] = refusal!(
    "400 Bad Request",
    "",
    "This is no HTTP request that asks for WebSocket."
);
const TOO_LARGE: &[u8] = refusal!(
    "431 Request Header Fields Too Large",
    "",
    "The head of this request is too large."
);

/// Reads a client's head.
pub(crate) fn asked(received: &[u8]) -> Asked {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(received) {
        Ok(httparse::Status::Complete(head)) if head <= HEAD_BYTES_MAX => head,
        Ok(httparse::Status::Partial) if received.len() < HEAD_BYTES_MAX => return Asked::Incomplete,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Asked::Refused(TOO_LARGE),
        Err(_) => return Asked::Refused(BAD_REQUEST),
    };
    let headers = Headers(request.headers);
    if request.method != Some("GET") || request.version != Some(1) || !headers.any("host", |_| true) {
        return Asked::Refused(BAD_REQUEST);
    }
    let wants = headers.lists("upgrade", "websocket") && headers.lists("connection", "upgrade");
    if !wants || !headers.any("sec-websocket-version", |version| version == b"13") {
        return Asked::Refused(NO_UPGRADE);
    }
    let Some(key) = headers.get("sec-websocket-key").filter(|key| is_key(key)) else {
        return Asked::Refused(BAD_REQUEST);
    };
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        accept(key)
    );
    if headers.lists("sec-websocket-protocol", SUBPROTOCOL) {
        answer.push_str("Sec-WebSocket-Protocol: ");
        answer.push_str(SUBPROTOCOL);
        answer.push_str("\r\n");
    }
    answer.push_str("\r\n");
    Asked::Agreed {
        answer: answer.into_bytes(),
        head,
    }
}

/// A client's request, and the key in it.
pub(crate) fn ask(host: &str, path: &str, random: [u8; KEY_BYTES]) -> (String, String) {
    let key = STANDARD.encode(random);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    );
    (request, key)
}

/// Whether the server's whole head agrees; if not, why.
pub(crate) fn answered(head: &[u8], key: &str) -> Result<(), String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) | Err(_) => return Err("what answers does not speak HTTP".to_owned()),
    }
    let code = response.code.unwrap_or_default();
    if code != 101 {
        let reason = response.reason.unwrap_or_default();
        let reason: String = reason
            .chars()
            .filter(|letter| !letter.is_control())
            .take(REASON_CHARS_MAX)
            .collect();
        return Err(format!("the server does not agree to WebSocket: {code} {reason}")
            .trim_end()
            .to_owned());
    }
    let headers = Headers(response.headers);
    let agrees = headers.lists("upgrade", "websocket")
        && headers.lists("connection", "upgrade")
        && headers.get("sec-websocket-accept") == Some(accept(key.as_bytes()).as_bytes());
    if !agrees {
        return Err("the server's answer is not one to this request for WebSocket".to_owned());
    }
    if headers.any("sec-websocket-extensions", |_| true) {
        return Err("the server uses a WebSocket extension that was not asked for".to_owned());
    }
    Ok(())
}

fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(UNDERSTOOD);
    STANDARD.encode(hash.finalize())
}

fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}

/// Headers, whose names are of no particular case.
struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.trim_ascii())
    }

    fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    fn any(&self, name: &str, is: impl Fn(&[u8]) -> bool) -> bool {
        self.all(name).any(is)
    }

    /// Whether a list of words, in one header or several, has this one.
    fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The RFC's own example.
    const EXAMPLE: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, tim-presence.1\r\nSec-WebSocket-Version: 13\r\n\r\n";

    #[test]
    fn the_example_of_the_rfc_is_agreed_to_however_little_of_it_came_first() {
        let bytes = EXAMPLE.as_bytes();
        for length in 0..bytes.len() {
            assert_eq!(asked(&bytes[..length]), Asked::Incomplete, "{length}");
        }
        let with_more = [bytes, b"\x82\x80"].concat();
        let Asked::Agreed { answer, head } = asked(&with_more) else {
            panic!("refused")
        };
        assert_eq!(head, bytes.len());
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(answer.contains("Sec-WebSocket-Protocol: tim-presence.1\r\n"));
        assert_eq!(answered(answer.as_bytes(), "dGhlIHNhbXBsZSBub25jZQ=="), Ok(()));
        assert!(answered(answer.as_bytes(), "AAAAAAAAAAAAAAAAAAAAAA==").is_err());
    }

    #[test]
    fn a_subprotocol_that_was_not_asked_for_is_not_named() {
        let request = EXAMPLE.replace("chat, tim-presence.1", "chat");
        let Asked::Agreed { answer, .. } = asked(request.as_bytes()) else {
            panic!("refused")
        };
        assert!(!String::from_utf8(answer).expect("text").contains("-Protocol"));
    }

    #[test]
    fn what_does_not_ask_for_websocket_is_told_how() {
        let line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let refusals = [
            (EXAMPLE.replace("Upgrade: websocket\r\n", ""), NO_UPGRADE),
            (EXAMPLE.replace("keep-alive, Upgrade", "close"), NO_UPGRADE),
            (EXAMPLE.replace("Version: 13", "Version: 8"), NO_UPGRADE),
            (EXAMPLE.replace("HTTP/1.1", "HTTP/1.0"), BAD_REQUEST),
            (EXAMPLE.replace("Host: server.example.com\r\n", ""), BAD_REQUEST),
            (EXAMPLE.replace(line, ""), BAD_REQUEST),
            (EXAMPLE.replace(line, "Sec-WebSocket-Key: AAAA\r\n"), BAD_REQUEST),
            (EXAMPLE.replace("Host:", "Ho st:"), BAD_REQUEST),
            (
                EXAMPLE.replace("\r\n\r\n", &format!("\r\nX: {}", "y".repeat(9_000))),
                TOO_LARGE,
            ),
            (
                EXAMPLE.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: y\r\n".repeat(65))),
                TOO_LARGE,
            ),
        ];
        for (request, refusal) in refusals {
            let text = String::from_utf8_lossy(refusal);
            assert_eq!(asked(request.as_bytes()), Asked::Refused(refusal), "{text}");
        }
    }

    #[test]
    fn an_answer_that_does_not_agree_says_why() {
        let why = |head: &str| answered(head.as_bytes(), "k").expect_err(head);
        assert!(why("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n").ends_with(": 302 Found"));
        assert!(why("HTTP/1.1 403 \r\n\r\n").ends_with(": 403"));
        assert!(why("HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n").contains("not one to this request"));
        assert!(why("SSH-2.0-OpenSSH\r\n\r\n").contains("does not speak HTTP"));
        assert!(why("").contains("does not speak HTTP"));
    }
}
