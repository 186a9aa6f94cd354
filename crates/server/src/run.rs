//! Serving: start the node, say where it listens, answer signals, stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use presence_node::{BackendHandle, Node, ServerTls, StopTimeout};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::arguments::{RunOptions, Source};
use crate::config::{AdminListen, Config};
use crate::http::HttpServer;
use crate::live::Live;
use crate::metrics::Operations;
use crate::notify::notify;
use crate::service::{Service, now_ms};
use crate::start::{Started, start};
use crate::store::{Store, StoreError};
use crate::webhook::Webhooks;
use crate::{Failure, config, dev, logs, reload, say};

/// How long connections and threads may take to end.
const STOP_TIMEOUT: Duration = Duration::from_millis(4_500);
/// How much of that clients may take to go by themselves. They do at once, unless an answer is under way.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Serves until SIGTERM or SIGINT.
pub fn run(options: RunOptions) -> Result<(), Failure> {
    let mut config = load(&options)?;
    if !options.insecure {
        refuse_beyond_loopback(&config.node.listen)?;
        if !config.admin_tls {
            refuse_beyond_loopback(config.admin_address().as_slice())?;
        }
    }
    refuse_the_examples_key(&config)?;
    logs::start(config.log);
    end_on_panic();
    // Before the node starts, so that no signal finds the system's default, which would end the process at once.
    let (event, events) = channel();
    Signals::new([SIGTERM, SIGINT, SIGHUP])
        .and_then(|signals| receive(signals, event.clone()))
        .map_err(|error| Failure::Runtime(format!("cannot receive signals: {error}")))?;
    let webhooks = Webhooks::start(config.webhooks.clone())
        .map_err(|error| Failure::Runtime(format!("cannot start the webhooks' thread: {error}")))?;
    config.node.backend = Some(BackendHandle(webhooks.hook()));
    warn_of_risks(&options, &config);
    let Started { node, store, apps } = start(&config)?;

    let gateways = gateways_of(&node);
    let live = Arc::new(Live::new(config.node.clone(), &apps, &config.administrators));
    let operations = Arc::new(Operations {
        from: config.metrics_from,
        webhooks: webhooks.counters(),
        store: store.as_ref().map(Store::statistics),
        draining: AtomicBool::new(false),
    });
    let http = match administration(&config, &node, &live, &gateways, &operations) {
        Ok(http) => http,
        Err(failure) => {
            // In order: nothing is amiss with the store, and clients may have come already.
            let ended = end_store(node.stop(STOP_TIMEOUT), store);
            // What went wrong first is told.
            drop(ended);
            return Err(failure);
        }
    };

    announce(&options, &config, &gateways, http.as_ref());
    notify("READY=1");
    while is_to_reload(&events) {
        hang_up(&options, &mut config, &node, &live, &webhooks);
        if let Some(store) = &store {
            keep_settings(store, &config, &live);
        }
    }
    notify("STOPPING=1");
    operations.draining.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + STOP_TIMEOUT;
    let patience = drain(&node, &events, &event);
    if let Some(http) = http {
        http.stop();
    }
    let stopped = node.stop(deadline.saturating_duration_since(Instant::now()));
    // The store first: what it keeps is worth more than what a backend has not heard yet.
    let closed = end_store(stopped, store);
    // The node has ended, so nothing new is told.
    webhooks.stop(match patience {
        Patience::Left => deadline.saturating_duration_since(Instant::now()),
        Patience::Gone => Duration::ZERO,
    });
    stopped.map_err(|_| {
        Failure::Runtime(format!(
            "not stopped within {} ms: giving up",
            STOP_TIMEOUT.as_millis()
        ))
    })?;
    closed?;
    tracing::info!("stopped");
    Ok(())
}

/// What whoever runs it should know of its configuration.
fn warn_of_risks(options: &RunOptions, config: &Config) {
    for (app, _) in config.webhooks.iter().filter(|(_, target)| target.is_exposed()) {
        tracing::warn!(%app, "the webhook is not https: what users do can be read on the way");
    }
    if config.data_dir.is_none() && options.source != Source::Dev {
        tracing::warn!(
            "no data_dir: accounts, friends and subscriptions are forgotten when the server stops"
        );
    }
}

/// Where clients find the node.
fn gateways_of(node: &Node) -> Vec<String> {
    let plain = node.addresses().iter().map(|address| format!("tim://{address}"));
    let encrypted = node
        .tls_addresses()
        .iter()
        .map(|address| format!("tims://{address}"));
    plain.chain(encrypted).collect()
}

