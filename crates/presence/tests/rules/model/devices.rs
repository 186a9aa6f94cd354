//! The model's devices: R2, R8.3, R8.7.

use std::time::Duration;

use presence::ids::{DeviceKey, Platform, SessionId, UserKey};
use presence::login::{Ended, EndedBy, Login, LoginRefusal, Loss};
use presence::settings::MultiLogin;
use presence::status::{Reason, Status};
use presence::time::Mono;

use super::{Device, Model};
use crate::mutant::Mutant;
use crate::step::{Answer, by_session};

impl Model {
    pub(super) fn log_in(&mut self, user: UserKey, login: &Login) -> Answer {
        let is_new = self.account(user).is_none();
        let revoked_until_s = match self.account(user) {
            Some(account) => account.revoked_until_s,
            None => self
                .deleted
                .iter()
                .find(|old| old.key == user)
                .and_then(|old| old.revoked_until_s),
        };
        // R8.7: made at or before that second.
        let is_revoked = revoked_until_s.is_some_and(|second| {
            if self.is(Mutant::RevokesOnlyBefore) {
                login.signed_at_s < second
            } else {
                login.signed_at_s <= second
            }
        });
        if is_revoked {
            return Answer::LoginRefused(LoginRefusal::Revoked);
        }
        // R8.3: a reconnect carries its login's number.
        let mut session = None;
        let mut ended = Vec::new();
        if let Some(number) = login.resumes {
            let displaced = self.displaced.contains(&(user, login.device.clone(), number));
            if displaced && !self.is(Mutant::DisplacedReturns) {
                return Answer::LoginRefused(LoginRefusal::Displaced);
            }
            let same = |device: &&Device| {
                device.owner == user && device.key == login.device && device.session == number
            };
            if let Some(device) = self.devices.iter().find(same).cloned() {
                session = Some(number);
                if let Some(connection) = device.connection {
                    // R2.7: the old connection is closed, silently.
                    ended.push(Ended {
                        session: number,
                        connection: Some(connection),
                        why: EndedBy::Replaced,
                    });
                }
                if !device.counts_as_live()
                    && self.newer(&device, true) >= self.devices_max(user, &login.device)
                {
                    self.devices
                        .retain(|other| other.owner != user || other.session != number);
                    self.displaced.push((user, device.key, number));
                    return Answer::LoginRefused(LoginRefusal::Displaced);
                }
                // One that is live all along makes nobody leave.
                if device.counts_as_live() {
                    let device = self
                        .devices
                        .iter_mut()
                        .find(|device| device.owner == user && device.session == number);
                    let device = device.expect("found above");
                    device.grace = None;
                    device.connection = Some(login.connection);
                    return self.logged_in(user, number, ended);
                }
            }
        }
        if is_new {
            self.register(user);
        }
        let next = SessionId((self.expect_account(user).last_session + 1).max(self.floor));
        let session = session.unwrap_or(next);
        // R2.7: the same device, whatever the multi-login rule.
        for device in self.take_devices(|device| device.owner == user && device.key == login.device) {
            if device.session != session {
                ended.push(Ended {
                    session: device.session,
                    connection: device.connection,
                    why: EndedBy::Replaced,
                });
            }
        }
        self.devices.push(Device {
            owner: user,
            key: login.device.clone(),
            session,
            connection: Some(login.connection),
            grace: None,
            forget_at: None,
        });
        // R8.3 for the live, R2.4 for the lost ones: whoever is not among the newest that are allowed.
        let allowed = self.devices_max(user, &login.device);
        let leaves = |model: &Model, device: &Device| {
            let concerned = device.owner == user
                && device.session != session
                && model.same_class(user, &device.key, &login.device);
            let spared = model.is(Mutant::LoginSparesLost) && !device.counts_as_live();
            concerned && !spared && model.newer(device, device.counts_as_live()) >= allowed
        };
        let leaving: Vec<Device> = self
            .devices
            .iter()
            .filter(|device| leaves(self, device))
            .cloned()
            .collect();
        for device in leaving {
            self.devices
                .retain(|other| other.owner != user || other.session != device.session);
            ended.push(Ended {
                session: device.session,
                connection: device.connection,
                why: EndedBy::Displaced,
            });
            self.displaced.push((user, device.key, device.session));
        }
        self.logged_in(user, session, ended)
    }

