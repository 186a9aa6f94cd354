//! Every setting of a node and of an app: its name, range, default and meaning, in one table each. The server's file and
//! the embedded server's options are read through these tables, and the page of all settings is made from them.
//!
//! Names are those of the fields, with `_ms` for durations: whole milliseconds. What is not a plain number, switch or
//! word (`listen`, the apps' keys, accounts and friends) is read by whoever owns the format.

use std::fmt;
use std::time::Duration;

use presence::settings::{AppSettings, MultiLogin, Plan};
use presence_protocol::frame::SERVER_FRAME_BYTES_MAX;
use presence_protocol::nearest::nearest;

use crate::NodeConfig;

/// One setting of `T` ([`NodeConfig`] or [`AppSettings`]).
pub struct Setting<T: 'static> {
    /// Its name in files and options.
    pub key: &'static str,
    /// The rule it belongs to, or empty.
    pub rule: &'static str,
    /// What it does, for the page of settings: one sentence or two, without a vertical bar.
    pub about: &'static str,
    /// What values it takes and where they go.
    pub field: Field<T>,
}

/// What values a setting takes, and the field that holds it.
pub enum Field<T: 'static> {
    /// Whole milliseconds, within a range.
    Milliseconds {
        /// Where it is.
        at: fn(&mut T) -> &mut Duration,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// A whole number, within a range.
    Count {
        /// Where it is.
        at: fn(&mut T) -> &mut usize,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// On or off.
    Switch(
        /// Where it is.
        fn(&mut T) -> &mut bool,
    ),
    /// One of a few words.
    Word {
        /// The words.
        words: &'static [&'static str],
        /// Puts in the word of that number.
        put: fn(&mut T, usize),
        /// The number of the word that is in.
        get: fn(&T) -> usize,
    },
}

/// A value as a file or options object gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A whole number; one outside this range is [`Value::Other`].
    Integer(i64),
    /// `true` or `false`.
    Bool(bool),
    /// A text.
    Text(&'a str),
    /// Anything else, by what it is called: "a list", "a number with a fraction".
    Other(&'static str),
}

/// Why a value was not taken. `Display` says it to a person; the caller adds where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionError {
    /// No setting has this name.
    UnknownKey {
        /// The name.
        key: String,
        /// The setting that was probably meant.
        meant: Option<&'static str>,
    },
    /// The value is of another kind or outside the range.
    BadValue {
        /// The setting.
        key: &'static str,
        /// What it takes: "a whole number from 1 to 10".
        takes: String,
        /// What was given.
        given: String,
    },
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionError::UnknownKey { key, meant: None } => write!(f, "there is no setting \"{key}\""),
            OptionError::UnknownKey {
                key,
                meant: Some(meant),
            } => {
                write!(f, "there is no setting \"{key}\"; did you mean \"{meant}\"?")
            }
            OptionError::BadValue { key, takes, given } => write!(f, "{key} takes {takes}, not {given}"),
        }
    }
}

impl std::error::Error for OptionError {}

/// Longest duration of a timer that a client is told in 32 bits.
const DAY_MS: u64 = 24 * 3600 * 1000;
const YEAR_MS: u64 = 365 * DAY_MS;

macro_rules! ms {
    ($field:ident, $min:expr, $max:expr) => {
        Field::Milliseconds {
            at: |target| &mut target.$field,
            min: $min,
            max: $max,
        }
    };
}

macro_rules! count {
    ($field:ident, $min:expr, $max:expr) => {
        Field::Count {
            at: |target| &mut target.$field,
            min: $min,
            max: $max,
        }
    };
}