/// The server that administrators and backends talk to, if there is to be one.
fn administration(
    config: &Config,
    node: &Node,
    live: &Arc<Live>,
    gateways: &[String],
    operations: &Arc<Operations>,
) -> Result<Option<HttpServer>, Failure> {
    let Some(address) = config.admin_address() else {
        return Ok(None);
    };
    let tls = config
        .node
        .tls
        .as_ref()
        .filter(|_| config.admin_tls)
        .map(ServerTls::config);
    let service = Service::new(
        node.admin().to_async(),
        Arc::clone(live),
        &config.node,
        gateways.to_vec(),
        config.rest_rate,
        config.trusted_proxies.clone(),
        Arc::clone(operations),
    );
    HttpServer::start(address, tls, Arc::new(service))
        .map(Some)
        .map_err(|error| Failure::Runtime(format!("cannot serve administrators on {address}: {error}")))
}

/// Says where it listens, to whoever started it and to the log.
fn announce(options: &RunOptions, config: &Config, gateways: &[String], http: Option<&HttpServer>) {
    for address in gateways {
        say(&format!("listening on {address}"));
        tracing::info!(address, "listening");
    }
    if let Some(http) = http {
        let url = http.url();
        say(&format!("administration at {url}"));
        tracing::info!(url, "administration");
    }
    if let (Source::Dev, [app]) = (&options.source, config.apps.as_slice()) {
        let now_s = i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX);
        let program = std::env::args_os()
            .next()
            .unwrap_or_else(|| "tim-presence-server".into());
        say(&dev::greeting(
            &program.to_string_lossy(),
            app,
            http.map(HttpServer::url),
            now_s,
        ));
    }
    for app in config
        .apps
        .iter()
        .filter(|app| app.secret_key.len() < config::SECRET_KEY_BYTES_GOOD)
    {
        tracing::warn!(app = %app.id, "the secret key is short; take at least {} characters", config::SECRET_KEY_BYTES_GOOD);
    }
}

/// Waits for a signal. False: to stop.
fn is_to_reload(events: &Receiver<Event>) -> bool {
    match events.recv() {
        Ok(Event::Signal(SIGHUP)) => true,
        Ok(Event::Signal(signal)) => {
            tracing::info!(signal, "stopping");
            false
        }
        // Nothing drains yet, and the thread that receives signals does not end.
        Ok(Event::Drained) | Err(_) => false,
    }
}

/// The store keeps what the file says of each app now, and what is in effect.
fn keep_settings(store: &Store, config: &Config, live: &Live) {
    for app in &config.apps {
        if let Some(in_effect) = live.app(app.id) {
            store.keep_settings(app.id, &app.settings, &in_effect.settings);
        }
    }
}

/// Whether or not the node ended in time, what it has handed over is committed.
fn end_store(stopped: Result<(), StopTimeout>, store: Option<Store>) -> Result<(), StoreError> {
    match (stopped, store) {
        (_, None) => Ok(()),
        (Ok(()), Some(store)) => store.close(),
        (Err(StopTimeout), Some(store)) => {
            let rescued = store.rescue();
            // The failure that is told is the node's.
            if let Err(error) = &rescued {
                tracing::error!(%error, "the last changes could not be written");
            }
            rescued
        }
    }
}

/// What the main thread waits for.
enum Event {
    Signal(i32),
    /// No connection is left.
    Drained,
}

/// Whether whoever stops the server still waits.
enum Patience {
    Left,
    /// A second signal came.
    Gone,
}

/// Signals as events.
fn receive(mut signals: Signals, event: Sender<Event>) -> std::io::Result<()> {
    let receiving = move || {
        for signal in signals.forever() {
            if event.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("tim-signals".to_owned());
    thread.spawn(receiving).map(drop)
}

/// Takes no more clients and has those that are here go, come back later, and lose nothing by it (R2.9). For at most
/// [`DRAIN_TIMEOUT`]; a second signal ends it.
fn drain(node: &Node, events: &Receiver<Event>, event: &Sender<Event>) -> Patience {
    let (admin, event) = (node.admin().clone(), event.clone());
    let draining = move || {
        admin.drain();
        // Nobody waits any more if it took too long.
        let _ = event.send(Event::Drained);
    };
    let thread = std::thread::Builder::new().name("tim-drain".to_owned());
    if let Err(error) = thread.spawn(draining) {
        tracing::warn!(%error, "stopping without draining");
        return Patience::Left;
    }
    let until = Instant::now() + DRAIN_TIMEOUT;
    loop {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Drained) => {
                tracing::info!("every client has gone");
                return Patience::Left;
            }
            Ok(Event::Signal(SIGHUP)) => {}
            Ok(Event::Signal(signal)) => {
                tracing::warn!(signal, "a second signal: stopping at once");
                return Patience::Gone;
            }
            Err(_) => {
                tracing::info!("some clients have not gone by themselves");
                return Patience::Left;
            }
        }
    }
}

/// A panic is a bug in one thread, whose users would be locked out for good while the others go on. Whoever supervises
/// the process starts it anew, and clients come back by themselves.
fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(%panic, "internal error: the server ends");
        std::process::exit(1);
    }));
}

