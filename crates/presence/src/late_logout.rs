//! Logouts that are said late: the device left when there was no connection, and says so at its next chance, on a
//! connection that is for nothing else (R8.8). It is not let in for that, and nobody is shown an ONLINE.

use crate::devices::{Device, Devices};
use crate::login::{Ended, EndedBy, Login, LoginRefusal};
use crate::status::Reason;
use crate::user::{Context, User};

/// A logout that was said late (R8.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftLate {
    /// Its login on the connection that it was thought to be on: closed silently, as if the device had come back (R2.7).
    pub ended: Vec<Ended>,
    /// Whether its login was still known.
    pub was_known: bool,
    /// Whether the user's presence changed.
    pub changed: bool,
}

impl User {
    /// A device that is not let in says that it logged out while it was away (R8.8): it and its login are unknown from
    /// here, as after [`User::log_out`], and it never counts as live for that. A login without a number means whichever
    /// the device has.
    ///
    /// A login no longer known has been ended or forgotten (R2.4) already, and nothing changes: the status of a user whose
    /// devices are all forgotten is kept, since others of them may never have logged out. Not known is also a login that a
    /// newer one of the same device took the place of: that one goes on. Refused as [`User::log_in`] is.
    pub fn log_out_late(&mut self, login: &Login, context: Context<'_>) -> Result<LeftLate, LoginRefusal> {
        if self.is_revoked(login.signed_at_s) {
            return Err(LoginRefusal::Revoked);
        }
        let Some(left) = self.devices.leave_late(login) else {
            return Err(LoginRefusal::Displaced);
        };
        let was_known = left.is_some();
        Ok(LeftLate {
            ended: left.into_iter().collect(),
            was_known,
            changed: was_known && self.settle(Reason::Logout, context),
        })
    }
}

impl Devices {
    /// A device that is away logs out (R8.8): it and its login are unknown from here. Answers the login if it was still
    /// known; `None` outside: it was displaced.
    fn leave_late(&mut self, login: &Login) -> Option<Option<Ended>> {
        let is_meant = |device: &Device| {
            device.key == login.device && login.resumes.is_none_or(|resumed| device.session == resumed)
        };
        if login
            .resumes
            .is_some_and(|resumed| self.displaced.has(resumed, &login.device))
        {
            return None;
        }
        let index = self.all.iter().position(is_meant);
        Some(index.map(|index| self.all.remove(index).ended(EndedBy::Replaced)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ids::Platform::{Ios, Mac};
    use crate::login::Loss;
    use crate::scene::Scene;
    use crate::status::Status;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// R8.8: the device is never let in, so nobody is shown an ONLINE.
    #[test]
    fn a_logout_said_late_makes_unlogined_in_one_change() {
        for named in [true, false] {
            let mut scene = Scene::new();
            let phone = scene.log_in(Ios, "phone");
            scene.lose(phone, Loss::LinkClosed);
            let version = scene.version();
            let left = scene.log_out_late(Ios, "phone", named.then_some(phone)).unwrap();
            assert_eq!((left.was_known, left.changed), (true, true));
            assert_eq!(scene.status(), (Status::Unlogined, Reason::Logout));
            assert_eq!(scene.version(), version + 1);
            let again = scene.log_out_late(Ios, "phone", Some(phone)).unwrap();
            assert_eq!((again.was_known, again.changed), (false, false));
        }
    }

    /// R8.8, R2.7: the end of its connection was not noticed yet.
    #[test]
    fn a_logout_said_late_ends_the_connection_that_seemed_to_live() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        let mac = scene.log_in(Mac, "mac");
        let left = scene.log_out_late(Ios, "phone", Some(phone)).unwrap();
        let ended = Ended {
            session: phone.session,
            connection: Some(phone.connection),
            why: EndedBy::Replaced,
        };
        assert_eq!(
            (left.ended, left.changed),
            (vec![ended], false),
            "the Mac is there"
        );
        scene.log_out(mac);
        assert_eq!(scene.status(), (Status::Unlogined, Reason::Logout));
    }

    /// R8.8: it speaks of its own login alone.
    #[test]
    fn a_logout_said_late_leaves_newer_logins_alone() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        let again = scene.log_in(Ios, "phone");
        let left = scene.log_out_late(Ios, "phone", Some(phone)).unwrap();
        assert!(!left.was_known && !left.changed && scene.is_live(again));
        scene.log_in(Ios, "another phone");
        let displaced = scene.log_out_late(Ios, "phone", Some(again));
        assert_eq!(displaced, Err(LoginRefusal::Displaced), "R8.3");
        assert_eq!(scene.status().0, Status::Online);
        scene.kick();
        let revoked = scene.log_out_late(Ios, "another phone", None);
        assert_eq!(revoked, Err(LoginRefusal::Revoked), "R8.7");
    }

    /// R8.8, R2.4: the status is kept when the devices are forgotten, and the Mac never logged out.
    #[test]
    fn a_logout_said_after_the_retention_changes_nothing() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        let mac = scene.log_in(Mac, "mac");
        scene.lose(phone, Loss::LinkClosed);
        scene.lose(mac, Loss::LinkClosed);
        scene.pass(8 * DAY);
        let kept = (scene.status(), scene.version());
        assert_eq!(kept.0, (Status::Offline, Reason::LinkClosed));
        let left = scene.log_out_late(Ios, "phone", Some(phone)).unwrap();
        assert_eq!((left.was_known, left.changed), (false, false));
        assert_eq!((scene.status(), scene.version()), kept);
    }

    /// R8.8, R2.4: the answer to the first was lost, so it is said again, when the Mac is forgotten.
    #[test]
    fn a_logout_said_twice_does_not_speak_for_a_device_forgotten_between() {
        let mut scene = Scene::new();
        let phone = scene.log_in(Ios, "phone");
        let mac = scene.log_in(Mac, "mac");
        scene.lose(phone, Loss::LinkClosed);
        scene.lose(mac, Loss::LinkClosed);
        assert!(scene.log_out_late(Ios, "phone", Some(phone)).unwrap().was_known);
        scene.pass(8 * DAY);
        assert!(!scene.log_out_late(Ios, "phone", Some(phone)).unwrap().changed);
        assert_eq!(scene.status().0, Status::Offline);
    }
}
