//! The devices of one account: live, in grace, lost; and the logins that a newer one displaced (R1.3, R2.7, R2.8, R8.3).
//!
//! It knows nothing of presence or versions: [`User`](crate::user::User) asks it who is there and draws the
//! conclusions. Invariants: a [`DeviceKey`] and a [`SessionId`] stand here once at most.

use crate::ids::{ConnectionId, DeviceKey, Platform, SessionId};
use crate::multi_login::Class;
use crate::settings::AppSettings;
use crate::time::{Mono, Now, Wall};
use crate::user::{DeviceView, Ended, EndedBy, Login, Loss, Standing};

/// Displaced logins remembered per user, so that a device that returns late learns of it (R8.3). A displaced device
/// that is connected is told at once; only one that was away needs this, and 16 of them are more than a person owns.
/// Past it the oldest is forgotten: its return is a new login.
pub const DISPLACED_LOGINS_MAX: usize = 16;

/// Devices in grace, and lost devices, kept per user: this many of each. Only `multi_login = unlimited` can come near.
/// Past it a loss has no grace, and the device lost longest is forgotten, as if its retention had ended.
pub const AWAY_DEVICES_MAX: usize = 64;

/// Where a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Connected.
    Live {
        /// Its connection.
        connection: ConnectionId,
    },
    /// Its connection went, and it may still come back unnoticed: counts as live (R2.8).
    Grace {
        /// When the grace ends.
        until: Mono,
        /// What is told then.
        loss: Loss,
    },
    /// Its connection went without a logout (R2.2).
    Lost {
        /// The end of its retention (R2.4).
        forget_at: Mono,
    },
}

/// One device with its login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) key: DeviceKey,
    pub(crate) session: SessionId,
    pub(crate) state: State,
    /// When its connection came, or went.
    pub(crate) since: Wall,
}

impl Device {
    /// Live or in grace (R2.8).
    fn is_live(&self) -> bool {
        match self.state {
            State::Live { .. } | State::Grace { .. } => true,
            State::Lost { .. } => false,
        }
    }

    fn is_lost(&self) -> bool {
        !self.is_live()
    }

    fn is_in_grace(&self) -> bool {
        matches!(self.state, State::Grace { .. })
    }

    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self.state {
            State::Live { connection } => Some(connection),
            State::Grace { .. } | State::Lost { .. } => None,
        }
    }

    fn ended(&self, why: EndedBy) -> Ended {
        Ended {
            session: self.session,
            connection: self.connection(),
            why,
        }
    }
}

/// A login that was displaced, and by a digest whose it was: another device that names its number is not it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Displaced {
    pub(crate) session: SessionId,
    pub(crate) device: u64,
}

/// A device that was let in.
pub(crate) struct Entered {
    /// The number of its login.
    pub(crate) session: SessionId,
    /// Whom it ended.
    pub(crate) ended: Vec<Ended>,
    /// The platforms of those among them that counted as live and were displaced (R8.3, R10.1).
    pub(crate) kicked: Vec<Platform>,
}

/// All devices of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Devices {
    pub(crate) all: Vec<Device>,
    /// Oldest first.
    pub(crate) displaced: Vec<Displaced>,
}

impl Devices {
    /// Whether any device is live or in grace.
    pub(crate) fn any_live(&self) -> bool {
        self.all.iter().any(Device::is_live)
    }

    /// Whether any device is lost.
    pub(crate) fn any_lost(&self) -> bool {
        self.all.iter().any(Device::is_lost)
    }

    /// The platforms of live devices and those in grace, as bits (R1.4).
    pub(crate) fn platforms(&self) -> u32 {
        self.all
            .iter()
            .filter(|device| device.is_live())
            .fold(0, |bits, device| bits | device.key.platform.bit())
    }

