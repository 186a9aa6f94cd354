//! Addresses that people write in options: a server's, and that of a proxy on the way to it.

/// The port of a `tim://` address without one.
const DEFAULT_PORT: u16 = 7788;

/// The port of a `tims://` address without one.
const DEFAULT_PORT_TLS: u16 = 7790;

/// What the address of a server says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) tls: bool,
    /// With WebSocket: the path, which begins with `/`.
    pub(crate) websocket_path: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Server {
    /// `tim://host[:port]`, with `tims`, `tim+ws` or `tims+ws` instead of `tim`; the latter two may have a path.
    pub(crate) fn parse(text: &str) -> Option<Server> {
        let (scheme, rest) = text.split_once("://")?;
        let (tls, websocket) = match scheme {
            "tim" => (false, false),
            "tims" => (true, false),
            "tim+ws" => (false, true),
            "tims+ws" => (true, true),
            _ => return None,
        };
        let (rest, path) = match rest.split_once('/') {
            Some((rest, path)) => (rest, path),
            None => (rest, ""),
        };
        let is_sound = path.chars().all(|c| c.is_ascii_graphic() && c != '#');
        if !(is_sound && (websocket || path.is_empty())) {
            return None;
        }
        let (host, port) = host_and_port(rest)?;
        Some(Server {
            tls,
            websocket_path: websocket.then(|| format!("/{path}")),
            host,
            port: port.unwrap_or(if tls { DEFAULT_PORT_TLS } else { DEFAULT_PORT }),
        })
    }
}

/// An HTTP proxy. Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `user:password`, as it is sent.
    pub user_and_password: Option<String>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// `http://[user:password@]host:port`, the former two as in a URL.
    pub(crate) fn parse(text: &str) -> Option<Proxy> {
        let rest = text.strip_prefix("http://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (secret, place) = match rest.rsplit_once('@') {
            Some((secret, place)) => (Some(percent_decoded(secret)?), place),
            None => (None, rest),
        };
        let (host, port) = host_and_port(place)?;
        Some(Proxy {
            host,
            port: port?,
            user_and_password: secret,
        })
    }
}

/// Splits `host[:port]`; an IPv6 address stands in brackets.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return None,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let is_sound = |c: char| c.is_ascii_graphic() && !"/?#@\\".contains(c);
    if host.is_empty() || !host.chars().all(is_sound) {
        return None;
    }
    let port = match port {
        None => None,
        Some(digits) => Some(digits.parse::<u16>().ok().filter(|port| *port > 0)?),
    };
    Some((host.to_owned(), port))
}

/// As in a URL: `%40` is `@`.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            rest = after;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| text.contains(':') && !text.contains(['\r', '\n', '\0']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_a_host_and_perhaps_a_port() {
        for (text, tls, path, host, port) in [
            ("tim://example.org", false, None, "example.org", 7788),
            ("tim://127.0.0.1:80/", false, None, "127.0.0.1", 80),
            ("tim://[::1]", false, None, "::1", 7788),
            ("tims://example.org", true, None, "example.org", 7790),
            ("tims://[::1]:443", true, None, "::1", 443),
            ("tim+ws://a", false, Some("/"), "a", 7788),
            (
                "tims+ws://a:443/presence?x=y",
                true,
                Some("/presence?x=y"),
                "a",
                443,
            ),
        ] {
            let expected = Server {
                tls,
                websocket_path: path.map(str::to_owned),
                host: host.to_owned(),
                port,
            };
            assert_eq!(Server::parse(text), Some(expected), "{text}");
        }
        for bad in [
            "",
            "tim://",
            "http://a",
            "a:1",
            "tim://a:",
            "tim://a:0",
            "tim://a:65536",
            "tim://a b",
            "tim://[::1",
            "tim://[a]",
            "tim://a/b",
            "TIMS://a",
            "tim+ws://a/b c",
            "tim+ws://a/b#c",
            "ws://a",
        ] {
            assert_eq!(Server::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_proxy_has_a_port_and_its_password_is_not_shown() {
        let proxy = Proxy::parse("http://us%3Aer:p%40ss@[::1]:3128/").expect("it is one");
        assert_eq!((proxy.host.as_str(), proxy.port), ("::1", 3128));
        assert_eq!(proxy.user_and_password.as_deref(), Some("us:er:p@ss"));
        assert!(!format!("{proxy:?}").contains("p@ss"));
        for bad in [
            "http://a",
            "https://a:1",
            "http://user@a:1",
            "http://u:p%0d%0aX@a:1",
            "http://u:%f@a:1",
            "http://:1",
        ] {
            assert_eq!(Proxy::parse(bad), None, "{bad}");
        }
    }
}
