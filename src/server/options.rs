//! The options of the embedded server: a JSON object.
//!
//! Settings have the names, ranges and defaults of the server's configuration file (docs/CONFIGURATION.md): both read
//! through the tables of `presence_node::options`. What is added here makes a server of no configuration useful: where
//! it listens, its one app, and `auto_register_on_mention`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use presence::ids::{AppId, UserId};
use presence::settings::AppSettings;
use presence_node::options::{self, OptionError};
use presence_node::{AppConfig, NodeConfig, ServerTls};
use presence_protocol::errors::code;
use presence_protocol::nearest::nearest;
use serde_json::Value;

use crate::guard::Refusal;

/// The app of a server that was not told of one.
pub const DEFAULT_APP: u64 = 1_400_000_001;
/// Bytes of a random secret key, before they are written in hexadecimal.
const RANDOM_KEY_BYTES: usize = 32;
/// The keys that are not in the tables.
pub const OWN_KEYS: [&str; 8] = [
    "listen",
    "insecure",
    "tls_certificate_file",
    "tls_key_file",
    "sdk_app_id",
    "secret_key",
    "accounts",
    "friends",
];

/// What a node is started with.
pub fn parse(options_json: &str) -> Result<(NodeConfig, AppConfig), Refusal> {
    let options = match serde_json::from_str(options_json) {
        Ok(Value::Object(options)) => options,
        Ok(_) => return Err(invalid("options_json is not a JSON object")),
        Err(error) => return Err(invalid(format!("options_json is not JSON: {error}"))),
    };
    let mut own = Own::default();
    let mut node = NodeConfig::default();
    let mut settings = default_settings();
    for (key, value) in &options {
        if !own.set(key, value)? {
            set(&mut node, &mut settings, key, value)?;
        }
    }
    own.check_listen()?;
    node.tls = own.tls()?;
    match node.tls {
        None => node.listen = vec![own.listen],
        Some(_) => node.listen_tls = vec![own.listen],
    }
    if let Some(conflict) = options::conflicts(&node, &settings).into_iter().next() {
        return Err(invalid(conflict));
    }
    if let Some((owner, _)) = own
        .friends
        .iter()
        .find(|(_, friends)| friends.len() > node.friends_max)
    {
        return Err(invalid(format!("friends: {owner} has more than friends_max")));
    }
    let secret_key = own.secret_key.map_or_else(random_key, Ok)?;
    let (accounts, friends) = (own.accounts, own.friends);
    Ok((
        node,
        AppConfig {
            id: own.app,
            secret_key,
            settings,
            accounts,
            friends,
        },
    ))
}

/// The values of [`OWN_KEYS`].
struct Own {
    listen: SocketAddr,
    insecure: bool,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    app: AppId,
    secret_key: Option<String>,
    accounts: Vec<UserId>,
    friends: BTreeMap<UserId, Vec<UserId>>,
}

impl Default for Own {
    fn default() -> Own {
        Own {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            insecure: false,
            certificate_file: None,
            key_file: None,
            app: AppId::new(DEFAULT_APP).expect("it is not 0"),
            secret_key: None,
            accounts: Vec::new(),
            friends: BTreeMap::new(),
        }
    }
}