    /// The devices that are live or in grace.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Device> + '_ {
        self.all.iter().filter(|device| device.is_live())
    }

    /// The device that is live with this session on this connection.
    pub(crate) fn current(&self, session: SessionId, connection: ConnectionId) -> Option<&Device> {
        self.all.get(self.position(session, connection)?)
    }

    /// Whether the session's device is in grace.
    pub(crate) fn is_in_grace(&self, session: SessionId) -> bool {
        let mut devices = self.all.iter();
        devices.any(|device| device.session == session && device.is_in_grace())
    }

    /// Devices that [`Devices::end_graces`] would turn into lost ones now.
    pub(crate) fn graces_over(&self, now: Mono) -> impl Iterator<Item = (Platform, Loss)> + '_ {
        self.all.iter().filter_map(move |device| match device.state {
            State::Grace { until, loss } if until <= now => Some((device.key.platform, loss)),
            State::Grace { .. } | State::Live { .. } | State::Lost { .. } => None,
        })
    }

    /// The sessions that have a connection, with it.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (SessionId, ConnectionId)> + '_ {
        self.all
            .iter()
            .filter_map(|device| Some((device.session, device.connection()?)))
    }

    /// All of them, in no order that means anything.
    pub(crate) fn views(&self) -> impl Iterator<Item = DeviceView> + '_ {
        self.all.iter().map(|device| DeviceView {
            key: device.key.clone(),
            session: device.session,
            standing: match device.state {
                State::Live { .. } => Standing::Live,
                State::Grace { .. } => Standing::Grace,
                State::Lost { .. } => Standing::Lost,
            },
            since: device.since,
        })
    }

    /// Whether `session` is live on `connection`.
    pub(crate) fn is_current(&self, session: SessionId, connection: ConnectionId) -> bool {
        self.position(session, connection).is_some()
    }

    /// Lets a device in, under its old number if it continues a login that is still known, else under `next_session`
    /// (R8.3). `None` if its login was displaced.
    pub(crate) fn enter(
        &mut self,
        login: &Login,
        next_session: SessionId,
        now: Wall,
        settings: &AppSettings,
    ) -> Option<Entered> {
        let mut entered = Entered {
            session: next_session,
            ended: Vec::new(),
            kicked: Vec::new(),
        };
        if let Some(resumed) = login.resumes {
            if self.was_displaced(resumed, &login.device) {
                return None;
            }
            if let Some(index) = self
                .all
                .iter()
                .position(|device| device.session == resumed && device.key == login.device)
            {
                if self.all[index].is_live() {
                    // It counts as live all along, so nobody has to make room for it.
                    entered.session = resumed;
                    entered.ended = self.reconnect(index, login.connection, now);
                    return Some(entered);
                }
                if !self.has_room_for(resumed, &login.device, settings) {
                    let lost = self.all.remove(index);
                    self.remember_displaced(&lost);
                    return None;
                }
                entered.session = resumed;
            }
        }
        // R2.7: the same device, whatever the multi-login rule says.
        if let Some(index) = self.all.iter().position(|device| device.key == login.device) {
            let replaced = self.all.remove(index);
            if replaced.session != entered.session {
                entered.ended.push(replaced.ended(EndedBy::Replaced));
            }
        }
        self.make_room(login.device.platform, settings, &mut entered);
        // Most accounts have one device, and there are many accounts: no room for more than there are.
        self.all.reserve_exact(1);
        self.all.push(Device {
            key: login.device.clone(),
            session: entered.session,
            state: State::Live {
                connection: login.connection,
            },
            since: now,
        });
        self.all.shrink_to_fit();
        Some(entered)
    }

    /// A device logs out (R8.8): it and its login are unknown from here. False if the event is stale.
    pub(crate) fn leave(&mut self, session: SessionId, connection: ConnectionId) -> bool {
        let Some(index) = self.position(session, connection) else {
            return false;
        };
        self.all.remove(index);
        true
    }

    /// A device that is away logs out (R8.8): it and its login are unknown from here. Answers the login if it was still
    /// known; `None` outside: it was displaced.
    pub(crate) fn leave_late(&mut self, login: &Login) -> Option<Option<Ended>> {
        let is_meant = |device: &Device| {
            device.key == login.device && login.resumes.is_none_or(|resumed| device.session == resumed)
        };
        if login
            .resumes
            .is_some_and(|resumed| self.was_displaced(resumed, &login.device))
        {
            return None;
        }
        let index = self.all.iter().position(is_meant);
        Some(index.map(|index| self.all.remove(index).ended(EndedBy::Replaced)))
    }

    /// A connection went away without a logout (R2.2, R2.8). False if the event is stale.
    pub(crate) fn lose(
        &mut self,
        session: SessionId,
        connection: ConnectionId,
        loss: Loss,
        now: Now,
        settings: &AppSettings,
    ) -> bool {
        let Some(index) = self.position(session, connection) else {
            return false;
        };
        let grace = loss.grace(settings);
        let has_grace = !grace.is_zero() && self.count(Device::is_in_grace) < AWAY_DEVICES_MAX;
        self.all[index].state = if has_grace {
            State::Grace {
                until: now.mono.after(grace),
                loss,
            }
        } else {
            State::Lost {
                forget_at: now.mono.after(settings.lost_device_retention),
            }
        };
        self.all[index].since = now.wall;
        self.bound_lost();
        true
    }

    /// The backend ends all (R8.7). None of these logins is known any more.
    pub(crate) fn end_all(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.all)
            .iter()
            .map(|device| device.ended(EndedBy::Kicked))
            .collect()
    }

    /// When [`Devices::end_graces`] or [`Devices::forget_lost`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.all
            .iter()
            .filter_map(|device| match device.state {
                State::Live { .. } => None,
                State::Grace { until, .. } => Some(until),
                State::Lost { forget_at } => Some(forget_at),
            })
            .min()
    }

    /// Turns devices whose grace is over into lost ones (R2.8). Answers how the last of them was lost. The retention
    /// counts from the end of the grace, not from the moment somebody looked.
    pub(crate) fn end_graces(&mut self, now: Mono, settings: &AppSettings) -> Option<Loss> {
        let mut last: Option<(Mono, SessionId, Loss)> = None;
        for device in &mut self.all {
            let State::Grace { until, loss } = device.state else {
                continue;
            };
            if until > now {
                continue;
            }
            device.state = State::Lost {
                forget_at: until.after(settings.lost_device_retention),
            };
            if last.is_none_or(|(end, session, _)| (end, session) < (until, device.session)) {
                last = Some((until, device.session, loss));
            }
        }
        self.bound_lost();
        last.map(|(_, _, loss)| loss)
    }

    /// Forgets lost devices whose retention is over (R2.4).
    pub(crate) fn forget_lost(&mut self, now: Mono) {
        self.all
            .retain(|device| !matches!(device.state, State::Lost { forget_at } if forget_at <= now));
    }

    fn position(&self, session: SessionId, connection: ConnectionId) -> Option<usize> {
        self.all
            .iter()
            .position(|device| device.session == session && device.connection() == Some(connection))
    }

    fn count(&self, is: fn(&Device) -> bool) -> usize {
        self.all.iter().filter(|device| is(device)).count()
    }

    /// A known login goes on on a new connection; the end of the old one is silent (R2.7).
    fn reconnect(&mut self, index: usize, connection: ConnectionId, now: Wall) -> Vec<Ended> {
        let device = &mut self.all[index];
        let old = device
            .connection()
            .filter(|old| *old != connection)
            .map(|_| device.ended(EndedBy::Replaced));
        device.state = State::Live { connection };
        device.since = now;
        old.into_iter().collect()
    }

    /// Whether a lost login may become live again: it is still among the newest that the rule allows. It always is,
    /// unless the rule changed meanwhile or more Web devices came than there is room for.
    fn has_room_for(&self, session: SessionId, key: &DeviceKey, settings: &AppSettings) -> bool {
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
    fn make_room(&mut self, platform: Platform, settings: &AppSettings, entered: &mut Entered) {
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
            self.remember_displaced(&device);
        }
    }

    fn sessions(&self, class: &Class, is: fn(&Device) -> bool) -> impl Iterator<Item = SessionId> {
        let counted = self
            .all
            .iter()
            .filter(move |device| class.has(device.key.platform) && is(device));
        counted.map(|device| device.session)
    }

    fn was_displaced(&self, session: SessionId, key: &DeviceKey) -> bool {
        self.displaced.contains(&Displaced {
            session,
            device: digest(key),
        })
    }

    fn remember_displaced(&mut self, device: &Device) {
        if self.displaced.len() >= DISPLACED_LOGINS_MAX {
            self.displaced.remove(0);
        }
        self.displaced.push(Displaced {
            session: device.session,
            device: digest(&device.key),
        });
    }

    /// Keeps [`AWAY_DEVICES_MAX`].
    fn bound_lost(&mut self) {
        while self.count(Device::is_lost) > AWAY_DEVICES_MAX {
            let longest = self
                .all
                .iter()
                .enumerate()
                .filter_map(|(index, device)| match device.state {
                    State::Lost { forget_at } => Some((forget_at, device.session, index)),
                    State::Live { .. } | State::Grace { .. } => None,
                });
            let Some((_, _, index)) = longest.min() else {
                return;
            };
            self.all.remove(index);
        }
    }
}

