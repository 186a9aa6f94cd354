//! The configuration file: TOML. Everything is checked before anything is used, and each problem is named with its line.
//!
//! Plain settings are read through the tables of [`presence_node::options`]; the rest is in [`TOP_KEYS`] and, for an app,
//! [`apps::APP_KEYS`]. docs/CONFIGURATION.md is made from these tables.

mod apps;
pub mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use presence::ids::{AppId, UserId};
use presence_node::options::{self, NODE, STORE, Value};
use presence_node::{AppConfig, NodeConfig, ServerTls};
use presence_protocol::nearest::nearest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Failure;
use crate::http::proxies::{NETWORK_TAKES, Proxies, network};
use crate::logs::{Format, Level, LogConfig};
use crate::metrics::MetricsFrom;
use crate::service::RATE_DEFAULT;
use crate::webhook::Targets;

/// Where to listen unless told otherwise: this port of 127.0.0.1.
pub const PORT: u16 = 7788;
/// Where administrators are served unless told otherwise: this port of 127.0.0.1.
pub const ADMIN_PORT: u16 = 7789;
/// Characters a secret key should have; a shorter one is used, with a warning.
pub const SECRET_KEY_BYTES_GOOD: usize = 32;

/// Largest `rest_calls_per_second_max`.
const REST_RATE_MAX: u32 = 1_000_000;

/// A file's worth of settings. Holds secret keys, so it has no `Debug`.
pub struct Config {
    /// The node.
    pub node: NodeConfig,
    /// Where the store is, if there is to be one.
    pub data_dir: Option<PathBuf>,
    /// The apps, at least one.
    pub apps: Vec<AppConfig>,
    /// Who may administer each app.
    pub administrators: BTreeMap<AppId, Vec<UserId>>,
    /// Where the events of each app go that has a webhook (R10.1).
    pub webhooks: Targets,
    /// Where they are served.
    pub admin_listen: AdminListen,
    /// Whether they are served with TLS, by the certificate that clients see.
    pub admin_tls: bool,
    /// Calls a second that an app's administrators may make of each operation; 0: no limit.
    pub rest_rate: u32,
    /// Who speaks for others there.
    pub trusted_proxies: Proxies,
    /// Who may read the metrics there.
    pub metrics_from: MetricsFrom,
    /// The logs.
    pub log: LogConfig,
}

/// Where administrators are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminListen {
    /// At [`ADMIN_PORT`] of 127.0.0.1, if there are any.
    Default,
    /// Nowhere.
    Off,
    /// There.
    At(SocketAddr),
}

impl AdminListen {
    /// What it takes.
    pub const TAKES: &str = "\"IP:PORT\" or \"off\"";

    /// Where to listen.
    pub fn address(self, any_administrator: bool) -> Option<SocketAddr> {
        match self {
            AdminListen::Default if any_administrator => {
                Some(SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT)))
            }
            AdminListen::Default | AdminListen::Off => None,
            AdminListen::At(address) => Some(address),
        }
    }
}

impl FromStr for AdminListen {
    type Err = ();

    fn from_str(text: &str) -> Result<AdminListen, ()> {
        match text {
            "off" => Ok(AdminListen::Off),
            address => address.parse().map(AdminListen::At).map_err(|_| ()),
        }
    }
}

impl Config {
    /// Where administrators are served, if anywhere.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_listen
            .address(self.administrators.values().any(|users| !users.is_empty()))
    }
}

/// A path that the file names, and where it does.
struct Place {
    at: usize,
    path: PathBuf,
}

