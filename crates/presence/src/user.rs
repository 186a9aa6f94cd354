//! One account: its devices, its presence, its version (R1.3–R1.5, R2, R3, R6.5, R8.3, R8.7).

use crate::devices::Devices;
use crate::ids::{ConnectionId, DeviceKey, Platform, SessionId};
use crate::login::{Ended, LoggedIn, Login, LoginRefusal, Loss};
use crate::settings::AppSettings;
use crate::status::{CustomStatus, Presence, Reason, Status, Version};
use crate::time::{Mono, Now, Wall};

/// What every step needs besides its event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time of the step.
    pub now: Now,
    /// Above every version given out before this start of the engine (R6.5); session numbers rise from it too.
    pub floor: Version,
    /// The app's settings at this moment.
    pub settings: &'a AppSettings,
}

/// A device as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    /// Platform and instance (R1.3).
    pub key: DeviceKey,
    /// The number of its login (R8.3).
    pub session: SessionId,
    /// Where it stands.
    pub standing: Standing,
    /// When its connection came (live), or went (in grace, lost).
    pub since: Wall,
}

/// Where a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Connected.
    Live,
    /// Its connection went and may come back unnoticed: it counts as live (R2.8).
    Grace,
    /// Its connection went without a logout (R2.2).
    Lost,
}

/// What must outlive a deleted account (R1.5), so that a later one of its name is newer than all that was told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The last version given out.
    pub version: Version,
    /// The last session number given out.
    pub session: SessionId,
    /// UserSigs made up to this second are revoked (R8.7). `i64::MIN`: none.
    pub revoked_until_s: i64,
}

impl Mark {
    /// Whether a UserSig made at this second since the epoch is revoked (R8.7), also while there is no account.
    #[must_use]
    pub fn is_revoked(&self, signed_at_s: i64) -> bool {
        signed_at_s <= self.revoked_until_s
    }
}

/// One account. See the module.
///
/// Time passes by [`User::advance`] alone: call it first when [`User::next_deadline`] is not after now. A step that
/// finds a grace that ended but was not carried out takes it as still running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub(crate) presence: Presence,
    pub(crate) devices: Devices,
    pub(crate) last_session: SessionId,
    /// UserSigs made up to this second are revoked (R8.7).
    pub(crate) revoked_until_s: i64,
}

impl User {
    /// A newly registered account: UNLOGINED, at a version not below the floor, so that a watcher that knew it before a
    /// restart learns what is true now (R1.2, R6.5).
    #[must_use]
    pub fn registered(context: Context<'_>) -> User {
        let never = Mark {
            version: Version(0),
            session: SessionId(0),
            revoked_until_s: i64::MIN,
        };
        User::registered_again(never, context)
    }

    /// A newly registered account whose name an account had that was deleted since (R1.5).
    #[must_use]
    pub fn registered_again(mark: Mark, context: Context<'_>) -> User {
        let presence = Presence {
            status: Status::Unlogined,
            custom: CustomStatus::default(),
            version: mark.version.next(context.floor),
            since: context.now.wall,
            reason: Reason::Server,
        };
        User {
            presence,
            devices: Devices::default(),
            last_session: mark.session,
            revoked_until_s: mark.revoked_until_s,
        }
    }

