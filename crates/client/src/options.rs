//! The options of a client: a JSON object, every key of it in [`TABLE`].
//!
//! | key | type | default | meaning |
//! |---|---|---|---|
//! | `server` | text, required | | `tim://host[:port]`, or `tims://host[:port]` for TLS 1.3; `tim+ws://host[:port][/path]` and `tims+ws://host[:port][/path]` for the same inside WebSocket, where something on the way lets only HTTP pass; the port is 7788, with TLS 7790, unless given |
//! | `ca_file` | text | none | with TLS: a file of the authorities to trust instead of the system's (PEM), read once |
//! | `pinned_public_key` | text | none | with TLS: the server's public key, `sha256//` and the SHA-256 of its SubjectPublicKeyInfo in base64; several with `;` between. Without `ca_file` it is all that is trusted, whoever issued the certificate and however old it is; the certificate must name the host all the same |
//! | `http_proxy` | text | none | `http://[user:password@]host:port`: a proxy that is asked to `CONNECT` to the server |
//! | `sdk_app_id` | number, required | | the app (R1.1): 1 to 2^53-1 |
//! | `platform` | text | by system | the kind of device (R1.3): `iOS` `Android` `Web` `Windows` `Mac` `Linux` `iPad`, or another name of 1 to 32 printable ASCII characters |
//! | `data_dir` | text | none | a folder for the device's identity (R1.3) and logouts not yet said (R8.8), one a user and at most 32; made if absent, locked while in use. It holds a UserSig while a logout is unsaid, readable by its owner only |
//! | `delivery` | text | `"thread"` | where callbacks run: `"thread"`, `"shared"` or `"poll"` |
//! | `queue_max` | number | 10000 | calls whose results may be outstanding; the next one answers `TIM_ERR_BUSY`. 1 to 1000000 |
//! | `restore_subscriptions` | true or false | `true` | put the subscription list back when the server cleared it while the user was away (R5.8) |
//! | `login_timeout_ms` | number | 30000 | when a first login gives up (R8.5). 100 to 600000 |
//! | `request_timeout_ms` | number | 15000 | how long the server may take to answer before it counts as gone (R8.6). 100 to 600000 |
//! | `disconnected_wait_ms` | number | 15000 | how long a call waits for a connection (R8.6). 0 to 600000 |
//! | `connect_timeout_ms` | number | 10000 | how long one attempt to connect may take. 100 to 600000 |
//! | `logout_timeout_ms` | number | 3000 | when a logout completes without the server's answer (R8.8). 0 to 60000 |
//! | `backoff_base_ms` | number | 500 | bound of the first wait before reconnecting; it doubles with each failure (R8.5). 1 to 60000 |
//! | `backoff_max_ms` | number | 30000 | bound of any such wait (R8.5). 1 to 600000 |

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use presence_protocol::errors::code;
use presence_protocol::nearest::nearest;
use serde_json::{Map, Value};

pub use crate::address::Proxy;
use crate::address::Server;
use crate::api::CallError;

/// Where callbacks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryMode {
    /// On a thread of this client.
    Thread,
    /// On one thread for all clients that chose this.
    Shared,
    /// In [`Client::poll`](crate::Client::poll), on its caller's thread.
    Poll,
}

/// A public key to trust: the SHA-256 of its SubjectPublicKeyInfo.
pub type Pin = [u8; 32];

/// Bytes a platform's name may have.
const PLATFORM_BYTES_MAX: usize = 32;

