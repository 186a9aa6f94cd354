//! SIGHUP: from the configuration in effect to that of the file, as far as it goes without a restart (R7.6). The log says
//! what changed and what has to wait.

use std::collections::BTreeSet;

use presence::ids::UserKey;
use presence::settings::AppSettings;
use presence_node::options::{NODE, STORE};
use presence_node::{Admin, AppConfig};

use crate::config::Config;
use crate::live::{ChangeError, Live, carry_over, changes};
use crate::webhook::{Targets, Webhooks};

/// Applies what can change at run time to the node and to `current`. The rest of `current` stays as it is in effect, so
/// that the next reload says again what waits for a restart.
pub fn apply(current: &mut Config, new: Config, admin: &Admin, live: &Live, webhooks: &Webhooks) {
    for app in &new.apps {
        match current.apps.iter_mut().find(|known| known.id == app.id) {
            Some(known) => apply_app(known, app, admin, live),
            None => needs_restart(&format!("app {} (new)", app.id)),
        }
    }
    if let (Some(tls), Some(new)) = (&current.node.tls, &new.node.tls)
        && tls.replace_with(new)
    {
        tracing::info!(setting = "tls_certificate_file", "TLS certificate replaced");
    }
    for setting in waiting(current, &new) {
        needs_restart(&setting);
    }
    apply_webhooks(current, new.webhooks, webhooks);
    for (app, users) in new.administrators {
        if let Some(known) = current
            .administrators
            .get_mut(&app)
            .filter(|known| **known != users)
        {
            tracing::info!(%app, setting = "administrators", count = users.len(), "administrators changed");
            live.set_administrators(app, users.clone());
            *known = users;
        }
    }
}

/// What is sent from now on goes to the new places. The log names the app alone: a URL may hold a token.
fn apply_webhooks(current: &mut Config, mut new: Targets, webhooks: &Webhooks) {
    new.retain(|app, _| current.apps.iter().any(|known| known.id == *app));
    if current.webhooks == new {
        return;
    }
    for app in current.apps.iter().map(|app| app.id) {
        match (current.webhooks.get(&app), new.get(&app)) {
            (was, is) if was == is => {}
            (_, Some(_)) => tracing::info!(%app, setting = "webhook_url", "webhook changed"),
            (_, None) => tracing::info!(%app, setting = "webhook_url", "webhook removed"),
        }
    }
    webhooks.set_targets(new.clone());
    current.webhooks = new;
}

fn apply_app(known: &mut AppConfig, new: &AppConfig, admin: &Admin, live: &Live) {
    if known.settings != new.settings {
        // What administrators changed, and the file did not, stays.
        let change = |settings: &mut AppSettings| {
            carry_over(&known.settings, &new.settings, settings);
            Ok(())
        };
        match live.change_blocking(admin, new.id, change) {
            Ok((was, is)) => {
                for change in changes(&was, &is) {
                    tracing::info!(app = %new.id, setting = change.key, was = change.was, is = change.is, "setting changed");
                }
                known.settings = new.settings.clone();
            }
            // They fit the server's settings in the file, but those in effect are the ones it was started with.
            Err(ChangeError::Conflicts(conflicts)) => {
                for conflict in conflicts {
                    tracing::error!(app = %new.id, error = conflict, "settings of the app not changed before a restart");
                }
            }
            Err(error @ (ChangeError::NoSuchApp | ChangeError::Refused(_) | ChangeError::Unavailable)) => {
                tracing::error!(app = %new.id, %error, "settings of the app not changed");
            }
        }
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

/// What differs and cannot change at run time, besides new apps.
fn waiting(current: &Config, new: &Config) -> Vec<String> {
    let mut waiting: Vec<String> = NODE
        .iter()
        .chain(STORE)
        .filter(|setting| setting.text(&current.node) != setting.text(&new.node))
        .map(|setting| setting.key.to_owned())
        .collect();
    if current.node.listen_tls != new.node.listen_tls {
        waiting.push("listen_tls".to_owned());
    }
    if current.node.listen != new.node.listen {
        waiting.push("listen".to_owned());
    }
    if current.data_dir != new.data_dir {
        waiting.push("data_dir".to_owned());
    }
    if current.admin_address() != new.admin_address() {
        waiting.push("admin_listen".to_owned());
    }
    if current.admin_tls != new.admin_tls {
        waiting.push("admin_tls".to_owned());
    }
    if current.rest_rate != new.rest_rate {
        waiting.push("rest_calls_per_second_max".to_owned());
    }
    if current.trusted_proxies != new.trusted_proxies {
        waiting.push("trusted_proxies".to_owned());
    }
    if current.metrics_from != new.metrics_from {
        waiting.push("metrics_from".to_owned());
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
        let text = "listen = [\"127.0.0.1:1\"]\nloops = 3\nrestart_grace_ms = 9\ndata_dir = \"d\"\nadmin_listen = \"127.0.0.1:1\"\nrest_calls_per_second_max = 7\nlog_level = \"warn\"\nlog_format = \"json\"\n\
                    [[apps]]\nid = 1\nsecret_key = \"changed\"\n";
        let names = [
            "loops",
            "restart_grace_ms",
            "listen",
            "data_dir",
            "admin_listen",
            "rest_calls_per_second_max",
            "log_level",
            "log_format",
            "secret_key of app 1",
            "app 2 (gone)",
        ];
        assert_eq!(waiting(&before, &parsed(text)), names);
    }
}
