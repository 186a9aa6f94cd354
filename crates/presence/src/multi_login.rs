//! The multi-login rule: which devices compete for a place, for how many, and who makes room (R8.3).

use crate::devices::{Device, Devices, Entered};
use crate::ids::{DeviceKey, Platform, SessionId};
use crate::login::EndedBy;
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

impl Devices {
    /// Whether a lost login may become live again: it is still among the newest that the rule allows. It always is,
    /// unless the rule changed meanwhile or more Web devices came than there is room for.
    pub(crate) fn has_room_for(&self, session: SessionId, key: &DeviceKey, settings: &AppSettings) -> bool {
        let Some(class) = Class::of(key.platform, settings) else {
            return true;
        };
        let newer = self
            .all
            .iter()
            .filter(|device| device.is_live() && class.has(device.key.platform) && device.session > session);
        newer.count() < class.devices_max
    }

    /// Ends the older devices that the rule has no room for beside the one that enters (R8.3), and forgets the lost ones that
    /// it would have had no room for had they been live (R2.4).
    pub(crate) fn make_room(&mut self, platform: Platform, settings: &AppSettings, entered: &mut Entered) {
        let session = entered.session;
        let Some(class) = Class::of(platform, settings) else {
            return;
        };
        let among_live = class.oldest_allowed(self.sessions(&class, Device::is_live), session);
        let among_all = class.oldest_allowed(self.sessions(&class, |_| true), session);
        let mut index = 0;
        while let Some(device) = self.all.get(index) {
            let oldest = if device.is_live() { among_live } else { among_all };
            if !class.has(device.key.platform) || device.session >= oldest {
                index += 1;
                continue;
            }
            let device = self.all.remove(index);
            entered.ended.push(device.ended(EndedBy::Displaced));
            if device.is_live() {
                entered.kicked.push(device.key.platform);
            }
            self.displaced.remember(device.session, &device.key);
        }
    }

    fn sessions(&self, class: &Class, is: fn(&Device) -> bool) -> impl Iterator<Item = SessionId> {
        let counted = self
            .all
            .iter()
            .filter(move |device| class.has(device.key.platform) && is(device));
        counted.map(|device| device.session)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ids::ConnectionId;
    use crate::ids::Platform::{Ios, Mac, Web};
    use crate::login::{Ended, LoginRefusal, Loss};
    use crate::scene::{On, Scene};
    use crate::status::{Reason, Status};

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

    fn displaced(on: On, connection: Option<ConnectionId>) -> Ended {
        Ended {
            session: on.session,
            connection,
            why: EndedBy::Displaced,
        }
    }

    /// R8.3, R1.4.
    #[test]
    fn a_second_phone_displaces_the_first_and_leaves_other_platforms_alone() {
        let mut scene = Scene::new();
        let first = scene.log_in(Ios, "first");
        let mac = scene.log_in(Mac, "mac");
        scene.set("busy");
        let version = scene.version();
        let (second, logged_in) = scene.try_log_in(Ios, "second", None);
        assert_eq!(logged_in.ended, [displaced(first, Some(first.connection))]);
        assert!(!logged_in.changed);
        assert!(scene.is_live(second) && scene.is_live(mac) && !scene.is_live(first));
        assert_eq!(
            (scene.custom(), scene.version()),
            ("busy", version),
            "R8.3: no change of the user's status"
        );
        assert_eq!(scene.user.platforms(), Ios.bit() | Mac.bit());
    }

    /// R8.3.
    #[test]
    fn the_oldest_browser_gives_way_to_the_eleventh() {
        let mut scene = Scene::new();
        let browsers: Vec<On> = (0..10)
            .map(|count| scene.log_in(Web, &format!("browser {count}")))
            .collect();
        assert!(browsers.iter().all(|on| scene.is_live(*on)));
        let (_, logged_in) = scene.try_log_in(Web, "browser 10", None);
        assert_eq!(
            logged_in.ended,
            [displaced(browsers[0], Some(browsers[0].connection))]
        );
    }

    /// R8.3.
    #[test]
    fn under_single_every_older_device_gives_way() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        let mac = scene.log_in(Mac, "mac");
        scene.settings.multi_login = MultiLogin::Single;
        let (web, logged_in) = scene.try_log_in(Web, "web", None);
        assert_eq!(
            logged_in.ended,
            [
                displaced(phone, Some(phone.connection)),
                displaced(mac, Some(mac.connection))
            ]
        );
        assert!(scene.is_live(web));
    }