    /// R8.8: what the device said of itself while it was away comes true now, and nobody comes back for it.
    pub(super) fn log_out_late(&mut self, user: UserKey, login: &Login) -> Answer {
        let Some(account) = self.account(user) else {
            return Answer::Stale;
        };
        if account
            .revoked_until_s
            .is_some_and(|second| login.signed_at_s <= second)
        {
            return Answer::LoginRefused(LoginRefusal::Revoked);
        }
        if let Some(number) = login.resumes
            && self.displaced.contains(&(user, login.device.clone(), number))
        {
            return Answer::LoginRefused(LoginRefusal::Displaced);
        }
        if self.is(Mutant::LateLogoutIsLogin) {
            self.become_status(user, Status::Online, Reason::Login);
        }
        let left = self.take_devices(|device| {
            device.owner == user
                && device.key == login.device
                && login.resumes.is_none_or(|number| device.session == number)
        });
        // R2.4: a device forgotten says nothing of the others that are.
        if !left.is_empty() {
            let status = self.aggregate(user);
            self.become_status(user, status, Reason::Logout);
        }
        let ended = left.into_iter().map(|device| Ended {
            session: device.session,
            connection: device.connection,
            why: EndedBy::Replaced,
        });
        Answer::LeftLate(ended.collect())
    }

    pub(super) fn logged_in(&mut self, user: UserKey, session: SessionId, ended: Vec<Ended>) -> Answer {
        let account = self.account_mut(user);
        account.last_session = account.last_session.max(session.0);
        account.linger_end = None;
        self.become_status(user, Status::Online, Reason::Login);
        Answer::LoggedIn {
            session,
            ended: by_session(ended),
            user: self.seen(user),
            list: self.list_seen(user),
        }
    }

    /// How many devices a login of this one competes with, itself included (R8.3).
    pub(super) fn devices_max(&self, user: UserKey, key: &DeviceKey) -> usize {
        let settings = &self.settings[&user.app];
        match settings.multi_login {
            MultiLogin::Unlimited => usize::MAX,
            MultiLogin::Single => 1,
            MultiLogin::PerPlatform if key.platform == Platform::Web && !self.is(Mutant::WebIsLikeOthers) => {
                settings.web_devices_max.max(1)
            }
            MultiLogin::PerPlatform => 1,
        }
    }

    pub(super) fn same_class(&self, user: UserKey, one: &DeviceKey, other: &DeviceKey) -> bool {
        match self.settings[&user.app].multi_login {
            MultiLogin::PerPlatform => one.platform == other.platform,
            MultiLogin::Single | MultiLogin::Unlimited => true,
        }
    }

    /// Devices of the same class with a newer login: the live ones, or all.
    pub(super) fn newer(&self, device: &Device, live_only: bool) -> usize {
        let mut count = 0;
        for other in &self.devices {
            if other.owner == device.owner
                && self.same_class(device.owner, &other.key, &device.key)
                && other.session > device.session
                && (other.counts_as_live() || !live_only)
            {
                count += 1;
            }
        }
        count
    }