impl Loss {
    /// How long a connection lost so may take to come back (R2.8, R8.10).
    pub(crate) fn grace(self, settings: &AppSettings) -> std::time::Duration {
        match self {
            Loss::LinkClosed | Loss::Timeout | Loss::Restart => settings.offline_grace,
            Loss::SlowReceiver => settings.offline_grace.max(crate::user::SLOW_RECEIVER_GRACE),
            Loss::Expired => std::time::Duration::ZERO,
        }
    }
}

/// FNV-1a of a device key: stable, so that it may be stored.
fn digest(key: &DeviceKey) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    std::iter::once(key.platform as u8)
        .chain(key.instance.bytes())
        .fold(start, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ids::Platform::{Ios, Mac, Web};
    use crate::scene::{On, Scene};
    use crate::settings::MultiLogin;
    use crate::status::{Reason, Status};
    use crate::user::LoginRefusal;

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

    /// R2.7.
    #[test]
    fn a_device_that_connects_anew_replaces_itself_silently_under_every_rule() {
        for rule in [MultiLogin::PerPlatform, MultiLogin::Single, MultiLogin::Unlimited] {
            let mut scene = Scene::with(|settings| settings.multi_login = rule);
            let old = scene.log_in(Web, "browser");
            let (new, logged_in) = scene.try_log_in(Web, "browser", None);
            let replaced = Ended {
                session: old.session,
                connection: Some(old.connection),
                why: EndedBy::Replaced,
            };
            assert_eq!(logged_in.ended, [replaced], "{rule:?}");
            assert!(new.session > old.session);
            assert!(
                !scene.lose(old, Loss::LinkClosed),
                "the end of the old connection is stale"
            );
            assert!(!scene.log_out(old), "so is its logout");
            assert_eq!(scene.status(), (Status::Online, Reason::Login));
        }
    }

    /// R8.3, R2.7.
    #[test]
    fn a_resume_keeps_its_number_and_ends_only_its_old_connection() {
        let mut scene = Scene::new();
        let old = scene.log_in(Ios, "phone");
        let version = scene.version();
        let (new, logged_in) = scene.try_log_in(Ios, "phone", Some(old));
        assert_eq!(new.session, old.session);
        let replaced = Ended {
            session: old.session,
            connection: Some(old.connection),
            why: EndedBy::Replaced,
        };
        assert_eq!(logged_in.ended, [replaced]);
        assert!(scene.is_live(new) && !scene.is_live(old));
        assert_eq!(scene.version(), version);
    }

    /// R8.3, R2.2.
    #[test]
    fn a_lost_device_that_resumes_keeps_its_number_and_brings_the_user_online() {
        let mut scene = Scene::new();
        let old = scene.log_in(Ios, "phone");
        scene.lose(old, Loss::LinkClosed);
        let (new, logged_in) = scene.try_log_in(Ios, "phone", Some(old));
        assert_eq!(
            (new.session, logged_in.ended, logged_in.changed),
            (old.session, vec![], true)
        );
        assert_eq!(scene.status(), (Status::Online, Reason::Login));
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

    /// R8.3, R8.8.
    #[test]
    fn the_number_of_a_login_that_logged_out_or_is_another_devices_means_a_new_login() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        scene.log_out(phone);
        let (again, _) = scene.try_log_in(Ios, "phone", Some(phone));
        assert!(again.session > phone.session);
        let (mac, _) = scene.try_log_in(Mac, "mac", Some(again));
        assert!(mac.session > again.session);
        assert!(scene.is_live(again), "whose number it is goes on");
        let other = scene.log_in(Ios, "other");
        assert_eq!(
            scene.attempt(Ios, "phone", Some(again), i64::MAX),
            Err(LoginRefusal::Displaced)
        );
        let (third, _) = scene.try_log_in(Ios, "third", Some(again));
        assert!(
            third.session > other.session,
            "a displaced number of another device is unknown too"
        );
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

    #[test]
    fn the_oldest_displaced_login_is_forgotten_past_the_limit() {
        let mut scene = Scene::new();
        let all: Vec<On> = (0..DISPLACED_LOGINS_MAX + 2)
            .map(|count| scene.log_in(Ios, &format!("phone {count}")))
            .collect();
        let refused = |scene: &mut Scene, index: usize| {
            scene
                .attempt(Ios, &format!("phone {index}"), Some(all[index]), i64::MAX)
                .is_err()
        };
        assert!(refused(&mut scene, 1) && refused(&mut scene, DISPLACED_LOGINS_MAX));
        assert!(!refused(&mut scene, 0), "the oldest of one more than the limit");
    }

    #[test]
    fn the_device_lost_longest_is_forgotten_past_the_limit() {
        let mut scene = Scene::with(|settings| settings.multi_login = MultiLogin::Unlimited);
        let all: Vec<On> = (0..=AWAY_DEVICES_MAX)
            .map(|count| scene.log_in(Ios, &format!("phone {count}")))
            .collect();
        for on in &all {
            scene.lose(*on, Loss::LinkClosed);
            scene.pass(Duration::from_millis(1));
        }
        assert_eq!(scene.status(), (Status::Offline, Reason::LinkClosed));
        assert_ne!(
            scene.try_log_in(Ios, "phone 0", Some(all[0])).0.session,
            all[0].session
        );
        assert_eq!(
            scene.try_log_in(Ios, "phone 1", Some(all[1])).0.session,
            all[1].session
        );
    }

    #[test]
    fn a_loss_has_no_grace_past_the_limit_of_devices_in_grace() {
        let mut scene = Scene::with(|settings| {
            settings.multi_login = MultiLogin::Unlimited;
            settings.offline_grace = Duration::from_secs(30);
        });
        for count in 0..AWAY_DEVICES_MAX {
            let on = scene.log_in(Ios, &format!("phone {count}"));
            scene.lose(on, Loss::LinkClosed);
        }
        let mac = scene.log_in(Mac, "mac");
        assert_eq!(scene.user.platforms(), Ios.bit() | Mac.bit());
        scene.lose(mac, Loss::LinkClosed);
        assert_eq!(scene.user.platforms(), Ios.bit(), "the Mac is lost at once");
        assert_eq!(scene.status().0, Status::Online);
    }
}
