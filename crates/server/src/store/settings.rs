//! The settings of an app across restarts (R7.6): an administrator changes them at run time, and a person in the file.
//! Whoever changed a setting last is right. So the store keeps, besides the settings in effect, what the file said: at the
//! next start a setting that reads otherwise in the file than it did then was changed there since, and the file is right;
//! any other is as it was in effect.

use presence::ids::AppId;
use presence::settings::AppSettings;
use presence_node::AppConfig;
use presence_node::NodeConfig;
use presence_node::durable::Table;
use presence_node::durable::record::{app_key, decode_settings, encode_settings, put_setting};
use presence_node::options::{APP, conflicts};

use super::file::LoadError;
use super::writer::{Order, Settings};
use super::{Store, StoreError};

impl Store {
    /// The settings an app begins with, of which the file says `in_file`. Before the node starts.
    pub fn settings(&self, node: &NodeConfig, app: &AppConfig) -> Result<AppSettings, StoreError> {
        let path = &self.shared.path;
        let place = self
            .shared
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(file) = &*place else {
            return Ok(app.settings.clone());
        };
        let key = app_key(app.id);
        let records = file
            .get(Table::Apps, &key)
            .and_then(|kept| Ok((kept, file.file_settings(&key)?)));
        let (kept, was_in_file) = match records.map_err(|error| StoreError::of(path, error))? {
            (Some(kept), Some(was_in_file)) => (kept, was_in_file),
            // Nobody changed them at run time.
            (_, None) | (None, _) => return Ok(app.settings.clone()),
        };
        let decoded = |bytes: &[u8]| decode_settings(bytes).map_err(|error| LoadError::from(error).at(path));
        let merged = merge(&app.settings, &decoded(&kept)?, &decoded(&was_in_file)?);
        let conflicts = conflicts(node, &merged);
        if conflicts.is_empty() {
            return Ok(merged);
        }
        for conflict in conflicts {
            tracing::error!(app = %app.id, error = conflict, "settings changed at run time do not fit those of the file, which are used");
        }
        Ok(app.settings.clone())
    }

    /// What the file says of an app now, and what is in effect. Once the node runs.
    pub fn keep_settings(&self, app: AppId, in_file: &AppSettings, in_effect: &AppSettings) {
        let order = Order::Settings(Settings {
            key: app_key(app),
            in_file: encode_settings(in_file),
            in_effect: encode_settings(in_effect),
        });
        if self.shared.orders.send(order).is_err() {
            tracing::error!("the store's thread ended before its time");
        }
    }
}

/// `in_file` with what was changed otherwise since.
fn merge(in_file: &AppSettings, kept: &[(String, String)], was_in_file: &[(String, String)]) -> AppSettings {
    let mut merged = in_file.clone();
    for (key, text) in kept {
        let Some(setting) = APP.iter().find(|setting| setting.key == key) else {
            continue; // of another version of the server
        };
        let now = setting.text(in_file);
        let unchanged = was_in_file.iter().any(|(of, was)| of == key && *was == now);
        if unchanged && *text != now && put_setting(&mut merged, key, text) {
            tracing::info!(
                setting = key,
                file = now,
                is = text,
                "setting as it was changed at run time"
            );
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_changed_a_setting_last_is_right() {
        let pairs =
            |settings: &AppSettings| decode_settings(&encode_settings(settings)).expect("just encoded");
        let was_in_file = AppSettings::default();
        // At run time: the switch and the rate.
        let kept = AppSettings {
            user_status: false,
            rate_calls: 7,
            ..AppSettings::default()
        };
        assert_eq!(
            merge(&was_in_file, &pairs(&kept), &pairs(&was_in_file)),
            kept,
            "the file is as it was"
        );
        // In the file since: the rate and something else.
        let in_file = AppSettings {
            rate_calls: 9,
            subscriptions_max: 50,
            ..AppSettings::default()
        };
        let merged = merge(&in_file, &pairs(&kept), &pairs(&was_in_file));
        let expected = AppSettings {
            user_status: false,
            ..in_file
        };
        assert_eq!(merged, expected);
        let of_another_version = [("no_such_setting".to_owned(), "1".to_owned())];
        assert_eq!(
            merge(&was_in_file, &of_another_version, &of_another_version),
            was_in_file
        );
    }
}
