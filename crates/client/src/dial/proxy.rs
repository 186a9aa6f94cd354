//! Through an HTTP proxy: `CONNECT host:port`, and from then on the connection is the server's.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use presence_transport::websocket::read_head;
use tokio::io::AsyncWriteExt;

use crate::options::Proxy;
use crate::world::Stream;

/// Characters of a proxy's own words that are told on.
const REASON_CHARS_MAX: usize = 100;

/// Has the proxy connect to the server.
pub(super) async fn tunnel(stream: &mut dyn Stream, proxy: &Proxy, host: &str, port: u16) -> io::Result<()> {
    stream.write_all(request(proxy, host, port).as_bytes()).await?;
    stream.flush().await?;
    let answer = read_head(stream).await?;
    understand(&answer, host, port)
}

fn request(proxy: &Proxy, host: &str, port: u16) -> String {
    let place = host_and_port(host, port);
    let authorization = proxy.user_and_password.as_ref().map_or(String::new(), |secret| {
        format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(secret))
    });
    format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{authorization}\r\n")
}

/// As HTTP has it: an IPv6 address in brackets.
pub(super) fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn understand(answer: &[u8], host: &str, port: u16) -> io::Result<()> {
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let status = line
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.get(2..))
        .map(told_on)
        .unwrap_or_default();
    match status.get(..3).and_then(|digits| digits.parse::<u16>().ok()) {
        Some(200..=299) => Ok(()),
        Some(407) => Err(refused(
            "the proxy wants a user and password that it knows (407): option \"http_proxy\"",
        )),
        Some(_) => Err(refused(format!(
            "the proxy does not connect to {host}:{port}: {status}"
        ))),
        None => Err(refused("what answers is no HTTP proxy")),
    }
}

/// Another's words, made fit to be shown.
fn told_on(text: &[u8]) -> String {
    text.iter()
        .filter(|byte| (0x20..0x7f).contains(*byte))
        .take(REASON_CHARS_MAX)
        .map(|byte| char::from(*byte))
        .collect()
}

fn refused(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(user_and_password: Option<&str>) -> Proxy {
        Proxy {
            host: "proxy".to_owned(),
            port: 3128,
            user_and_password: user_and_password.map(str::to_owned),
        }
    }

    #[test]
    fn the_request_names_the_server_and_whoever_asks() {
        assert_eq!(
            request(&proxy(None), "::1", 7790),
            "CONNECT [::1]:7790 HTTP/1.1\r\nHost: [::1]:7790\r\n\r\n"
        );
        assert_eq!(
            request(&proxy(Some("Aladdin:open sesame")), "a.example", 1),
            "CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
    }

    #[test]
    fn each_answer_is_what_it_says() {
        let text = |answer: &[u8]| match understand(answer, "a", 1) {
            Ok(()) => "connected".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(text(b"HTTP/1.1 200 Connection established\r\n\r\n"), "connected");
        assert_eq!(text(b"HTTP/1.0 200\n\n"), "connected");
        assert!(text(b"HTTP/1.1 407 Authenticate\r\n\r\n").contains("user and password"));
        assert_eq!(
            text(b"HTTP/1.1 403 Not\x1b[31m you\r\n\r\n"),
            "the proxy does not connect to a:1: 403 Not[31m you"
        );
        for garbage in [&b"\r\n\r\n"[..], b"SSH-2.0\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b""] {
            assert_eq!(text(garbage), "what answers is no HTTP proxy", "{garbage:?}");
        }
    }
}