/// The largest number that every JSON implementation keeps exactly.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// A client's options, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Host of the server: a name or an address.
    pub host: String,
    /// Port of the server.
    pub port: u16,
    /// TLS.
    pub tls: bool,
    /// WebSocket, at this path of the server.
    pub websocket_path: Option<String>,
    /// Authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Keys to trust.
    pub pinned_public_keys: Vec<Pin>,
    /// The way to the server.
    pub http_proxy: Option<Proxy>,
    /// The app (R1.1).
    pub sdk_app_id: u64,
    /// The kind of device (R1.3).
    pub platform: String,
    /// Folder of what survives the process.
    pub data_dir: Option<PathBuf>,
    /// Where callbacks run.
    pub delivery: DeliveryMode,
    /// Calls whose results may be outstanding.
    pub queue_max: usize,
    /// R5.8.
    pub restore_subscriptions: bool,
    /// R8.5.
    pub login_timeout: Duration,
    /// R8.6.
    pub request_timeout: Duration,
    /// R8.6.
    pub disconnected_wait: Duration,
    /// One attempt to connect.
    pub connect_timeout: Duration,
    /// R8.8.
    pub logout_timeout: Duration,
    /// R8.5.
    pub backoff_base: Duration,
    /// R8.5.
    pub backoff_max: Duration,
}

/// A key of the options.
#[derive(Debug, Clone, Copy)]
pub struct OptionKey {
    /// The JSON key.
    pub name: &'static str,
    /// What its value may be.
    pub kind: OptionKind,
    set: fn(&mut Options, &Value),
}

/// What the value of a key may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// `tim://host[:port]` or `tims://host[:port]`; required.
    Server,
    /// 1 to 32 printable ASCII characters.
    Platform,
    /// A path, not empty.
    Path,
    /// `sha256//` and 32 bytes in base64; several with `;` between.
    Pins,
    /// `http://[user:password@]host:port`.
    Proxy,
    /// One of the names of [`DeliveryMode`].
    Delivery,
    /// `true` or `false`.
    Flag,
    /// A whole number between the two, both included. Without a default it is required.
    Number {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
        /// Without the key.
        default: Option<u64>,
    },
}

const fn milliseconds(min: u64, max: u64, default: u64) -> OptionKind {
    OptionKind::Number {
        min,
        max,
        default: Some(default),
    }
}

fn duration(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap_or_default())
}

/// Every key there is.
pub const TABLE: &[OptionKey] = &[
    OptionKey {
        name: "server",
        kind: OptionKind::Server,
        set: |_, _| (),
    },
    OptionKey {
        name: "ca_file",
        kind: OptionKind::Path,
        set: |options, value| options.ca_file = value.as_str().map(PathBuf::from),
    },
    OptionKey {
        name: "pinned_public_key",
        kind: OptionKind::Pins,
        set: |options, value| {
            options.pinned_public_keys = value.as_str().and_then(parse_pins).unwrap_or_default();
        },
    },
    OptionKey {
        name: "http_proxy",
        kind: OptionKind::Proxy,
        set: |options, value| options.http_proxy = value.as_str().and_then(Proxy::parse),
    },
    OptionKey {
        name: "sdk_app_id",
        kind: OptionKind::Number {
            min: 1,
            max: EXACT_MAX,
            default: None,
        },
        set: |options, value| options.sdk_app_id = value.as_u64().unwrap_or_default(),
    },
    OptionKey {
        name: "platform",
        kind: OptionKind::Platform,
        set: |options, value| options.platform = value.as_str().unwrap_or_default().to_owned(),
    },
    OptionKey {
        name: "data_dir",
        kind: OptionKind::Path,
        set: |options, value| options.data_dir = value.as_str().map(PathBuf::from),
    },
    OptionKey {
        name: "delivery",
        kind: OptionKind::Delivery,
        set: set_delivery,
    },
    OptionKey {
        name: "queue_max",
        kind: OptionKind::Number {
            min: 1,
            max: 1_000_000,
            default: Some(10_000),
        },
        set: |options, value| options.queue_max = value.as_u64().unwrap_or_default() as usize,
    },
    OptionKey {
        name: "restore_subscriptions",
        kind: OptionKind::Flag,
        set: |options, value| options.restore_subscriptions = value.as_bool().unwrap_or(true),
    },
    OptionKey {
        name: "login_timeout_ms",
        kind: milliseconds(100, 600_000, 30_000),
        set: |options, value| options.login_timeout = duration(value),
    },
    OptionKey {
        name: "request_timeout_ms",
        kind: milliseconds(100, 600_000, 15_000),
        set: |options, value| options.request_timeout = duration(value),
    },
    OptionKey {
        name: "disconnected_wait_ms",
        kind: milliseconds(0, 600_000, 15_000),
        set: |options, value| options.disconnected_wait = duration(value),
    },
    OptionKey {
        name: "connect_timeout_ms",
        kind: milliseconds(100, 600_000, 10_000),
        set: |options, value| options.connect_timeout = duration(value),
    },
    OptionKey {
        name: "logout_timeout_ms",
        kind: milliseconds(0, 60_000, 3_000),
        set: |options, value| options.logout_timeout = duration(value),
    },
    OptionKey {
        name: "backoff_base_ms",
        kind: milliseconds(1, 60_000, 500),
        set: |options, value| options.backoff_base = duration(value),
    },
    OptionKey {
        name: "backoff_max_ms",
        kind: milliseconds(1, 600_000, 30_000),
        set: |options, value| options.backoff_max = duration(value),
    },
];