/// The settings of a node, in the order of the page. `listen` is not here: it is a list of addresses.
pub const NODE: &[Setting<NodeConfig>] = &[
    Setting {
        key: "loops",
        rule: "",
        about: "Threads that serve connections. 0: one per core.",
        field: count!(loops, 0, 64),
    },
    Setting {
        key: "connections_max",
        rule: "",
        about: "Connections at once; more are closed as they come.",
        field: count!(connections_max, 1, 100_000_000),
    },
    Setting {
        key: "connections_per_address_max",
        rule: "",
        about: "Connections at once from one address (one /64 of IPv6). Leave room for everybody behind one address of a company or a carrier.",
        field: count!(connections_per_address_max, 1, 100_000_000),
    },
    Setting {
        key: "accepts_per_address_max",
        rule: "",
        about: "Connections that one address (one /64 of IPv6) may open in a second.",
        field: count!(accepts_per_address_max, 1, 100_000_000),
    },
    Setting {
        key: "login_deadline_ms",
        rule: "",
        about: "How long a connection may take to log in before it is closed.",
        field: ms!(login_deadline, 10, 600_000),
    },
    Setting {
        key: "heartbeat_interval_ms",
        rule: "R2.6",
        about: "A client that sent nothing for this long sends a heartbeat. Told to clients at login.",
        field: ms!(heartbeat_interval, 10, DAY_MS),
    },
    Setting {
        key: "heartbeat_timeout_ms",
        rule: "R2.6",
        about: "A connection silent for this long counts as lost. Above `heartbeat_interval_ms`.",
        field: ms!(heartbeat_timeout, 20, DAY_MS),
    },
    Setting {
        key: "frame_bytes_max",
        rule: "",
        about: "Largest frame accepted from a client, in bytes.",
        field: count!(frame_bytes_max, 8 * 1024, 16 * 1024 * 1024),
    },
    Setting {
        key: "outbox_bytes_max",
        rule: "R6.3",
        about: "Bytes that may wait for a client to read them; past it, changes of one user are merged.",
        field: count!(outbox_bytes_max, 4 * 1024, 1024 * 1024 * 1024),
    },
    Setting {
        key: "slow_receiver_timeout_ms",
        rule: "R8.10",
        about: "A client that reads nothing for this long while its outbox is full is cut.",
        field: ms!(slow_receiver_timeout, 10, DAY_MS),
    },
    Setting {
        key: "login_failures_max",
        rule: "R8.9",
        about: "Failed logins of one account within `login_failures_window_ms` before more are refused with 70050.",
        field: count!(login_failures_max, 1, 1_000_000),
    },
    Setting {
        key: "login_failures_window_ms",
        rule: "R8.9",
        about: "The time in which failed logins are counted, and how long logins are refused then.",
        field: ms!(login_failures_window, 10, DAY_MS),
    },
    Setting {
        key: "friends_max",
        rule: "R9.1",
        about: "Friends that one user may have.",
        field: count!(friends_max, 0, 3_000),
    },
    Setting {
        key: "drain_ms",
        rule: "R2.9",
        about: "When the server stops, its clients come back after a random part of this time, not all at once. Well below `restart_grace_ms`.",
        field: ms!(drain, 0, 120_000),
    },
];

/// The settings of a node that has a store.
pub const STORE: &[Setting<NodeConfig>] = &[Setting {
    key: "restart_grace_ms",
    rule: "R2.9",
    about: "How long after a restart users that were online may take to come back before OFFLINE is announced: with `data_dir` to all who watch them, without to those whose clients were told that they are ONLINE. Best above 30 s, the longest that a client waits between two attempts.",
    field: ms!(restart_grace, 0, DAY_MS),
}];