    pub(super) fn lose(&mut self, index: usize, loss: Loss) {
        let settings = &self.settings[&self.devices[index].owner.app];
        // R2.8, R8.10.
        let grace = match loss {
            Loss::LinkClosed | Loss::Timeout | Loss::Restart => settings.offline_grace,
            Loss::Expired if self.is(Mutant::ExpiredHasGrace) => settings.offline_grace,
            Loss::Expired => Duration::ZERO,
            Loss::SlowReceiver => settings.offline_grace.max(Duration::from_secs(10)),
        };
        let forget_at = self.now.mono.after(settings.lost_device_retention);
        let grace_end = self.now.mono.after(grace);
        let device = &mut self.devices[index];
        device.connection = None;
        if grace.is_zero() {
            device.forget_at = Some(forget_at);
        } else {
            device.grace = Some((grace_end, loss));
        }
        let owner = device.owner;
        let status = self.aggregate(owner);
        self.become_status(owner, status, reason_of(loss));
    }

    /// R8.7.
    pub(super) fn kick(&mut self, user: UserKey) -> Answer {
        if self.account(user).is_none() {
            return Answer::Stale;
        }
        let second = self.now.wall.0.div_euclid(1000);
        let revoked = self.account(user).and_then(|account| account.revoked_until_s);
        self.account_mut(user).revoked_until_s = Some(revoked.map_or(second, |before| before.max(second)));
        let spares_lost = self.is(Mutant::KickSparesLost);
        let ended = self
            .take_devices(|device| device.owner == user && (device.counts_as_live() || !spares_lost))
            .into_iter()
            .map(|device| Ended {
                session: device.session,
                connection: device.connection,
                why: EndedBy::Kicked,
            })
            .collect();
        self.become_status(user, Status::Unlogined, Reason::Kicked);
        Answer::Kicked(by_session(ended))
    }

    /// R2.4.
    pub(super) fn aggregate(&self, user: UserKey) -> Status {
        let mut devices = self.devices.iter().filter(|device| device.owner == user);
        if devices.clone().any(Device::counts_as_live) {
            Status::Online
        } else if devices.next().is_some() && !self.is(Mutant::LossIsLogout) {
            Status::Offline
        } else {
            Status::Unlogined
        }
    }

    pub(super) fn tick(&mut self) {
        let now = self.now.mono;
        for user in self
            .accounts
            .iter()
            .map(|account| account.key)
            .collect::<Vec<_>>()
        {
            let retention = self.settings[&user.app].lost_device_retention;
            let mut last: Option<(Mono, SessionId, Loss)> = None;
            for device in self.devices.iter_mut().filter(|device| device.owner == user) {
                if let Some((until, loss)) = device.grace
                    && until <= now
                {
                    device.grace = None;
                    device.forget_at = Some(until.after(retention));
                    if last.is_none_or(|(end, session, _)| (until, device.session) > (end, session)) {
                        last = Some((until, device.session, loss));
                    }
                }
            }
            if let Some((_, _, loss)) = last {
                let status = self.aggregate(user);
                self.become_status(user, status, reason_of(loss));
            }
            let forgotten = self
                .take_devices(|device| device.owner == user && device.forget_at.is_some_and(|at| at <= now));
            if !forgotten.is_empty() && self.is(Mutant::ForgettingRecomputes) {
                let status = self.aggregate(user);
                self.become_status(user, status, Reason::Server);
            }
            // R5.8.
            if self.expect_account(user).linger_end.is_some_and(|end| end <= now) {
                self.account_mut(user).linger_end = None;
                let removed = self.list(user);
                if !removed.is_empty() {
                    self.subscriptions.retain(|(owner, _)| *owner != user);
                    self.account_mut(user).restorable = !self.is(Mutant::ClearedForGood);
                    self.list_told(user, Vec::new(), removed, Vec::new());
                }
            }
        }
    }
}

/// R6.7; R8.10 is told as LINK_CLOSED.
fn reason_of(loss: Loss) -> Reason {
    match loss {
        Loss::LinkClosed | Loss::SlowReceiver => Reason::LinkClosed,
        Loss::Timeout => Reason::Timeout,
        Loss::Expired => Reason::Expired,
        Loss::Restart => Reason::Server,
    }
}
