//! What must outlive the process, and how it comes back: a user's presence and devices, a subscription list (R2.9, R5.8,
//! R8.3, R8.7). How it is written down is the caller's to choose.
//!
//! Deadlines leave as wall-clock time, since the monotonic clock does not outlive the process. They come back as what is
//! left of them, at most the whole of what the settings allow: a wall clock that was set back in between makes nothing
//! last longer than it may, and one that was set forward ends early what a server that was down so long would have ended.

use std::time::Duration;

use crate::devices::{Device, Devices, State};
use crate::displaced::Displaced;
use crate::ids::{DeviceKey, Platform, SessionId, UserId};
use crate::login::Loss;
use crate::settings::AppSettings;
use crate::status::{Presence, Status};
use crate::subscriptions::SubscriptionList;
use crate::time::{Mono, Now, Wall};
use crate::user::{Context, User};

/// A user as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUser<'a> {
    /// What others see.
    pub presence: Presence,
    /// The last session number given out.
    pub last_session: SessionId,
    /// UserSigs made up to this second are revoked (R8.7). `i64::MIN`: none.
    pub revoked_until_s: i64,
    /// Its devices.
    pub devices: Vec<StoredDevice<'a>>,
    /// Its displaced logins (R8.3), oldest first.
    pub displaced: Vec<StoredDisplaced>,
}

/// A device as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredDevice<'a> {
    /// What kind.
    pub platform: Platform,
    /// Which.
    pub instance: &'a str,
    /// The number of its login.
    pub session: SessionId,
    /// Where it stands.
    pub state: StoredState,
    /// When its connection came, or went.
    pub since: Wall,
}

/// Where a kept device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredState {
    /// Connected.
    Live,
    /// In grace (R2.8).
    Grace {
        /// When it ends.
        until: Wall,
        /// What is told then.
        loss: Loss,
    },
    /// Lost (R2.2).
    Lost {
        /// The end of its retention (R2.4).
        forget_at: Wall,
    },
}

/// A displaced login as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredDisplaced {
    /// Its number.
    pub session: SessionId,
    /// A digest of its device.
    pub device: u64,
}

/// A subscription list as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredList {
    /// Oldest first.
    pub ids: Vec<UserId>,
    /// Its generation.
    pub generation: u64,
    /// R5.8.
    pub restorable: bool,
    /// When it is cleared, if its owner was away (R5.8).
    pub linger_end: Option<Wall>,
}

/// No user can be like that: ONLINE without a device that is live or in grace, or not ONLINE with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction;