/// The settings of an app, in the order of the page. All can change at run time (R7.6).
pub const APP: &[Setting<AppSettings>] = &[
    Setting {
        key: "plan",
        rule: "R7.2",
        about: "With `basic`, queries of others and subscriptions answer 7013.",
        field: Field::Word {
            words: &["basic", "ultimate"],
            put: |settings, word| settings.plan = if word == 0 { Plan::Basic } else { Plan::Ultimate },
            get: |settings| match settings.plan {
                Plan::Basic => 0,
                Plan::Ultimate => 1,
            },
        },
    },
    Setting {
        key: "user_status",
        rule: "R7.3",
        about: "The switch for status query and change notification. Off: the same calls answer 72001, and subscribers hear nothing.",
        field: Field::Switch(|settings| &mut settings.user_status),
    },
    Setting {
        key: "friend_status_notify",
        rule: "R7.4",
        about: "Friends are told of each other's changes without subscribing.",
        field: Field::Switch(|settings| &mut settings.friend_status_notify),
    },
    Setting {
        key: "auto_register_on_mention",
        rule: "R1.2",
        about: "An account also exists from being subscribed to or befriended, not only from its first login.",
        field: Field::Switch(|settings| &mut settings.auto_register_on_mention),
    },
    Setting {
        key: "multi_login",
        rule: "R8.3",
        about: "How many devices of a user may be logged in: one a platform (Web: `web_devices_max`), one, or any number.",
        field: Field::Word {
            words: &["per_platform", "single", "unlimited"],
            put: |settings, word| {
                settings.multi_login = match word {
                    0 => MultiLogin::PerPlatform,
                    1 => MultiLogin::Single,
                    _ => MultiLogin::Unlimited,
                }
            },
            get: |settings| match settings.multi_login {
                MultiLogin::PerPlatform => 0,
                MultiLogin::Single => 1,
                MultiLogin::Unlimited => 2,
            },
        },
    },
    Setting {
        key: "web_devices_max",
        rule: "R8.3",
        about: "Web devices of a user under `per_platform`.",
        field: count!(web_devices_max, 1, 1_000),
    },
    Setting {
        key: "custom_status_bytes_max",
        rule: "R3.1",
        about: "Bytes of UTF-8 that a custom status may have. In the rules: `max_custom_status_bytes`.",
        field: count!(custom_status_bytes_max, 1, 4_096),
    },
    Setting {
        key: "query_batch_max",
        rule: "R4.1",
        about: "Different users that one query may name. In the rules: `max_query_batch`.",
        field: count!(query_batch_max, 1, 3_000),
    },
    Setting {
        key: "subscribe_batch_max",
        rule: "R5.1",
        about: "Different users that one subscribe or unsubscribe may name. In the rules: `max_subscribe_batch`.",
        field: count!(subscribe_batch_max, 1, 2_000),
    },
    Setting {
        key: "subscriptions_max",
        rule: "R5.2",
        about: "Subscriptions of a user; past it the oldest go. In the rules: `max_subscriptions`.",
        field: count!(subscriptions_max, 1, 2_000),
    },
    Setting {
        key: "rate_calls",
        rule: "R7.5",
        about: "Calls of one kind (query of others, subscribe, unsubscribe) that a user may make in any `rate_window_ms`; one more answers 7008. 0: no limit.",
        field: count!(rate_calls, 0, 100_000),
    },
    Setting {
        key: "rate_window_ms",
        rule: "R7.5",
        about: "The time in which calls are counted.",
        field: ms!(rate_window, 1, DAY_MS),
    },
    Setting {
        key: "lost_device_retention_ms",
        rule: "R2.4",
        about: "How long a device that was lost without a logout is remembered.",
        field: ms!(lost_device_retention, 1, YEAR_MS),
    },
    Setting {
        key: "offline_grace_ms",
        rule: "R2.8",
        about: "How long a lost connection may take to come back before OFFLINE is announced.",
        field: ms!(offline_grace, 0, DAY_MS),
    },
    Setting {
        key: "subscription_linger_ms",
        rule: "R5.8",
        about: "How long a subscription list is kept once its user is no longer ONLINE.",
        field: ms!(subscription_linger, 0, YEAR_MS),
    },
];

/// Puts `value` into the setting named `key`, or says why not and changes nothing.
pub fn set<T>(
    settings: &'static [Setting<T>],
    target: &mut T,
    key: &str,
    value: Value<'_>,
) -> Result<(), OptionError> {
    let Some(setting) = settings.iter().find(|setting| setting.key == key) else {
        let meant = nearest(key, settings.iter().map(|setting| setting.key));
        return Err(OptionError::UnknownKey {
            key: key.to_owned(),
            meant,
        });
    };
    setting.put(target, value).ok_or_else(|| OptionError::BadValue {
        key: setting.key,
        takes: setting.takes(),
        given: given(value),
    })
}

