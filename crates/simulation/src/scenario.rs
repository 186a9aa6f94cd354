//! What happens in one simulation, drawn from its seed before it begins: who is there, how the network is, and a list of
//! steps with their times. Plain data, so a failing seed can be read.

use std::collections::BTreeMap;
use std::time::Duration;

use presence::settings::MultiLogin;
use presence_client::options::{DeliveryMode, Options};
use presence_node::NodeConfig;

use crate::random::Random;

/// The place of a device in [`Scenario::devices`].
pub type DeviceIndex = usize;

/// The place of a user in [`Scenario::users`].
pub type UserIndex = usize;

/// The device that watches everybody and is never logged out, killed or kicked: whatever happens, somebody looks.
pub const OBSERVER: DeviceIndex = 0;

/// Users `1..ACTIVE_USERS` have devices, besides the observer's own; those after them never log in and are only watched.
pub const ACTIVE_USERS: usize = 4;

/// The app of all users.
pub const SDK_APP_ID: u64 = 1_400_000_001;

/// Where the server listens.
pub const SERVER_PORT: u16 = 7788;

/// A client's host.
#[derive(Debug, Clone)]
pub struct Device {
    /// Whom it logs in as, most of the time.
    pub user: UserIndex,
    /// Its platform (R1.3).
    pub platform: &'static str,
    /// Whether it has a data directory: an identity, and logouts to be said later (R8.8).
    pub has_data_dir: bool,
    /// Whether it connects by WebSocket: `tim+ws://`.
    pub websocket: bool,
}

/// A call of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// R8.1, with a UserSig of so many seconds.
    Login {
        /// As whom.
        user: UserIndex,
        /// From now on.
        valid_s: i64,
    },
    /// R8.8.
    Logout,
    /// R3. Texts are set once in a simulation, so one tells which call it is from. Empty clears.
    SetStatus(String),
    /// R4.
    Query(Vec<UserIndex>),
    /// R5.1.
    Subscribe(Vec<UserIndex>),
    /// R5.7; none: all.
    Unsubscribe(Vec<UserIndex>),
    /// R5.9.
    List,
    /// R8.4, with a UserSig of so many seconds.
    Renew(i64),
    /// R8.5.
    NetworkChanged,
    /// The client is destroyed.
    Destroy,
}

/// Something that happens between a device and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Whatever is and will be on the way is lost, both ways: silence.
    Cut,
    /// What the device sends is lost.
    CutUplink,
    /// What the server sends is lost.
    CutDownlink,
    /// Whatever is and will be on the way waits.
    Hold,
    /// The link is as it should be; what waited arrives.
    Mend,
    /// The device's end of the connection is closed in order (FIN), unknown to the client.
    CloseByDevice,
    /// The server's end is closed in order (FIN), unknown to the node.
    CloseByServer,
    /// Both ends see a reset (RST).
    Reset,
    /// The process is killed; its system closes the connection.
    Kill,
    /// The machine is gone: nobody says anything.
    Vanish,
    /// The process is started (again), as a new client.
    Start,
}

/// Something that happens to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerStep {
    /// It is killed, and started so many milliseconds later. Without a store everything it knew is lost.
    Crash(u64),
    /// It is stopped in order, and started so many milliseconds later.
    Stop(u64),
    /// Its clients are asked to go first, and have [`DRAIN_PATIENCE_MS`] for it; then as `Stop`.
    Drain(u64),
    /// Its wall clock is moved by so many milliseconds.
    MoveWall(i64),
    /// R8.7.
    Kick(UserIndex),
    /// R1.5.
    Delete(UserIndex),
    /// R9.1: a new friend list.
    Befriend(UserIndex, Vec<UserIndex>),
    /// R7.3, R7.4: the console's switches.
    Switch(Switches),
}

/// The console's switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches {
    /// R7.3.
    pub user_status: bool,
    /// R7.4.
    pub friend_status_notify: bool,
}

/// What happens at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An application calls.
    Call(DeviceIndex, Call),
    /// A link or a process fails, or works again.
    Fault(DeviceIndex, Fault),
    /// The server.
    Server(ServerStep),
}