impl User {
    /// This user, to be kept.
    #[must_use]
    pub fn stored(&self, now: Now) -> StoredUser<'_> {
        let device = |device: &'_ Device| match device.state {
            State::Live { .. } => StoredState::Live,
            State::Grace { until, loss } => StoredState::Grace {
                until: wall_of(until, now),
                loss,
            },
            State::Lost { forget_at } => StoredState::Lost {
                forget_at: wall_of(forget_at, now),
            },
        };
        StoredUser {
            presence: self.presence.clone(),
            last_session: self.last_session,
            revoked_until_s: self.revoked_until_s,
            devices: self
                .devices
                .all
                .iter()
                .map(|kept| StoredDevice {
                    platform: kept.key.platform,
                    instance: &kept.key.instance,
                    session: kept.session,
                    state: device(kept),
                    since: kept.since,
                })
                .collect(),
            displaced: self
                .devices
                .displaced
                .iter()
                .map(|login| StoredDisplaced {
                    session: login.session,
                    device: login.device,
                })
                .collect(),
        }
    }

    /// The user that was kept, at the start of the next server. Nobody is connected to it, so devices that were live are
    /// in grace for `restart_grace` (R2.9), and those that were in grace for at least as long: they could not come back
    /// to a server that was not there. There may be more of them than `AWAY_DEVICES_MAX` until it is over.
    pub fn restored(
        stored: StoredUser<'_>,
        restart_grace: Duration,
        context: Context<'_>,
    ) -> Result<User, Contradiction> {
        let (now, settings) = (context.now, context.settings);
        let state = |state| match state {
            StoredState::Live => State::Grace {
                until: now.mono.after(restart_grace),
                loss: Loss::Restart,
            },
            StoredState::Grace { until, loss } => State::Grace {
                until: mono_of(until, now, loss.grace(settings)).max(now.mono.after(restart_grace)),
                loss,
            },
            StoredState::Lost { forget_at } => State::Lost {
                forget_at: mono_of(forget_at, now, settings.lost_device_retention),
            },
        };
        let devices = Devices {
            all: stored
                .devices
                .into_iter()
                .map(|kept| Device {
                    key: DeviceKey {
                        platform: kept.platform,
                        instance: kept.instance.into(),
                    },
                    session: kept.session,
                    since: match kept.state {
                        StoredState::Live => now.wall,
                        StoredState::Grace { .. } | StoredState::Lost { .. } => kept.since,
                    },
                    state: state(kept.state),
                })
                .collect(),
            displaced: stored
                .displaced
                .into_iter()
                .map(|login| Displaced {
                    session: login.session,
                    device: login.device,
                })
                .collect(),
        };
        if (stored.presence.status == Status::Online) != devices.any_live() {
            return Err(Contradiction);
        }
        Ok(User {
            presence: stored.presence,
            devices,
            last_session: stored.last_session,
            revoked_until_s: stored.revoked_until_s,
        })
    }

    /// Every grace ends so much later: the server listens only now, so much after users were restored (R2.9).
    pub fn prolong_graces(&mut self, by: Duration) {
        for device in &mut self.devices.all {
            if let State::Grace { until, .. } = &mut device.state {
                *until = until.after(by);
            }
        }
    }
}

impl SubscriptionList {
    /// This list, to be kept.
    #[must_use]
    pub fn stored(&self, now: Now) -> StoredList {
        StoredList {
            ids: self.ids.clone(),
            generation: self.generation,
            restorable: self.restorable,
            linger_end: self.linger_end.map(|end| wall_of(end, now)),
        }
    }

    /// The list that was kept, at the start of the next server. What is left of its linger goes on; the time in which
    /// there was no server counts.
    #[must_use]
    pub fn restored(stored: StoredList, now: Now, settings: &AppSettings) -> SubscriptionList {
        SubscriptionList {
            restorable: stored.restorable && stored.ids.is_empty(),
            linger_end: stored
                .linger_end
                .filter(|_| !stored.ids.is_empty())
                .map(|end| mono_of(end, now, settings.subscription_linger)),
            generation: stored.generation.max(1),
            ids: stored.ids,
        }
    }
}

fn wall_of(deadline: Mono, now: Now) -> Wall {
    let left = i128::from(deadline.0) - i128::from(now.mono.0);
    let wall = (i128::from(now.wall.0) + left).clamp(i64::MIN.into(), i64::MAX.into());
    Wall(i64::try_from(wall).unwrap_or(i64::MAX))
}

