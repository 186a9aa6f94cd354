//! What the file takes, and what it says of what it does not take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use presence::ids::{AppId, UserId};
use presence::settings::{AppSettings, MultiLogin, Plan};
use presence_node::NodeConfig;
use presence_transport::testing::{Authority, Issued};

use super::*;
use crate::webhook::Target;

/// A file with every setting, none at its default.
const EVERYTHING: &str = r#"
listen = ["127.0.0.1:1", "[::1]:2"]
listen_tls = ["0.0.0.0:4"]
tls_certificate_file = "server.pem"
tls_key_file = "server.key"
admin_listen = "127.0.0.1:3"
admin_tls = true
rest_calls_per_second_max = 23
trusted_proxies = ["10.0.0.0/8", "::1"]
metrics_from = "anywhere"
log_level = "debug"
log_format = "json"
loops = 3
connections_max = 4
connections_per_address_max = 24
accepts_per_address_max = 25
drain_ms = 26
login_deadline_ms = 5000
heartbeat_interval_ms = 6000
heartbeat_timeout_ms = 7_000
frame_bytes_max = 0x10000
outbox_bytes_max = 65537
slow_receiver_timeout_ms = 8000
login_failures_max = 9
login_failures_window_ms = 10000
friends_max = 11
restart_grace_ms = 12000
data_dir = "d"

[[apps]]
id = 12
secret_key = "the key"
plan = "basic"
user_status = false
friend_status_notify = true
auto_register_on_mention = true
multi_login = "single"
web_devices_max = 13
custom_status_bytes_max = 14
query_batch_max = 15
subscribe_batch_max = 16
subscriptions_max = 17
rate_calls = 18
rate_window_ms = 19
lost_device_retention_ms = 20
offline_grace_ms = 21
subscription_linger_ms = 22
accounts = ["alice", "b o b"]
administrators = ["carol"]
webhook_url = "https://backend.example.com/hook"
webhook_secret = "another key"
[apps.friends]
alice = ["b o b", "carol"]
"b o b" = ["alice"]
"#;

/// A certificate, and its key beside it.
static ISSUED: LazyLock<Issued> = LazyLock::new(|| Authority::new().leak().issue(&["localhost"]));

/// Where `server.pem` and `server.key` are.
fn folder() -> &'static Path {
    ISSUED.certificate_file.parent().expect("it is in a folder")
}

