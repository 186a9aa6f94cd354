//! The `[[apps]]` sections of the file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use presence::ids::{AppId, UserId};
use presence::settings::AppSettings;
use presence_node::options::{self, APP, Value};
use presence_node::{AppConfig, NodeConfig};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::webhook::Target;

use super::{Key, Reader, kind, plain_value};

/// The keys of an app, besides those of [`APP`].
pub const APP_KEYS: &[Key] = &[
    Key {
        key: "id",
        takes: "a whole number above 0",
        default: "none, must be given",
        rule: "R1.1",
        about: "The `sdk_app_id` that clients name.",
    },
    Key {
        key: "secret_key",
        takes: "1 to 512 characters",
        default: "none, this or `secret_key_file` must be given",
        rule: "R8.1",
        about: "UserSigs are made and checked with it. Best 64 random hex digits: `openssl rand -hex 32`. The text itself is the key.",
    },
    Key {
        key: "secret_key_file",
        takes: "a path, from the folder of this file",
        default: "none",
        rule: "R8.1",
        about: "A file with the secret key alone; space around it is left out.",
    },
    Key {
        key: "accounts",
        takes: "a list of user ids",
        default: "`[]`",
        rule: "R1.2",
        about: "Accounts that exist from the start. Added ones are imported by a reload; one taken out is not deleted.",
    },
    Key {
        key: "administrators",
        takes: "a list of user ids",
        default: "`[]`",
        rule: "",
        about: "Who may use REST for this app, each with a UserSig of its own. They need not be accounts.",
    },
    Key {
        key: "webhook_url",
        takes: "a URL, https or http",
        default: "none",
        rule: "R10.1",
        about: "Where logins, logouts, disconnects and custom status changes are posted ([WEBHOOKS.md](WEBHOOKS.md)).",
    },
    Key {
        key: "webhook_secret",
        takes: "1 to 512 characters",
        default: "none",
        rule: "R10.1",
        about: "What the posts are signed with. Best 64 random hex digits, and not the secret key.",
    },
    Key {
        key: "friends",
        takes: "a section: user id = list of user ids",
        default: "none",
        rule: "R9.1",
        about: "Friend lists: the owner hears of its friends. Write both directions for a friendship both ways. All of them exist as accounts.",
    },
];

/// An app of the file: the node's part, and the rest.
pub(super) struct ServedApp {
    pub(super) config: AppConfig,
    pub(super) administrators: Vec<UserId>,
    pub(super) webhook: Option<Target>,
}

/// Bytes a secret key may have.
const SECRET_KEY_BYTES_MAX: usize = 512;
const USER_IDS: &str = "user ids (1 to 32 printable ASCII characters)";

