//! A celebrity in one node: what do five watchers of somebody else notice while 100 000 are told of a change?
//!
//! The node is the real one, on the real clock and a thread of its own. Its connections are in memory, since a process
//! may have far fewer open files than that: a scripted client takes what is written to it on the node's thread, and each
//! write keeps that thread for as long as one to a loopback socket does. What is measured means what it means in
//! `tim-presence-load celebrity`, which has sockets; docs/PERFORMANCE.md has both beside each other.

mod client;

use std::io;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use presence::ids::AppId;
use presence::settings::AppSettings;
use presence_node::clock::SystemClock;
use presence_node::{AppConfig, NodeConfig, World, run_single};
use tokio::sync::oneshot;

use self::client::{APP, Change, Client, Door, News, SECRET_KEY, Stage, Subject, locked};

const USAGE: &str = "\
cargo bench -p presence-node --bench celebrity -- [--watchers 2000,19900,100000] [--write-us 9] [--rounds 3]
    --watchers N,...  of the celebrity, 1 to 900000; each number and round is a process of its own, and a row
    --write-us N      how long a write keeps the node's thread, in microseconds, 0 to 1000
    --rounds N        1 to 100
    --row             the row of the first number alone, of this process";

/// Watchers of the bystander.
const BESIDE: u32 = 5;
/// Between two changes of the bystander.
const PERIOD: Duration = Duration::from_millis(10);
/// Before each change of the celebrity, and after the last: the bystander alone.
const PAUSE: Duration = Duration::from_millis(200);
/// What takes longer does not happen any more.
const PATIENCE: Duration = Duration::from_secs(120);
/// Writes to the celebrity's watchers in a run, about: changes that take 20 ms must meet the bystander as often as those
/// that take a second.
const TOLD_IN_ALL: u32 = 1_000_000;

/// What a row has.
const COLUMNS: [&str; 10] = [
    "watchers",
    "alone p50 ms",
    "p99 ms",
    "beside p50 ms",
    "p99 ms",
    "max ms",
    "added at p50 ms",
    "added at p99 ms",
    "celebrity's last watcher ms",
    "resident bytes a connection",
];

fn main() -> ExitCode {
    match Arguments::read().and_then(|arguments| arguments.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("celebrity: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    watchers: Vec<u32>,
    write_us: u32,
    rounds: u32,
    row: bool,
}

impl Arguments {
    fn read() -> Result<Arguments, lexopt::Error> {
        use lexopt::prelude::*;
        let mut arguments = Arguments {
            watchers: vec![2_000, 19_900, 100_000],
            write_us: 9,
            rounds: 3,
            row: false,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("watchers") => {
                    let list = parser.value()?.string()?;
                    let numbers = list.split(',').map(|number| within(number, 1, 900_000));
                    arguments.watchers = numbers.collect::<Result<_, _>>()?;
                }
                Long("write-us") => arguments.write_us = within(&parser.value()?.string()?, 0, 1_000)?,
                Long("rounds") => arguments.rounds = within(&parser.value()?.string()?, 1, 100)?,
                Long("row") => arguments.row = true,
                // Cargo's own.
                Long("bench") => {}
                Long("help") => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(arguments)
    }

    /// Each row comes from a process of its own, so that none has the memory of the one before.
    fn run(&self) -> Result<(), lexopt::Error> {
        if let (true, Some(watchers)) = (self.row, self.watchers.first()) {
            let row = measure(*watchers, Duration::from_micros(self.write_us.into()))?;
            println!("| {} |", row.map(shown).join(" | "));
            return Ok(());
        }
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        println!("{} µs a write, load average {load} before;", self.write_us);
        println!(
            "{} bytes of a connection are what stands in for its socket\n",
            size_of::<Client>()
        );
        println!("| {} |", COLUMNS.join(" | "));
        println!("| {} |", COLUMNS.map(|_| "---").join(" | "));
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        for watchers in self.watchers.repeat(self.rounds as usize) {
            let status = Command::new(&program)
                .args(["--row", "--watchers", &watchers.to_string()])
                .args(["--write-us", &self.write_us.to_string()])
                .status()
                .map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!("failed with {watchers} watchers").into());
            }
        }
        Ok(())
    }
}

fn within(number: &str, min: u32, max: u32) -> Result<u32, String> {
    match number.parse() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(format!(
            "{number:?} is not a whole number from {min} to {max}\n{USAGE}"
        )),
    }
}

