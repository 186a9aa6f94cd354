//! Turns a story into steps, lets both sides take each, and compares all there is to see after it.

use std::collections::BTreeMap;

use presence::ids::{AppId, ConnectionId, DeviceKey, SessionId, UserId, UserKey};
use presence::login::Login;
use presence::settings::AppSettings;
use presence::status::{Status, VERSION_MAX};
use presence::time::{Mono, Now, Wall};

use crate::command::{APPS, Account, Caller, Command, DEVICES, Flip, From, NAMES, Place, Resume};
use crate::model::Model;
use crate::mutant::Mutant;
use crate::step::{Answer, Outcome, Rules, Step};
use crate::world::World;

/// When a story begins.
const START_MS: u64 = 1_700_000_000_000;
/// Versions that one start of an engine has to itself.
const FLOOR_STEP: u64 = 1 << 20;

/// What a device remembers, right or wrong.
#[derive(Default)]
struct Client {
    /// The last one is the present one, even if it has ended.
    connections: Vec<ConnectionId>,
    sessions: Vec<SessionId>,
}

/// See the module.
pub struct Driver {
    now: Now,
    floor: u64,
    settings: BTreeMap<AppId, AppSettings>,
    world: World,
    model: Model,
    clients: BTreeMap<(UserKey, DeviceKey), Client>,
    connections: u64,
    /// The last version told of each user, whoever heard it.
    versions: BTreeMap<UserKey, u64>,
}

/// How the two sides differ, for a person.
pub type Difference = String;

/// Plays a story to its end or to the first difference.
pub fn play(flips: &[(usize, Flip)], commands: &[Command], mutant: Option<Mutant>) -> Result<(), Difference> {
    let mut settings: BTreeMap<AppId, AppSettings> = (0..APPS)
        .map(|app| (app_id(app), AppSettings::default()))
        .collect();
    for (app, flip) in flips {
        flip.apply(settings.get_mut(&app_id(*app)).expect("every app is there"));
    }
    let floor = (START_MS / 1000) << 20;
    let mut driver = Driver {
        now: Now {
            mono: Mono(0),
            wall: Wall(START_MS.cast_signed()),
        },
        floor,
        world: World::new(floor, &settings),
        model: Model::new(floor, &settings, mutant),
        settings,
        clients: BTreeMap::new(),
        connections: 0,
        versions: BTreeMap::new(),
    };
    for (index, command) in commands.iter().enumerate() {
        driver
            .carry_out(command)
            .map_err(|difference| format!("at {index}, {command:?}: {difference}"))?;
    }
    Ok(())
}

