//! A node on threads of its own, and one loop of it on a runtime of somebody else's.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use presence::ids::{AppId, UserKey};
use presence::settings::AppSettings;
use presence_transport::tls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::admin::{Admin, AsyncAdmin, ORDERS_MAX, Order};
use crate::clock::{Clock, SystemClock};
use crate::config::{AppConfig, NodeConfig};
use crate::engine::memory::{LOOPS_MAX, MemoryEngine, floor_at, home_of};
use crate::engine::{Command, Engine};
use crate::event_loop::{App, Driver, Limits, Listening, Loop, Parts, Peers, Port};
use crate::transport::{self, Listener, Resident};

/// A running node on threads of its own. Dropped without [`Node::stop`], it ends on its own a little later.
pub struct Node {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    admin: Admin,
    threads: Vec<JoinHandle<()>>,
    /// Every thread holds the other end until it ends. The lock only makes a node `Sync`.
    ended: Mutex<std_mpsc::Receiver<()>>,
}

/// [`Node::stop`] ran out of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTimeout;

impl std::fmt::Display for StopTimeout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the node did not stop in time")
    }
}

impl std::error::Error for StopTimeout {}

impl Node {
    /// Listens and starts the loops' threads. An error says that an address cannot be listened on, that the system
    /// refused a thread or a descriptor, or that what the store holds cannot be used ([`io::ErrorKind::InvalidData`]: it
    /// is damaged); then nothing runs.
    pub fn start(config: NodeConfig, apps: Vec<AppConfig>) -> io::Result<Node> {
        let loops = match config.loops {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            loops => loops,
        }
        .min(LOOPS_MAX);
        let (listeners, addresses) = listen(&config.listen)?;
        let (tls_listeners, tls_addresses) = listen(&config.listen_tls)?;
        let tls = match (&config.tls, config.listen_tls.is_empty()) {
            (Some(tls), _) => Some(tls.config()),
            (None, true) => None,
            (None, false) => {
                let text = "to listen with TLS takes a certificate";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let friends_max = config.friends_max;
        let parts = parts::<std::net::TcpStream>(config, &apps, loops, &clock)?;

        let mut homes = Vec::new();
        for parts in parts {
            let plain = listeners.iter().map(|listener| (listener, None));
            let encrypted = tls_listeners.iter().map(|listener| (listener, tls.clone()));
            let handles = plain
                .chain(encrypted)
                .map(|(listener, tls)| transport::share(listener).map(|handle| (handle, tls)))
                .collect::<io::Result<Vec<_>>>()?;
            homes.push((parts, handles));
        }

        let (running, ended) = std_mpsc::channel();
        let mut orders = Vec::new();
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        for (parts, handles) in homes {
            let (sender, receiver) = mpsc::channel(ORDERS_MAX);
            let running = running.clone();
            let (built, answer) = std_mpsc::sync_channel(1);
            let name = format!("tim-node-{}", parts.index);
            let thread = std::thread::Builder::new().name(name).spawn(move || {
                live(&built, parts, handles, receiver);
                drop(running);
            });
            orders.push(sender);
            let started = thread.and_then(|thread| {
                threads.push(thread);
                answer
                    .recv()
                    .unwrap_or_else(|_| Err(io::Error::other("a loop's thread ended at once")))
            });
            if let Err(error) = started {
                AsyncAdmin::new(orders, friends_max).stop_soon();
                return Err(error);
            }
        }
        tracing::info!(
            ?addresses,
            ?tls_addresses,
            loops,
            apps = apps.len(),
            "node started"
        );
        let admin = Admin::new(AsyncAdmin::new(orders, friends_max));
        Ok(Node {
            addresses,
            tls_addresses,
            admin,
            threads,
            ended: Mutex::new(ended),
        })
    }

    /// Where it listens without TLS, ports resolved, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it listens with TLS, likewise.
    #[must_use]
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// What a backend may do.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Closes listeners and connections, ends the threads. `Err` if they did not end in time (they go on ending).
    pub fn stop(mut self, timeout: Duration) -> Result<(), StopTimeout> {
        let deadline = Instant::now() + timeout;
        // From a thread of its own: a loop that is busy for long must not make this wait longer than it may.
        let admin = self.admin.clone();
        let stopper = std::thread::Builder::new()
            .name("tim-node-stop".to_owned())
            .spawn(move || admin.stop());
        if stopper.is_err() {
            self.admin.stop();
        }
        // Nothing is ever sent: the wait ends when the last thread lets go of its end.
        let wait = deadline.saturating_duration_since(Instant::now());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(wait) == Err(std_mpsc::RecvTimeoutError::Timeout) {
            return Err(StopTimeout);
        }
        for thread in self.threads.drain(..).chain(stopper.ok()) {
            if thread.join().is_err() {
                tracing::error!("a loop of the node panicked");
            }
        }
        tracing::info!("node stopped");
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.admin.to_async().stop_soon();
        }
    }
}

/// One loop's handle of a listener, and what makes its connections encrypted ones.
type Handle = (std::net::TcpListener, Option<Arc<ServerConfig>>);

/// Listens, and says on which ports.
fn listen(addresses: &[SocketAddr]) -> io::Result<(Vec<std::net::TcpListener>, Vec<SocketAddr>)> {
    let listeners = addresses
        .iter()
        .map(transport::listen)
        .collect::<io::Result<Vec<_>>>()?;
    let addresses = listeners
        .iter()
        .map(std::net::TcpListener::local_addr)
        .collect::<io::Result<Vec<_>>>()?;
    Ok((listeners, addresses))
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // A loop is one task: whenever it turns again at once, sockets are looked at in between.
        .event_interval(1)
        .build()
}

/// The whole life of a loop's thread. The runtime is built here, so that nothing of it is left with the thread that
/// starts the node; `built` hears how that went.
fn live(
    built: &std_mpsc::SyncSender<io::Result<()>>,
    parts: Parts<std::net::TcpStream>,
    listeners: Vec<Handle>,
    orders: mpsc::Receiver<Order>,
) {
    // There is room for the one answer, and whoever asked waits for it.
    match runtime() {
        Ok(runtime) => {
            let _ = built.send(Ok(()));
            if let Err(error) = runtime.block_on(run(parts, listeners, orders)) {
                tracing::error!(%error, "a loop of the node could not run");
            }
        }
        Err(error) => drop(built.send(Err(error))),
    }
}

/// One loop's whole life on its own runtime.
async fn run(
    parts: Parts<std::net::TcpStream>,
    listeners: Vec<Handle>,
    orders: mpsc::Receiver<Order>,
) -> io::Result<()> {
    let sources = listeners
        .into_iter()
        .map(|(listener, tls)| TcpListener::from_std(listener).map(|listener| Port { listener, tls }))
        .collect::<io::Result<Vec<_>>>()?;
    let driver = Driver::<TcpStream, _>::new(Loop::new(parts), sources, orders);
    // As a task: waking a task of a runtime from its own thread is cheaper than waking what `block_on` polls. Without
    // a budget: the loop shares its turns among its connections itself.
    tokio::spawn(tokio::task::unconstrained(driver))
        .await
        .map_err(io::Error::other)
}

/// What a node is given to run in: see [`run_single`].
#[derive(Clone)]
pub struct World {
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
}

/// A node with one loop on the current runtime, with a listener and clocks of the caller's: for tests and simulations.
/// The configuration's `listen`, `listen_tls` and `loops` are not used.
///
/// Answers what a backend may do, and the node itself: a future that runs until [`AsyncAdmin::stop`], or until it is
/// dropped, which resets all of its connections. Call this inside the runtime.
pub fn single<L: Listener>(
    config: NodeConfig,
    apps: Vec<AppConfig>,
    listener: L,
    world: World,
) -> (AsyncAdmin, impl Future<Output = ()> + Send) {
    let friends_max = config.friends_max;
    let (sender, orders) = mpsc::channel(ORDERS_MAX);
    let admin = AsyncAdmin::new(vec![sender], friends_max);
    let backend = admin.clone();
    let node = async move {
        // It runs on when the caller has dropped the other handles.
        let _backend = backend;
        let parts = match parts(config, &apps, 1, &world.clock) {
            Ok(mut parts) => parts.pop(),
            Err(error) => {
                tracing::error!(%error, "the node could not start");
                None
            }
        };
        let Some(parts) = parts else {
            return;
        };
        let turning = Loop::<Resident<L::Stream>>::new(parts);
        tokio::task::unconstrained(Driver::new(turning, vec![Listening::new(listener)], orders)).await;
    };
    (admin, node)
}

/// As [`single`], for who has no orders to give.
pub async fn run_single<L: Listener>(config: NodeConfig, apps: Vec<AppConfig>, listener: L, world: World) {
    let (_admin, node) = single(config, apps, listener, world);
    node.await;
}

/// The parts of a node's loops.
fn parts<D>(
    config: NodeConfig,
    apps: &[AppConfig],
    loops: usize,
    clock: &Arc<dyn Clock>,
) -> io::Result<Vec<Parts<D>>> {
    let config = Arc::new(config);
    let limits = Arc::new(Limits::new(&config));
    let parts = engines(&config, apps, loops, clock)?
        .into_iter()
        .zip(Peers::among(loops))
        .enumerate()
        .map(|(index, (engine, peers))| Parts {
            index,
            loops,
            config: Arc::clone(&config),
            apps: apps
                .iter()
                .map(|app| (app.id, App::new(app)))
                .collect::<HashMap<_, _>>(),
            clock: Arc::clone(clock),
            engine: Box::new(engine) as Box<dyn Engine>,
            peers,
            limits: Arc::clone(&limits),
        })
        .collect();
    Ok(parts)
}

/// The engines, with what the store holds, and the accounts and friends of the configuration.
fn engines(
    config: &NodeConfig,
    apps: &[AppConfig],
    loops: usize,
    clock: &Arc<dyn Clock>,
) -> io::Result<Vec<MemoryEngine>> {
    let settings: Vec<(AppId, AppSettings)> = apps.iter().map(|app| (app.id, app.settings.clone())).collect();
    let start = clock.now();
    let mut engines = match &config.store {
        None => MemoryEngine::for_loops(loops, floor_at(start.wall), &settings),
        Some(store) => {
            MemoryEngine::restored(loops, &settings, store, config.restart_grace, &|| clock.now())?
        }
    };
    let now = clock.now();
    let friends_max = config.friends_max;
    for app in apps {
        let mentioned = app.friends.values().flatten();
        for user in app.accounts.iter().chain(mentioned) {
            let user = UserKey {
                app: app.id,
                user: *user,
            };
            if let Some(engine) = engines.get_mut(home_of(&user, loops)) {
                engine.submit(now, None, Command::Import { user });
            }
        }
        for (owner, friends) in &app.friends {
            let owner = UserKey {
                app: app.id,
                user: *owner,
            };
            if let Some(engine) = engines.get_mut(home_of(&owner, loops)) {
                let friends = crate::admin::friend_list(&owner, friends.iter().copied(), friends_max);
                engine.submit(now, None, Command::SetFriends { owner, friends });
            }
        }
    }
    Ok(engines)
}
