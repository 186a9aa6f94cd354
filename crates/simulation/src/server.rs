//! The server's host: the real node with one loop, its wall clock, and the backend's orders.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use presence::ids::{AppId, UserId, UserKey};
use presence::settings::AppSettings;
use presence::time::Wall;
use presence_node::clock::RuntimeClock;
use presence_node::durable::held::Held;
use presence_node::engine::memory::floor_at;
use presence_node::{AppConfig, AsyncAdmin, NodeConfig, single};
use tokio::sync::Notify;
use turmoil::net::TcpListener;

use crate::network::ServerListener;
use crate::runner::{Plant, World, locked};
use crate::scenario::{DRAIN_PATIENCE_MS, SDK_APP_ID, SERVER_PORT, Scenario, Switches};
use crate::spoiled;

/// A key that everybody may know.
pub const SECRET_KEY: &str = "a key of the simulation's own";

/// When every simulation begins: a moment in 2026, milliseconds since the epoch.
const START_MS: i64 = 1_780_000_000_000;

/// What the runner and the server share.
#[derive(Default)]
pub struct Desk {
    orders: Mutex<VecDeque<Order>>,
    bell: Notify,
    clock: Mutex<Option<Arc<RuntimeClock>>>,
    wall_shift_ms: AtomicI64,
    /// UserSigs made before this second were revoked (R8.7).
    sign_from_s: AtomicI64,
    /// What outlives a server that has a store.
    held: Mutex<Held>,
    /// The last one was told to end, and did.
    ended_in_order: AtomicBool,
    /// Servers so far.
    starts: AtomicU64,
}

/// What the backend wants.
enum Order {
    Kick(UserId),
    Delete(UserId),
    Befriend(UserId, Vec<UserId>),
    Switch(Switches),
    Drain,
    Stop,
}

impl Desk {
    /// The server's wall clock, milliseconds since the epoch, so many milliseconds after the beginning.
    #[must_use]
    pub fn wall_ms(&self, now_ms: u64) -> i64 {
        START_MS + now_ms as i64 + self.wall_shift_ms.load(Ordering::Relaxed)
    }

    /// When a UserSig is made, in seconds since the epoch: now, and after what was revoked.
    #[must_use]
    pub fn sign_at_s(&self, now_ms: u64) -> i64 {
        let wall_s = self.wall_ms(now_ms).div_euclid(1000);
        wall_s.max(self.sign_from_s.load(Ordering::Relaxed))
    }

    /// Moves the wall clock.
    pub fn move_wall(&self, by_ms: i64) {
        self.wall_shift_ms.fetch_add(by_ms, Ordering::Relaxed);
        if let Some(clock) = &*locked(&self.clock) {
            clock.shift_wall(by_ms);
        }
    }

    /// R8.7.
    pub fn kick(&self, user: UserId, now_ms: u64) {
        self.revoke(now_ms);
        self.order(Order::Kick(user));
    }

    /// R1.5.
    pub fn delete(&self, user: UserId, now_ms: u64) {
        self.revoke(now_ms);
        self.order(Order::Delete(user));
    }

    /// R9.1.
    pub fn befriend(&self, user: UserId, friends: Vec<UserId>) {
        self.order(Order::Befriend(user, friends));
    }

    fn revoke(&self, now_ms: u64) {
        let wall_s = self.wall_ms(now_ms).div_euclid(1000);
        // The order may be carried out a second later.
        self.sign_from_s.fetch_max(wall_s + 2, Ordering::Relaxed);
    }

    /// R7.3, R7.4.
    pub fn switch(&self, switches: Switches) {
        self.order(Order::Switch(switches));
    }

    /// Ends the node in order.
    pub fn stop(&self) {
        self.order(Order::Stop);
    }

    /// Asks the clients to go, and then ends the node in order (R2.9).
    pub fn drain(&self) {
        self.order(Order::Drain);
    }

    fn order(&self, order: Order) {
        locked(&self.orders).push_back(order);
        self.bell.notify_one();
    }
}

