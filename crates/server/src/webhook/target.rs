//! Where an app's events are posted, and how they are signed.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::Uri;
use sha2::Sha256;

/// One app's webhook. Its secret is in nothing that is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Up to the `?` or `&` that the parameters follow.
    base: String,
    is_https: bool,
    secret: Option<String>,
}

/// Why a text is no URL for a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetError {
    /// It is no absolute URL.
    NoUrl,
    /// It is not http or https.
    Scheme,
    /// It holds a user name or password, which nothing would be done with.
    UserInfo,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TargetError::NoUrl | TargetError::Scheme => {
                "a URL that begins with https:// or http://, such as \"https://backend.example.com/presence\""
            }
            TargetError::UserInfo => {
                "a URL without a user name and password; requests are signed with webhook_secret"
            }
        })
    }
}

impl Target {
    /// A URL, perhaps with a query of its own, and the secret that requests are signed with.
    pub fn new(url: &str, secret: Option<String>) -> Result<Target, TargetError> {
        let uri: Uri = url.parse().map_err(|_| TargetError::NoUrl)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(TargetError::Scheme),
            None => return Err(TargetError::NoUrl),
        };
        let authority = uri.authority().ok_or(TargetError::NoUrl)?.as_str();
        if authority.contains('@') {
            return Err(TargetError::UserInfo);
        }
        let scheme = if is_https { "https" } else { "http" };
        let (path, query) = (uri.path(), uri.query());
        let base = match query {
            None => format!("{scheme}://{authority}{path}?"),
            Some("") => format!("{scheme}://{authority}{path}?"),
            Some(query) => format!("{scheme}://{authority}{path}?{query}&"),
        };
        Ok(Target {
            base,
            is_https,
            secret,
        })
    }

    pub(super) fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether what is sent can be read and changed on the way to another machine.
    pub fn is_exposed(&self) -> bool {
        let host = self.base.parse::<Uri>().ok();
        let host = host.as_ref().and_then(Uri::host).unwrap_or_default();
        let is_here = host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        !self.is_https && !is_here
    }

    /// The URL with `parameters` after its own.
    pub(super) fn with(&self, parameters: &str) -> Result<Uri, hyper::http::uri::InvalidUri> {
        format!("{}{parameters}", self.base).parse()
    }

    /// `sha256=` and the HMAC-SHA256 of time, query and body, in hexadecimal; `None` without a secret.
    pub(super) fn signature(&self, timestamp: &str, query: &str, body: &[u8]) -> Option<String> {
        let secret = self.secret.as_ref()?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        for part in [timestamp.as_bytes(), b"\n", query.as_bytes(), b"\n", body] {
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("sha256={hex}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_its_own_stays() {
        let with = |url: &str| Target::new(url, None).unwrap().with("a=1").unwrap().to_string();
        assert_eq!(with("https://b.example.com"), "https://b.example.com/?a=1");
        assert_eq!(with("http://[::1]:8/x?"), "http://[::1]:8/x?a=1");
        assert_eq!(with("http://b/x?key=2&c"), "http://b/x?key=2&c&a=1");
    }

    #[test]
    fn what_is_no_url_of_a_webhook_is_refused() {
        let error = |url| Target::new(url, None).err();
        for url in ["", "b.example.com", "/x", "http://", "https:///x", "http://a b/"] {
            assert_eq!(error(url), Some(TargetError::NoUrl), "{url}");
        }
        assert_eq!(error("ftp://b/x"), Some(TargetError::Scheme));
        assert_eq!(error("https://me:pass@b/x"), Some(TargetError::UserInfo));
    }

    #[test]
    fn plain_http_to_another_machine_is_exposed() {
        let exposed = |url| Target::new(url, None).unwrap().is_exposed();
        assert!(exposed("http://b.example.com/x") && exposed("http://10.0.0.1"));
        assert!(!exposed("https://b.example.com/x") && !exposed("http://127.0.0.1:8/x"));
        assert!(!exposed("http://[::1]/x") && !exposed("http://localhost/"));
    }

    /// The value was computed apart, by the Python of docs/WEBHOOKS.md, which tests/docs/receiver.py tries with it.
    #[test]
    fn a_signature_covers_time_query_and_body() {
        let target = Target::new("http://b/x", Some("the secret".to_owned())).unwrap();
        let signature = target.signature("1780000000", "a=1&b=2", b"{}").unwrap();
        assert_eq!(
            signature,
            "sha256=0626efb895a4329ed7ddec3182ffd06df3c8badc8a852efaeadd7023509b84e9"
        );
        assert_ne!(
            Some(&signature),
            target.signature("1780000001", "a=1&b=2", b"{}").as_ref()
        );
        assert_ne!(
            Some(&signature),
            target.signature("1780000000", "a=1&b=3", b"{}").as_ref()
        );
        assert_ne!(
            Some(&signature),
            target.signature("1780000000", "a=1&b=2", b"{ }").as_ref()
        );
        let unsigned = Target::new("http://b/x", None).unwrap();
        assert_eq!(unsigned.signature("1", "", b""), None);
    }
}
