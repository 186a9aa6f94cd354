//! Carries a scenario out on the simulator: time, links, processes. Everything runs on one thread, in an order that
//! follows from the seed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use presence_client::{CallError, Client, Completion, LoginState, Outcome};
use presence_protocol::user_sig;

use crate::checker::{Answers, Checker, Invariant, Violation};
use crate::device;
use crate::journal::Journal;
use crate::network::{Break, Connections};
use crate::scenario::{Call, DRAIN_PATIENCE_MS, DeviceIndex, Fault, Scenario, ServerStep, Step, Switches};
use crate::server;

/// How far the simulator goes at once, in milliseconds. Segments arrive at these moments.
pub const TICK_MS: u64 = 10;

/// A bug planted on purpose, to see it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A node that never notices silence (R2.6).
    DeafToSilence,
    /// A link that swallows whole notifications now and then.
    LostNotification,
    /// A client that forgets what it told when it reconnects (R6.5).
    ForgetfulClient,
    /// A server that starts anew with its clock set back, and no floor above what it gave out (R6.5).
    ClockSetBack,
    /// A server that gives nobody time to come back after a restart (R2.9).
    NoRestartGrace,
    /// A store whose floor is lower at each start (R6.5).
    FloorGoesBack,
    /// A store that loses users it had kept.
    ForgetfulStore,
}

impl Plant {
    /// Whether the bug is one of a server that has a store.
    fn has_store(self) -> bool {
        matches!(
            self,
            Plant::NoRestartGrace | Plant::FloorGoesBack | Plant::ForgetfulStore
        )
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// What did not hold. The run ends with the round in which the first was seen.
    pub violations: Vec<Violation>,
    /// Of the trace: equal for equal runs.
    pub hash: u64,
    /// The trace.
    pub lines: Vec<String>,
}

impl Report {
    /// Whether `invariant` was violated.
    #[must_use]
    pub fn violates(&self, invariant: Invariant) -> bool {
        self.violations
            .iter()
            .any(|violation| violation.invariant == invariant)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}:", self.seed)?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        write!(
            f,
            "  replay: PRESENCE_SEED={} PRESENCE_TRACE=1 cargo test -p presence-simulation --test seeds -- --nocapture",
            self.seed
        )
    }
}

/// What all hosts and the runner share.
pub struct World {
    /// What happens.
    pub scenario: Scenario,
    /// What is wrong on purpose.
    pub plant: Option<Plant>,
    /// What happened.
    pub journal: Mutex<Journal>,
    /// What must hold.
    pub checker: Mutex<Checker>,
    /// Where connections are broken.
    pub connections: Arc<Connections>,
    /// The server's side.
    pub server: server::Desk,
}

impl World {
    /// Makes a call on a client.
    pub fn send(&self, client: &Client, call: &Call, done: Completion) -> Result<(), CallError> {
        let names = |users: &[usize]| {
            users
                .iter()
                .map(|user| self.scenario.users[*user].clone())
                .collect()
        };
        match call {
            Call::Login { user, valid_s } => {
                let name = &self.scenario.users[*user];
                client.login(name, &self.sign(name, *valid_s), done)
            }
            Call::Logout => client.logout(done),
            Call::SetStatus(text) => client.set_self_status(text, done),
            Call::Query(users) => client.get_user_status(names(users), done),
            Call::Subscribe(users) => client.subscribe(names(users), done),
            Call::Unsubscribe(users) => client.unsubscribe(names(users), done),
            Call::List => client.get_subscriptions(done),
            Call::Renew(valid_s) => {
                let user = client.login_user().unwrap_or_default();
                client.renew_user_sig(&self.sign(&user, *valid_s), done)
            }
            // These have no result; who makes them does not come here.
            Call::NetworkChanged | Call::Destroy => Ok(()),
        }
    }
}

impl World {
    /// A UserSig made now.
    fn sign(&self, user: &str, valid_s: i64) -> String {
        let now_ms = locked(&self.journal).now_ms();
        let sign_at_s = self.server.sign_at_s(now_ms);
        user_sig::sign(server::app_id(), server::SECRET_KEY, user, sign_at_s, valid_s)
    }
}

