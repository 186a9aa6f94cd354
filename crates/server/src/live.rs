//! The apps as they are now. Their settings change while the server runs, by a reload of the file and by administrators
//! (R7.6); whoever wants to know or change them comes here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use presence::ids::{AppId, UserId};
use presence::settings::AppSettings;
use presence_node::options::{self, APP};
use presence_node::{Admin, AppConfig, AsyncAdmin, NodeConfig};

/// One app at a moment. Holds its secret key, so it has no `Debug`.
#[derive(Clone)]
pub struct LiveApp {
    /// What UserSigs are checked with.
    pub secret_key: String,
    /// Who may administer it.
    pub administrators: Vec<UserId>,
    /// What can change.
    pub settings: AppSettings,
}

/// All apps. See the module.
pub struct Live {
    node: NodeConfig,
    apps: RwLock<BTreeMap<AppId, Arc<LiveApp>>>,
    /// Held by whoever changes settings, from reading them until the node has them: one change at a time.
    changing: tokio::sync::Mutex<()>,
}

/// Why settings were not changed. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError {
    /// This server does not have the app.
    NoSuchApp,
    /// No setting has that name, or takes that value: each reason, for a person.
    Refused(Vec<String>),
    /// The settings would not fit each other, or the server's: each reason, for a person.
    Conflicts(Vec<String>),
    /// The node did not take it; whether part of it did is not known.
    Unavailable,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::NoSuchApp => f.write_str("there is no such app"),
            ChangeError::Refused(reasons) | ChangeError::Conflicts(reasons) => {
                f.write_str(&reasons.join("; "))
            }
            ChangeError::Unavailable => f.write_str("the server is stopping"),
        }
    }
}

impl Live {
    /// The apps as the node was started with.
    pub fn new(node: NodeConfig, apps: &[AppConfig], administrators: &BTreeMap<AppId, Vec<UserId>>) -> Live {
        let apps = apps.iter().map(|app| {
            let live = LiveApp {
                secret_key: app.secret_key.clone(),
                administrators: administrators.get(&app.id).cloned().unwrap_or_default(),
                settings: app.settings.clone(),
            };
            (app.id, Arc::new(live))
        });
        Live {
            node,
            apps: RwLock::new(apps.collect()),
            changing: tokio::sync::Mutex::new(()),
        }
    }

    /// The app as it is at this moment.
    pub fn app(&self, id: AppId) -> Option<Arc<LiveApp>> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.get(&id).cloned()
    }

    /// Changes settings of an app, in the node too, where they are in effect from the next call and the next change. The
    /// settings before and after.
    pub async fn change(
        &self,
        admin: &AsyncAdmin,
        id: AppId,
        change: impl FnOnce(&mut AppSettings) -> Result<(), Vec<String>>,
    ) -> Result<(AppSettings, AppSettings), ChangeError> {
        let _changing = self.changing.lock().await;
        let (before, after) = self.prepare(id, change)?;
        if after != before {
            if !admin.set_app_settings(id, after.clone()).await {
                return Err(ChangeError::Unavailable);
            }
            self.put(id, |app| app.settings = after.clone());
        }
        Ok((before, after))
    }

    /// The same, for threads that run nothing asynchronous.
    pub fn change_blocking(
        &self,
        admin: &Admin,
        id: AppId,
        change: impl FnOnce(&mut AppSettings) -> Result<(), Vec<String>>,
    ) -> Result<(AppSettings, AppSettings), ChangeError> {
        let _changing = self.changing.blocking_lock();
        let (before, after) = self.prepare(id, change)?;
        if after != before {
            if !admin.set_app_settings(id, after.clone()) {
                return Err(ChangeError::Unavailable);
            }
            self.put(id, |app| app.settings = after.clone());
        }
        Ok((before, after))
    }

    /// The settings now, and what they would be.
    fn prepare(
        &self,
        id: AppId,
        change: impl FnOnce(&mut AppSettings) -> Result<(), Vec<String>>,
    ) -> Result<(AppSettings, AppSettings), ChangeError> {
        let before = self.app(id).ok_or(ChangeError::NoSuchApp)?.settings.clone();
        let mut after = before.clone();
        change(&mut after).map_err(ChangeError::Refused)?;
        let conflicts = options::conflicts(&self.node, &after);
        if conflicts.is_empty() {
            Ok((before, after))
        } else {
            Err(ChangeError::Conflicts(conflicts))
        }
    }

    /// Who may administer the app from now on.
    pub fn set_administrators(&self, id: AppId, administrators: Vec<UserId>) {
        self.put(id, |app| app.administrators = administrators);
    }

    fn put(&self, id: AppId, change: impl FnOnce(&mut LiveApp)) {
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(app) = apps.get_mut(&id) {
            change(Arc::make_mut(app));
        }
    }
}

/// Puts into `to` what differs between two versions of a file, and leaves alone what was changed otherwise.
pub fn carry_over(was: &AppSettings, is: &AppSettings, to: &mut AppSettings) {
    for setting in APP.iter().filter(|setting| setting.text(was) != setting.text(is)) {
        setting.copy(is, to);
    }
}

/// One setting that differs.
pub struct Change {
    /// Its name.
    pub key: &'static str,
    /// As a file would give it.
    pub was: String,
    /// As a file would give it.
    pub is: String,
}

/// What differs, in the order of the table.
pub fn changes(was: &AppSettings, is: &AppSettings) -> Vec<Change> {
    APP.iter()
        .map(|setting| Change {
            key: setting.key,
            was: setting.text(was),
            is: setting.text(is),
        })
        .filter(|change| change.was != change.is)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_the_file_did_not_change_stays_as_administrators_set_it() {
        let was = AppSettings::default();
        let is = AppSettings {
            rate_calls: 3,
            ..AppSettings::default()
        };
        let mut live = AppSettings {
            user_status: false,
            rate_calls: 50,
            ..AppSettings::default()
        };
        carry_over(&was, &is, &mut live);
        assert_eq!((live.user_status, live.rate_calls), (false, 3));
    }
}
