//! The settings of an app and of the rules, with the defaults of R7.6 and the limits named in the rules.

use std::time::Duration;

/// What an app has paid for, in the original's terms (R7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Without status query and subscriptions: 7013.
    Basic,
    /// With all.
    Ultimate,
}

/// How many devices of a user may be logged in (R8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultiLogin {
    /// One device a platform, Web up to `web_devices_max`.
    PerPlatform,
    /// One device.
    Single,
    /// No limit.
    Unlimited,
}

/// Everything about an app that can change at run time (R7.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// R7.2.
    pub plan: Plan,
    /// R7.3: status query and change notification.
    pub user_status: bool,
    /// R7.4: friends are told without subscribing.
    pub friend_status_notify: bool,
    /// R1.2: being subscribed to or befriended registers an account.
    pub auto_register_on_mention: bool,
    /// R8.3.
    pub multi_login: MultiLogin,
    /// R8.3: Web devices under [`MultiLogin::PerPlatform`].
    pub web_devices_max: usize,
    /// R3.1.
    pub custom_status_bytes_max: usize,
    /// R4.1.
    pub query_batch_max: usize,
    /// R5.1.
    pub subscribe_batch_max: usize,
    /// R5.2.
    pub subscriptions_max: usize,
    /// R7.5: calls of one kind in [`AppSettings::rate_window`]; 0 switches the limit off.
    pub rate_calls: usize,
    /// R7.5.
    pub rate_window: Duration,
    /// R2.4: when a lost device is forgotten.
    pub lost_device_retention: Duration,
    /// R2.8.
    pub offline_grace: Duration,
    /// R5.8.
    pub subscription_linger: Duration,
}

impl Default for AppSettings {
    fn default() -> AppSettings {
        AppSettings {
            plan: Plan::Ultimate,
            user_status: true,
            friend_status_notify: false,
            auto_register_on_mention: false,
            multi_login: MultiLogin::PerPlatform,
            web_devices_max: 10,
            custom_status_bytes_max: 100,
            query_batch_max: 500,
            subscribe_batch_max: 100,
            subscriptions_max: 200,
            rate_calls: 20,
            rate_window: Duration::from_secs(5),
            lost_device_retention: Duration::from_secs(7 * 24 * 3600),
            offline_grace: Duration::ZERO,
            subscription_linger: Duration::from_secs(300),
        }
    }
}