/// Takes a lock whose holder may have panicked: a run that panicked reports so and ends.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the scenario of `seed`. `prints`: the trace as it comes.
#[must_use]
pub fn run(seed: u64, plant: Option<Plant>, prints: bool) -> Report {
    let mut scenario = Scenario::from_seed(seed);
    scenario.store = plant.map_or(scenario.store, Plant::has_store);
    if plant == Some(Plant::LostNotification) {
        // That link looks for the protocol's frames, and WebSocket puts its own around them.
        for device in &mut scenario.devices {
            device.websocket = false;
        }
    }
    let world = Arc::new(World {
        plant,
        journal: Mutex::new(Journal::new(prints)),
        checker: Mutex::new(Checker::new(&scenario)),
        connections: Arc::default(),
        server: server::Desk::default(),
        scenario,
    });
    let ran = catch_unwind(AssertUnwindSafe(|| {
        Run::new(&world).and_then(|mut run| run.carry_out())
    }));
    let failure = match ran {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("a host failed: {error}")),
        Err(_) => Some("something panicked; what, was printed above".to_owned()),
    };
    let at_ms = locked(&world.journal).now_ms();
    if let Some(failure) = failure {
        locked(&world.checker).violated(Invariant::Soundness, at_ms, failure);
    }
    let journal = locked(&world.journal);
    Report {
        seed,
        violations: locked(&world.checker).violations().to_vec(),
        hash: journal.hash(),
        lines: journal.lines().to_vec(),
    }
}

/// How a device's link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Whole,
    Cut,
    Held,
}

/// A run under way.
struct Run {
    sim: turmoil::Sim<'static>,
    world: Arc<World>,
    desks: Vec<Arc<device::Desk>>,
    links: Vec<Link>,
    runs: Vec<bool>,
    /// When a server that is down is started.
    server_back_at_ms: Option<u64>,
    /// The wall clock at the server's last start.
    started_wall_ms: i64,
    switches: Switches,
    /// Holds the data directories.
    _folder: tempfile::TempDir,
}

const SERVER: &str = "server";

fn host(device: DeviceIndex) -> String {
    format!("d{device}")
}

/// How long the answers of a calm moment may take, and the end of a client.
const ANSWER_MS: u64 = 1_000;
/// What a device hears of what had happened when the answers were there, it has heard after this.
const ECHO_MS: u64 = 300;
/// Times to ask anew because a session ended while the answers came.
const ASKS_MAX: usize = 5;