    /// What to keep when the account is deleted, after [`User::kick`] (R1.5).
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            version: self.presence.version,
            session: self.last_session,
            revoked_until_s: self.revoked_until_s,
        }
    }

    /// What others may see.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The platforms of live devices, as bits (R1.4).
    #[must_use]
    pub fn platforms(&self) -> u32 {
        self.devices.platforms()
    }

    /// The sessions that have a connection now, with it: who hears of this user's changes as its own device (R6.1).
    pub fn connections(&self) -> impl Iterator<Item = (SessionId, ConnectionId)> + '_ {
        self.devices.connections()
    }

    /// Its devices, in the order of their logins.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceView> {
        let mut devices: Vec<DeviceView> = self.devices.views().collect();
        devices.sort_by_key(|device| device.session);
        devices
    }

    /// Whether `session` is live on `connection`: events of any other connection are stale and change nothing.
    #[must_use]
    pub fn is_current(&self, session: SessionId, connection: ConnectionId) -> bool {
        self.devices.is_current(session, connection)
    }

    /// The platform of the device that is live with `session` on `connection`; `None`: an event of it is stale (R2.7).
    #[must_use]
    pub fn platform_of(&self, session: SessionId, connection: ConnectionId) -> Option<Platform> {
        self.devices
            .current(session, connection)
            .map(|device| device.key.platform)
    }

    /// The devices that count as live: the platform of each, and the connection of those that have one (R10.1).
    pub fn live_devices(&self) -> impl Iterator<Item = (Platform, Option<ConnectionId>)> + '_ {
        self.devices
            .live()
            .map(|device| (device.key.platform, device.connection()))
    }

    /// Whether the session's connection was lost and may still come back unnoticed (R2.8).
    #[must_use]
    pub fn is_in_grace(&self, session: SessionId) -> bool {
        self.devices.is_in_grace(session)
    }

    /// The devices whose grace [`User::advance`] would end at `now`, and how each was lost (R2.8, R10.1).
    pub fn graces_over(&self, now: Mono) -> impl Iterator<Item = (Platform, Loss)> + '_ {
        self.devices.graces_over(now)
    }

    /// Whether a UserSig made at this second since the epoch is revoked (R8.7).
    #[must_use]
    pub fn is_revoked(&self, signed_at_s: i64) -> bool {
        signed_at_s <= self.revoked_until_s
    }

    /// A device logs in or comes back (R2.4, R2.7, R8.3). Of a live user nothing changes but the platforms (R1.4).
    pub fn log_in(&mut self, login: Login, context: Context<'_>) -> Result<LoggedIn, LoginRefusal> {
        if self.is_revoked(login.signed_at_s) {
            return Err(LoginRefusal::Revoked);
        }
        let next_session = SessionId((self.last_session.0 + 1).max(context.floor.0));
        let Some(entered) = self
            .devices
            .enter(&login, next_session, context.now.wall, context.settings)
        else {
            return Err(LoginRefusal::Displaced);
        };
        self.last_session = self.last_session.max(entered.session);
        let changed = self.settle(Reason::Login, context);
        Ok(LoggedIn {
            session: entered.session,
            ended: entered.ended,
            kicked: entered.kicked,
            changed,
        })
    }

    /// A connection went away without a logout (R2.6, R2.8). True if the presence changed. A stale event changes nothing (R2.7).
    pub fn lose(
        &mut self,
        session: SessionId,
        connection: ConnectionId,
        loss: Loss,
        context: Context<'_>,
    ) -> bool {
        self.devices
            .lose(session, connection, loss, context.now, context.settings)
            && self.settle(loss.reason(), context)
    }

    /// A device logs out (R8.8). True if the presence changed. A stale event changes nothing.
    pub fn log_out(&mut self, session: SessionId, connection: ConnectionId, context: Context<'_>) -> bool {
        self.devices.leave(session, connection) && self.settle(Reason::Logout, context)
    }

    /// A device sets the custom status (R3). True if the presence changed (R3.2). The caller has checked that the
    /// device [is current](User::is_current); without a live device there is no custom status to set (R3.3).
    pub fn set_custom_status(&mut self, custom: CustomStatus, context: Context<'_>) -> bool {
        if self.presence.status != Status::Online || self.presence.custom == custom {
            return false;
        }
        self.presence.custom = custom;
        self.change(Reason::CustomStatus, context);
        true
    }

    /// The backend ends all devices and revokes every UserSig made up to this second (R8.7). The sessions that ended,
    /// lost ones too, and whether the presence changed.
    pub fn kick(&mut self, context: Context<'_>) -> (Vec<Ended>, bool) {
        // The wall clock may have gone back since the last kick, whose word still holds.
        self.revoked_until_s = self.revoked_until_s.max(context.now.wall.0.div_euclid(1000));
        let ended = self.devices.end_all();
        let changed = self.become_status(Status::Unlogined, Reason::Kicked, context);
        (ended, changed)
    }

    /// When [`User::advance`] has something to do: the end of a grace or of a retention.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.devices.next_deadline()
    }

    /// Carries out what is due (R2.4, R2.8). True if the presence changed.
    pub fn advance(&mut self, context: Context<'_>) -> bool {
        let lost = self.devices.end_graces(context.now.mono, context.settings);
        let changed = lost.is_some_and(|loss| self.settle(loss.reason(), context));
        // After the above: a device may pass through both, and forgetting never changes the status (R2.4).
        self.devices.forget_lost(context.now.mono);
        changed
    }

    /// Draws the status from the devices (R2.4). Only after a device came or went.
    pub(crate) fn settle(&mut self, reason: Reason, context: Context<'_>) -> bool {
        let status = if self.devices.any_live() {
            Status::Online
        } else if self.devices.any_lost() {
            Status::Offline
        } else {
            Status::Unlogined
        };
        self.become_status(status, reason, context)
    }

    /// The custom status goes in the same change (R3.3).
    fn become_status(&mut self, status: Status, reason: Reason, context: Context<'_>) -> bool {
        if self.presence.status == status {
            return false;
        }
        self.presence.status = status;
        if status != Status::Online {
            self.presence.custom = CustomStatus::default();
        }
        self.change(reason, context);
        true
    }

    /// One change: a new version (R6.5), its time and its reason (R6.7).
    fn change(&mut self, reason: Reason, context: Context<'_>) {
        self.presence.version = self.presence.version.next(context.floor);
        // The wall clock may go back; what is told does not.
        self.presence.since = self.presence.since.max(context.now.wall);
        self.presence.reason = reason;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ids::Platform::{Ios, Mac};
    use crate::login::{EndedBy, SLOW_RECEIVER_GRACE};
    use crate::scene::{FLOOR, START_S, Scene};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// R1.2, R2.3, R6.5.
    #[test]
    fn a_new_account_is_unlogined_at_the_floor() {
        let scene = Scene::new();
        let presence = scene.user.presence();
        assert_eq!(scene.status(), (Status::Unlogined, Reason::Server));
        assert_eq!((presence.version, presence.since), (FLOOR, Wall(START_S * 1000)));
        assert_eq!((scene.user.platforms(), scene.user.next_deadline()), (0, None));
    }

    /// R2.1, R1.4.
    #[test]
    fn the_first_login_makes_online_and_the_second_changes_only_the_platforms() {
        let mut scene = Scene::new();
        assert!(scene.try_log_in(Ios, "phone", None).1.changed);
        assert_eq!(scene.status(), (Status::Online, Reason::Login));
        let version = scene.version();
        assert!(!scene.try_log_in(Mac, "mac", None).1.changed);
        assert_eq!(scene.version(), version);
        assert_eq!(scene.user.platforms(), Ios.bit() | Mac.bit());
        assert_eq!(scene.user.connections().count(), 2);
    }

    /// R2.4.
    #[test]
    fn a_second_device_going_offline_keeps_the_user_online() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        let mac = scene.log_in(Mac, "mac");
        assert!(!scene.lose(mac, Loss::LinkClosed));
        assert_eq!(scene.user.platforms(), Ios.bit());
        assert!(scene.lose(phone, Loss::Timeout));
        assert_eq!(scene.status(), (Status::Offline, Reason::Timeout));
    }

    /// R1.3.
    #[test]
    fn devices_are_seen_with_where_they_stand_and_since_when() {
        let mut scene = Scene::with(|settings| settings.offline_grace = Duration::from_secs(3));
        let phone = scene.log_in(Ios, "phone");
        scene.pass(Duration::from_secs(1));
        scene.log_in(Mac, "mac");
        scene.pass(Duration::from_secs(1));
        scene.lose(phone, Loss::LinkClosed);
        let seen = |scene: &Scene| {
            let devices = scene.user.devices().into_iter();
            devices
                .map(|device| {
                    (
                        device.key.platform,
                        device.standing,
                        device.since.0 - START_S * 1000,
                    )
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            seen(&scene),
            [(Ios, Standing::Grace, 2_000), (Mac, Standing::Live, 1_000)]
        );
        scene.pass(Duration::from_secs(3));
        assert_eq!(
            seen(&scene),
            [(Ios, Standing::Lost, 2_000), (Mac, Standing::Live, 1_000)]
        );
    }

    /// R2.2, R2.6, R6.7, R8.4, R8.10.
    #[test]
    fn each_way_to_go_without_a_logout_is_offline_with_its_reason() {
        for (loss, reason) in [
            (Loss::LinkClosed, Reason::LinkClosed),
            (Loss::Timeout, Reason::Timeout),
            (Loss::Expired, Reason::Expired),
            (Loss::SlowReceiver, Reason::LinkClosed),
        ] {
            let mut scene = Scene::new();
            let phone = scene.log_in(Ios, "phone");
            let at_once = scene.lose(phone, loss);
            assert_eq!(at_once, loss != Loss::SlowReceiver);
            assert_eq!(scene.pass(SLOW_RECEIVER_GRACE), !at_once);
            assert_eq!(scene.status(), (Status::Offline, reason));
        }
    }

    /// R2.3, R8.8.
    #[test]
    fn the_last_logout_makes_unlogined() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        let mac = scene.log_in(Mac, "mac");
        assert!(!scene.log_out(phone));
        assert!(scene.log_out(mac));
        assert_eq!(scene.status(), (Status::Unlogined, Reason::Logout));
        assert!(!scene.log_out(mac), "once is enough");
    }

    /// R2.4.
    #[test]
    fn the_last_logout_makes_offline_while_another_device_is_lost() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        let mac = scene.log_in(Mac, "mac");
        scene.lose(phone, Loss::LinkClosed);
        assert!(scene.log_out(mac));
        assert_eq!(scene.status(), (Status::Offline, Reason::Logout));
    }

    /// R2.4.
    #[test]
    fn a_lost_device_is_forgotten_after_its_retention_and_the_status_stays() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        scene.lose(phone, Loss::LinkClosed);
        let version = scene.version();
        assert_eq!(scene.user.next_deadline(), Some(scene.now.mono.after(7 * DAY)));
        assert!(!scene.pass(7 * DAY));
        assert_eq!(
            (scene.status().0, scene.version()),
            (Status::Offline, version),
            "never recomputed"
        );
        assert_eq!(scene.user.next_deadline(), None);
        let mac = scene.log_in(Mac, "mac");
        scene.log_out(mac);
        assert_eq!(
            scene.status().0,
            Status::Unlogined,
            "the phone does not count any more"
        );
    }

    /// R2.8.
    #[test]
    fn a_device_in_grace_counts_as_live_until_the_grace_ends() {
        let mut scene = Scene::with(|settings| settings.offline_grace = Duration::from_secs(3));
        let phone = scene.log_in(Ios, "phone");
        scene.set("busy");
        assert!(!scene.lose(phone, Loss::Timeout));
        assert_eq!((scene.status().0, scene.custom()), (Status::Online, "busy"));
        assert_eq!(
            (scene.user.platforms(), scene.user.connections().count()),
            (Ios.bit(), 0)
        );
        assert!(!scene.lose(phone, Loss::Timeout), "it is not lost twice");
        assert!(!scene.pass(Duration::from_millis(2_999)));
        assert!(scene.pass(Duration::from_millis(1)));
        assert_eq!(
            (scene.status(), scene.custom()),
            ((Status::Offline, Reason::Timeout), "")
        );
        assert_eq!(scene.user.next_deadline(), Some(scene.now.mono.after(7 * DAY)));
    }

    /// R2.8.
    #[test]
    fn whoever_returns_in_grace_was_never_away() {
        let mut scene = Scene::with(|settings| settings.offline_grace = Duration::from_secs(3));
        let phone = scene.log_in(Ios, "phone");
        scene.set("busy");
        let version = scene.version();
        scene.lose(phone, Loss::LinkClosed);
        let (back, logged_in) = scene.try_log_in(Ios, "phone", Some(phone));
        assert_eq!(
            (back.session, logged_in.ended, logged_in.changed),
            (phone.session, vec![], false)
        );
        assert!(!scene.pass(DAY));
        assert_eq!((scene.version(), scene.custom()), (version, "busy"));
    }

    /// R2.8, R8.10.
    #[test]
    fn an_expired_usersig_has_no_grace_and_a_slow_receiver_at_least_ten_seconds() {
        let mut scene = Scene::with(|settings| settings.offline_grace = Duration::from_secs(30));
        let phone = scene.log_in(Ios, "phone");
        assert!(scene.lose(phone, Loss::Expired));
        for (offline_grace_s, expected_s) in [(0, 10), (3, 10), (30, 30)] {
            let mut scene =
                Scene::with(|settings| settings.offline_grace = Duration::from_secs(offline_grace_s));
            let phone = scene.log_in(Ios, "phone");
            assert!(!scene.lose(phone, Loss::SlowReceiver));
            let end = scene.now.mono.after(Duration::from_secs(expected_s));
            assert_eq!(scene.user.next_deadline(), Some(end));
        }
    }

    /// R2.4, R2.8: a server that slept through the grace and the retention.
    #[test]
    fn a_late_look_tells_the_end_of_the_grace_and_forgets_the_device() {
        let mut scene = Scene::with(|settings| settings.offline_grace = Duration::from_secs(3));
        let phone = scene.log_in(Ios, "phone");
        scene.lose(phone, Loss::LinkClosed);
        assert!(scene.pass(8 * DAY));
        assert_eq!(
            (scene.status().0, scene.user.next_deadline()),
            (Status::Offline, None)
        );
    }

    /// R3.2, R3.4.
    #[test]
    fn a_custom_status_is_a_change_unless_it_is_the_same() {
        let mut scene = Scene::new();
        scene.log_in(Ios, "phone");
        assert!(scene.set("busy"));
        assert_eq!(
            (scene.status(), scene.custom()),
            ((Status::Online, Reason::CustomStatus), "busy")
        );
        let version = scene.version();
        assert!(!scene.set("busy"));
        assert_eq!(scene.version(), version);
        assert!(scene.set(""));
        assert!(!scene.set(""));
        assert_eq!((scene.custom(), scene.version()), ("", version + 1));
    }

    /// R3.3.
    #[test]
    fn the_custom_status_goes_with_online_in_the_same_change() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        scene.set("busy");
        let version = scene.version();
        scene.lose(phone, Loss::LinkClosed);
        assert_eq!((scene.custom(), scene.version()), ("", version + 1));
        assert!(!scene.set("away"), "nobody is there to set one");
        scene.log_in(Ios, "phone");
        assert_eq!(scene.custom(), "", "it does not come back");
    }

    /// R6.5.
    #[test]
    fn versions_and_session_numbers_start_above_the_floor_and_rise() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        assert_eq!(
            (scene.version(), phone.session),
            (FLOOR.0 + 1, SessionId(FLOOR.0))
        );
        scene.log_out(phone);
        let phone = scene.log_in(Ios, "phone");
        assert_eq!(
            (scene.version(), phone.session),
            (FLOOR.0 + 3, SessionId(FLOOR.0 + 1))
        );
        let later = Context {
            now: scene.now,
            floor: Version(9_000),
            settings: &scene.settings,
        };
        assert!(scene.user.log_out(phone.session, phone.connection, later));
        assert_eq!(scene.version(), 9_000);
    }

    /// R6.7: the wall clock goes back, what is told does not.
    #[test]
    fn since_is_the_time_of_the_change_and_never_goes_back() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        scene.pass(Duration::from_millis(1_500));
        scene.set("busy");
        assert_eq!(scene.user.presence().since, Wall(START_S * 1000 + 1_500));
        scene.now.wall = Wall(START_S * 1000);
        scene.lose(phone, Loss::LinkClosed);
        assert_eq!(scene.user.presence().since, Wall(START_S * 1000 + 1_500));
    }

    /// R8.7.
    #[test]
    fn a_kick_ends_live_graced_and_lost_devices_in_one_change() {
        let mut scene = Scene::new();
        let lost = scene.log_in(Ios, "phone");
        scene.lose(lost, Loss::LinkClosed);
        let graced = scene.log_in(crate::ids::Platform::Web, "web");
        scene.lose(graced, Loss::SlowReceiver);
        let live = scene.log_in(Mac, "mac");
        scene.set("busy");
        let version = scene.version();
        let (ended, changed) = scene.kick();
        let kicked = |session, connection| Ended {
            session,
            connection,
            why: EndedBy::Kicked,
        };
        let expected = [
            kicked(lost.session, None),
            kicked(graced.session, None),
            kicked(live.session, Some(live.connection)),
        ];
        assert_eq!(ended, expected);
        assert!(changed);
        assert_eq!(
            (scene.status(), scene.custom()),
            ((Status::Unlogined, Reason::Kicked), "")
        );
        assert_eq!((scene.version(), scene.user.next_deadline()), (version + 1, None));
        assert_eq!(scene.kick(), (vec![], false), "nothing is left to change");
    }

    /// R8.7.
    #[test]
    fn a_kick_revokes_what_was_signed_up_to_that_second_even_of_a_user_never_seen() {
        let mut scene = Scene::new();
        scene.now.wall.0 += 999;
        assert_eq!(scene.kick(), (vec![], false));
        assert_eq!(
            scene.attempt(Ios, "phone", None, START_S),
            Err(LoginRefusal::Revoked)
        );
        assert!(scene.user.is_revoked(START_S) && !scene.user.is_revoked(START_S + 1));
        // The wall clock went back: the earlier kick still holds.
        scene.now.wall.0 -= 60_000;
        scene.kick();
        assert!(scene.user.is_revoked(START_S));
        assert!(scene.attempt(Ios, "phone", None, START_S + 1).is_ok());
    }

    /// R1.5, R6.5, R8.7.
    #[test]
    fn an_account_registered_again_is_newer_than_the_deleted_one() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        scene.kick();
        let mark = scene.user.mark();
        scene.user = scene.step(|_, context| User::registered_again(mark, context));
        assert_eq!(scene.status(), (Status::Unlogined, Reason::Server));
        assert_eq!(scene.version(), mark.version.0 + 1);
        assert_eq!(
            scene.attempt(Ios, "phone", None, START_S),
            Err(LoginRefusal::Revoked)
        );
        let (again, _) = scene
            .attempt(Ios, "phone", Some(phone), START_S + 1)
            .expect("a fresh UserSig");
        assert!(again.session > phone.session);
    }

    /// A million accounts fit.
    #[test]
    fn a_record_is_small() {
        assert!(size_of::<User>() <= 112, "{}", size_of::<User>());
        assert!(
            size_of::<crate::devices::Device>() <= 64,
            "{}",
            size_of::<crate::devices::Device>()
        );
    }
}