impl Options {
    /// Reads and checks a JSON object. Refused with `INVALID_OPTIONS` and a text that names the key.
    pub fn parse(json: &str) -> Result<Options, CallError> {
        let value: Value = serde_json::from_str(json)
            .map_err(|error| invalid(format!("the options are not JSON: {error}")))?;
        let Value::Object(given) = value else {
            return Err(invalid("the options are not a JSON object"));
        };
        if let Some(unknown) = given
            .keys()
            .find(|key| !TABLE.iter().any(|known| known.name == key.as_str()))
        {
            let known = ["server", "sdk_app_id"]
                .into_iter()
                .chain(TABLE.iter().map(|key| key.name));
            let meant =
                nearest(unknown, known).map_or(String::new(), |meant| format!("; did you mean \"{meant}\"?"));
            return Err(invalid(format!("unknown option \"{}\"{meant}", shown(unknown))));
        }
        let mut options = Options::with_server(&given)?;
        for key in TABLE {
            if let Some(value) = key.checked(&given)? {
                (key.set)(&mut options, &value);
            }
        }
        options.check_trust()?;
        Ok(options)
    }

    /// Whom to trust is asked with TLS alone.
    fn check_trust(&self) -> Result<(), CallError> {
        let given = [
            ("ca_file", self.ca_file.is_some()),
            ("pinned_public_key", !self.pinned_public_keys.is_empty()),
        ];
        match given.iter().find(|(_, given)| *given && !self.tls) {
            None => Ok(()),
            Some((name, _)) => Err(invalid(format!(
                "option \"{name}\" needs a server with TLS: \"tims://…\""
            ))),
        }
    }

    fn with_server(given: &Map<String, Value>) -> Result<Options, CallError> {
        let server = match given.get("server") {
            Some(Value::String(server)) => server,
            Some(_) => return Err(invalid("option \"server\" is not a text")),
            None => return Err(invalid("option \"server\" is missing: \"tim://host[:port]\"")),
        };
        let Server {
            tls,
            websocket_path,
            host,
            port,
        } = Server::parse(server).ok_or_else(|| {
            invalid(format!(
                "option \"server\" is \"{}\" and must be \"tim://host[:port]\", with tims, tim+ws or tims+ws instead of tim for \
                 TLS, WebSocket or both",
                shown(&without_user(server))
            ))
        })?;
        Ok(Options {
            host,
            port,
            tls,
            websocket_path,
            ca_file: None,
            pinned_public_keys: Vec::new(),
            http_proxy: None,
            sdk_app_id: 0,
            platform: default_platform().to_owned(),
            data_dir: None,
            delivery: DeliveryMode::Thread,
            queue_max: 0,
            restore_subscriptions: true,
            login_timeout: Duration::ZERO,
            request_timeout: Duration::ZERO,
            disconnected_wait: Duration::ZERO,
            connect_timeout: Duration::ZERO,
            logout_timeout: Duration::ZERO,
            backoff_base: Duration::ZERO,
            backoff_max: Duration::ZERO,
        })
    }
}