/// The life of one server process. It knows nothing of those before it, but for what a store holds: what a crash left there
/// lacks what the engine had not handed over yet.
pub async fn run(world: Arc<World>) -> turmoil::Result {
    let desk = &world.server;
    locked(&desk.orders).clear();
    let inner = TcpListener::bind(("0.0.0.0", SERVER_PORT)).await?;
    let now_ms = locked(&world.journal).now_ms();
    let clock = Arc::new(RuntimeClock::starting_at(Wall(desk.wall_ms(now_ms))));
    *locked(&desk.clock) = Some(Arc::clone(&clock));
    let listener = ServerListener {
        inner,
        connections: Arc::clone(&world.connections),
        write_bytes_max: world.scenario.write_bytes_max,
    };
    let mut config = node_config(&world);
    let crashed = !desk.ended_in_order.swap(false, Ordering::Relaxed);
    let starts = desk.starts.fetch_add(1, Ordering::Relaxed);
    if world.scenario.store {
        let floor = floor_at(Wall(desk.wall_ms(now_ms)));
        let store = locked(&desk.held).open(floor, crashed);
        config.store = Some(match world.plant {
            Some(Plant::FloorGoesBack) => spoiled::floor_goes_back(store, floor_at(Wall(START_MS)), starts),
            Some(Plant::ForgetfulStore) => spoiled::forgetful(store),
            _ => store,
        });
    }
    let (admin, node) = single(
        config,
        vec![app(&world.scenario)],
        listener,
        presence_node::World { clock },
    );
    tokio::task::spawn_local(obey(Arc::clone(&world), admin));
    node.await;
    desk.ended_in_order.store(true, Ordering::Relaxed);
    Ok(())
}

fn node_config(world: &World) -> NodeConfig {
    let mut config = world.scenario.node_config();
    match world.plant {
        Some(Plant::DeafToSilence) => config.heartbeat_timeout = Duration::from_secs(3600),
        Some(Plant::NoRestartGrace) => config.restart_grace = Duration::ZERO,
        _ => {}
    }
    config
}

fn app(scenario: &Scenario) -> AppConfig {
    let id_of = |user: &usize| user_id(&scenario.users[*user]);
    AppConfig {
        id: app_id(),
        secret_key: SECRET_KEY.to_owned(),
        settings: settings(scenario, scenario.switches),
        accounts: scenario.users.iter().map(|user| user_id(user)).collect(),
        friends: scenario
            .friends
            .iter()
            .map(|(owner, friends)| (id_of(owner), friends.iter().map(id_of).collect()))
            .collect(),
    }
}

fn settings(scenario: &Scenario, switches: Switches) -> AppSettings {
    AppSettings {
        user_status: switches.user_status,
        friend_status_notify: switches.friend_status_notify,
        multi_login: scenario.multi_login,
        subscriptions_max: scenario.subscriptions_max,
        // The questions of calm moments would use up the allowance (R7.5).
        rate_calls: 0,
        offline_grace: scenario.offline_grace,
        subscription_linger: scenario.subscription_linger,
        ..AppSettings::default()
    }
}

async fn obey(world: Arc<World>, admin: AsyncAdmin) {
    loop {
        let order = locked(&world.server.orders).pop_front();
        match order {
            Some(Order::Kick(user)) => {
                admin.kick(key(user)).await;
            }
            Some(Order::Delete(user)) => {
                admin.delete_account(key(user)).await;
            }
            Some(Order::Befriend(user, friends)) => {
                admin.set_friends(key(user), friends).await;
            }
            Some(Order::Switch(switches)) => {
                let settings = settings(&world.scenario, switches);
                admin.set_app_settings(app_id(), settings).await;
            }
            Some(Order::Drain) => {
                let patience = Duration::from_millis(DRAIN_PATIENCE_MS);
                // Who does not go in time is told again by the end itself.
                let _ = tokio::time::timeout(patience, admin.drain()).await;
                return admin.stop().await;
            }
            Some(Order::Stop) => return admin.stop().await,
            None => world.server.bell.notified().await,
        }
    }
}

fn key(user: UserId) -> UserKey {
    UserKey { app: app_id(), user }
}

/// The app of all users.
#[must_use]
pub fn app_id() -> AppId {
    AppId::new(SDK_APP_ID).expect("not 0")
}

/// A user of the scenario.
#[must_use]
pub fn user_id(name: &str) -> UserId {
    UserId::new(name).expect("a scenario's users are well-formed")
}