/// A mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// In which line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// A key that is not in the tables of [`options`].
pub struct Key {
    /// Its name.
    pub key: &'static str,
    /// What it takes, as Markdown.
    pub takes: &'static str,
    /// Its default, as Markdown.
    pub default: &'static str,
    /// The rule it belongs to, or empty.
    pub rule: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// The keys at the top of the file, besides those of [`NODE`] and `apps`.
pub const TOP_KEYS: &[Key] = &[
    Key {
        key: "listen",
        takes: "a list of \"IP:PORT\"",
        default: "`[\"127.0.0.1:7788\"]`",
        rule: "",
        about: "Where to listen for clients without TLS: `tim://`, and `tim+ws://` for WebSocket. Port 0: any free port. Addresses other than loopback need `--insecure`. May be empty where `listen_tls` is not.",
    },
    Key {
        key: "listen_tls",
        takes: "a list of \"IP:PORT\"",
        default: "`[]`",
        rule: "",
        about: "Where to listen for clients with TLS 1.3: `tims://`, and `tims+ws://` for WebSocket. Clients take 7790 for granted. Needs the two settings below.",
    },
    Key {
        key: "tls_certificate_file",
        takes: "a path, from the folder of this file",
        default: "none",
        rule: "",
        about: "The certificate for `listen_tls` and `admin_tls`, followed by those that it was issued with (PEM). It names the host that clients connect to. Read again by a reload.",
    },
    Key {
        key: "tls_key_file",
        takes: "a path, from the folder of this file",
        default: "none",
        rule: "",
        about: "The private key of that certificate (PEM), of a kind that TLS 1.3 knows: ECDSA on P-256 or P-384, Ed25519, RSA. Read again by a reload.",
    },
    Key {
        key: "admin_listen",
        takes: "\"IP:PORT\" or \"off\"",
        default: "`\"127.0.0.1:7789\"` if an app has administrators, else `\"off\"`",
        rule: "",
        about: "Where to serve administrators: REST over HTTP ([REST.md](REST.md)). Port 0: any free port. An address other than loopback needs `admin_tls`, or `--insecure`.",
    },
    Key {
        key: "admin_tls",
        takes: "true or false",
        default: "`false`",
        rule: "",
        about: "Serve administrators with TLS 1.3 (https), by the certificate of `tls_certificate_file`.",
    },
    Key {
        key: "rest_calls_per_second_max",
        takes: "0 to 1000000",
        default: "`200`",
        rule: "",
        about: "Calls a second that the administrators of an app may make of each REST operation; more answer 60007 (429 under `/v1`). 0: no limit.",
    },
    Key {
        key: "trusted_proxies",
        takes: "a list of \"IP\" or \"IP/BITS\"",
        default: "`[]`",
        rule: "",
        about: "Reverse proxies in front of `admin_listen`: a request that comes from one of them is that of the last address in its `X-Forwarded-For` which is none of them. Failed authentications count for that address, and `metrics_from` looks at it; where a proxy names no address (`unknown`, `unix:`) they count for the proxy, which is then not this machine to `metrics_from`. From anywhere else the header counts for nothing. Each of them must set the header, adding to what the client sent.",
    },
    Key {
        key: "metrics_from",
        takes: "loopback or anywhere",
        default: "`\"loopback\"`",
        rule: "",
        about: "Who may read `/metrics` where administrators are served ([METRICS.md](METRICS.md)): this machine, or whoever reaches the listener.",
    },
    Key {
        key: "data_dir",
        takes: "a path, from the folder of this file",
        default: "none",
        rule: "",
        about: "A folder, made if need be, in which accounts, friends, subscriptions, settings changed at run time and who is online are kept across restarts and crashes; see [STORE.md](STORE.md). Without it they are forgotten when the server stops.",
    },
    Key {
        key: "log_level",
        takes: "error, warn, info, debug or trace",
        default: "`\"info\"`",
        rule: "",
        about: "The least severe records to log. Only debug and trace show what users write.",
    },
    Key {
        key: "log_format",
        takes: "text or json",
        default: "`\"text\"`",
        rule: "",
        about: "How a record is written to standard error.",
    },
];

/// Reads and checks the file.
pub fn read(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Configuration(format!("cannot read {}: {error}", path.display())))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder).map_err(|problems| {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}, {problem}", path.display()))
            .collect();
        Failure::Configuration(lines.join("\ntim-presence-server: "))
    })
}