impl OptionKey {
    /// The value to set: the one given, if it is allowed, or the default; `None`: leave it as it is.
    fn checked(&self, given: &Map<String, Value>) -> Result<Option<Value>, CallError> {
        let name = self.name;
        let Some(value) = given.get(name) else {
            return match self.kind {
                OptionKind::Number {
                    default: Some(default),
                    ..
                } => Ok(Some(default.into())),
                OptionKind::Number { default: None, .. } => {
                    Err(invalid(format!("option \"{name}\" is missing")))
                }
                _ => Ok(None),
            };
        };
        let text = || {
            value
                .as_str()
                .ok_or_else(|| invalid(format!("option \"{name}\" is not a text")))
        };
        match self.kind {
            OptionKind::Server => {}
            OptionKind::Number { min, max, .. } => match value.as_u64() {
                Some(number) if (min..=max).contains(&number) => {}
                _ => {
                    return Err(invalid(format!(
                        "option \"{name}\" is not a whole number from {min} to {max}"
                    )));
                }
            },
            OptionKind::Flag if value.is_boolean() => {}
            OptionKind::Flag => return Err(invalid(format!("option \"{name}\" is neither true nor false"))),
            OptionKind::Platform => {
                let text = text()?;
                let printable = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
                if text.is_empty() || text.len() > PLATFORM_BYTES_MAX || !printable {
                    return Err(invalid(format!(
                        "option \"{name}\" is not 1 to {PLATFORM_BYTES_MAX} printable ASCII characters"
                    )));
                }
            }
            OptionKind::Path if text()?.is_empty() || text()?.contains('\0') => {
                return Err(invalid(format!("option \"{name}\" is not a path")));
            }
            OptionKind::Path => {}
            OptionKind::Pins if parse_pins(text()?).is_some() => {}
            OptionKind::Pins => {
                return Err(invalid(format!(
                    "option \"{name}\" is not \"sha256//\" and a SHA-256 in base64"
                )));
            }
            OptionKind::Proxy if Proxy::parse(text()?).is_some() => {}
            // Not what was given: it may hold a password.
            OptionKind::Proxy => {
                return Err(invalid(format!(
                    "option \"{name}\" is not \"http://[user:password@]host:port\""
                )));
            }
            OptionKind::Delivery
                if DELIVERIES
                    .iter()
                    .any(|(delivery, _)| text().is_ok_and(|text| text == *delivery)) => {}
            OptionKind::Delivery => {
                return Err(invalid(format!(
                    "option \"{name}\" is none of \"thread\", \"shared\", \"poll\""
                )));
            }
        }
        Ok(Some(value.clone()))
    }
}

const DELIVERIES: [(&str, DeliveryMode); 3] = [
    ("thread", DeliveryMode::Thread),
    ("shared", DeliveryMode::Shared),
    ("poll", DeliveryMode::Poll),
];

fn set_delivery(options: &mut Options, value: &Value) {
    if let Some((_, mode)) = DELIVERIES.iter().find(|(name, _)| Some(*name) == value.as_str()) {
        options.delivery = *mode;
    }
}

/// `sha256//…`, as curl has it.
fn parse_pins(text: &str) -> Option<Vec<Pin>> {
    text.split(';')
        .map(|pin| {
            let digest = STANDARD.decode(pin.strip_prefix("sha256//")?).ok()?;
            Pin::try_from(digest).ok()
        })
        .collect()
}

fn default_platform() -> &'static str {
    if cfg!(target_os = "ios") {
        "iOS"
    } else if cfg!(target_os = "android") {
        "Android"
    } else if cfg!(target_os = "macos") {
        "Mac"
    } else if cfg!(target_os = "windows") {
        "Windows"
    } else {
        "Linux"
    }
}

/// What was given, short enough for a refusal.
fn shown(given: &str) -> String {
    const LETTERS_MAX: usize = 100;
    given
        .chars()
        .take(LETTERS_MAX)
        .flat_map(char::escape_debug)
        .collect()
}

