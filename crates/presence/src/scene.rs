//! One account on a stage, for the tests: a clock that is moved by hand, and a new connection for every login.

use std::time::Duration;

use crate::ids::{ConnectionId, DeviceKey, Platform, SessionId};
use crate::late_logout::LeftLate;
use crate::login::{Ended, LoggedIn, Login, LoginRefusal, Loss};
use crate::settings::AppSettings;
use crate::status::{CustomStatus, Reason, Status, Version};
use crate::time::{Mono, Now, Wall};
use crate::user::{Context, User};

/// Seconds since the epoch at which every scene begins.
pub(crate) const START_S: i64 = 1_700_000_000;
/// The floor of every scene.
pub(crate) const FLOOR: Version = Version(1_000);

/// Where a login stands: what its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct On {
    pub(crate) session: SessionId,
    pub(crate) connection: ConnectionId,
}

/// See the module.
pub(crate) struct Scene {
    pub(crate) user: User,
    pub(crate) now: Now,
    pub(crate) settings: AppSettings,
    connections: u64,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        Scene::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut AppSettings)) -> Scene {
        let mut settings = AppSettings::default();
        change(&mut settings);
        let now = Now {
            mono: Mono(5_000),
            wall: Wall(START_S * 1000),
        };
        let user = User::registered(Context {
            now,
            floor: FLOOR,
            settings: &settings,
        });
        Scene {
            user,
            now,
            settings,
            connections: 0,
        }
    }

    /// Lets time pass, and carries out what is due at the end of it.
    pub(crate) fn pass(&mut self, time: Duration) -> bool {
        self.now.mono = self.now.mono.after(time);
        self.now.wall.0 += i64::try_from(time.as_millis()).expect("a short test");
        self.step(User::advance)
    }

    pub(crate) fn log_in(&mut self, platform: Platform, instance: &str) -> On {
        self.try_log_in(platform, instance, None).0
    }

    pub(crate) fn try_log_in(
        &mut self,
        platform: Platform,
        instance: &str,
        resumes: Option<On>,
    ) -> (On, LoggedIn) {
        let signed_at_s = self.now.wall.0 / 1000;
        self.attempt(platform, instance, resumes, signed_at_s)
            .expect("it may log in")
    }

    pub(crate) fn attempt(
        &mut self,
        platform: Platform,
        instance: &str,
        resumes: Option<On>,
        signed_at_s: i64,
    ) -> Result<(On, LoggedIn), LoginRefusal> {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let device = DeviceKey {
            platform,
            instance: instance.into(),
        };
        let login = Login {
            device,
            connection,
            resumes: resumes.map(|on| on.session),
            signed_at_s,
        };
        let logged_in = self.step(|user, context| user.log_in(login, context))?;
        Ok((
            On {
                session: logged_in.session,
                connection,
            },
            logged_in,
        ))
    }

    pub(crate) fn lose(&mut self, on: On, loss: Loss) -> bool {
        self.step(|user, context| user.lose(on.session, on.connection, loss, context))
    }

    pub(crate) fn log_out(&mut self, on: On) -> bool {
        self.step(|user, context| user.log_out(on.session, on.connection, context))
    }

    /// The device on `on` says, on another connection, that it logged out while it was away.
    pub(crate) fn log_out_late(
        &mut self,
        platform: Platform,
        instance: &str,
        on: Option<On>,
    ) -> Result<LeftLate, LoginRefusal> {
        self.connections += 1;
        let login = Login {
            device: DeviceKey {
                platform,
                instance: instance.into(),
            },
            connection: ConnectionId(self.connections),
            resumes: on.map(|on| on.session),
            signed_at_s: self.now.wall.0 / 1000,
        };
        self.step(|user, context| user.log_out_late(&login, context))
    }

    pub(crate) fn set(&mut self, text: &str) -> bool {
        let custom = CustomStatus::new(text, 100).expect("a fit text");
        self.step(|user, context| user.set_custom_status(custom, context))
    }

    pub(crate) fn kick(&mut self) -> (Vec<Ended>, bool) {
        self.step(User::kick)
    }

    pub(crate) fn step<R>(&mut self, step: impl FnOnce(&mut User, Context<'_>) -> R) -> R {
        step(
            &mut self.user,
            Context {
                now: self.now,
                floor: FLOOR,
                settings: &self.settings,
            },
        )
    }

    pub(crate) fn is_live(&self, on: On) -> bool {
        self.user.is_current(on.session, on.connection)
    }

    pub(crate) fn status(&self) -> (Status, Reason) {
        (self.user.presence().status, self.user.presence().reason)
    }

    pub(crate) fn custom(&self) -> &str {
        self.user.presence().custom.as_str()
    }

    pub(crate) fn version(&self) -> u64 {
        self.user.presence().version.0
    }
}