fn shown(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A row.
fn measure(crowd: u32, write_time: Duration) -> Result<[f64; COLUMNS.len()], String> {
    let resident_before = resident_bytes();
    let (celebrity, of_celebrity) = Subject::new(crowd);
    let (bystander, of_bystander) = Subject::new(BESIDE);
    let stage = Arc::new(Stage::new(celebrity, bystander, write_time));
    let (stop, stopped) = oneshot::channel();
    let served = Arc::clone(&stage);
    let server = thread::Builder::new()
        .name("tim-node-0".to_owned())
        .spawn(move || serve(served, stopped))
        .map_err(|error| error.to_string())?;
    // The first that is heard of the celebrity: all are logged in and have subscribed.
    next(&of_celebrity)?;
    let resident = (resident_bytes() - resident_before) / f64::from(stage.clients());

    let over = AtomicBool::new(false);
    let made = thread::scope(|scope| {
        let beside = scope.spawn(|| change_steadily(&stage.bystander, of_bystander, &over));
        let told = change_again_and_again(&stage.celebrity, &of_celebrity);
        over.store(true, Ordering::Relaxed);
        let beside = beside.join();
        told.and(beside.unwrap_or_else(|_| Err("the bystander's thread panicked".to_owned())))
    });
    drop(stop);
    match server.join() {
        Ok(served) => served.map_err(|error| error.to_string())?,
        Err(_) => return Err("the node panicked".to_owned()),
    }
    made?;

    let told = locked(&stage.celebrity.changes);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for change in locked(&stage.bystander.changes).iter() {
        let meets = told.iter().any(|other| change.overlaps(other));
        let delays = if meets { &mut beside } else { &mut alone };
        delays.push(change.milliseconds());
    }
    let mut lasted: Vec<f64> = told.iter().map(Change::milliseconds).collect();
    for times in [&mut alone, &mut beside, &mut lasted] {
        times.sort_by(f64::total_cmp);
    }
    let added = |share| percentile(&beside, share) - percentile(&alone, share);
    Ok([
        f64::from(crowd),
        percentile(&alone, 0.50),
        percentile(&alone, 0.99),
        percentile(&beside, 0.50),
        percentile(&beside, 0.99),
        percentile(&beside, 1.0),
        added(0.50),
        added(0.99),
        percentile(&lasted, 0.50),
        resident,
    ])
}

/// Each time when all were told of the change before, and a pause has passed.
fn change_again_and_again(celebrity: &Subject, news: &mpsc::Receiver<News>) -> Result<(), String> {
    for _ in 0..(TOLD_IN_ALL / celebrity.watchers).clamp(10, 40) {
        nothing_is_told(news)?;
        celebrity.change();
        next(news)?;
    }
    nothing_is_told(news)
}

/// At a rate until it is over; then waits until its watchers were told of all.
fn change_steadily(bystander: &Subject, news: mpsc::Receiver<News>, over: &AtomicBool) -> Result<(), String> {
    let (mut next_at, mut changes) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        bystander.change();
        changes += 1;
        // After a stall it goes on, instead of catching up in a burst.
        next_at = (next_at + PERIOD).max(Instant::now());
        thread::sleep(next_at.saturating_duration_since(Instant::now()));
    }
    (0..changes).try_for_each(|_| next(&news))
}

fn next(news: &mpsc::Receiver<News>) -> News {
    news.recv_timeout(PATIENCE)
        .unwrap_or_else(|_| Err("somebody was not told".to_owned()))
}

fn nothing_is_told(news: &mpsc::Receiver<News>) -> Result<(), String> {
    match news.recv_timeout(PAUSE) {
        Err(_) => Ok(()),
        Ok(told) => told.and(Err("all were told before there was a change".to_owned())),
    }
}

/// The node, until the other end of `stopped` is gone: one loop, on a runtime like those that a server's loops have.
fn serve(stage: Arc<Stage>, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let app = AppConfig {
        id: AppId::new(APP).expect("not 0"),
        secret_key: SECRET_KEY.to_owned(),
        settings: AppSettings {
            auto_register_on_mention: true,
            rate_calls: 0,
            ..AppSettings::default()
        },
        accounts: Vec::new(),
        friends: std::collections::BTreeMap::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .event_interval(1)
        .build()?;
    runtime.block_on(async {
        let clock = Arc::new(SystemClock::new());
        let node = run_single(
            NodeConfig::default(),
            vec![app],
            Door::new(stage),
            World { clock },
        );
        tokio::spawn(node);
        // An error is how it ends: the sender was dropped.
        let _ = stopped.await;
    });
    Ok(())
}

/// Of sorted values; by the nearest rank.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Bytes of this process that are in memory; not a number where the system does not say so.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.parse::<f64>().ok())
        .map_or(f64::NAN, |kilobytes| kilobytes * 1024.0)
}
