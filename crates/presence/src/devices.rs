//! The devices of one account: live, in grace, lost (R1.3, R2.7, R2.8). Which of them make room for one that enters is
//! `multi_login`'s.
//!
//! It knows nothing of presence or versions: [`User`](crate::user::User) asks it who is there and draws the
//! conclusions. Invariants: a [`DeviceKey`] and a [`SessionId`] stand here once at most.

use crate::displaced::DisplacedLogins;
use crate::ids::{ConnectionId, DeviceKey, Platform, SessionId};
use crate::login::{Ended, EndedBy, Login, Loss};
use crate::settings::AppSettings;
use crate::time::{Mono, Now, Wall};
use crate::user::{DeviceView, Standing};

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
    pub(crate) fn is_live(&self) -> bool {
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

    pub(crate) fn ended(&self, why: EndedBy) -> Ended {
        Ended {
            session: self.session,
            connection: self.connection(),
            why,
        }
    }
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
    pub(crate) displaced: DisplacedLogins,
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
            if self.displaced.has(resumed, &login.device) {
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
                    self.displaced.remember(lost.session, &lost.key);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ids::Platform::{Ios, Mac, Web};
    use crate::login::LoginRefusal;
    use crate::scene::{On, Scene};
    use crate::settings::MultiLogin;
    use crate::status::{Reason, Status};

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