/// Where a node listens, for a person.
pub fn listens_on(node: &NodeConfig) -> Vec<String> {
    let plain = node.listen.iter().map(SocketAddr::to_string);
    let encrypted = node
        .listen_tls
        .iter()
        .map(|address| format!("{address} with TLS"));
    plain.chain(encrypted).collect()
}

/// What `check-config` says of a file that is right.
pub fn summary(path: &Path, config: &Config) -> String {
    let addresses: Vec<String> = listens_on(&config.node);
    let apps: Vec<String> = config.apps.iter().map(|app| app.id.to_string()).collect();
    let insecure = if config
        .node
        .listen
        .iter()
        .all(|address| address.ip().is_loopback())
    {
        ""
    } else {
        " (needs --insecure)"
    };
    let store = match &config.data_dir {
        Some(folder) => format!("keeps users in {}", folder.display()),
        None => "forgets users when it stops (no data_dir)".to_owned(),
    };
    format!(
        "{}: ok; listens on {}{insecure}; apps {}; {store}",
        path.display(),
        addresses.join(", "),
        apps.join(", ")
    )
}

/// Checks the text of a file in `folder`. All problems, in the order of their lines.
pub fn parse(text: &str, folder: &Path) -> Result<Config, Vec<Problem>> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![Problem {
            line: line_of(text, at),
            text: error.message().to_owned(),
        }]
    })?;
    let mut reader = Reader {
        text,
        problems: Vec::new(),
    };
    let config = reader.config(document.get_ref(), folder);
    if reader.problems.is_empty() {
        return Ok(config);
    }
    reader.problems.sort_by_key(|problem| problem.line);
    Err(reader.problems)
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Collects problems while reading on, so that a person sees all of them at once.
struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn config(&mut self, document: &DeTable<'_>, folder: &Path) -> Config {
        let mut node = NodeConfig {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))],
            ..NodeConfig::default()
        };
        let mut log = LogConfig::default();
        let mut apps = None;
        let mut admin_listen = AdminListen::Default;
        let mut admin_tls = false;
        let mut rest_rate = RATE_DEFAULT;
        let mut trusted_proxies = Proxies::default();
        let mut metrics_from = MetricsFrom::default();
        let mut data_dir = None;
        let mut certificate_file = None;
        let mut key_file = None;
        for (key, value) in document {
            match key.get_ref().as_ref() {
                "apps" => apps = Some(value),
                "listen" => node.listen = self.addresses(value, "listen"),
                "listen_tls" => node.listen_tls = self.addresses(value, "listen_tls"),
                "tls_certificate_file" => certificate_file = self.path(value, "tls_certificate_file", folder),
                "tls_key_file" => key_file = self.path(value, "tls_key_file", folder),
                "admin_listen" => {
                    admin_listen = self
                        .word(value, "admin_listen", AdminListen::TAKES)
                        .unwrap_or(admin_listen)
                }
                "admin_tls" => match value.get_ref().as_bool() {
                    Some(on) => admin_tls = on,
                    None => {
                        let text = format!("admin_tls takes true or false, not {}", kind(value.get_ref()));
                        self.problem(value.span().start, text);
                    }
                },
                "rest_calls_per_second_max" => rest_rate = self.rate(value).unwrap_or(rest_rate),
                "trusted_proxies" => {
                    let networks = self.parsed_list(value, "trusted_proxies", NETWORK_TAKES, network);
                    trusted_proxies = Proxies(networks);
                }
                "metrics_from" => {
                    metrics_from = self
                        .word(value, "metrics_from", MetricsFrom::TAKES)
                        .unwrap_or(metrics_from)
                }
                "data_dir" => data_dir = self.path(value, "data_dir", folder).map(|at| at.path),
                "log_level" => log.level = self.word(value, "log_level", Level::TAKES).unwrap_or(log.level),
                "log_format" => {
                    log.format = self
                        .word(value, "log_format", Format::TAKES)
                        .unwrap_or(log.format)
                }
                name if STORE.iter().any(|setting| setting.key == name) => {
                    self.plain(STORE, &mut node, name, key, value);
                }
                name => self.plain(NODE, &mut node, name, key, value),
            }
        }
        let is_empty =
            |value: &&Spanned<DeValue<'_>>| value.get_ref().as_array().is_some_and(|list| list.is_empty());
        if let Some(listen) = document.get("listen").filter(is_empty)
            && node.listen_tls.is_empty()
        {
            self.problem(listen.span().start, "listen names no address");
        }
        node.tls = {
            let wanted = [
                ("listen_tls", !node.listen_tls.is_empty()),
                ("admin_tls", admin_tls),
            ]
            .into_iter()
            .find(|(_, wanted)| *wanted)
            .map(|(setting, _)| setting);
            self.certificate(document, wanted, certificate_file, key_file)
        };
        let mut apps = match apps {
            Some(value) => self.apps(value, &node, folder),
            None => {
                self.problem(
                    0,
                    "there is no app: add an [[apps]] section with id and secret_key",
                );
                Vec::new()
            }
        };
        let administrators = apps
            .iter_mut()
            .map(|app| (app.config.id, std::mem::take(&mut app.administrators)))
            .collect();
        let webhooks = apps
            .iter_mut()
            .filter_map(|app| Some((app.config.id, Arc::new(app.webhook.take()?))))
            .collect();
        Config {
            node,
            data_dir,
            apps: apps.into_iter().map(|app| app.config).collect(),
            administrators,
            webhooks,
            admin_listen,
            admin_tls,
            rest_rate,
            trusted_proxies,
            metrics_from,
            log,
        }
    }

    /// A setting of a table.
    fn plain<T>(
        &mut self,
        settings: &'static [options::Setting<T>],
        target: &mut T,
        name: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        if let Err(error) = options::set(settings, target, name, plain_value(value.get_ref())) {
            let belongs = match error {
                options::OptionError::UnknownKey { .. } => misplaced(name),
                options::OptionError::BadValue { .. } => None,
            };
            self.problem(key.span().start, belongs.unwrap_or_else(|| error.to_string()));
        }
    }

    fn rate(&mut self, value: &Spanned<DeValue<'_>>) -> Option<u32> {
        let rate = match plain_value(value.get_ref()) {
            Value::Integer(number) => u32::try_from(number).ok().filter(|rate| *rate <= REST_RATE_MAX),
            Value::Bool(_) | Value::Text(_) | Value::Other(_) => None,
        };
        if rate.is_none() {
            let text = format!("rest_calls_per_second_max takes a whole number from 0 to {REST_RATE_MAX}");
            self.problem(value.span().start, text);
        }
        rate
    }

    fn path(&mut self, value: &Spanned<DeValue<'_>>, key: &str, folder: &Path) -> Option<Place> {
        let at = value.span().start;
        let path = value.get_ref().as_str().filter(|text| !text.is_empty());
        if path.is_none() {
            let what = if key == "data_dir" { "folder" } else { "file" };
            let given = kind(value.get_ref());
            self.problem(at, format!("{key} takes the path of a {what}, not {given}"));
        }
        path.map(|path| Place {
            at,
            path: folder.join(path),
        })
    }

    /// The certificate that the setting `wanted` needs, if any does. Read at once, so that whatever is wrong with it is known before anything changes.
    fn certificate(
        &mut self,
        document: &DeTable<'_>,
        wanted: Option<&str>,
        certificate: Option<Place>,
        key: Option<Place>,
    ) -> Option<ServerTls> {
        let Some(wanted) = wanted else {
            if let Some(place) = certificate.or(key) {
                self.problem(
                    place.at,
                    "a certificate and its key are for listen_tls, which names no address, or admin_tls, which is not true",
                );
            }
            return None;
        };
        match (certificate, key) {
            (Some(certificate), Some(key)) => match ServerTls::load(&certificate.path, &key.path) {
                Ok(tls) => Some(tls),
                Err(error) => {
                    self.problem(certificate.at, error.to_string());
                    None
                }
            },
            _ => {
                let at = document.get(wanted).map_or(0, |value| value.span().start);
                self.problem(
                    at,
                    format!("{wanted} needs tls_certificate_file and tls_key_file"),
                );
                None
            }
        }
    }

    fn addresses(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Vec<SocketAddr> {
        let takes = "\"IP:PORT\", for example \"127.0.0.1:7788\"";
        self.parsed_list(value, key, takes, |text| text.parse::<SocketAddr>().ok())
    }

    /// A list of texts, each made into a `T`.
    fn parsed_list<T>(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        key: &str,
        takes: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let Some(list) = value.get_ref().as_array() else {
            self.problem(
                value.span().start,
                format!("{key} takes a list of {takes}, not {}", kind(value.get_ref())),
            );
            return Vec::new();
        };
        let mut items = Vec::new();
        for item in list.iter() {
            match item.get_ref().as_str().map(|text| (text, parse(text))) {
                Some((_, Some(parsed))) => items.push(parsed),
                Some((text, None)) => {
                    self.problem(
                        item.span().start,
                        format!("{key} takes a list of {takes}, not {text:?}"),
                    );
                }
                None => {
                    let given = kind(item.get_ref());
                    self.problem(
                        item.span().start,
                        format!("{key} takes a list of {takes}, not {given}"),
                    );
                }
            }
        }
        items
    }

    fn word<T: FromStr>(&mut self, value: &Spanned<DeValue<'_>>, key: &str, takes: &str) -> Option<T> {
        let parsed = value.get_ref().as_str().and_then(|text| text.parse().ok());
        if parsed.is_none() {
            let given = match value.get_ref().as_str() {
                Some(text) => format!("{text:?}"),
                None => kind(value.get_ref()).to_owned(),
            };
            self.problem(value.span().start, format!("{key} takes {takes}, not {given}"));
        }
        parsed
    }

    fn problem(&mut self, at: usize, text: impl Into<String>) {
        self.problems.push(Problem {
            line: line_of(self.text, at),
            text: text.into(),
        });
    }
}