/// Trouble, and then calm in which everything must come right.
#[derive(Debug, Clone)]
pub struct Round {
    /// In order: when, in milliseconds from the round's beginning, and what.
    pub steps: Vec<(u64, Step)>,
    /// When everything is mended, in milliseconds from the round's beginning.
    pub trouble_ms: u64,
    /// How long it then takes at most until everybody knows everything, in milliseconds.
    pub settle_ms: u64,
    /// A server with a store is then drained and started so many milliseconds later, and nobody may notice (R2.9).
    pub calm_restart: Option<u64>,
}

/// One simulation. See the module.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What all of it follows from.
    pub seed: u64,
    /// Their ids.
    pub users: Vec<String>,
    /// The clients' hosts.
    pub devices: Vec<Device>,
    /// The slowest a segment travels, in milliseconds.
    pub latency_ms_max: u64,
    /// Segments on the way, each way, before a sender must wait.
    pub segments_max: usize,
    /// Bytes a stream takes at once: short writes and split frames.
    pub write_bytes_max: usize,
    /// R5.2.
    pub subscriptions_max: usize,
    /// R8.3.
    pub multi_login: MultiLogin,
    /// R2.8.
    pub offline_grace: Duration,
    /// Whether the server keeps what it knows across its ends.
    pub store: bool,
    /// R5.8.
    pub subscription_linger: Duration,
    /// As configured, and as they are whenever all is well.
    pub switches: Switches,
    /// R9.1: the friend lists as configured.
    pub friends: BTreeMap<UserIndex, Vec<UserIndex>>,
    /// R6.3: bytes of an outbox before changes are merged.
    pub outbox_bytes_max: usize,
    /// One after the other.
    pub rounds: Vec<Round>,
}

/// R2.6, short, so that silence ends within a round.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(400);
/// R2.6.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// R8.6.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1_000);
/// R8.5.
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// R2.9: longer than an attempt to connect that fails, the longest backoff, and another.
pub const RESTART_GRACE: Duration = Duration::from_millis(2_000);
/// Over how long clients spread their return when the server goes (R2.9).
const DRAIN: Duration = Duration::from_millis(300);
/// How long a server that drains waits for its clients to go.
pub const DRAIN_PATIENCE_MS: u64 = 400;
/// Of a hundred devices, so many connect by WebSocket.
const WEBSOCKET_PERCENT: u64 = 30;
/// A login that lasts through the simulation, whatever its clock does.
pub const LONG_S: i64 = 30 * 24 * 3600;
/// The longest settling: silence noticed at both ends one after the other, a backoff, a login, and some answers.
const SETTLE_MS: u64 = 5_000;
/// After a switch was used, and for friends after every login, a catch-up is spread over 5 s (R7.3, R9.2).
const CATCH_UP_MS: u64 = 5_500;

impl Scenario {
    /// What `seed` stands for.
    #[must_use]
    pub fn from_seed(seed: u64) -> Scenario {
        let mut random = Random::new(seed, "scenario");
        let mut websockets = Random::new(seed, "websockets");
        let users: Vec<String> = ["observer", "ann", "ben", "cem", "dee", "eve"]
            .map(str::to_owned)
            .to_vec();
        let mut devices = vec![Device {
            user: 0,
            platform: "Linux",
            has_data_dir: false,
            websocket: websockets.percent(WEBSOCKET_PERCENT),
        }];
        // Ann has two devices, and the last one is anybody's, so that platforms collide now and then (R8.3).
        let third = random.between(1, 3) as usize;
        for (user, platform) in [
            (1, "Linux"),
            (1, "iOS"),
            (2, "Android"),
            (3, "Web"),
            (third, "Linux"),
        ] {
            devices.push(Device {
                user,
                platform,
                has_data_dir: random.percent(30),
                websocket: websockets.percent(WEBSOCKET_PERCENT),
            });
        }
        let mut scenario = Scenario {
            seed,
            users,
            devices,
            latency_ms_max: random.pick(&[5, 20, 60]),
            segments_max: random.pick(&[8, 64, 1024]),
            write_bytes_max: random.pick(&[48, 300, 1 << 20]),
            subscriptions_max: random.pick(&[3, 4, 200]),
            multi_login: random.pick(&[
                MultiLogin::PerPlatform,
                MultiLogin::PerPlatform,
                MultiLogin::Single,
                MultiLogin::Unlimited,
            ]),
            offline_grace: Duration::from_millis(random.pick(&[0, 0, 300])),
            store: seed % 2 == 1,
            subscription_linger: Duration::from_millis(random.pick(&[1_000, 300_000])),
            switches: Switches {
                user_status: true,
                friend_status_notify: random.percent(50),
            },
            friends: BTreeMap::from([(1, vec![2, 5]), (3, vec![0, 1])]),
            outbox_bytes_max: random.pick(&[200, 256 * 1024]),
            rounds: Vec::new(),
        };
        let mut draft = Draft {
            scenario: &scenario,
            random,
            restarts: Random::new(seed, "restarts"),
            texts: 0,
        };
        scenario.rounds = (0..3).map(|_| draft.round()).collect();
        scenario
    }