impl<T: Clone> Setting<T> {
    /// Puts what `from` has into `to`.
    pub fn copy(&self, from: &T, to: &mut T) {
        let mut from = from.clone(); // the accessors lend mutably, and this is not a hot path
        match &self.field {
            Field::Milliseconds { at, .. } => *at(to) = *at(&mut from),
            Field::Count { at, .. } => *at(to) = *at(&mut from),
            Field::Switch(at) => *at(to) = *at(&mut from),
            Field::Word { put, get, .. } => put(to, get(&from)),
        }
    }

    /// The value in `target`, as a file would give it.
    #[must_use]
    pub fn text(&self, target: &T) -> String {
        let mut target = target.clone(); // the accessors lend mutably, and this is not a hot path
        match &self.field {
            Field::Milliseconds { at, .. } => at(&mut target).as_millis().to_string(),
            Field::Count { at, .. } => at(&mut target).to_string(),
            Field::Switch(at) => at(&mut target).to_string(),
            Field::Word { words, get, .. } => {
                format!("\"{}\"", words.get(get(&target)).copied().unwrap_or_default())
            }
        }
    }
}

impl<T> Setting<T> {
    /// What values it takes, for a person: "a whole number from 1 to 10".
    #[must_use]
    pub fn takes(&self) -> String {
        match &self.field {
            Field::Milliseconds { min, max, .. } => format!("whole milliseconds from {min} to {max}"),
            Field::Count { min, max, .. } => format!("a whole number from {min} to {max}"),
            Field::Switch(_) => "true or false".to_owned(),
            Field::Word { words, .. } => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                words.join(" or ")
            }
        }
    }

    /// `None`, and nothing changed, if the value does not fit.
    fn put(&self, target: &mut T, value: Value<'_>) -> Option<()> {
        match (&self.field, value) {
            (Field::Milliseconds { at, min, max }, Value::Integer(number)) => {
                *at(target) = Duration::from_millis(within(number, *min, *max)?);
            }
            (Field::Count { at, min, max }, Value::Integer(number)) => {
                *at(target) = usize::try_from(within(number, *min, *max)?).ok()?;
            }
            (Field::Switch(at), Value::Bool(on)) => *at(target) = on,
            (Field::Word { words, put, .. }, Value::Text(text)) => {
                put(target, words.iter().position(|word| *word == text)?);
            }
            (Field::Milliseconds { .. } | Field::Count { .. } | Field::Switch(_) | Field::Word { .. }, _) => {
                return None;
            }
        }
        Some(())
    }
}

fn within(number: i64, min: u64, max: u64) -> Option<u64> {
    u64::try_from(number)
        .ok()
        .filter(|number| (min..=max).contains(number))
}

fn given(value: Value<'_>) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Bool(on) => on.to_string(),
        Value::Text(text) => format!("\"{text}\""),
        Value::Other(kind) => kind.to_owned(),
    }
}

/// Bytes of one user in an answer, besides the custom status.
const ANSWER_BYTES: usize = 80;
/// Bytes of one user id in a request.
const REQUEST_BYTES: usize = 34;