impl Reader<'_> {
    /// All apps. What is wrong with one is noted and does not hide what is wrong with the next.
    pub(super) fn apps(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        node: &NodeConfig,
        folder: &Path,
    ) -> Vec<ServedApp> {
        let Some(list) = value.get_ref().as_array().filter(|list| !list.is_empty()) else {
            self.problem(
                value.span().start,
                "apps takes sections: write [[apps]], with two brackets",
            );
            return Vec::new();
        };
        let mut apps: Vec<ServedApp> = Vec::new();
        for item in list.iter() {
            let at = item.span().start;
            let Some(table) = item.get_ref().as_table() else {
                self.problem(at, format!("apps takes sections, not {}", kind(item.get_ref())));
                continue;
            };
            if let Some(app) = self.app(table, at, node, folder) {
                if apps.iter().any(|other| other.config.id == app.config.id) {
                    self.problem(at, format!("there is an app with id {} already", app.config.id));
                }
                apps.push(app);
            }
        }
        apps
    }

    fn app(&mut self, table: &DeTable<'_>, at: usize, node: &NodeConfig, folder: &Path) -> Option<ServedApp> {
        let mut id = None;
        let mut secret_key = None;
        let mut settings = AppSettings::default();
        let mut accounts = Vec::new();
        let mut administrators = Vec::new();
        let mut friends = BTreeMap::new();
        let (mut webhook_url, mut webhook_secret) = (None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "id" => id = Some(self.app_id(value)),
                "secret_key" | "secret_key_file" if secret_key.is_some() => {
                    self.problem(
                        key.span().start,
                        "secret_key and secret_key_file: one of them is enough",
                    );
                }
                "secret_key" => secret_key = Some(self.secret(value, "secret_key")),
                "webhook_url" => webhook_url = Some(value),
                "webhook_secret" => webhook_secret = Some(self.secret(value, "webhook_secret")),
                "secret_key_file" => secret_key = Some(self.secret_key_file(value, folder)),
                "accounts" => accounts = self.user_ids(value, "accounts"),
                "administrators" => administrators = self.user_ids(value, "administrators"),
                "friends" => friends = self.friends(value, node.friends_max),
                name => self.plain(APP, &mut settings, name, key, value),
            }
        }
        for conflict in options::conflicts(node, &settings) {
            self.problem(at, conflict);
        }
        if id.is_none() {
            self.problem(at, "this app has no id");
        }
        if secret_key.is_none() {
            self.problem(at, "this app has no secret_key and no secret_key_file");
        }
        if webhook_url.is_none() && webhook_secret.is_some() {
            self.problem(at, "webhook_secret without webhook_url signs nothing");
        }
        let webhook = webhook_url.and_then(|url| self.webhook(url, webhook_secret.flatten()));
        let config = AppConfig {
            id: id??,
            secret_key: secret_key??,
            settings,
            accounts,
            friends,
        };
        Some(ServedApp {
            config,
            administrators,
            webhook,
        })
    }

    /// A problem with the URL does not show it: it may hold a token.
    fn webhook(&mut self, url: &Spanned<DeValue<'_>>, secret: Option<String>) -> Option<Target> {
        let text = url.get_ref().as_str().unwrap_or_default();
        Target::new(text, secret)
            .map_err(|error| self.problem(url.span().start, format!("webhook_url takes {error}")))
            .ok()
    }

    fn app_id(&mut self, value: &Spanned<DeValue<'_>>) -> Option<AppId> {
        let id = match plain_value(value.get_ref()) {
            Value::Integer(number) => u64::try_from(number).ok().and_then(AppId::new),
            Value::Bool(_) | Value::Text(_) | Value::Other(_) => None,
        };
        if id.is_none() {
            self.problem(value.span().start, "id takes a whole number above 0");
        }
        id
    }

    /// Problems with a key do not show it.
    fn secret(&mut self, value: &Spanned<DeValue<'_>>, name: &str) -> Option<String> {
        let key = value
            .get_ref()
            .as_str()
            .filter(|key| is_key(key))
            .map(str::to_owned);
        if key.is_none() {
            self.problem(
                value.span().start,
                format!("{name} takes a text of 1 to {SECRET_KEY_BYTES_MAX} characters on one line"),
            );
        }
        key
    }

    fn secret_key_file(&mut self, value: &Spanned<DeValue<'_>>, folder: &Path) -> Option<String> {
        let at = value.span().start;
        let Some(name) = value.get_ref().as_str() else {
            self.problem(
                at,
                format!("secret_key_file takes a path, not {}", kind(value.get_ref())),
            );
            return None;
        };
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) if is_key(text.trim()) => Some(text.trim().to_owned()),
            Ok(_) => {
                self.problem(
                    at,
                    format!(
                        "{} does not hold a key of 1 to {SECRET_KEY_BYTES_MAX} characters on one line",
                        path.display()
                    ),
                );
                None
            }
            Err(error) => {
                self.problem(at, format!("cannot read {}: {error}", path.display()));
                None
            }
        }
    }

    fn user_ids(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Vec<UserId> {
        self.parsed_list(value, key, USER_IDS, |text| UserId::new(text).ok())
    }

    fn friends(&mut self, value: &Spanned<DeValue<'_>>, friends_max: usize) -> BTreeMap<UserId, Vec<UserId>> {
        let Some(table) = value.get_ref().as_table() else {
            self.problem(
                value.span().start,
                format!(
                    "friends takes a section: [apps.friends], not {}",
                    kind(value.get_ref())
                ),
            );
            return BTreeMap::new();
        };
        let mut friends = BTreeMap::new();
        for (owner, list) in table {
            if let Some((owner, list)) = self.friends_of(owner, list, friends_max) {
                friends.insert(owner, list);
            }
        }
        friends
    }

    fn friends_of(
        &mut self,
        owner: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        friends_max: usize,
    ) -> Option<(UserId, Vec<UserId>)> {
        let at = owner.span().start;
        let Ok(id) = UserId::new(owner.get_ref()) else {
            self.problem(at, format!("friends takes {USER_IDS}, not {:?}", owner.get_ref()));
            return None;
        };
        let list = self.user_ids(value, &format!("friends of {id}"));
        if list.contains(&id) {
            self.problem(at, format!("{id} is its own friend"));
        }
        let mut different = list.clone();
        different.sort_unstable();
        different.dedup();
        if different.len() < list.len() {
            self.problem(at, format!("a friend of {id} stands twice"));
        }
        if list.len() > friends_max {
            self.problem(
                at,
                format!("{id} has {} friends; friends_max is {friends_max}", list.len()),
            );
        }
        Some((id, list))
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= SECRET_KEY_BYTES_MAX && !text.chars().any(char::is_control)
}
