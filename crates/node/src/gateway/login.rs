//! Login: from the first frame to an open session (R8.1–R8.3, R8.9), on the loop that is the user's home.

use std::collections::HashMap;
use std::sync::Arc;

use presence::ids::{
    AppId, ConnectionId, DeviceKey, INSTANCE_BYTES_MAX, Platform, SessionId, UserId, UserKey,
};
use presence::login::{Login, LoginRefusal, Loss};
use presence::time::Wall;
use presence_protocol::errors::code;
use presence_protocol::message::{KnownUser, LoginReply, LoginRequest, Reply, SubscriptionSummary};
use presence_protocol::user_sig::{self, Checked, Refusal};

use super::connection::{Phase, Session};
use super::pending::{Asker, Devices, Entering, Known, Pending, Told};
use super::replies::done;
use super::texts;
use crate::engine::memory::home_of;
use crate::engine::{Answer, Command, Departure, LoggedIn};
use crate::event_loop::Loop;
use crate::hub::watchers::Reasons;
use crate::slab::Id;
use crate::transport::Transport;

/// A login whose user is at home on another loop.
pub(crate) struct Route {
    pub(crate) home: usize,
    pub(crate) request_id: u64,
    pub(crate) login: LoginRequest,
}

impl<T: Transport> Loop<T> {
    /// A login request of a connection that is not logged in.
    pub(crate) fn log_in(&mut self, id: Id, request_id: u64, login: LoginRequest) -> Option<Route> {
        match self.check_login(id, request_id, &login) {
            Ok((user, checked)) => self.submit_login(id, request_id, user, login, checked),
            Err(NotHere::Refused(reply)) => {
                self.counted.logins_refused += 1;
                self.reply(id, *reply);
                self.finish(id);
            }
            Err(NotHere::At(home)) => {
                return Some(Route {
                    home,
                    request_id,
                    login,
                });
            }
        }
        None
    }

    fn check_login(
        &mut self,
        id: Id,
        request_id: u64,
        login: &LoginRequest,
    ) -> Result<(UserKey, Checked), NotHere> {
        let refused =
            |code, why: &str| NotHere::refused(texts::refused_because(request_id, code, why.to_owned()));
        if login.instance.is_empty() || login.instance.len() > INSTANCE_BYTES_MAX {
            return Err(refused(
                code::INVALID_PARAMETERS,
                "the device's instance id must have 1 to 64 bytes",
            ));
        }
        let user = UserId::new(&login.user_id).map_err(|_| refused(code::INVALID_USER_ID, ""))?;
        let app_id = AppId::new(login.sdk_app_id).ok_or_else(|| refused(code::APP_NOT_FOUND, ""))?;
        let app = self
            .apps
            .get(&app_id)
            .ok_or_else(|| refused(code::APP_NOT_FOUND, ""))?;
        let user = UserKey { app: app_id, user };
        let home = home_of(&user, self.loops);
        if home != self.index {
            return Err(NotHere::At(home));
        }
        if let Some(wait) = self.failures.refused_for(&user, self.now.mono) {
            let what = "too many failed logins of this account";
            let reply = texts::refused_for_now(request_id, code::TOO_MANY_FAILURES, what, wait);
            return Err(NotHere::refused(reply));
        }
        self.check_user_sig(&login.user_sig, &app.secret_key, &user)
            .map(|checked| (user, checked))
            .map_err(|refusal| {
                // R8.9 counts whatever the check refuses; what the rules refuse later had a genuine UserSig.
                self.failures.record(user, self.now.mono);
                if let Some(connection) = self.connections.get(id) {
                    let (peer, code) = (connection.peer, refusal.code());
                    tracing::debug!(%peer, app = %user.app, user = %user.user, code, "login refused");
                }
                refused(refusal.code(), "")
            })
    }

    /// R8.1.
    pub(crate) fn check_user_sig(
        &self,
        user_sig: &str,
        key: &str,
        user: &UserKey,
    ) -> Result<Checked, Refusal> {
        user_sig::check(
            user_sig,
            user.app,
            key,
            &user.user,
            self.now.wall.0.div_euclid(1000),
        )
    }