impl Own {
    /// Takes a value; `false` if the key is not one of [`OWN_KEYS`].
    fn set(&mut self, key: &str, value: &Value) -> Result<bool, Refusal> {
        match key {
            "listen" => {
                let address = value.as_str().and_then(|text| text.parse().ok());
                self.listen = address
                    .ok_or_else(|| takes(key, "an address and port such as \"127.0.0.1:0\"", value))?;
            }
            "insecure" => {
                self.insecure = value
                    .as_bool()
                    .ok_or_else(|| takes(key, "true or false", value))?
            }
            "tls_certificate_file" => self.certificate_file = Some(path(key, value)?),
            "tls_key_file" => self.key_file = Some(path(key, value)?),
            "sdk_app_id" => {
                let app = value.as_u64().and_then(AppId::new);
                self.app = app.ok_or_else(|| takes(key, "a whole number above 0", value))?;
            }
            "secret_key" => {
                // Its value is a secret and stays out of the text.
                let secret_key = value.as_str().filter(|text| !text.is_empty());
                self.secret_key = Some(
                    secret_key
                        .ok_or_else(|| invalid("secret_key takes a text"))?
                        .to_owned(),
                );
            }
            "accounts" => self.accounts = user_ids(key, value)?,
            "friends" => {
                let lists = value
                    .as_object()
                    .ok_or_else(|| takes(key, "an object of lists of user ids", value))?;
                for (owner, friends) in lists {
                    let owner = UserId::new(owner).map_err(|_| not_a_user_id(key, owner))?;
                    self.friends.insert(owner, user_ids(key, friends)?);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// As the server program does: beyond this machine only when told that it is meant.
    fn check_listen(&self) -> Result<(), Refusal> {
        if self.listen.ip().is_loopback() || self.insecure || self.certificate_file.is_some() {
            return Ok(());
        }
        let listen = self.listen;
        let text = format!(
            "listen: {listen} is open to other machines without TLS; set tls_certificate_file and tls_key_file, or \
             insecure if you mean it"
        );
        Err(invalid(text))
    }

    /// The certificate, if it is to listen with TLS.
    fn tls(&self) -> Result<Option<ServerTls>, Refusal> {
        match (&self.certificate_file, &self.key_file) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => ServerTls::load(certificate, key)
                .map(Some)
                .map_err(|error| invalid(error.to_string())),
            _ => Err(invalid("tls_certificate_file and tls_key_file go together")),
        }
    }
}

/// Puts a value into the setting of that name, the node's or the app's.
fn set(node: &mut NodeConfig, settings: &mut AppSettings, key: &str, value: &Value) -> Result<(), Refusal> {
    let value = match value {
        Value::Bool(on) => options::Value::Bool(*on),
        Value::String(text) => options::Value::Text(text),
        Value::Number(number) => match (number.as_i64(), number.is_u64()) {
            (Some(number), _) => options::Value::Integer(number),
            (None, true) => options::Value::Other("a number that large"),
            (None, false) => options::Value::Other("a number with a fraction"),
        },
        Value::Array(_) => options::Value::Other("a list"),
        Value::Object(_) => options::Value::Other("an object"),
        Value::Null => options::Value::Other("null"),
    };
    match options::set(options::NODE, node, key, value) {
        Err(OptionError::UnknownKey { .. }) => {}
        done => return done.map_err(|error| invalid(error.to_string())),
    }
    match options::set(options::APP, settings, key, value) {
        Err(OptionError::UnknownKey { key, .. }) => {
            // Both tables and our own keys may hold the one that was meant.
            let meant = nearest(&key, keys());
            Err(invalid(OptionError::UnknownKey { key, meant }.to_string()))
        }
        done => done.map_err(|error| invalid(error.to_string())),
    }
}

/// Every key there is.
pub fn keys() -> impl Iterator<Item = &'static str> {
    let node = options::NODE.iter().map(|setting| setting.key);
    let app = options::APP.iter().map(|setting| setting.key);
    OWN_KEYS.into_iter().chain(node).chain(app)
}

/// The rows of docs/C_API.md that come from the tables.
#[cfg(test)]
pub fn rows() -> Vec<String> {
    fn row<T: Clone>(setting: &options::Setting<T>, defaults: &T) -> String {
        let rule = if setting.rule.is_empty() {
            String::new()
        } else {
            format!(" ({})", setting.rule)
        };
        let (key, takes, default) = (setting.key, setting.takes(), setting.text(defaults));
        format!("| `{key}` | {takes} | `{default}` | {}{rule} |", setting.about)
    }
    let (node, app) = (NodeConfig::default(), default_settings());
    let node_rows = options::NODE.iter().map(|setting| row(setting, &node));
    node_rows
        .chain(options::APP.iter().map(|setting| row(setting, &app)))
        .collect()
}

fn default_settings() -> AppSettings {
    AppSettings {
        auto_register_on_mention: true,
        ..AppSettings::default()
    }
}

fn path(key: &str, value: &Value) -> Result<PathBuf, Refusal> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(PathBuf::from)
        .ok_or_else(|| takes(key, "the path of a file", value))
}

fn user_ids(key: &str, value: &Value) -> Result<Vec<UserId>, Refusal> {
    let list = value
        .as_array()
        .ok_or_else(|| takes(key, "a list of user ids", value))?;
    list.iter()
        .map(|element| {
            let text = element
                .as_str()
                .ok_or_else(|| takes(key, "a list of user ids", value))?;
            UserId::new(text).map_err(|_| not_a_user_id(key, text))
        })
        .collect()
}

fn not_a_user_id(key: &str, text: &str) -> Refusal {
    invalid(format!(
        "{key}: {text:?} is not a user id, which is 1 to 32 bytes of printable ASCII"
    ))
}

fn takes(key: &str, what: &str, given: &Value) -> Refusal {
    invalid(format!("{key} takes {what}, not {given}"))
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(code::INVALID_OPTIONS, text.into())
}

/// A secret key nobody can guess, in hexadecimal.
fn random_key() -> Result<String, Refusal> {
    let mut bytes = [0u8; RANDOM_KEY_BYTES];
    // SAFETY: the buffer is as long as said, and below the 256 bytes that getentropy gives at most.
    if unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) } != 0 {
        return Err(Refusal::new(
            code::NO_MEMORY,
            "the system gives no random bytes for a secret key",
        ));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use presence::settings::{MultiLogin, Plan};

    use super::*;

    fn refused(options_json: &str) -> String {
        match parse(options_json) {
            Ok(_) => panic!("{options_json} is accepted"),
            Err(refusal) => {
                assert_eq!(refusal.code, code::INVALID_OPTIONS, "{options_json}");
                refusal.text.into_owned()
            }
        }
    }

    #[test]
    fn nothing_said_is_a_server_of_this_machine_with_a_key_nobody_knows() {
        let (node, app) = parse("{}").expect("the defaults are valid");
        assert_eq!(node.listen, ["127.0.0.1:0".parse().expect("an address")]);
        assert_eq!(app.id.get(), DEFAULT_APP);
        assert_eq!(app.secret_key.len(), 2 * RANDOM_KEY_BYTES);
        assert!(app.settings.auto_register_on_mention);
        let (_, other) = parse("{}").expect("the defaults are valid");
        assert_ne!(app.secret_key, other.secret_key);
    }

    #[test]
    fn what_is_said_arrives() {
        let (node, app) = parse(
            r#"{"listen": "[::1]:7788", "sdk_app_id": 7, "secret_key": "k", "accounts": ["alice"],
                "friends": {"alice": ["bob", "carol"]}, "heartbeat_interval_ms": 50, "heartbeat_timeout_ms": 300,
                "plan": "basic", "multi_login": "single", "auto_register_on_mention": false, "rate_calls": 3}"#,
        )
        .expect("all of it is valid");
        assert_eq!(node.listen, ["[::1]:7788".parse().expect("an address")]);
        assert_eq!(node.heartbeat_timeout, Duration::from_millis(300));
        assert_eq!((app.id.get(), app.secret_key.as_str()), (7, "k"));
        assert_eq!(app.accounts, [UserId::new("alice").expect("a user id")]);
        assert_eq!(app.friends.values().next().map(Vec::len), Some(2));
        assert_eq!(
            (app.settings.plan, app.settings.multi_login),
            (Plan::Basic, MultiLogin::Single)
        );
        assert_eq!(
            (app.settings.auto_register_on_mention, app.settings.rate_calls),
            (false, 3)
        );
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        assert!(refused(r#"{"colour": 1}"#).contains("\"colour\""));
        assert!(refused(r#"{"heartbeat_timeout": 1}"#).contains("did you mean \"heartbeat_timeout_ms\""));
        assert!(refused(r#"{"rate_call": 1}"#).contains("did you mean \"rate_calls\""));
        assert!(refused(r#"{"account": []}"#).contains("did you mean \"accounts\""));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_with_its_key() {
        for (options_json, named) in [
            ("", "not JSON"),
            ("[]", "not a JSON object"),
            (r#"{"listen": "here"}"#, "listen"),
            (r#"{"listen": "0.0.0.0:0"}"#, "insecure"),
            (r#"{"tls_key_file": 1}"#, "tls_key_file"),
            (r#"{"tls_key_file": "k.pem"}"#, "go together"),
            (
                r#"{"tls_certificate_file": "none.pem", "tls_key_file": "none.key"}"#,
                "none.pem",
            ),
            (r#"{"sdk_app_id": 0}"#, "sdk_app_id"),
            (r#"{"accounts": ["alice", ""]}"#, "accounts"),
            (r#"{"friends": {"alice": ["ü"]}}"#, "friends"),
            (
                r#"{"friends": {"alice": ["bob"]}, "friends_max": 0}"#,
                "friends_max",
            ),
            (r#"{"user_status": 1}"#, "user_status"),
            (r#"{"loops": 1.5}"#, "a number with a fraction"),
            (r#"{"loops": 18446744073709551615}"#, "a number that large"),
            (
                r#"{"heartbeat_interval_ms": 500, "heartbeat_timeout_ms": 500}"#,
                "heartbeat_timeout_ms",
            ),
        ] {
            let text = refused(options_json);
            assert!(text.contains(named), "{options_json}: {text}");
        }
        assert!(parse(r#"{"listen": "0.0.0.0:0", "insecure": true}"#).is_ok());
    }

    #[test]
    fn a_secret_key_is_not_repeated_in_a_refusal() {
        assert!(!refused(r#"{"secret_key": {"k": "s3cret"}}"#).contains("s3cret"));
    }
}
