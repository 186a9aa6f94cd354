//! Whose request it is behind a reverse proxy: the address that a proxy of the operator's names in `X-Forwarded-For`. What a
//! client says of itself there counts for nothing.
//!
//! Only this header is read, and not `Forwarded` as well: a proxy sets one of them and hands on the other as the client
//! wrote it, so whoever reads both believes clients.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use ipnet::IpNet;

/// The header.
const HEADER: &str = "x-forwarded-for";

/// What a setting of networks takes a list of.
pub const NETWORK_TAKES: &str = "\"IP\" or \"IP/BITS\", for example \"127.0.0.1\" or \"10.0.0.0/8\"";

/// One of them.
pub fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address that it counts for.
    pub address: IpAddr,
    /// The address is that of who asked. False: it is that of a proxy of ours, which named no address of who asked.
    pub is_known: bool,
}

impl Client {
    /// Whether it is certain that this machine itself asked.
    pub fn is_this_machine(&self) -> bool {
        self.is_known && self.address.to_canonical().is_loopback()
    }
}

/// The proxies whose word is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies(pub Vec<IpNet>);

impl Proxies {
    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whose request it is that came from `peer`. Each proxy adds, at the end, whom it heard it from; so from the end on, the
    /// first that is no proxy of ours is the client, and what stands before is its own word. Where a proxy of ours names
    /// no address (`unknown`, `unix:`), the request counts for that proxy, and who asked is not known; without the header at
    /// all the proxy asked itself.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let mut address = peer.to_canonical();
        let mut is_known = true;
        let named = headers.get_all(HEADER).iter().rev();
        // Several headers are one list (RFC 9110), in their order.
        let named = named.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for item in named {
            if !self.trusts(address) {
                break;
            }
            match std::str::from_utf8(item).ok().and_then(parse) {
                Some(named) => address = named,
                None => {
                    is_known = false;
                    break;
                }
            }
        }
        Client { address, is_known }
    }
}

/// An address, perhaps in brackets and with a port, as some proxies write it.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim_ascii();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn proxies(networks: &[&str]) -> Proxies {
        Proxies(
            networks
                .iter()
                .map(|text| network(text).expect("a network"))
                .collect(),
        )
    }

    /// Whose request it is, with these headers.
    fn client_of(proxies: &Proxies, peer: &str, headers: &[&str]) -> Client {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(HEADER, value.parse().expect("a header"));
        }
        proxies.client(ip(peer), &map)
    }

    fn client(proxies: &Proxies, peer: &str, headers: &[&str]) -> IpAddr {
        client_of(proxies, peer, headers).address
    }

    #[test]
    fn nobody_is_believed_unless_configured() {
        assert_eq!(
            client(&Proxies::default(), "127.0.0.1", &["192.0.2.7"]),
            ip("127.0.0.1")
        );
        let ours = proxies(&["10.0.0.1"]);
        assert_eq!(
            client(&ours, "10.0.0.2", &["192.0.2.7"]),
            ip("10.0.0.2"),
            "not listed"
        );
    }

    #[test]
    fn the_last_who_is_no_proxy_of_ours_is_the_client_whatever_it_says_itself() {
        let ours = proxies(&["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]);
        let of = |headers: &[&str]| client(&ours, "127.0.0.1", headers);
        assert_eq!(of(&["192.0.2.7"]), ip("192.0.2.7"));
        assert_eq!(
            of(&["203.0.113.1, 127.0.0.1, 192.0.2.7"]),
            ip("192.0.2.7"),
            "its own word"
        );
        assert_eq!(
            of(&["203.0.113.1", "192.0.2.7, 10.9.9.9"]),
            ip("192.0.2.7"),
            "two of ours"
        );
        assert_eq!(of(&["192.0.2.7:4711"]), ip("192.0.2.7"));
        assert_eq!(of(&["[2001:db9::1]:80 "]), ip("2001:db9::1"));
        assert_eq!(of(&["[2001:db9::1]"]), ip("2001:db9::1"));
        assert_eq!(of(&["::ffff:192.0.2.7"]), ip("192.0.2.7"));
        assert_eq!(client(&ours, "::ffff:127.0.0.1", &["192.0.2.7"]), ip("192.0.2.7"));
        assert_eq!(client(&ours, "2001:db8:9::1", &["192.0.2.7"]), ip("192.0.2.7"));
    }

    #[test]
    fn where_a_proxy_of_ours_names_no_address_the_request_is_its_own() {
        let ours = proxies(&["127.0.0.1", "10.0.0.0/8"]);
        for headers in [
            &[][..],
            &[""],
            &["unknown"],
            &["192.0.2.7, "],
            &["192.0.2.7, 1.2.3"],
        ] {
            assert_eq!(
                client(&ours, "127.0.0.1", headers),
                ip("127.0.0.1"),
                "{headers:?}"
            );
        }
        assert_eq!(
            client(&ours, "127.0.0.1", &["nonsense, 10.0.0.9"]),
            ip("10.0.0.9")
        );
    }

    /// Some proxies write such words for who came over a socket of the machine, or is not to be named.
    #[test]
    fn this_machine_is_believed_to_ask_only_where_no_proxy_hides_who_does() {
        let ours = proxies(&["127.0.0.1"]);
        let is_ours = |headers: &[&str]| client_of(&ours, "127.0.0.1", headers).is_this_machine();
        for headers in [&[][..], &["127.0.0.1"], &["::1"], &["unknown, 127.0.0.2"]] {
            assert!(is_ours(headers), "{headers:?}");
        }
        for headers in [
            &[""][..],
            &["unknown"],
            &["unix:"],
            &["127.0.0.1, unix:"],
            &["unknown, 127.0.0.1"],
            &["unknown", "127.0.0.1"],
            &["192.0.2.7"],
        ] {
            assert!(!is_ours(headers), "{headers:?}");
        }
        assert!(client_of(&Proxies::default(), "127.0.0.1", &["unknown"]).is_this_machine());
    }

    #[test]
    fn a_network_is_its_first_bits() {
        let holds = |text, address| network(text).expect("a network").contains(&ip(address));
        assert!(holds("10.1.0.0/16", "10.1.255.1") && !holds("10.1.0.0/16", "10.2.0.1"));
        assert!(holds("10.1.2.3/16", "10.1.255.1"), "further bits do not matter");
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fd12::1") && holds("::1", "::1") && !holds("::1", "::2"));
        for wrong in [
            "",
            "a",
            "10.0.0.0/33",
            "::1/129",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "10.0.0",
            "/8",
            "proxy.example",
        ] {
            assert_eq!(network(wrong), None, "{wrong}");
        }
    }
}