impl Driver {
    fn carry_out(&mut self, command: &Command) -> Result<(), Difference> {
        match command {
            Command::LogIn {
                place,
                resume,
                signed_ago_s,
            } => self.log_in(*place, *resume, *signed_ago_s),
            Command::Lose { place, loss, from } => {
                let Some((user, session, connection)) = self.login_of(*place, *from) else {
                    return Ok(());
                };
                self.step(&Step::Lose {
                    user,
                    session,
                    connection,
                    loss: *loss,
                })?;
                Ok(())
            }
            Command::LogOut { place, from } => {
                let Some((user, session, connection)) = self.login_of(*place, *from) else {
                    return Ok(());
                };
                self.step(&Step::LogOut {
                    user,
                    session,
                    connection,
                })?;
                Ok(())
            }
            Command::LogOutLate {
                place,
                resume,
                signed_ago_s,
            } => {
                let (user, login) = self.login_named(*place, *resume, *signed_ago_s);
                self.step(&Step::LogOutLate { user, login }).map(drop)
            }
            Command::SetCustom { place, text, from } => {
                let Some((user, session, connection)) = self.login_of(*place, *from) else {
                    return Ok(());
                };
                let text = crate::command::TEXTS[*text].to_owned();
                self.step(&Step::SetCustom {
                    user,
                    session,
                    connection,
                    text,
                })?;
                Ok(())
            }
            Command::Call {
                caller,
                call,
                names,
                times,
                apart_ms,
            } => {
                let Some((user, session, connection)) = self.caller(*caller) else {
                    return Ok(());
                };
                let ids: Vec<String> = names.iter().map(|name| name_of(*name)).collect();
                for _ in 0..*times {
                    self.step(&Step::Call {
                        user,
                        session,
                        connection,
                        call: *call,
                        ids: ids.clone(),
                    })?;
                    if *times > 1 {
                        self.wait(*apart_ms, true)?;
                    }
                }
                Ok(())
            }
            Command::List { caller } => {
                let Some((user, session, connection)) = self.caller(*caller) else {
                    return Ok(());
                };
                self.step(&Step::List {
                    user,
                    session,
                    connection,
                })?;
                Ok(())
            }
            Command::Restore {
                caller,
                names,
                generations_ago,
            } => {
                let Some((user, session, connection)) = self.caller(*caller) else {
                    return Ok(());
                };
                let list = self.world.view().users.get(&user).map(|view| view.list.clone());
                let generation = list.map_or(1, |list| list.generation - generations_ago);
                self.step(&Step::Restore {
                    user,
                    session,
                    connection,
                    generation,
                    ids: ids_of(names),
                })?;
                Ok(())
            }
            Command::Kick { account } => self
                .step(&Step::Kick {
                    user: key_of(*account),
                })
                .map(drop),
            Command::Delete { account } => self
                .step(&Step::Delete {
                    user: key_of(*account),
                })
                .map(drop),
            Command::Import { account } => self
                .step(&Step::Import {
                    user: key_of(*account),
                })
                .map(drop),
            Command::Befriend { account, friends } => self
                .step(&Step::Befriend {
                    owner: key_of(*account),
                    friends: ids_of(friends),
                })
                .map(drop),
            Command::Flip { app, flip } => {
                let app = app_id(*app);
                let settings = self.settings.get_mut(&app).expect("every app is there");
                flip.apply(settings);
                let settings = settings.clone();
                self.step(&Step::Configure { app, settings }).map(drop)
            }
            Command::Wait { ms, attentive } => self.wait(*ms, *attentive),
            Command::WallJump { ms } => {
                self.now.wall.0 += ms;
                Ok(())
            }
            Command::Restart => {
                self.floor += FLOOR_STEP;
                self.step(&Step::Restart { floor: self.floor }).map(drop)
            }
        }
    }

    /// What a device says who it is, on a new connection.
    fn login_named(&mut self, place: Place, resume: Resume, signed_ago_s: i64) -> (UserKey, Login) {
        let (user, device) = device_of(place);
        let sessions = |device: &DeviceKey| {
            self.clients
                .get(&(user, device.clone()))
                .map_or(&[][..], |client| &client.sessions[..])
        };
        let resumes = match resume {
            Resume::No => None,
            Resume::Last => sessions(&device).last().copied(),
            Resume::Earlier => sessions(&device).iter().rev().nth(1).copied(),
            Resume::Sibling(sibling) => sessions(
                &device_of(Place {
                    device: sibling,
                    ..place
                })
                .1,
            )
            .last()
            .copied(),
        };
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let signed_at_s = self.now.wall.0.div_euclid(1000) - signed_ago_s;
        let login = Login {
            device,
            connection,
            resumes,
            signed_at_s,
        };
        (user, login)
    }

    fn log_in(&mut self, place: Place, resume: Resume, signed_ago_s: i64) -> Result<(), Difference> {
        let (user, login) = self.login_named(place, resume, signed_ago_s);
        let (device, connection) = (login.device.clone(), login.connection);
        let outcome = self.step(&Step::LogIn { user, login })?;
        let client = self.clients.entry((user, device)).or_default();
        if let Answer::LoggedIn { session, ended, .. } = outcome.answer {
            client.connections.push(connection);
            if client.sessions.last() != Some(&session) {
                client.sessions.push(session);
            }
            if ended.iter().any(|ended| ended.connection == Some(connection)) {
                return Err("a login ended itself".to_owned());
            }
        }
        Ok(())
    }

    /// An attentive server looks whenever something is due; one that slept looks once, afterwards.
    fn wait(&mut self, ms: u64, attentive: bool) -> Result<(), Difference> {
        let target = Mono(self.now.mono.0 + ms);
        while attentive && let Some(due) = self.world.view().next_deadline.filter(|due| *due <= target) {
            self.pass_to(due);
            self.step(&Step::Tick)?;
        }
        self.pass_to(target);
        self.step(&Step::Tick).map(drop)
    }

