//! The multi-login rule: which devices compete for a place, and for how many (R8.3).

use crate::ids::{Platform, SessionId};
use crate::settings::{AppSettings, MultiLogin};

/// The devices among which the rule counts, and how many of them it allows.
pub(crate) struct Class {
    /// `None`: all platforms.
    platform: Option<Platform>,
    /// At least 1: the one that logs in.
    pub(crate) devices_max: usize,
}

impl Class {
    /// The class of a device of this platform; `None`: no limit.
    pub(crate) fn of(platform: Platform, settings: &AppSettings) -> Option<Class> {
        match settings.multi_login {
            MultiLogin::Unlimited => None,
            MultiLogin::Single => Some(Class {
                platform: None,
                devices_max: 1,
            }),
            MultiLogin::PerPlatform => {
                let devices_max = if platform == Platform::Web {
                    settings.web_devices_max.max(1)
                } else {
                    1
                };
                Some(Class {
                    platform: Some(platform),
                    devices_max,
                })
            }
        }
    }

    /// Whether a device of this platform is in it.
    pub(crate) fn has(&self, platform: Platform) -> bool {
        self.platform.is_none_or(|own| own == platform)
    }

    /// The oldest login that has room when `session` joins `others` of this class.
    pub(crate) fn oldest_allowed(
        &self,
        others: impl Iterator<Item = SessionId>,
        session: SessionId,
    ) -> SessionId {
        let mut sessions: Vec<SessionId> = others.chain([session]).collect();
        sessions.sort_unstable();
        let surplus = sessions.len().saturating_sub(self.devices_max);
        sessions.get(surplus).copied().unwrap_or(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R8.3.
    #[test]
    fn only_browsers_share_their_platform() {
        let settings = AppSettings {
            web_devices_max: 3,
            ..AppSettings::default()
        };
        for platform in Platform::ALL {
            let class = Class::of(platform, &settings).expect("a limit");
            assert_eq!(class.devices_max, if platform == Platform::Web { 3 } else { 1 });
            assert!(
                Platform::ALL
                    .into_iter()
                    .all(|other| class.has(other) == (other == platform))
            );
        }
    }

    /// R8.3.
    #[test]
    fn single_counts_all_platforms_and_unlimited_none() {
        let rule = |multi_login| AppSettings {
            multi_login,
            ..AppSettings::default()
        };
        let single = Class::of(Platform::Web, &rule(MultiLogin::Single)).expect("a limit");
        assert!(single.devices_max == 1 && Platform::ALL.into_iter().all(|platform| single.has(platform)));
        assert!(Class::of(Platform::Ios, &rule(MultiLogin::Unlimited)).is_none());
    }

    /// R8.3: whoever logs in has a place, whatever the setting says.
    #[test]
    fn a_limit_of_zero_browsers_lets_one_in() {
        let settings = AppSettings {
            web_devices_max: 0,
            ..AppSettings::default()
        };
        assert_eq!(
            Class::of(Platform::Web, &settings).map(|class| class.devices_max),
            Some(1)
        );
    }

    /// R8.3.
    #[test]
    fn the_newest_have_room() {
        let class = Class {
            platform: None,
            devices_max: 2,
        };
        let oldest = |others: &[u64], session| {
            class
                .oldest_allowed(others.iter().copied().map(SessionId), SessionId(session))
                .0
        };
        assert_eq!(oldest(&[], 9), 9);
        assert_eq!(oldest(&[7], 9), 7);
        assert_eq!(oldest(&[7, 3, 8], 9), 8);
    }
}