/// The configuration with what the command line says instead.
fn load(options: &RunOptions) -> Result<Config, Failure> {
    let mut config = match &options.source {
        Source::File(path) => config::read(path)?,
        Source::Dev => dev::config()?,
    };
    if !options.listen.is_empty() {
        config.node.listen.clone_from(&options.listen);
    }
    config.admin_listen = match options.admin_listen {
        Some(listen) => listen,
        // Whoever says where to listen may run several of these.
        None if options.source == Source::Dev && !options.listen.is_empty() => AdminListen::Off,
        None => config.admin_listen,
    };
    if options.data_dir.is_some() {
        config.data_dir.clone_from(&options.data_dir);
    }
    config.log.level = options.log_level.unwrap_or(config.log.level);
    config.log.format = options.log_format.unwrap_or(config.log.format);
    Ok(config)
}

fn refuse_beyond_loopback(listen: &[SocketAddr]) -> Result<(), Failure> {
    match listen.iter().find(|address| !address.ip().is_loopback()) {
        None => Ok(()),
        Some(address) => Err(Failure::Configuration(format!(
            "{address} can be reached from other machines, and connections to it are not encrypted: UserSigs and statuses could \
             be read on the way. Use listen_tls for clients elsewhere and admin_tls for administrators, listen on 127.0.0.1 or [::1] behind a proxy that \
             encrypts, or say --insecure if that is what you want"
        ))),
    }
}

/// Whoever reads the example could log in as anyone.
pub fn refuse_the_examples_key(config: &Config) -> Result<(), Failure> {
    match config
        .apps
        .iter()
        .find(|app| app.secret_key.starts_with("replace-me"))
    {
        None => Ok(()),
        Some(app) => Err(Failure::Configuration(format!(
            "the secret_key of app {} is the one of the example, which everybody knows: put in the output of \
             openssl rand -hex 32",
            app.id
        ))),
    }
}

/// SIGHUP (R7.6). A file that is wrong changes nothing.
fn hang_up(options: &RunOptions, config: &mut Config, node: &Node, live: &Live, webhooks: &Webhooks) {
    if options.source == Source::Dev {
        tracing::info!("SIGHUP: there is no file to read with --dev");
        return;
    }
    match load(options) {
        Ok(new) => {
            reload::apply(config, new, node.admin(), live, webhooks);
            tracing::info!("configuration reloaded");
        }
        Err(failure) => tracing::error!(error = %failure, "configuration not reloaded, nothing changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_any_thread_ends_the_process() {
        const CHILD: &str = "TIM_PRESENCE_PANIC_CHILD";
        if std::env::var_os(CHILD).is_some() {
            end_on_panic();
            let bug = std::thread::spawn(|| panic!("a bug"));
            drop(bug.join());
            // Reached only if the process did not end.
            std::process::exit(0);
        }
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "run::tests::a_panic_in_any_thread_ends_the_process"])
            .env(CHILD, "1")
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1));
    }

    /// What was handed over is there; and since the loops may know more, the next start is one after a crash (R6.5).
    #[test]
    fn a_node_that_does_not_stop_in_time_does_not_take_the_last_changes_with_it() {
        use presence_node::durable::{Saved, Table};

        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(folder.path(), crate::store::wall_now()).unwrap();
        let user = presence::ids::UserKey {
            app: presence::ids::AppId::new(7).unwrap(),
            user: presence::ids::UserId::new("alice").unwrap(),
        };
        let saved = |number: u8| Saved {
            table: Table::Friends,
            key: presence_node::durable::record::user_key(&user),
            value: Some(Box::from([number])),
        };
        for (stopped, is_after_crash) in [(Err(StopTimeout), true), (Ok(()), false)] {
            let store = open();
            store.handle().0.load(&mut |_, _, _| Ok(())).unwrap();
            store.handle().0.keep_last(vec![saved(u8::from(is_after_crash))]);
            end_store(stopped, Some(store)).unwrap();
            let next = open();
            let mut held = Vec::new();
            let mut take = |_, _: &[u8], value: &[u8]| {
                held.extend_from_slice(value);
                Ok(())
            };
            next.handle().0.load(&mut take).unwrap();
            assert_eq!(held, [u8::from(is_after_crash)]);
            assert_eq!(next.is_after_crash(), is_after_crash);
            next.close().unwrap();
        }
    }

    #[test]
    fn only_loopback_addresses_pass() {
        let refused = |address: &str| refuse_beyond_loopback(&[address.parse().unwrap()]).is_err();
        assert!(!refused("127.0.0.1:1") && !refused("127.9.9.9:1") && !refused("[::1]:1"));
        assert!(
            refused("0.0.0.0:1") && refused("[::]:1") && refused("10.0.0.1:1") && refused("[2001:db8::1]:1")
        );
        let mixed = ["127.0.0.1:1".parse().unwrap(), "10.0.0.1:1".parse().unwrap()];
        assert!(refuse_beyond_loopback(&mixed).is_err());
    }
}