    /// The node's configuration.
    #[must_use]
    pub fn node_config(&self) -> NodeConfig {
        NodeConfig {
            restart_grace: RESTART_GRACE,
            drain: DRAIN,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            heartbeat_timeout: HEARTBEAT_TIMEOUT,
            login_deadline: Duration::from_millis(1_000),
            outbox_bytes_max: self.outbox_bytes_max,
            // Expired UserSigs come back on purpose; R8.9 has its own tests.
            login_failures_max: 0,
            ..NodeConfig::default()
        }
    }

    /// The options of a client on `device`.
    #[must_use]
    pub fn client_options(&self, device: DeviceIndex, data_dir: Option<std::path::PathBuf>) -> Options {
        Options {
            host: "server".to_owned(),
            port: SERVER_PORT,
            websocket_path: self.devices[device].websocket.then(|| "/".to_owned()),
            tls: false,
            ca_file: None,
            pinned_public_keys: Vec::new(),
            http_proxy: None,
            sdk_app_id: SDK_APP_ID,
            platform: self.devices[device].platform.to_owned(),
            data_dir,
            delivery: DeliveryMode::Poll,
            queue_max: 1_000,
            restore_subscriptions: true,
            login_timeout: Duration::from_millis(3_000),
            request_timeout: REQUEST_TIMEOUT,
            disconnected_wait: Duration::from_millis(1_500),
            connect_timeout: Duration::from_millis(800),
            logout_timeout: Duration::from_millis(800),
            backoff_base: Duration::from_millis(50),
            backoff_max: BACKOFF_MAX,
        }
    }

    /// How long after an orderly restart until everybody is back, whoever is not is OFFLINE (R2.9), and friends are
    /// caught up (R9.2), in milliseconds.
    #[must_use]
    pub fn restart_settle_ms(&self) -> u64 {
        let catch_up_ms = if self.switches.friend_status_notify {
            CATCH_UP_MS
        } else {
            0
        };
        RESTART_GRACE.as_millis() as u64 + 500 + catch_up_ms
    }

    /// How long after the last sign of its last device a user may still be shown ONLINE (R2.6, R2.8), in milliseconds:
    /// the timeout, the node's granularity of an eighth, the grace, and the way.
    #[must_use]
    pub fn ghost_bound_ms(&self) -> u64 {
        let timeout = HEARTBEAT_TIMEOUT + HEARTBEAT_TIMEOUT / 8 + self.offline_grace;
        timeout.as_millis() as u64 + self.latency_ms_max + crate::runner::TICK_MS * 2
    }
}

/// Draws the rounds.
struct Draft<'a> {
    scenario: &'a Scenario,
    random: Random,
    /// Apart, so that what a seed stands for besides does not depend on them.
    restarts: Random,
    texts: usize,
}