/// At most `most` from now.
fn mono_of(deadline: Wall, now: Now, most: Duration) -> Mono {
    let left = i128::from(deadline.0) - i128::from(now.wall.0);
    let left = Duration::from_millis(u64::try_from(left.max(0)).unwrap_or(u64::MAX));
    now.mono.after(left.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Platform::{Ios, Mac, Web};
    use crate::login::{LoginRefusal, SLOW_RECEIVER_GRACE};
    use crate::scene::{FLOOR, Scene};
    use crate::status::{Reason, Version};

    const GRACE: Duration = Duration::from_secs(45);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// The server ends and another begins after `down`, with a monotonic clock that knows nothing of the first.
    fn restart(scene: &mut Scene, down: Duration) {
        let stored = scene.user.stored(scene.now);
        let now = Now {
            mono: Mono(77),
            wall: Wall(scene.now.wall.0 + i64::try_from(down.as_millis()).expect("short")),
        };
        let context = Context {
            now,
            floor: Version(FLOOR.0 * 1_000),
            settings: &scene.settings,
        };
        let user = User::restored(stored, GRACE, context).expect("a user that was");
        scene.user = user;
        scene.now = now;
    }

    /// R2.9, R8.3.
    #[test]
    fn who_returns_after_a_restart_was_never_away() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        scene.set("busy");
        let before = scene.user.presence().clone();
        restart(&mut scene, Duration::from_secs(10));
        assert_eq!(scene.user.presence(), &before);
        assert_eq!(
            (scene.user.platforms(), scene.user.connections().count()),
            (Ios.bit(), 0)
        );
        let (back, logged_in) = scene.try_log_in(Ios, "phone", Some(phone));
        assert_eq!(
            (back.session, logged_in.ended, logged_in.changed),
            (phone.session, vec![], false)
        );
        assert!(!scene.pass(DAY));
        assert_eq!(scene.user.presence(), &before);
    }

    /// R2.9, R3.3, R6.7: however long the server was down.
    #[test]
    fn who_does_not_return_is_offline_after_the_grace_of_a_restart() {
        for down in [Duration::ZERO, DAY * 30] {
            let mut scene = Scene::new();
            scene.log_in(Ios, "phone");
            scene.set("busy");
            restart(&mut scene, down);
            assert!(!scene.pass(GRACE - Duration::from_millis(1)));
            assert!(scene.pass(Duration::from_millis(1)));
            assert_eq!(
                (scene.status(), scene.custom()),
                ((Status::Offline, Reason::Server), "")
            );
            assert_eq!(scene.user.next_deadline(), Some(scene.now.mono.after(7 * DAY)));
        }
    }

    /// R2.8, R2.9: nobody could come back to a server that was not there.
    #[test]
    fn a_grace_that_ran_lasts_at_least_as_long_as_that_of_the_restart() {
        for (offline_grace_s, left_s) in [(10, 45), (600, 590)] {
            let mut scene =
                Scene::with(|settings| settings.offline_grace = Duration::from_secs(offline_grace_s));
            let phone = scene.log_in(Ios, "phone");
            scene.lose(phone, Loss::Timeout);
            restart(&mut scene, Duration::from_secs(10));
            let end = scene.now.mono.after(Duration::from_secs(left_s));
            assert_eq!(scene.user.next_deadline(), Some(end));
            scene.pass(Duration::from_secs(left_s));
            assert_eq!(scene.status(), (Status::Offline, Reason::Timeout));
        }
    }

    /// R2.4.
    #[test]
    fn a_lost_device_keeps_what_is_left_of_its_retention() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        scene.lose(phone, Loss::LinkClosed);
        restart(&mut scene, 2 * DAY);
        assert_eq!(scene.status(), (Status::Offline, Reason::LinkClosed));
        assert_eq!(scene.user.next_deadline(), Some(scene.now.mono.after(5 * DAY)));
        let (back, _) = scene.try_log_in(Ios, "phone", Some(phone));
        assert_eq!(back.session, phone.session, "R8.3");
    }

    /// A wall clock that was set back or forward while there was no server.
    #[test]
    fn no_deadline_is_longer_than_the_settings_allow_whatever_the_clock_says() {
        let mut scene = Scene::with(|settings| settings.offline_grace = Duration::from_secs(60));
        let phone = scene.log_in(Ios, "phone");
        let mac = scene.log_in(Mac, "mac");
        scene.lose(phone, Loss::Expired);
        scene.lose(mac, Loss::LinkClosed);
        scene.now.wall.0 -= 10 * 365 * 24 * 3600 * 1000;
        let stored = scene.user.stored(scene.now);
        let settings = &scene.settings;
        let at = |wall| Context {
            now: Now {
                mono: Mono(1_000),
                wall: Wall(wall),
            },
            floor: FLOOR,
            settings,
        };
        let ends = |user: User| {
            let states = user.devices.all.into_iter().map(|device| match device.state {
                State::Grace { until, .. } => until.since(Mono(1_000)),
                State::Lost { forget_at } => forget_at.since(Mono(1_000)),
                State::Live { .. } => unreachable!("nobody is connected"),
            });
            states.collect::<Vec<_>>()
        };
        let restored = |wall| ends(User::restored(stored.clone(), GRACE, at(wall)).expect("a user that was"));
        assert_eq!(restored(0), [7 * DAY, Duration::from_secs(60)]);
        assert_eq!(restored(i64::MIN), [7 * DAY, Duration::from_secs(60)]);
        assert_eq!(restored(i64::MAX), [Duration::ZERO, GRACE]);
    }

    /// R8.7, R8.3.
    #[test]
    fn a_kick_and_a_displaced_login_outlive_the_restart() {
        let mut scene = Scene::new();
        let first = scene.log_in(Ios, "first");
        scene.log_in(Ios, "second");
        restart(&mut scene, Duration::ZERO);
        assert_eq!(
            scene.attempt(Ios, "first", Some(first), i64::MAX),
            Err(LoginRefusal::Displaced)
        );
        let signed_at_s = scene.now.wall.0 / 1000;
        scene.kick();
        restart(&mut scene, Duration::ZERO);
        assert_eq!(scene.status(), (Status::Unlogined, Reason::Kicked));
        assert_eq!(
            scene.attempt(Web, "web", None, signed_at_s),
            Err(LoginRefusal::Revoked)
        );
        let (web, _) = scene
            .attempt(Web, "web", None, signed_at_s + 1)
            .expect("a fresh UserSig");
        assert_eq!(web.session, SessionId(FLOOR.0 + 2), "above all given out before");
    }

    #[test]
    fn graces_are_prolonged_by_what_the_start_took() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        scene.lose(phone, Loss::SlowReceiver);
        scene.log_in(Mac, "mac");
        restart(&mut scene, SLOW_RECEIVER_GRACE);
        scene.user.prolong_graces(Duration::from_secs(5));
        let end = scene.now.mono.after(GRACE + Duration::from_secs(5));
        assert_eq!(scene.user.next_deadline(), Some(end));
    }

    #[test]
    fn a_user_that_cannot_be_is_refused() {
        let mut scene = Scene::new();
        scene.log_in(Ios, "phone");
        let online = scene.user.stored(scene.now);
        let context = Context {
            now: scene.now,
            floor: FLOOR,
            settings: &scene.settings,
        };
        let alone = StoredUser {
            devices: Vec::new(),
            ..online.clone()
        };
        assert_eq!(User::restored(alone, GRACE, context), Err(Contradiction));
        let mut offline = online;
        offline.presence.status = Status::Offline;
        assert_eq!(User::restored(offline, GRACE, context), Err(Contradiction));
    }

    /// R5.8.
    #[test]
    fn a_list_keeps_what_is_left_of_its_linger() {
        let settings = AppSettings::default();
        let id = UserId::new("a").expect("a user id");
        let mut list = SubscriptionList::new(500);
        list.subscribe(&[id], &settings);
        let now = Now {
            mono: Mono(9_000),
            wall: Wall(1_000_000),
        };
        assert_eq!(list.stored(now).linger_end, None);
        list.owner_gone(now, &settings);
        let stored = list.stored(now);
        let restored = |wall| {
            let now = Now {
                mono: Mono(5),
                wall: Wall(wall),
            };
            SubscriptionList::restored(stored.clone(), now, &settings)
        };
        let left = |list: &SubscriptionList| list.next_deadline().map(|end| end.since(Mono(5)).as_secs());
        assert_eq!(left(&restored(1_000_000)), Some(300));
        assert_eq!(left(&restored(1_100_000)), Some(200));
        assert_eq!(left(&restored(0)), Some(300), "the clock was set back");
        let mut late = restored(i64::MAX);
        assert_eq!(left(&late), Some(0), "it ended while there was no server");
        let generation = late.generation();
        let change = late.advance(Now {
            mono: Mono(5),
            ..Now::default()
        });
        assert_eq!(change.removed, [id]);
        assert!(late.is_restorable() && late.generation() > generation);
        late.lift(900);
        late.lift(7);
        assert_eq!(late.generation(), 900);
    }
}