/// The value as the tables take it.
fn plain_value<'a>(value: &'a DeValue<'_>) -> Value<'a> {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that large"), Value::Integer),
        DeValue::Boolean(on) => Value::Bool(*on),
        DeValue::String(text) => Value::Text(text),
        other => Value::Other(kind(other)),
    }
}

/// What a value is, for a person.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// Where a key would have been right, if it stands in the wrong part of the file; or the key of another table or list
/// that was probably meant.
fn misplaced(name: &str) -> Option<String> {
    if apps::APP_KEYS.iter().any(|key| key.key == name)
        || options::APP.iter().any(|setting| setting.key == name)
    {
        return Some(format!("{name} is a setting of an app: put it under [[apps]]"));
    }
    if TOP_KEYS.iter().any(|key| key.key == name)
        || STORE.iter().any(|setting| setting.key == name)
        || NODE.iter().any(|setting| setting.key == name)
    {
        return Some(format!(
            "{name} is a setting of the server: put it before the first [[apps]]"
        ));
    }
    let known = TOP_KEYS.iter().chain(apps::APP_KEYS).map(|key| key.key);
    let plain = [STORE, NODE].into_iter().flatten().map(|setting| setting.key);
    let known = known
        .chain(plain)
        .chain(options::APP.iter().map(|setting| setting.key));
    nearest(name, known).map(|meant| format!("there is no setting \"{name}\"; did you mean \"{meant}\"?"))
}