impl Draft<'_> {
    fn round(&mut self) -> Round {
        let trouble_ms = self.random.between(3_000, 6_000);
        let mut steps = Vec::new();
        for device in 0..self.scenario.devices.len() {
            if device == OBSERVER || self.random.percent(80) {
                let at = self.random.between(0, 300);
                steps.push((at, Step::Fault(device, Fault::Start)));
                steps.push((at + 20, Step::Call(device, self.login(device))));
            }
        }
        let everybody = (1..ACTIVE_USERS).collect();
        steps.push((600, Step::Call(OBSERVER, Call::Subscribe(everybody))));
        for _ in 0..self.random.between(20, 50) {
            let at = self.random.between(300, trouble_ms - 1);
            if self.random.percent(70) {
                let device = self.random.between(0, self.scenario.devices.len() as u64 - 1) as usize;
                let call = self.call(device);
                steps.push((at, Step::Call(device, call)));
            } else {
                self.trouble(at, &mut steps);
            }
        }
        // Of the same moment in the order drawn.
        steps.sort_by_key(|(at, _)| *at);
        let catches_up = self.scenario.switches.friend_status_notify
            || steps
                .iter()
                .any(|(_, step)| matches!(step, Step::Server(ServerStep::Switch(_))));
        Round {
            steps,
            trouble_ms,
            settle_ms: SETTLE_MS + if catches_up { CATCH_UP_MS } else { 0 },
            calm_restart: self.calm_restart(),
        }
    }

    fn calm_restart(&mut self) -> Option<u64> {
        let is_due = self.restarts.percent(40);
        let down_ms = self.restarts.between(0, 800);
        is_due.then_some(down_ms)
    }

    fn login(&mut self, device: DeviceIndex) -> Call {
        let own = self.scenario.devices[device].user;
        if device == OBSERVER {
            return Call::Login {
                user: own,
                valid_s: LONG_S,
            };
        }
        let user = if self.random.percent(90) {
            own
        } else {
            self.active_user()
        };
        let valid_s = self.validity_s();
        Call::Login { user, valid_s }
    }

    fn validity_s(&mut self) -> i64 {
        if self.random.percent(15) {
            self.random.between(1, 8) as i64
        } else {
            LONG_S
        }
    }

    fn active_user(&mut self) -> UserIndex {
        self.random.between(1, ACTIVE_USERS as u64 - 1) as usize
    }

    fn call(&mut self, device: DeviceIndex) -> Call {
        if device == OBSERVER {
            return match self.random.between(0, 9) {
                0..=5 => Call::Query(self.some_users()),
                6..=7 => self.set_status(),
                _ => Call::NetworkChanged,
            };
        }
        match self.random.between(0, 99) {
            0..=27 => self.set_status(),
            28..=33 => Call::SetStatus(String::new()),
            34..=50 => Call::Subscribe(self.some_users()),
            51..=58 => Call::Unsubscribe(self.some_users()),
            59..=60 => Call::Unsubscribe(Vec::new()),
            61..=72 => Call::Query(self.some_users()),
            73..=75 => Call::List,
            76..=88 => self.login(device),
            89..=95 => Call::Logout,
            96..=97 => Call::Renew(self.validity_s()),
            _ => Call::NetworkChanged,
        }
    }

    fn set_status(&mut self) -> Call {
        self.texts += 1;
        Call::SetStatus(format!("text {}", self.texts))
    }

    fn some_users(&mut self) -> Vec<UserIndex> {
        let last = self.scenario.users.len() as u64 - 1;
        (0..self.random.between(1, 3))
            .map(|_| self.random.between(0, last) as usize)
            .collect()
    }

    fn trouble(&mut self, at: u64, steps: &mut Vec<(u64, Step)>) {
        let devices = self.scenario.devices.len() as u64;
        let device = self.random.between(0, devices - 1) as usize;
        let lasts = self.random.pick(&[30, 200, 900, 2_500]);
        let mut link = |fault| {
            steps.push((at, Step::Fault(device, fault)));
            steps.push((at + lasts, Step::Fault(device, Fault::Mend)));
        };
        match self.random.between(0, 99) {
            0..=15 => link(Fault::Cut),
            16..=21 => link(Fault::CutUplink),
            22..=27 => link(Fault::CutDownlink),
            28..=43 => link(Fault::Hold),
            44..=52 => steps.push((at, Step::Fault(device, Fault::CloseByDevice))),
            53..=58 => steps.push((at, Step::Fault(device, Fault::CloseByServer))),
            59..=68 => steps.push((at, Step::Fault(device, Fault::Reset))),
            69..=76 => self.end_of_process(at, Fault::Kill, steps),
            77..=82 => self.end_of_process(at, Fault::Vanish, steps),
            83..=87 => {
                let by = self.random.between(0, 7_200_000) as i64 - 3_600_000;
                steps.push((at, Step::Server(ServerStep::MoveWall(by))));
            }
            88..=90 => {
                let down_ms = self.random.between(0, 800);
                steps.push((at, Step::Server(ServerStep::Crash(down_ms))));
            }
            91 => {
                let down_ms = self.random.between(0, 800);
                steps.push((at, Step::Server(ServerStep::Stop(down_ms))));
            }
            92 => {
                let down_ms = self.random.between(0, 800);
                steps.push((at, Step::Server(ServerStep::Drain(down_ms))));
            }
            93..=94 => {
                let user = self.active_user();
                steps.push((at, Step::Server(ServerStep::Kick(user))));
            }
            95 => {
                let user = self.active_user();
                steps.push((at, Step::Server(ServerStep::Delete(user))));
            }
            96..=97 => {
                let (user, friends) = (self.active_user(), self.some_users());
                steps.push((at, Step::Server(ServerStep::Befriend(user, friends))));
            }
            _ => {
                let usual = self.scenario.switches;
                let switches = self.random.pick(&[
                    Switches {
                        user_status: false,
                        ..usual
                    },
                    Switches {
                        friend_status_notify: !usual.friend_status_notify,
                        ..usual
                    },
                ]);
                steps.push((at, Step::Server(ServerStep::Switch(switches))));
                steps.push((at + lasts, Step::Server(ServerStep::Switch(usual))));
            }
        }
    }

    fn end_of_process(&mut self, at: u64, how: Fault, steps: &mut Vec<(u64, Step)>) {
        let device = self.random.between(1, self.scenario.devices.len() as u64 - 1) as usize;
        steps.push((at, Step::Fault(device, how)));
        if self.random.percent(50) {
            let back_at = at + self.random.between(10, 2_000);
            steps.push((back_at, Step::Fault(device, Fault::Start)));
            steps.push((back_at + 10, Step::Call(device, self.login(device))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_stands_for_one_scenario() {
        let text = |seed| format!("{:?}", Scenario::from_seed(seed));
        assert_eq!(text(5), text(5));
        assert_ne!(text(5), text(6));
    }

    #[test]
    fn some_devices_connect_by_websocket_and_some_restarts_come_in_calm() {
        let (mut websockets, mut devices) = (0, 0);
        let (mut restarts, mut rounds) = (0, 0);
        for seed in 0..100 {
            let scenario = Scenario::from_seed(seed);
            for device in 0..scenario.devices.len() {
                let options = scenario.client_options(device, None);
                websockets += usize::from(options.websocket_path.is_some());
                devices += 1;
            }
            rounds += scenario.rounds.len();
            let in_calm = |round: &&Round| round.calm_restart.is_some();
            restarts += scenario.rounds.iter().filter(in_calm).count();
        }
        assert!((devices / 5..devices / 2).contains(&websockets), "{websockets}");
        assert!((rounds / 4..rounds / 2).contains(&restarts), "{restarts}");
    }

    #[test]
    fn every_kind_of_step_is_drawn_within_a_hundred_seeds() {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let scenario = Scenario::from_seed(seed);
            for (_, step) in scenario.rounds.iter().flat_map(|round| &round.steps) {
                let text = match step {
                    Step::Call(_, call) => format!("{call:?}"),
                    Step::Fault(_, fault) => format!("{fault:?}"),
                    Step::Server(step) => format!("{step:?}"),
                };
                let name: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
                kinds.insert(name);
            }
        }
        assert_eq!(kinds.len(), 9 + 11 + 8, "{kinds:?}");
    }
}