    fn pass_to(&mut self, target: Mono) {
        self.now.wall.0 += target.0.saturating_sub(self.now.mono.0).cast_signed();
        self.now.mono = target;
    }

    /// One step on both sides; then what is due at once, so that every step finds nothing overdue.
    fn step(&mut self, step: &Step) -> Result<Outcome, Difference> {
        let outcome = self.compare(step)?;
        if !matches!(step, Step::Tick)
            && self
                .world
                .view()
                .next_deadline
                .is_some_and(|due| due <= self.now.mono)
        {
            self.compare(&Step::Tick)?;
        }
        Ok(outcome)
    }

    fn compare(&mut self, step: &Step) -> Result<Outcome, Difference> {
        let real = self.world.step(self.now, step);
        let model = self.model.step(self.now, step);
        if real != model {
            return Err(format!("{step:?}\n real: {real:#?}\nmodel: {model:#?}"));
        }
        let view = self.world.view();
        let expected = self.model.view();
        if view != expected {
            return Err(format!("after {step:?}\n real: {view:#?}\nmodel: {expected:#?}"));
        }
        // What no rule may break, whatever both sides think.
        for told in &real.told {
            let last = self.versions.insert(told.user, told.change.version);
            if last.is_some_and(|last| last >= told.change.version) || told.change.version > VERSION_MAX.0 {
                return Err(format!("R6.5: version {} after {last:?}", told.change.version));
            }
        }
        for (key, user) in &view.users {
            let seen = &user.seen;
            let is_online = seen.status == Status::Online;
            if (seen.platforms != 0) != is_online || (!user.connections.is_empty() && !is_online) {
                return Err(format!("R2.1: {key:?} is {seen:?} with {:?}", user.connections));
            }
            if !seen.custom.is_empty() && !is_online {
                return Err(format!("R3.3: {key:?} is {seen:?}"));
            }
            if user.list.ids.contains(&key.user) || (user.list.restorable && !user.list.ids.is_empty()) {
                return Err(format!("R5: {key:?} has {:?}", user.list));
            }
        }
        Ok(real)
    }

    fn caller(&self, caller: Caller) -> Option<(UserKey, SessionId, ConnectionId)> {
        match caller {
            Caller::At(place) => self.login_of(place, From::Present),
            Caller::Connected(count) => {
                let view = self.world.view();
                let users = view.users.iter();
                let all: Vec<_> = users
                    .flat_map(|(user, view)| {
                        view.connections
                            .iter()
                            .map(|(session, on)| (*user, *session, *on))
                    })
                    .collect();
                all.get(count.checked_rem(all.len())?).copied()
            }
        }
    }

    fn login_of(&self, place: Place, from: From) -> Option<(UserKey, SessionId, ConnectionId)> {
        let (user, device) = device_of(place);
        let client = self.clients.get(&(user, device))?;
        let connection = match from {
            From::Present => client.connections.last(),
            From::Past => client.connections.iter().rev().nth(1),
        };
        Some((user, *client.sessions.last()?, *connection?))
    }
}

fn app_id(app: usize) -> AppId {
    AppId::new(1_400_000_000 + app as u64).expect("above 0")
}

fn key_of(account: Account) -> UserKey {
    let user = UserId::new(NAMES[account.name]).expect("accounts have well-formed names");
    UserKey {
        app: app_id(account.app),
        user,
    }
}

fn device_of(place: Place) -> (UserKey, DeviceKey) {
    let (platform, instance) = DEVICES[place.device];
    (
        key_of(Account {
            app: place.app,
            name: place.person,
        }),
        DeviceKey {
            platform,
            instance: instance.into(),
        },
    )
}

/// Past the names of the world, names of nobody.
fn name_of(name: usize) -> String {
    NAMES
        .get(name)
        .map_or_else(|| format!("nobody {name}"), |name| (*name).to_owned())
}

fn ids_of(names: &[usize]) -> Vec<UserId> {
    names
        .iter()
        .filter_map(|name| UserId::new(&name_of(*name)).ok())
        .collect()
}