    /// R8.3.
    #[test]
    fn under_unlimited_nobody_gives_way() {
        let mut scene = Scene::with(|settings| settings.multi_login = MultiLogin::Unlimited);
        let first = scene.log_in(Ios, "first");
        let (second, logged_in) = scene.try_log_in(Ios, "second", None);
        assert_eq!(logged_in.ended, []);
        assert!(scene.is_live(first) && scene.is_live(second));
    }

    /// R8.3.
    #[test]
    fn a_displaced_login_that_returns_is_refused_and_displaces_nobody() {
        let mut scene = Scene::new();
        let first = scene.log_in(Ios, "first");
        let second = scene.log_in(Ios, "second");
        let version = scene.version();
        assert_eq!(
            scene.attempt(Ios, "first", Some(first), i64::MAX),
            Err(LoginRefusal::Displaced)
        );
        assert!(scene.is_live(second));
        assert_eq!(scene.version(), version);
        assert!(
            scene.attempt(Ios, "first", None, i64::MAX).is_ok(),
            "a new login of its own may displace"
        );
        assert!(!scene.is_live(second));
    }

    /// R2.4, R8.3.
    #[test]
    fn a_lost_login_that_a_newer_one_made_forget_is_refused_as_displaced() {
        let mut scene = Scene::new();
        let first = scene.log_in(Ios, "first");
        scene.lose(first, Loss::Timeout);
        let (second, logged_in) = scene.try_log_in(Ios, "second", None);
        assert_eq!(logged_in.ended, [displaced(first, None)]);
        assert_eq!(
            scene.attempt(Ios, "first", Some(first), i64::MAX),
            Err(LoginRefusal::Displaced)
        );
        assert!(scene.log_out(second));
        assert_eq!(
            scene.status(),
            (Status::Unlogined, Reason::Logout),
            "one logout is enough"
        );
    }

    /// R2.8, R8.3.
    #[test]
    fn a_login_in_grace_is_displaced_like_a_live_one() {
        let mut scene = Scene::with(|settings| settings.offline_grace = Duration::from_secs(30));
        let first = scene.log_in(Ios, "first");
        scene.lose(first, Loss::Timeout);
        let (_, logged_in) = scene.try_log_in(Ios, "second", None);
        assert_eq!(
            (logged_in.ended, logged_in.changed),
            (vec![displaced(first, None)], false)
        );
        assert!(!scene.pass(Duration::from_secs(60)), "its grace ended with it");
    }

    /// R8.3: with room for ten browsers, lost ones may return although younger ones came; then the oldest goes.
    #[test]
    fn a_lost_browser_returns_only_among_the_newest_that_have_room() {
        let mut scene = Scene::with(|settings| settings.web_devices_max = 2);
        let oldest = scene.log_in(Web, "oldest");
        let lost = scene.log_in(Web, "lost");
        scene.lose(lost, Loss::LinkClosed);
        let (newest, logged_in) = scene.try_log_in(Web, "newest", None);
        assert_eq!(logged_in.ended, [], "two are live: nobody has to go");
        let (back, logged_in) = scene.try_log_in(Web, "lost", Some(lost));
        assert_eq!(logged_in.ended, [displaced(oldest, Some(oldest.connection))]);
        assert!(scene.is_live(back) && scene.is_live(newest));
    }

    /// R7.6, R8.3: the rule became stricter while a device was away.
    #[test]
    fn a_lost_login_without_room_under_the_present_rule_is_refused() {
        let mut scene = Scene::with(|settings| settings.multi_login = MultiLogin::Unlimited);
        let old = scene.log_in(Ios, "old");
        let new = scene.log_in(Ios, "new");
        scene.lose(old, Loss::LinkClosed);
        scene.settings.multi_login = MultiLogin::PerPlatform;
        assert_eq!(
            scene.attempt(Ios, "old", Some(old), i64::MAX),
            Err(LoginRefusal::Displaced)
        );
        assert!(scene.log_out(new));
        assert_eq!(
            scene.status().0,
            Status::Unlogined,
            "the refused device is not lost any more"
        );
    }
}
