//! All settings on a page, made from the tables: what the command `settings` prints and docs/CONFIGURATION.md holds. After
//! a change: `TIM_UPDATE=1 cargo test -p tim-presence-server page`.

use std::fmt::Write as _;

use presence::settings::AppSettings;
use presence_node::NodeConfig;
use presence_node::options::{APP, Field, NODE, STORE, Setting};

use super::{Key, TOP_KEYS, apps};

const HEAD: &str = "\
# Configuration of the server

`tim-presence-server --config FILE` reads one TOML file. `tim-presence-server check-config FILE` says whether it is
right; [tim-presence-server.example.toml](../crates/server/tim-presence-server.example.toml) is one to begin with. A key
that is not listed here, or a value out of its range, is refused with its line, and the server does not start.

Every setting but `id` and the key has a default that suits most people. Durations are whole milliseconds, and their names
end in `_ms`. The numbers of rules (R2.6) refer to [SEMANTICS.md](SEMANTICS.md).

**While it runs** (SIGHUP): the settings of an app under `[[apps]]` change at once, for the next call and the next
change; the certificate and key of `listen_tls` are read again, for the connections made from then on; added accounts are imported, friend lists that changed in the file are replaced, and so are administrators. What
administrators changed by REST stays, where the file did not change it, too. Settings of the server, keys, new and removed apps wait for a restart, and the log names them; so do the settings of an app that do not fit those the
server runs with. A file with a mistake changes nothing.

On the command line, `--listen`, `--admin-listen`, `--log-level` and `--log-format` win over the file.

<!-- Made from the tables in crates/node/src/options.rs and crates/server/src/config: TIM_UPDATE=1 cargo test -p tim-presence-server page -->
";

const COLUMNS: &str = "| setting | takes | default | rule | what it does |\n|---|---|---|---|---|\n";

/// The whole page, in Markdown.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    write!(page, "\n## The server: at the top of the file\n\n{COLUMNS}").expect("a String grows");
    keys(&mut page, TOP_KEYS);
    settings(&mut page, NODE, &NodeConfig::default());
    settings(&mut page, STORE, &NodeConfig::default());
    write!(
        page,
        "\n## An app: under `[[apps]]`, one section each\n\n{COLUMNS}"
    )
    .expect("a String grows");
    keys(&mut page, apps::APP_KEYS);
    settings(&mut page, APP, &AppSettings::default());
    page.push_str(
        "\nA few settings depend on each other: `heartbeat_timeout_ms` is above `heartbeat_interval_ms`; `frame_bytes_max` has \
         room for the\nids of the largest call; and an answer with as many users as `query_batch_max`, `subscriptions_max` or \
         `friends_max` allow, each\nwith a custom status of `custom_status_bytes_max` bytes, fits what a client reads at once \
         (1 MiB).\n",
    );
    page
}

fn keys(page: &mut String, keys: &[Key]) {
    for key in keys {
        row(page, key.key, key.takes, key.default, key.rule, key.about);
    }
}

fn settings<T: Clone>(page: &mut String, settings: &'static [Setting<T>], defaults: &T) {
    for setting in settings {
        let takes = match setting.field {
            Field::Milliseconds { min, max, .. } => format!("{min} to {max} ms"),
            Field::Count { min, max, .. } => format!("{min} to {max}"),
            Field::Switch(_) | Field::Word { .. } => setting.takes(),
        };
        row(
            page,
            setting.key,
            &takes,
            &format!("`{}`", setting.text(defaults)),
            setting.rule,
            setting.about,
        );
    }
}

fn row(page: &mut String, key: &str, takes: &str, default: &str, rule: &str, about: &str) {
    writeln!(page, "| `{key}` | {takes} | {default} | {rule} | {about} |").expect("a String grows");
}

/// The keys of a page's tables.
#[cfg(test)]
pub fn documented(page: &str) -> Vec<&str> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key)
        .collect()
}

#[test]
fn the_page_of_settings_is_that_of_the_tables() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CONFIGURATION.md");
    let page = page();
    if std::env::var_os("TIM_UPDATE").is_some() {
        std::fs::write(&path, &page).expect("docs/CONFIGURATION.md is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/CONFIGURATION.md is stale: run TIM_UPDATE=1 cargo test -p tim-presence-server page"
    );
}
