//! `--dev`: one app with a new key, on loopback, without a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use presence::ids::{AppId, UserId};
use presence::settings::AppSettings;
use presence_node::{AppConfig, NodeConfig};
use presence_protocol::user_sig;

use crate::Failure;
use crate::config::{AdminListen, Config, PORT};
use crate::http::proxies::Proxies;
use crate::logs::LogConfig;
use crate::metrics::MetricsFrom;
use crate::service::RATE_DEFAULT;

/// The app of `--dev`.
const APP: u64 = 1_400_000_001;
/// Random bytes of its key; 64 hex digits, like the original's keys.
const KEY_BYTES: usize = 32;

/// The configuration of `--dev`.
pub fn config() -> Result<Config, Failure> {
    let mut random = [0; KEY_BYTES];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::Runtime(format!("the system has no random numbers: {error}")))?;
    let secret_key = random.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String grows");
        hex
    });
    let app = AppConfig {
        id: AppId::new(APP).expect("above 0"),
        secret_key,
        settings: AppSettings {
            auto_register_on_mention: true,
            ..AppSettings::default()
        }, // R1.2
        accounts: Vec::new(),
        friends: BTreeMap::new(),
    };
    let node = NodeConfig {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))],
        ..NodeConfig::default()
    };
    Ok(Config {
        node,
        administrators: BTreeMap::from([(app.id, vec![administrator()])]),
        data_dir: None,
        webhooks: BTreeMap::new(),
        apps: vec![app],
        admin_listen: AdminListen::Default,
        admin_tls: false,
        rest_rate: RATE_DEFAULT,
        metrics_from: MetricsFrom::default(),
        trusted_proxies: Proxies::default(),
        log: LogConfig::default(),
    })
}

/// Who may administer the app of `--dev`.
pub fn administrator() -> UserId {
    UserId::new("administrator").expect("a user id")
}

/// How long the UserSig of the link to the console is good for.
const CONSOLE_VALID_S: i64 = 24 * 3600;

/// What a person, or a script, needs to log in: `key value` lines. `administration`: where that is served, if it is.
/// `program`: how this one was called, so that its command can be copied as it stands.
pub fn greeting(program: &str, app: &AppConfig, administration: Option<&str>, now_s: i64) -> String {
    let mut greeting = format!(
        "sdk_app_id {id}\nsecret_key {key}\nsign {program} sign --app {id} --key {key} --user alice",
        id = app.id,
        key = app.secret_key,
    );
    if let Some(url) = administration {
        let user = administrator();
        let user_sig = user_sig::sign(app.id, &app.secret_key, user.as_str(), now_s, CONSOLE_VALID_S);
        // After the `#`: browsers keep that to themselves. The page takes it out of the address at once.
        let who = utf8_percent_encode(&user_sig, NON_ALPHANUMERIC);
        write!(
            greeting,
            "\nadministrator {user}\nconsole {url}/console/#sign-in={id},{user},{who}",
            id = app.id,
        )
        .expect("a String grows");
    }
    greeting
}