impl Run {
    fn new(world: &Arc<World>) -> Result<Run, Box<dyn std::error::Error>> {
        let scenario = &world.scenario;
        let folder = tempfile::tempdir()?;
        let mut sim = turmoil::Builder::new()
            .rng_seed(scenario.seed)
            .enable_random_order()
            .epoch(SystemTime::UNIX_EPOCH)
            .tick_duration(Duration::from_millis(TICK_MS))
            .simulation_duration(Duration::MAX)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(scenario.latency_ms_max))
            .tcp_capacity(scenario.segments_max)
            .build();
        let for_server = Arc::clone(world);
        let started_wall_ms = world.server.wall_ms(0);
        sim.host(SERVER, move || server::run(Arc::clone(&for_server)));
        let mut desks = Vec::new();
        for (index, device) in scenario.devices.iter().enumerate() {
            let data_dir = device.has_data_dir.then(|| folder.path().join(host(index)));
            let desk = device::Desk::new(index, Arc::clone(world), data_dir);
            let at_work = Arc::clone(&desk);
            sim.host(host(index), move || Arc::clone(&at_work).run());
            // The simulator starts what it is given; here, processes begin when the scenario says so.
            sim.crash(host(index));
            desks.push(desk);
        }
        let count = desks.len();
        Ok(Run {
            sim,
            world: Arc::clone(world),
            desks,
            links: vec![Link::Whole; count],
            runs: vec![false; count],
            server_back_at_ms: None,
            started_wall_ms,
            switches: scenario.switches,
            _folder: folder,
        })
    }

    fn carry_out(&mut self) -> turmoil::Result {
        let rounds = self.world.scenario.rounds.clone();
        for round in rounds {
            let begin_ms = self.now_ms();
            for (at, step) in round.steps {
                if at < round.trouble_ms {
                    self.advance_to(begin_ms + at)?;
                    self.step(step)?;
                }
            }
            self.advance_to(begin_ms + round.trouble_ms)?;
            self.mend_all();
            self.advance_to(begin_ms + round.trouble_ms + round.settle_ms)?;
            self.check_calm()?;
            if let Some(down_ms) = round.calm_restart
                && self.world.scenario.store
                && self.is_sound()
            {
                self.restart_in_calm(down_ms)?;
            }
            if !self.is_sound() {
                return Ok(());
            }
        }
        self.destroy_all()
    }

    fn is_sound(&self) -> bool {
        locked(&self.world.checker).violations().is_empty()
    }

    /// An orderly restart with a store, with nothing else going on: nobody sees a change (R2.9).
    fn restart_in_calm(&mut self, down_ms: u64) -> turmoil::Result {
        locked(&self.world.checker).restart_begins();
        self.server_step(ServerStep::Drain(down_ms));
        while self.server_back_at_ms.is_some() {
            self.tick()?;
        }
        let back_ms = self.now_ms();
        self.advance_to(back_ms + self.world.scenario.restart_settle_ms())?;
        self.check_calm()?;
        locked(&self.world.checker).restart_is_over();
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.sim.elapsed().as_millis() as u64
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        locked(&self.world.journal).note(what);
    }

    fn tick(&mut self) -> turmoil::Result {
        if self.server_back_at_ms.is_some_and(|at| at <= self.now_ms()) {
            self.start_server();
        }
        self.sim.step()?;
        locked(&self.world.journal).set_now_ms(self.sim.elapsed().as_millis() as u64);
        Ok(())
    }

    fn advance_to(&mut self, moment_ms: u64) -> turmoil::Result {
        while self.now_ms() < moment_ms {
            self.tick()?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> turmoil::Result {
        match step {
            Step::Call(device, call) => {
                if self.runs[device] {
                    self.desks[device].call(call);
                }
            }
            Step::Fault(device, fault) => self.fault(device, fault),
            Step::Server(step) => self.server_step(step),
        }
        Ok(())
    }

    fn fault(&mut self, device: DeviceIndex, fault: Fault) {
        let (name, is_whole) = (host(device), self.links[device] == Link::Whole);
        match fault {
            Fault::Cut if is_whole => {
                self.sim.partition(name, SERVER);
                self.links[device] = Link::Cut;
            }
            Fault::CutUplink if is_whole => {
                self.sim.partition_oneway(name, SERVER);
                self.links[device] = Link::Cut;
            }
            Fault::CutDownlink if is_whole => {
                self.sim.partition_oneway(SERVER, name);
                self.links[device] = Link::Cut;
            }
            Fault::Hold if is_whole => {
                self.sim.hold(name, SERVER);
                self.links[device] = Link::Held;
                locked(&self.world.checker).link(device, true, self.now_ms());
            }
            Fault::Mend if !is_whole => self.mend(device),
            Fault::CloseByDevice => self.world.connections.break_at_device(device, Break::Fin),
            Fault::CloseByServer => {
                let address = self.sim.lookup(name);
                self.world.connections.break_at_server(address, Break::Fin);
            }
            Fault::Reset => {
                let address = self.sim.lookup(name);
                self.world.connections.break_at_device(device, Break::Rst);
                self.world.connections.break_at_server(address, Break::Rst);
            }
            Fault::Kill if self.runs[device] => self.kill(device),
            Fault::Vanish if self.runs[device] => {
                self.sim.partition(name, SERVER);
                self.links[device] = Link::Cut;
                locked(&self.world.checker).link(device, false, self.now_ms());
                self.kill(device);
            }
            Fault::Start if !self.runs[device] => {
                if self.links[device] == Link::Cut {
                    self.mend(device);
                }
                self.sim.bounce(name);
                self.runs[device] = true;
            }
            Fault::Cut
            | Fault::CutUplink
            | Fault::CutDownlink
            | Fault::Hold
            | Fault::Mend
            | Fault::Kill
            | Fault::Vanish
            | Fault::Start => return,
        }
        self.note(format_args!("d{device}: {fault:?}"));
    }

    fn kill(&mut self, device: DeviceIndex) {
        self.desks[device].kill();
        self.sim.crash(host(device));
        self.runs[device] = false;
        locked(&self.world.checker).killed(device, self.now_ms());
    }

    fn mend(&mut self, device: DeviceIndex) {
        match self.links[device] {
            Link::Whole => {}
            Link::Cut => self.sim.repair(host(device), SERVER),
            Link::Held => {
                self.sim.release(host(device), SERVER);
                locked(&self.world.checker).link(device, false, self.now_ms());
            }
        }
        self.links[device] = Link::Whole;
    }

    fn server_step(&mut self, step: ServerStep) {
        let now_ms = self.now_ms();
        self.note(format_args!("server: {step:?}"));
        match step {
            ServerStep::Crash(down_ms) if self.server_back_at_ms.is_none() => {
                self.sim.crash(SERVER);
                self.server_back_at_ms = Some(now_ms + down_ms);
            }
            ServerStep::Stop(down_ms) if self.server_back_at_ms.is_none() => {
                self.world.server.stop();
                // It needs a moment to say goodbye.
                self.server_back_at_ms = Some(now_ms + down_ms + TICK_MS * 2);
            }
            ServerStep::Drain(down_ms) if self.server_back_at_ms.is_none() => {
                self.world.server.drain();
                self.server_back_at_ms = Some(now_ms + DRAIN_PATIENCE_MS + down_ms + TICK_MS * 2);
            }
            ServerStep::Crash(_) | ServerStep::Stop(_) | ServerStep::Drain(_) => {}
            ServerStep::MoveWall(by_ms) => self.world.server.move_wall(by_ms),
            ServerStep::Kick(user) => {
                let user = server::user_id(&self.world.scenario.users[user]);
                self.world.server.kick(user, now_ms);
            }
            ServerStep::Delete(user) => {
                locked(&self.world.checker).deleted(user);
                let user = server::user_id(&self.world.scenario.users[user]);
                self.world.server.delete(user, now_ms);
            }
            ServerStep::Befriend(user, friends) => {
                let scenario = &self.world.scenario;
                locked(&self.world.checker).befriended(scenario, user, &friends);
                let id_of = |user: &usize| server::user_id(&scenario.users[*user]);
                let friends = friends.iter().map(id_of).collect();
                self.world.server.befriend(id_of(&user), friends);
            }
            ServerStep::Switch(switches) => {
                self.switches = switches;
                self.world.server.switch(switches);
            }
        }
    }

    /// Without a disk a server must not start at a time when it was started before (R6.5).
    fn start_server(&mut self) {
        self.server_back_at_ms = None;
        let now_ms = self.now_ms();
        let wall_ms = self.world.server.wall_ms(now_ms);
        if self.world.plant == Some(Plant::ClockSetBack) {
            self.world.server.move_wall(-3_600_000);
        } else if wall_ms <= self.started_wall_ms {
            self.world.server.move_wall(self.started_wall_ms + 1 - wall_ms);
        }
        self.started_wall_ms = self.world.server.wall_ms(now_ms);
        self.note(format_args!("server: starts"));
        self.sim.bounce(SERVER);
        // As configured: it does not remember what was ordered at run time.
        self.switches = self.world.scenario.switches;
        locked(&self.world.checker).server_started(&self.world.scenario, now_ms);
    }

    fn mend_all(&mut self) {
        self.note(format_args!("everything is mended"));
        for device in 0..self.desks.len() {
            self.mend(device);
        }
        if self.server_back_at_ms.is_some() {
            self.start_server();
        }
        let usual = self.world.scenario.switches;
        if self.switches != usual {
            self.server_step(ServerStep::Switch(usual));
        }
    }

    /// Who is logged in where, as the clients say.
    fn sessions(&self) -> BTreeMap<DeviceIndex, usize> {
        let mut sessions = BTreeMap::new();
        for (device, desk) in self.desks.iter().enumerate() {
            let Some(client) = desk.client() else { continue };
            if client.login_state() != LoginState::LoggedIn {
                continue;
            }
            let name = client.login_user().unwrap_or_default();
            if let Some(user) = self.world.scenario.users.iter().position(|user| *user == name) {
                sessions.insert(device, user);
            }
        }
        sessions
    }

    fn check_calm(&mut self) -> turmoil::Result {
        for _ in 0..ASKS_MAX {
            let sessions = self.sessions();
            let everybody: Vec<usize> = (0..self.world.scenario.users.len()).collect();
            type Answer = Arc<Mutex<Option<Outcome>>>;
            let asked: Vec<(DeviceIndex, usize, Answer, Answer)> = sessions
                .iter()
                .map(|(device, user)| {
                    let desk = &self.desks[*device];
                    let list = desk.ask(Call::List);
                    (*device, *user, list, desk.ask(Call::Query(everybody.clone())))
                })
                .collect();
            let last_ms = self.now_ms() + ANSWER_MS;
            let all_there = || {
                asked
                    .iter()
                    .all(|(_, _, list, query)| locked(list).is_some() && locked(query).is_some())
            };
            while self.now_ms() < last_ms && !all_there() {
                self.tick()?;
            }
            self.advance_to(self.now_ms() + ECHO_MS)?;
            if self.sessions() != sessions {
                continue;
            }
            let answers = asked
                .into_iter()
                .map(|(device, user, list, query)| {
                    let answers = Answers {
                        user,
                        list: locked(&list).take(),
                        query: locked(&query).take(),
                    };
                    (device, answers)
                })
                .collect();
            let at_ms = self.now_ms();
            self.note(format_args!("calm: logged in are {sessions:?}"));
            let mut checker = locked(&self.world.checker);
            for device in 0..self.desks.len() {
                checker.check_results(device, at_ms);
            }
            checker.check_calm(&answers, at_ms);
            return Ok(());
        }
        let at_ms = self.now_ms();
        let what = "sessions come and go though everything is mended".to_owned();
        locked(&self.world.checker).violated(Invariant::FinalState, at_ms, what);
        Ok(())
    }

    fn destroy_all(&mut self) -> turmoil::Result {
        for (device, desk) in self.desks.iter().enumerate() {
            if self.runs[device] {
                desk.call(Call::Destroy);
            }
        }
        let last_ms = self.now_ms() + ANSWER_MS;
        self.advance_to(last_ms)?;
        for device in 0..self.desks.len() {
            if self.sim.is_host_running(host(device)) {
                let what = format!("d{device}: its destroyed client goes on");
                locked(&self.world.checker).violated(Invariant::OneResult, last_ms, what);
            }
        }
        Ok(())
    }
}
