//! SIGHUP: from the configuration in effect to that of the file, as far as it goes without a restart (R7.6). The log says
//! what changed and what has to wait.

use std::collections::BTreeSet;

use presence::ids::UserKey;
use presence::settings::AppSettings;
use presence_node::options::{APP, NODE, conflicts};
use presence_node::{Admin, AppConfig, NodeConfig};

use crate::config::Config;

/// Applies what can change at run time to the node and to `current`. The rest of `current` stays as it is in effect, so
/// that the next reload says again what waits for a restart.
pub fn apply(current: &mut Config, new: Config, admin: &Admin) {
    for app in &new.apps {
        match current.apps.iter_mut().find(|known| known.id == app.id) {
            Some(known) => apply_app(known, app, &current.node, admin),
            None => needs_restart(&format!("app {} (new)", app.id)),
        }
    }
    for setting in waiting(current, &new) {
        needs_restart(&setting);
    }
}

fn apply_app(known: &mut AppConfig, new: &AppConfig, node: &NodeConfig, admin: &Admin) {
    // They fit the server's settings in the file, but those in effect are the ones it was started with.
    let conflicts = conflicts(node, &new.settings);
    if known.settings != new.settings && !conflicts.is_empty() {
        for conflict in conflicts {
            tracing::error!(app = %new.id, error = conflict, "settings of the app not changed before a restart");
        }
    } else if known.settings != new.settings {
        for change in changes(&known.settings, &new.settings) {
            tracing::info!(app = %new.id, setting = change.key, was = change.was, is = change.is, "setting changed");
        }
        admin.set_app_settings(new.id, new.settings.clone());
        known.settings = new.settings.clone();
    }

    for user in new.accounts.iter().filter(|user| !known.accounts.contains(user)) {
        admin.import_account(UserKey {
            app: new.id,
            user: *user,
        });
        tracing::info!(app = %new.id, setting = "accounts", %user, "account imported");
    }
    // An account that left the file may have been used: deleting it is the backend's to say (R1.5).
    known.accounts.clone_from(&new.accounts);

    // As at the start: friends exist as accounts.
    let mentioned = |app: &AppConfig| app.friends.values().flatten().copied().collect::<BTreeSet<_>>();
    for user in mentioned(new).difference(&mentioned(known)) {
        admin.import_account(UserKey {
            app: new.id,
            user: *user,
        });
    }
    let gone = known
        .friends
        .keys()
        .filter(|owner| !new.friends.contains_key(owner))
        .map(|owner| (owner, &[][..]));
    let kept = new
        .friends
        .iter()
        .map(|(owner, friends)| (owner, friends.as_slice()));
    for (owner, friends) in gone.chain(kept) {
        if known.friends.get(owner).map_or(&[][..], Vec::as_slice) != friends {
            admin.set_friends(
                UserKey {
                    app: new.id,
                    user: *owner,
                },
                friends.to_vec(),
            );
            tracing::info!(app = %new.id, setting = "friends", user = %owner, count = friends.len(), "friend list replaced");
        }
    }
    known.friends.clone_from(&new.friends);
}

fn needs_restart(setting: &str) {
    tracing::warn!(setting, "changed in the file; takes effect with a restart");
}

/// One setting that differs.
struct Change {
    key: &'static str,
    was: String,
    is: String,
}

fn changes(known: &AppSettings, new: &AppSettings) -> Vec<Change> {
    APP.iter()
        .map(|setting| Change {
            key: setting.key,
            was: setting.text(known),
            is: setting.text(new),
        })
        .filter(|change| change.was != change.is)
        .collect()
}

/// What differs and cannot change at run time, besides new apps.
fn waiting(current: &Config, new: &Config) -> Vec<String> {
    let mut waiting: Vec<String> = NODE
        .iter()
        .filter(|setting| setting.text(&current.node) != setting.text(&new.node))
        .map(|setting| setting.key.to_owned())
        .collect();
    if current.node.listen != new.node.listen {
        waiting.push("listen".to_owned());
    }
    if current.log.level != new.log.level {
        waiting.push("log_level".to_owned());
    }
    if current.log.format != new.log.format {
        waiting.push("log_format".to_owned());
    }
    for app in &current.apps {
        match new.apps.iter().find(|other| other.id == app.id) {
            None => waiting.push(format!("app {} (gone)", app.id)),
            Some(other) if other.secret_key != app.secret_key => {
                waiting.push(format!("secret_key of app {}", app.id))
            }
            Some(_) => {}
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    const BASE: &str = "[[apps]]\nid = 1\nsecret_key = \"k1\"\n[[apps]]\nid = 2\nsecret_key = \"k2\"\n";

    fn parsed(text: &str) -> Config {
        config::parse(text, Path::new(".")).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let before = parsed(BASE);
        assert_eq!(waiting(&before, &parsed(BASE)), Vec::<String>::new());
        let text = "listen = [\"127.0.0.1:1\"]\nloops = 3\nlog_level = \"warn\"\nlog_format = \"json\"\n\
                    [[apps]]\nid = 1\nsecret_key = \"changed\"\n";
        let names = [
            "loops",
            "listen",
            "log_level",
            "log_format",
            "secret_key of app 1",
            "app 2 (gone)",
        ];
        assert_eq!(waiting(&before, &parsed(text)), names);
    }

    #[test]
    fn each_setting_that_differs_is_named_with_both_values() {
        let new = AppSettings {
            user_status: false,
            rate_calls: 3,
            ..AppSettings::default()
        };
        let changes: Vec<_> = changes(&AppSettings::default(), &new)
            .into_iter()
            .map(|change| (change.key, change.was, change.is))
            .collect();
        let text = str::to_owned;
        assert_eq!(
            changes,
            [
                ("user_status", text("true"), text("false")),
                ("rate_calls", text("20"), text("3"))
            ]
        );
    }
}