    fn submit_login(
        &mut self,
        id: Id,
        request_id: u64,
        user: UserKey,
        request: LoginRequest,
        checked: Checked,
    ) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.phase = Phase::LoggingIn;
        // What the client says of itself may hold anything: quoted, it stays on its line.
        tracing::debug!(
            peer = %connection.peer, app = %user.app, user = %user.user, platform = ?request.platform,
            client = ?request.client, "login"
        );
        let login = Login {
            device: DeviceKey {
                platform: Platform::from_name(&request.platform),
                instance: request.instance.into_boxed_str(),
            },
            connection: ConnectionId(id.to_bits()),
            resumes: request.session.filter(|session| *session != SessionId(0)),
            signed_at_s: checked.signed_at_s,
        };
        let asker = Asker {
            connection: id,
            request_id,
        };
        if request.only_to_log_out {
            // R8.8.
            self.ask(Pending::LogOutLate(asker), Command::LogOutLate { user, login });
            return;
        }
        let pending = Pending::LogIn(Entering {
            asker,
            user,
            expires: expiry_of(checked),
            list_generation: request.list_generation,
            known: known_of(request.known),
        });
        self.ask(pending, Command::LogIn { user, login });
    }

    /// The engine says what becomes of a login.
    pub(super) fn login_decided(&mut self, entering: Entering, answer: Answer) {
        let asker = entering.asker;
        match answer {
            Answer::LoggedIn(done) => self.logged_in(entering, *done),
            Answer::LoginRefused(refusal) => self.login_refused(asker, refusal),
            _ => self.login_failed(asker, texts::refused(asker.request_id, code::SERVER_ERROR)),
        }
    }

    /// The engine says what becomes of a logout by a connection that nobody is logged in on (R8.8).
    pub(super) fn logged_out_late(&mut self, asker: Asker, answer: &Answer) {
        match answer {
            Answer::Done => {
                self.reply(asker.connection, done(asker));
                self.finish(asker.connection);
            }
            Answer::LoginRefused(refusal) => self.login_refused(asker, *refusal),
            _ => self.login_failed(asker, texts::refused(asker.request_id, code::SERVER_ERROR)),
        }
    }

    /// The rules refused a login.
    fn login_refused(&mut self, asker: Asker, refusal: LoginRefusal) {
        let (code, why) = match refusal {
            LoginRefusal::Displaced => (
                code::KICKED_OFFLINE,
                "another login took this one's place meanwhile",
            ),
            LoginRefusal::Revoked => (code::USER_SIG_REVOKED, ""),
        };
        self.login_failed(
            asker,
            texts::refused_because(asker.request_id, code, why.to_owned()),
        );
    }

    /// A login ends with `reply`, and its connection with it.
    fn login_failed(&mut self, asker: Asker, reply: Reply) {
        self.counted.logins_refused += 1;
        self.reply(asker.connection, reply);
        self.finish(asker.connection);
    }

    /// A login succeeded: its result, then one notification of the own status (R8.2), then what the client missed
    /// (R6.6).
    fn logged_in(&mut self, entering: Entering, done: LoggedIn) {
        let Entering {
            asker,
            user,
            expires,
            list_generation,
            known,
        } = entering;
        let id = asker.connection;
        let is_waiting = self
            .connections
            .get(id)
            .is_some_and(|connection| matches!(connection.phase, Phase::LoggingIn));
        if !is_waiting {
            // It went while the engine worked; the device exists nevertheless (R1.3).
            let leave = Command::Leave {
                user,
                session: done.session,
                connection: ConnectionId(id.to_bits()),
                how: Departure::Lost(Loss::LinkClosed),
            };
            self.submit(None, leave);
            return;
        }
        let local = self.hub.attach(user, id);
        let now = self.now.mono;
        let awaited = done.restorable.then(|| self.told_earlier(&user.user, &known));
        if let Some(connection) = self.connections.get_mut(id) {
            connection.heard = now;
            connection.phase = Phase::Open(Session {
                local,
                id: done.session,
                expires,
                own_version: done.presence.version,
                restores: 0,
            });
            connection.known = awaited.flatten();
        }
        self.count_login(user.app);
        self.reply(
            id,
            self.login_reply(asker.request_id, expires, list_generation, &done),
        );
        // R8.2. Who comes back after a crash, whose own presence got another version by it and nothing else, knows it
        // (R6.6).
        let told = known.get(&user.user).map(|told| told.version);
        let knows = done.kept_version != done.presence.version
            && told.is_some_and(|told| self.engine.knows(told, done.kept_version));
        if !knows {
            self.send_own_presence(id, &user, &done.presence);
        }
        if self.draining {
            self.ask_to_go(id);
        }
        self.schedule(id);
        self.serve_again(id);

        for subscribed in &done.subscriptions {
            self.hub.watch(
                local,
                UserKey {
                    app: user.app,
                    user: *subscribed,
                },
                Reasons::SUBSCRIBER,
            );
        }
        let devices = Devices::One(id);
        self.catch_up(
            user,
            devices,
            Reasons::SUBSCRIBER,
            done.subscriptions,
            Arc::clone(&known),
        );
        if self.friends_are_told(user.app) {
            self.ask(
                Pending::Friends { user, devices, known },
                Command::ListFriends { user },
            );
        }
    }

    fn login_reply(&self, request_id: u64, expires: Wall, list_generation: u64, done: &LoggedIn) -> Reply {
        let client_has_it = list_generation != 0 && list_generation == done.generation;
        let milliseconds =
            |duration: std::time::Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let login = LoginReply {
            session: done.session,
            server_time_ms: self.now.wall.0,
            heartbeat_interval_ms: milliseconds(self.config.heartbeat_interval),
            heartbeat_timeout_ms: milliseconds(self.config.heartbeat_timeout),
            user_sig_expires_ms: expires.0,
            subscriptions: SubscriptionSummary {
                generation: done.generation,
                restorable: done.restorable,
                user_ids: (!client_has_it).then(|| {
                    done.subscriptions
                        .iter()
                        .map(|user| user.as_str().to_owned())
                        .collect()
                }),
            },
            frame_bytes_max: u32::try_from(self.config.frame_bytes_max).unwrap_or(u32::MAX),
        };
        Reply {
            request_id,
            login: Some(login),
            ..Reply::default()
        }
    }
}

/// Why a login is not submitted here.
enum NotHere {
    Refused(Box<Reply>),
    At(usize),
}

impl NotHere {
    fn refused(reply: Reply) -> NotHere {
        NotHere::Refused(Box::new(reply))
    }
}

/// When a session with this UserSig ends (R8.4).
pub(crate) fn expiry_of(checked: Checked) -> Wall {
    Wall(checked.expires_at_s.saturating_mul(1000))
}

/// Ill-formed ids are nobody's and are passed over.
fn known_of(known: Vec<KnownUser>) -> Known {
    let pairs = known.into_iter().filter_map(|known| {
        let told = Told {
            version: known.version,
            online: known.online,
        };
        UserId::new(&known.user_id).ok().map(|user| (user, told))
    });
    Arc::new(pairs.collect::<HashMap<_, _>>())
}