fn parsed(text: &str) -> Config {
    parse(text, folder()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(text: &str) -> Vec<String> {
    match parse(text, folder()) {
        Ok(_) => panic!("taken: {text}"),
        Err(problems) => problems.iter().map(Problem::to_string).collect(),
    }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

#[test]
fn every_setting_arrives() {
    let config = parsed(EVERYTHING);
    let ms = Duration::from_millis;
    // No `..`: a new field does not compile until it is here, and so in the file above.
    let node = NodeConfig {
        listen: vec!["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()],
        listen_tls: vec!["0.0.0.0:4".parse().unwrap()],
        tls: config.node.tls.clone(),
        loops: 3,
        connections_max: 4,
        connections_per_address_max: 24,
        accepts_per_address_max: 25,
        drain: ms(26),
        login_deadline: ms(5000),
        heartbeat_interval: ms(6000),
        heartbeat_timeout: ms(7000),
        frame_bytes_max: 65_536,
        outbox_bytes_max: 65_537,
        slow_receiver_timeout: ms(8000),
        login_failures_max: 9,
        login_failures_window: ms(10_000),
        friends_max: 11,
        restart_grace: ms(12_000),
        store: None,
        backend: None,
    };
    assert_eq!(format!("{:?}", config.node), format!("{node:?}"));
    let tls = config.node.tls.as_ref().expect("the certificate was read");
    assert!(!tls.replace_with(&ISSUED.server()), "it is the one of the files");
    assert_eq!(config.data_dir, Some(folder().join("d")));
    assert_eq!(
        config.log,
        LogConfig {
            level: Level::Debug,
            format: Format::Json
        }
    );
    assert_eq!(
        config.admin_listen,
        AdminListen::At("127.0.0.1:3".parse().unwrap())
    );
    assert_eq!(config.admin_address(), Some("127.0.0.1:3".parse().unwrap()));
    assert!(config.admin_tls);
    assert_eq!(config.rest_rate, 23);
    let proxies = ["10.0.0.0/8", "::1"].map(|text| network(text).unwrap());
    assert_eq!(config.trusted_proxies, Proxies(proxies.to_vec()));
    assert_eq!(
        config.administrators,
        BTreeMap::from([(AppId::new(12).unwrap(), vec![user("carol")])])
    );
    assert_eq!(config.metrics_from, MetricsFrom::Anywhere);
    let [app] = config.apps.as_slice() else {
        panic!("one app")
    };
    let webhook = Target::new("https://backend.example.com/hook", Some("another key".to_owned())).unwrap();
    assert!(config.webhooks == BTreeMap::from([(app.id, Arc::new(webhook))]));
    let settings = AppSettings {
        plan: Plan::Basic,
        user_status: false,
        friend_status_notify: true,
        auto_register_on_mention: true,
        multi_login: MultiLogin::Single,
        web_devices_max: 13,
        custom_status_bytes_max: 14,
        query_batch_max: 15,
        subscribe_batch_max: 16,
        subscriptions_max: 17,
        rate_calls: 18,
        rate_window: ms(19),
        lost_device_retention: ms(20),
        offline_grace: ms(21),
        subscription_linger: ms(22),
    };
    assert_eq!(
        (app.id, app.secret_key.as_str(), &app.settings),
        (AppId::new(12).unwrap(), "the key", &settings)
    );
    assert_eq!(app.accounts, [user("alice"), user("b o b")]);
    let friends = [
        (user("alice"), vec![user("b o b"), user("carol")]),
        (user("b o b"), vec![user("alice")]),
    ];
    assert_eq!(app.friends, BTreeMap::from(friends));
}

#[test]
fn administrators_are_served_by_default_where_there_are_any() {
    const APP: &str = "[[apps]]\nid = 1\nsecret_key = \"k\"\n";
    let address = |top: &str, app: &str| parsed(&format!("{top}\n{APP}{app}\n")).admin_address();
    assert_eq!(address("", ""), None);
    assert_eq!(
        address("", "administrators = [\"boss\"]"),
        Some(SocketAddr::from(([127, 0, 0, 1], ADMIN_PORT)))
    );
    assert_eq!(
        address("admin_listen = \"off\"", "administrators = [\"boss\"]"),
        None
    );
    assert_eq!(
        address("admin_listen = \"127.0.0.1:5\"", ""),
        Some("127.0.0.1:5".parse().unwrap())
    );
}

#[test]
fn no_setting_of_that_file_is_at_its_default() {
    let config = parsed(EVERYTHING);
    for setting in NODE {
        assert_ne!(
            setting.text(&config.node),
            setting.text(&NodeConfig::default()),
            "{}",
            setting.key
        );
    }
    for setting in options::APP {
        assert_ne!(
            setting.text(&config.apps[0].settings),
            setting.text(&AppSettings::default()),
            "{}",
            setting.key
        );
    }
}

#[test]
fn the_documented_settings_are_those_that_are_taken() {
    let page = page::page();
    let documented: BTreeSet<&str> = page::documented(&page).into_iter().collect();
    let mut taken: BTreeSet<String> = EVERYTHING
        .lines()
        .take_while(|line| *line != "[apps.friends]")
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key.to_owned())
        .collect();
    taken.extend(["friends".to_owned(), "secret_key_file".to_owned()]);
    let taken: BTreeSet<&str> = taken.iter().map(String::as_str).collect();
    assert_eq!(documented, taken);
}

#[test]
fn the_least_file_has_the_defaults_of_the_rules() {
    let config = parsed("[[apps]]\nid = 1\nsecret_key = \"k\"\n");
    let node = NodeConfig {
        listen: vec!["127.0.0.1:7788".parse().unwrap()],
        ..NodeConfig::default()
    };
    assert_eq!(format!("{:?}", config.node), format!("{node:?}"));
    assert_eq!(config.log, LogConfig::default());
    assert_eq!(config.apps[0].settings, AppSettings::default()); // R7.6
}

#[test]
fn the_example_is_right_and_shows_every_setting() {
    let text = include_str!("../../tim-presence-server.example.toml");
    let config = parsed(text);
    assert_eq!(config.apps.len(), 1);
    // What is commented out is right too, and is the default.
    let uncommented: String = text
        .lines()
        .map(|line| {
            line.strip_prefix("#")
                .filter(|rest| !rest.starts_with([' ', '#']))
                .unwrap_or(line)
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let all = parsed(&uncommented);
    for setting in NODE.iter().chain(options::STORE) {
        assert_eq!(
            setting.text(&all.node),
            setting.text(&NodeConfig::default()),
            "{}",
            setting.key
        );
        assert!(
            uncommented.contains(&format!("\n{} = ", setting.key)),
            "{} is missing",
            setting.key
        );
    }
    for setting in options::APP {
        assert_eq!(
            setting.text(&all.apps[0].settings),
            setting.text(&AppSettings::default()),
            "{}",
            setting.key
        );
        assert!(
            uncommented.contains(&format!("\n{} = ", setting.key)),
            "{} is missing",
            setting.key
        );
    }
    for key in TOP_KEYS
        .iter()
        .chain(apps::APP_KEYS)
        .filter(|key| key.key != "friends")
    {
        assert!(
            text.contains(&format!("{} = ", key.key)),
            "{} is missing",
            key.key
        );
    }
}

#[test]
fn each_mistake_is_named_with_its_line() {
    const APP: &str = "[[apps]]\nid = 1\nsecret_key = \"k\"\n";
    let cases = [
        (
            String::new(),
            "line 1: there is no app: add an [[apps]] section with id and secret_key",
        ),
        (
            format!("colour = 3\n{APP}"),
            "line 1: there is no setting \"colour\"",
        ),
        (
            format!("\nheartbeat_timeout = 3\n{APP}"),
            "line 2: there is no setting \"heartbeat_timeout\"; did you mean \"heartbeat_timeout_ms\"?",
        ),
        (
            format!("data_dri = \"d\"\n{APP}"),
            "line 1: there is no setting \"data_dri\"; did you mean \"data_dir\"?",
        ),
        (
            format!("plan = \"basic\"\n{APP}"),
            "line 1: plan is a setting of an app: put it under [[apps]]",
        ),
        (
            format!("{APP}loops = 1\n"),
            "line 4: loops is a setting of the server: put it before the first [[apps]]",
        ),
        (
            format!("admin_listen = \"here\"\n{APP}"),
            "line 1: admin_listen takes \"IP:PORT\" or \"off\", not \"here\"",
        ),
        (
            format!("rest_calls_per_second_max = -1\n{APP}"),
            "line 1: rest_calls_per_second_max takes a whole number from 0 to 1000000",
        ),
        (
            format!("loops = -1\n{APP}"),
            "line 1: loops takes a whole number from 0 to 64, not -1",
        ),
        (
            format!("loops = 1.5\n{APP}"),
            "line 1: loops takes a whole number from 0 to 64, not a number with a fraction",
        ),
        (
            format!("loops = 99999999999999999999\n{APP}"),
            "line 1: loops takes a whole number from 0 to 64, not a number that large",
        ),
        (
            format!("{APP}rate_calls = \"20\"\n"),
            "line 4: rate_calls takes a whole number from 0 to 100000, not \"20\"",
        ),
        (
            format!("{APP}user_status = 1\n"),
            "line 4: user_status takes true or false, not 1",
        ),
        (
            format!("{APP}multi_login = \"two\"\n"),
            "line 4: multi_login takes \"per_platform\" or \"single\" or \"unlimited\", not \"two\"",
        ),
        (
            format!("listen = [\"localhost:1\"]\n{APP}"),
            "line 1: listen takes a list of \"IP:PORT\", for example \"127.0.0.1:7788\", not \"localhost:1\"",
        ),
        (
            format!("listen = \"127.0.0.1:1\"\n{APP}"),
            "line 1: listen takes a list of \"IP:PORT\", for example \"127.0.0.1:7788\", not a text",
        ),
        (format!("listen = []\n{APP}"), "line 1: listen names no address"),
        (
            format!("\nadmin_tls = true\n{APP}"),
            "line 2: admin_tls needs tls_certificate_file and tls_key_file",
        ),
        (
            format!("admin_tls = \"yes\"\n{APP}"),
            "line 1: admin_tls takes true or false, not a text",
        ),
        (
            format!("\nlisten_tls = [\"127.0.0.1:1\"]\n{APP}"),
            "line 2: listen_tls needs tls_certificate_file and tls_key_file",
        ),
        (
            format!("listen_tls = [\"127.0.0.1:1\"]\ntls_key_file = \"server.key\"\n{APP}"),
            "line 1: listen_tls needs tls_certificate_file and tls_key_file",
        ),
        (
            format!("\ntls_key_file = \"server.key\"\n{APP}"),
            "line 2: a certificate and its key are for listen_tls, which names no address, or admin_tls, which is not true",
        ),
        (
            format!("tls_key_file = 1\n{APP}"),
            "line 1: tls_key_file takes the path of a file, not a whole number",
        ),
        (
            format!("log_level = \"loud\"\n{APP}"),
            "line 1: log_level takes error, warn, info, debug or trace, not \"loud\"",
        ),
        (
            format!("log_format = 1\n{APP}"),
            "line 1: log_format takes text or json, not a whole number",
        ),
        (
            format!("heartbeat_interval_ms = 400000\n{APP}"),
            "line 2: heartbeat_timeout_ms must be above heartbeat_interval_ms",
        ),
        (
            "[apps]\nid = 1\n".to_owned(),
            "line 1: apps takes sections: write [[apps]], with two brackets",
        ),
        (
            "apps = [1]\n".to_owned(),
            "line 1: apps takes sections, not a whole number",
        ),
        (
            "[[apps]]\nsecret_key = \"k\"\n".to_owned(),
            "line 1: this app has no id",
        ),
        (
            "[[apps]]\nid = 0\nsecret_key = \"k\"\n".to_owned(),
            "line 2: id takes a whole number above 0",
        ),
        (
            "[[apps]]\nid = 1\n".to_owned(),
            "line 1: this app has no secret_key and no secret_key_file",
        ),
        (
            "[[apps]]\nid = 1\nsecret_key = 77\n".to_owned(),
            "line 3: secret_key takes a text of 1 to 512 characters on one line",
        ),
        (
            format!("{APP}secret_key_file = \"x\"\n"),
            "line 4: secret_key and secret_key_file: one of them is enough",
        ),
        (format!("{APP}{APP}"), "line 4: there is an app with id 1 already"),
        (
            format!("{APP}accounts = [\"\"]\n"),
            "line 4: accounts takes a list of user ids (1 to 32 printable ASCII characters), not \"\"",
        ),
        (
            format!("{APP}friends = 1\n"),
            "line 4: friends takes a section: [apps.friends], not a whole number",
        ),
        (
            format!("{APP}[apps.friends]\na = [\"a\"]\n"),
            "line 5: a is its own friend",
        ),
        (
            format!("{APP}[apps.friends]\na = [\"b\", \"b\"]\n"),
            "line 5: a friend of a stands twice",
        ),
        (
            format!("friends_max = 1\n{APP}[apps.friends]\na = [\"b\", \"c\"]\n"),
            "line 6: a has 2 friends; friends_max is 1",
        ),
        (
            format!("{APP}[apps.friends]\n\"\u{e9}\" = []\n"),
            "line 5: friends takes user ids (1 to 32 printable ASCII characters), not \"\u{e9}\"",
        ),
    ];
    for (text, problem) in cases {
        assert_eq!(problems(&text), [problem], "{text}");
    }
    assert!(
        problems("[[apps]\n")[0].starts_with("line 1: "),
        "not TOML at all"
    );
    assert!(
        problems("loops = 1\nloops = 2\n")[0].starts_with("line 2: "),
        "a key twice"
    );
}

#[test]
fn all_mistakes_are_named_at_once_in_the_order_of_their_lines() {
    let text = "zoom = 1\nloops = -1\n[[apps]]\nid = 0\nplan = 3\n[[apps]]\nid = 2\n";
    let lines: Vec<String> = problems(text)
        .iter()
        .map(|problem| problem.split(':').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        lines,
        ["line 1", "line 2", "line 3", "line 4", "line 5", "line 6"]
    );
}

#[test]
fn a_key_comes_from_a_file_beside_the_configuration_and_is_never_shown() {
    let folder = std::env::temp_dir().join(format!("tim-presence-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("key"), "from a file\n").unwrap();
    std::fs::write(folder.join("two"), "two\nlines\n").unwrap();
    let with = |name: &str| {
        parse(
            &format!("[[apps]]\nid = 1\nsecret_key_file = \"{name}\"\n"),
            &folder,
        )
    };
    let text = |name: &str| {
        with(name)
            .err()
            .map(|problems| problems[0].to_string())
            .unwrap_or_default()
    };
    assert_eq!(with("key").ok().unwrap().apps[0].secret_key, "from a file");
    assert!(
        text("two").contains("does not hold a key") && !text("two").contains("lines"),
        "{}",
        text("two")
    );
    assert!(
        text("none").starts_with("line 3: cannot read"),
        "{}",
        text("none")
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_webhook_is_a_url_and_perhaps_a_secret_and_neither_is_shown() {
    let app = "[[apps]]\nid = 1\nsecret_key = \"k\"\n";
    let problem = |line: &str| problems(&format!("{app}{line}\n")).join("; ");
    for url in ["\"backend/?token=hush\"", "7", "\"ftp://hush/\""] {
        let text = problem(&format!("webhook_url = {url}"));
        assert!(
            text.contains("line 4: webhook_url takes a URL that begins with https://"),
            "{text}"
        );
        assert!(!text.contains("hush"), "{text}");
    }
    let text = problem("webhook_url = \"https://b/\"\nwebhook_secret = \"\"");
    assert!(
        text.contains("line 5: webhook_secret takes a text of 1 to 512"),
        "{text}"
    );
    let text = problem("webhook_secret = \"hush\"");
    assert!(text.contains("signs nothing") && !text.contains("hush"), "{text}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_with_its_file_and_the_reason() {
    let other = Authority::new();
    let other_key = other.issue(&["localhost"]).key_file;
    let other_key = other_key.to_str().unwrap();
    std::fs::write(folder().join("empty.pem"), "no PEM at all\n").unwrap();
    let cases = [
        ("none.pem", "server.key", "cannot read "),
        ("empty.pem", "server.key", "empty.pem has no certificate"),
        ("server.pem", "empty.pem", "empty.pem has no private key"),
        (
            "server.pem",
            other_key,
            "server.key is not the one of the certificate in ",
        ),
    ];
    for (certificate, key, expected) in cases {
        let text = format!(
            "listen_tls = [\"127.0.0.1:0\"]\ntls_certificate_file = \"{certificate}\"\ntls_key_file = \"{key}\"\n\
             [[apps]]\nid = 1\nsecret_key = \"k\"\n"
        );
        let problems = problems(&text);
        assert!(
            problems[0].starts_with("line 2: ") && problems[0].contains(expected),
            "{problems:?}"
        );
    }
}

#[test]
fn a_server_may_listen_with_tls_alone() {
    let text = "listen = []\nlisten_tls = [\"0.0.0.0:1\"]\ntls_certificate_file = \"server.pem\"\n\
                tls_key_file = \"server.key\"\n[[apps]]\nid = 1\nsecret_key = \"k\"\n";
    let config = parsed(text);
    assert!(config.node.listen.is_empty());
    assert!(
        summary(Path::new("f"), &config).starts_with("f: ok; listens on 0.0.0.0:1 with TLS; "),
        "and no need of --insecure"
    );
}