/// What the ranges cannot say: settings that do not fit each other. Each text names the settings.
#[must_use]
pub fn conflicts(node: &NodeConfig, app: &AppSettings) -> Vec<String> {
    let mut conflicts = Vec::new();
    if node.heartbeat_interval >= node.heartbeat_timeout {
        conflicts.push("heartbeat_timeout_ms must be above heartbeat_interval_ms".to_owned());
    }
    let answers = [
        ("query_batch_max", app.query_batch_max),
        ("subscribe_batch_max", app.subscribe_batch_max),
        ("subscriptions_max", app.subscriptions_max),
        ("friends_max", node.friends_max),
    ];
    for (key, users) in answers {
        if users * (app.custom_status_bytes_max + ANSWER_BYTES) > SERVER_FRAME_BYTES_MAX {
            conflicts.push(format!(
                "{key} users with custom_status_bytes_max bytes each are more than a client reads at once \
                 ({SERVER_FRAME_BYTES_MAX} bytes); lower one of the two"
            ));
        }
    }
    for (key, users) in answers.into_iter().take(3) {
        if users * REQUEST_BYTES > node.frame_bytes_max {
            conflicts.push(format!(
                "frame_bytes_max must have room for {key} user ids: {}",
                users * REQUEST_BYTES
            ));
        }
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_range() {
        let mut node = NodeConfig::default();
        for setting in NODE {
            check_default(setting, &mut node);
        }
        let mut app = AppSettings::default();
        for setting in APP {
            check_default(setting, &mut app);
        }
        assert_eq!(conflicts(&node, &app), Vec::<String>::new());
    }

    fn check_default<T: Clone>(setting: &Setting<T>, target: &mut T) {
        let text = setting.text(target);
        let value = match (text.parse(), text.as_str()) {
            (Ok(number), _) => Value::Integer(number),
            (_, "true") => Value::Bool(true),
            (_, "false") => Value::Bool(false),
            (_, word) => Value::Text(word.trim_matches('"')),
        };
        assert_eq!(setting.put(target, value), Some(()), "{} = {text}", setting.key);
        assert_eq!(setting.text(target), text, "{}", setting.key);
    }

    #[test]
    fn no_name_stands_twice() {
        let mut keys: Vec<_> = NODE
            .iter()
            .map(|setting| setting.key)
            .chain(APP.iter().map(|setting| setting.key))
            .collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn a_setting_is_copied_alone() {
        let from = AppSettings {
            plan: Plan::Basic,
            user_status: false,
            rate_calls: 7,
            rate_window: Duration::from_secs(9),
            ..AppSettings::default()
        };
        let mut to = AppSettings::default();
        for key in ["plan", "user_status", "rate_calls", "rate_window_ms"] {
            assert_ne!(to, from);
            let setting = APP.iter().find(|setting| setting.key == key).expect("a setting");
            setting.copy(&from, &mut to);
        }
        assert_eq!(to, from);
    }

    #[test]
    fn the_edges_of_a_range_are_in_it_and_one_more_is_not() {
        let mut app = AppSettings::default();
        for (value, fits) in [(0, false), (1, true), (1_000, true), (1_001, false), (-1, false)] {
            assert_eq!(
                set(APP, &mut app, "web_devices_max", Value::Integer(value)).is_ok(),
                fits,
                "{value}"
            );
        }
        assert_eq!(
            app.web_devices_max, 1_000,
            "a value that does not fit changes nothing"
        );
    }

    #[test]
    fn a_refusal_names_the_setting_what_it_takes_and_what_was_given() {
        let mut app = AppSettings::default();
        let text = |result: Result<(), OptionError>| result.unwrap_err().to_string();
        assert_eq!(
            text(set(APP, &mut app, "offline_grace", Value::Integer(1))),
            "there is no setting \"offline_grace\"; did you mean \"offline_grace_ms\"?"
        );
        assert_eq!(
            text(set(APP, &mut app, "colour", Value::Integer(1))),
            "there is no setting \"colour\""
        );
        assert_eq!(
            text(set(APP, &mut app, "rate_calls", Value::Text("20"))),
            "rate_calls takes a whole number from 0 to 100000, not \"20\""
        );
        assert_eq!(
            text(set(APP, &mut app, "plan", Value::Text("gold"))),
            "plan takes \"basic\" or \"ultimate\", not \"gold\""
        );
        assert_eq!(
            text(set(APP, &mut app, "user_status", Value::Other("a list"))),
            "user_status takes true or false, not a list"
        );
        assert_eq!(app, AppSettings::default());
    }

    #[test]
    fn settings_that_do_not_fit_each_other_are_named() {
        let mut node = NodeConfig {
            heartbeat_interval: Duration::from_secs(400),
            ..NodeConfig::default()
        };
        assert!(conflicts(&node, &AppSettings::default())[0].contains("heartbeat_timeout_ms"));
        node = NodeConfig {
            frame_bytes_max: 8 * 1024,
            ..NodeConfig::default()
        };
        assert!(conflicts(&node, &AppSettings::default())[0].contains("frame_bytes_max"));
        let long = AppSettings {
            custom_status_bytes_max: 4_096,
            ..AppSettings::default()
        };
        assert!(conflicts(&NodeConfig::default(), &long)[0].contains("custom_status_bytes_max"));
    }
}