/// An address without what may be a user and a password.
fn without_user(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((_, place)) => format!("…@{place}").into(),
        None => address.into(),
    }
}

fn invalid(text: impl Into<String>) -> CallError {
    CallError::new(code::INVALID_OPTIONS, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> CallError {
        Options::parse(json).expect_err(json)
    }

    #[test]
    fn the_required_keys_suffice_and_the_rest_has_its_defaults() {
        let options = Options::parse(r#"{"server":"tim://localhost","sdk_app_id":1400000001}"#).unwrap();
        assert_eq!((options.host.as_str(), options.port), ("localhost", 7788));
        assert_eq!(options.sdk_app_id, 1_400_000_001);
        assert_eq!(options.platform, default_platform());
        assert_eq!(options.delivery, DeliveryMode::Thread);
        assert_eq!(options.queue_max, 10_000);
        assert!(options.restore_subscriptions && options.data_dir.is_none());
        assert_eq!(options.login_timeout, Duration::from_secs(30));
        assert_eq!(options.request_timeout, Duration::from_secs(15));
        assert_eq!(options.disconnected_wait, Duration::from_secs(15));
        assert_eq!(options.connect_timeout, Duration::from_secs(10));
        assert_eq!(options.logout_timeout, Duration::from_secs(3));
        assert_eq!(options.backoff_base, Duration::from_millis(500));
        assert_eq!(options.backoff_max, Duration::from_secs(30));
    }

    #[test]
    fn every_key_can_be_given() {
        let options = Options::parse(
            r#"{"server":"tims+ws://[::1]:9/a?b","sdk_app_id":7,"ca_file":"/ca","http_proxy":"http://p:3",
                "pinned_public_key":"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","platform":"iPad","data_dir":"/somewhere","delivery":"poll",
                "queue_max":5,"restore_subscriptions":false,"login_timeout_ms":101,"request_timeout_ms":102,
                "disconnected_wait_ms":103,"connect_timeout_ms":104,"logout_timeout_ms":105,"backoff_base_ms":106,
                "backoff_max_ms":107}"#,
        )
        .unwrap();
        let expected = Options {
            host: "::1".into(),
            port: 9,
            tls: true,
            websocket_path: Some("/a?b".into()),
            ca_file: Some("/ca".into()),
            pinned_public_keys: vec![[0; 32]],
            http_proxy: Some(Proxy {
                host: "p".into(),
                port: 3,
                user_and_password: None,
            }),
            sdk_app_id: 7,
            platform: "iPad".into(),
            data_dir: Some("/somewhere".into()),
            delivery: DeliveryMode::Poll,
            queue_max: 5,
            restore_subscriptions: false,
            login_timeout: Duration::from_millis(101),
            request_timeout: Duration::from_millis(102),
            disconnected_wait: Duration::from_millis(103),
            connect_timeout: Duration::from_millis(104),
            logout_timeout: Duration::from_millis(105),
            backoff_base: Duration::from_millis(106),
            backoff_max: Duration::from_millis(107),
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        let error = refused(r#"{"server":"tim://a","sdk_app_id":1,"queue_maximum":5}"#);
        assert_eq!(error.code, code::INVALID_OPTIONS);
        assert!(error.text.contains("\"queue_maximum\""), "{error}");
        let error = refused(r#"{"server":"tim://a","sdk_app_id":1,"login_timeout":5}"#);
        assert!(
            error.text.contains("did you mean \"login_timeout_ms\"?"),
            "{error}"
        );
    }

    #[test]
    fn an_address_that_is_none_is_shown_beside_what_it_must_be() {
        for given in ["http://a:7788", "a:7788", "", &"x".repeat(1_000)] {
            let error = refused(&serde_json::json!({"server": given, "sdk_app_id": 1}).to_string());
            let begins: String = given.chars().take(100).collect();
            assert!(
                error
                    .text
                    .contains(&format!("is \"{begins}\" and must be \"tim://host[:port]\"")),
                "{error}"
            );
            assert!(error.text.len() < 400, "{error}");
        }
    }

    #[test]
    fn a_missing_or_ill_typed_value_is_refused_by_the_name_of_its_key() {
        for (json, names) in [
            ("", "not JSON"),
            ("[]", "not a JSON object"),
            (r#"{"sdk_app_id":1}"#, "\"server\""),
            (r#"{"server":5,"sdk_app_id":1}"#, "\"server\""),
            (r#"{"server":"tim://a"}"#, "\"sdk_app_id\""),
            (r#"{"server":"tim://a","sdk_app_id":0}"#, "\"sdk_app_id\""),
            (r#"{"server":"tim://a","sdk_app_id":"1"}"#, "\"sdk_app_id\""),
            (
                r#"{"server":"tim://a","sdk_app_id":1,"queue_max":0}"#,
                "\"queue_max\"",
            ),
            (
                r#"{"server":"tim://a","sdk_app_id":1,"platform":""}"#,
                "\"platform\"",
            ),
            (
                r#"{"server":"tim://a","sdk_app_id":1,"platform":7}"#,
                "\"platform\"",
            ),
            (
                r#"{"server":"tim://a","sdk_app_id":1,"data_dir":""}"#,
                "\"data_dir\"",
            ),
            (
                r#"{"server":"tim://a","sdk_app_id":1,"delivery":"pool"}"#,
                "\"delivery\"",
            ),
            (
                r#"{"server":"tim://a","sdk_app_id":1,"restore_subscriptions":1}"#,
                "\"restore_subscriptions\"",
            ),
            (
                r#"{"server":"tim://a","sdk_app_id":1,"backoff_max_ms":-1}"#,
                "\"backoff_max_ms\"",
            ),
        ] {
            let error = refused(json);
            assert_eq!(error.code, code::INVALID_OPTIONS, "{json}");
            assert!(error.text.contains(names), "{json}: {error}");
        }
    }

    #[test]
    fn keys_are_pinned_as_curl_has_it() {
        let one = format!("sha256//{}", STANDARD.encode([1; 32]));
        let two = format!("sha256//{}", STANDARD.encode([2; 32]));
        assert_eq!(parse_pins(&one), Some(vec![[1; 32]]));
        assert_eq!(parse_pins(&format!("{one};{two}")), Some(vec![[1; 32], [2; 32]]));
        for bad in ["", "sha256//", "sha1//AAAA", "sha256//AAAA", ";"] {
            assert_eq!(parse_pins(bad), None, "{bad}");
        }
    }

    #[test]
    fn whom_to_trust_is_a_question_of_tls() {
        let pin = format!("sha256//{}", STANDARD.encode([1; 32]));
        for (key, value) in [("ca_file", "ca.pem"), ("pinned_public_key", pin.as_str())] {
            let json = |scheme| format!(r#"{{"server":"{scheme}://a","sdk_app_id":1,"{key}":"{value}"}}"#);
            let error = refused(&json("tim"));
            assert!(
                error.text.contains(key) && error.text.contains("tims://"),
                "{error}"
            );
            assert!(Options::parse(&json("tims")).is_ok());
        }
    }

    #[test]
    fn a_refused_address_is_quoted_without_its_password() {
        for given in [
            "tims://u:secret@host:1",
            "u:se@cret@host:1",
            "tim+ws://u:se/cret@host:1",
        ] {
            let error = refused(&serde_json::json!({"server": given, "sdk_app_id": 1}).to_string());
            assert!(error.text.contains("is \"…@host:1\" and must be"), "{error}");
        }
    }

    #[test]
    fn a_refused_proxy_is_not_quoted() {
        let error = refused(r#"{"server":"tim://a","sdk_app_id":1,"http_proxy":"ftp://u:secret@a:1"}"#);
        assert!(
            error.text.contains("http_proxy") && !error.text.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn the_page_of_the_module_names_every_key() {
        let page = include_str!("options.rs");
        for key in TABLE {
            assert!(page.contains(&format!("//! | `{}` |", key.name)), "{}", key.name);
        }
    }
}
