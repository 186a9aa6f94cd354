//! Fan-out: P publishers change their custom status, W watchers each are told. Saturated, or at a fixed rate.

use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::arguments::Server;
use crate::crowd::Crowd;
use crate::dialect::{self, Event};
use crate::process::ServerProcess;
use crate::report::Row;

/// How much.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Users whose status changes.
    pub publishers: usize,
    /// Watchers of each.
    pub watchers: usize,
    /// The same watchers for all publishers.
    pub shared: bool,
    /// `None`: as fast as the window allows.
    pub deliveries_per_second: Option<usize>,
    /// Changes of one publisher under way at once when saturated.
    pub window: usize,
    /// Measured time, after a second of warm-up.
    pub measured: Duration,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters {
            publishers: 10,
            watchers: 200,
            shared: false,
            deliveries_per_second: None,
            window: 32,
            measured: Duration::from_secs(5),
        }
    }
}

const WARM_UP: Duration = Duration::from_secs(1);

/// One run against one server.
pub fn run(server: Server, parameters: &Parameters) -> io::Result<Row> {
    let process = ServerProcess::start(server)?;
    let mut crowd = Crowd::new()?;
    let now_s = now_s();
    let publishers = parameters.publishers;
    crowd.join(process.address, publishers, 1, |number| {
        dialect::log_in(number as u32, now_s)
    })?;
    let watchers = if parameters.shared {
        parameters.watchers
    } else {
        parameters.watchers * publishers
    };
    crowd.join(process.address, watchers, 2, |number| {
        let mut bytes = dialect::log_in((publishers + number) as u32, now_s);
        let watched = if parameters.shared {
            dialect::subscribe(0..publishers as u32)
        } else {
            dialect::subscribe([(number / parameters.watchers) as u32])
        };
        bytes.extend_from_slice(&watched);
        bytes
    })?;

    let mut flow = Flow::new(parameters, crowd.len());
    let begin = Instant::now();
    flow.pump(&mut crowd, begin + WARM_UP)?;
    let (cpu_before, counted_before, time_before) = (process.cpu_time()?, flow.delivered, Instant::now());
    flow.latencies.clear();
    flow.pump(&mut crowd, begin + WARM_UP + parameters.measured)?;
    let elapsed = time_before.elapsed();
    let cpu = process.cpu_time()? - cpu_before;
    let deliveries = flow.delivered - counted_before;
    let resident = process.resident_bytes()?;
    flow.drain(&mut crowd)?;

    let mut row = Row::new(server.name());
    row.add("deliveries/s", deliveries as f64 / elapsed.as_secs_f64());
    row.add("server µs/delivery", cpu.as_secs_f64() * 1e6 / deliveries as f64);
    row.add("server CPU %", 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64());
    flow.latencies.sort_unstable();
    row.add("p50 ms", percentile_ms(&flow.latencies, 0.50));
    row.add("p99 ms", percentile_ms(&flow.latencies, 0.99));
    row.add("RSS MiB", resident as f64 / 1_048_576.0);
    Ok(row)
}

/// Seconds since the epoch.
pub fn now_s() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs() as i64
}

/// What was sent, what came back, what is still on its way.
struct Flow<'a> {
    parameters: &'a Parameters,
    /// Per publisher: the last change sent, and for each change under way how many watchers have it and when it left.
    sent: Vec<u64>,
    under_way: Vec<Vec<(usize, Instant)>>,
    completed: Vec<u64>,
    /// Per connection and publisher: the last change delivered. Each must be one more than the one before.
    last: Vec<u64>,
    delivered: u64,
    /// From sending a change to the last watcher, in microseconds.
    latencies: Vec<u32>,
    next_publisher: usize,
    next_change_at: Instant,
    mistake: Option<String>,
}

impl<'a> Flow<'a> {
    fn new(parameters: &'a Parameters, connections: usize) -> Flow<'a> {
        let now = Instant::now();
        Flow {
            parameters,
            sent: vec![0; parameters.publishers],
            under_way: vec![vec![(0, now); parameters.window]; parameters.publishers],
            completed: vec![0; parameters.publishers],
            last: vec![0; connections * parameters.publishers],
            delivered: 0,
            latencies: Vec::new(),
            next_publisher: 0,
            next_change_at: now,
            mistake: None,
        }
    }

    fn pump(&mut self, crowd: &mut Crowd, until: Instant) -> io::Result<()> {
        while Instant::now() < until {
            match self.parameters.deliveries_per_second {
                None => {
                    for publisher in 0..self.parameters.publishers {
                        self.fill_window(crowd, publisher)?;
                    }
                    self.turn(crowd, Duration::from_millis(100))?;
                }
                Some(rate) => {
                    let now = Instant::now();
                    if now >= self.next_change_at {
                        let publisher = self.next_publisher;
                        if self.sent[publisher] - self.completed[publisher] < self.parameters.window as u64 {
                            crowd.send(publisher, |bytes| self.change(publisher, bytes))?;
                        }
                        self.next_publisher = (publisher + 1) % self.parameters.publishers;
                        self.next_change_at +=
                            Duration::from_secs_f64(self.parameters.watchers as f64 / rate as f64);
                    }
                    self.turn(
                        crowd,
                        self.next_change_at.saturating_duration_since(Instant::now()),
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Waits for all that is under way: everything sent must be delivered.
    fn drain(&mut self, crowd: &mut Crowd) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.sent != self.completed {
            if Instant::now() > deadline {
                let missing: u64 = self
                    .sent
                    .iter()
                    .zip(&self.completed)
                    .map(|(sent, done)| sent - done)
                    .sum();
                return Err(io::Error::other(format!(
                    "{missing} changes did not reach all their watchers"
                )));
            }
            self.turn(crowd, Duration::from_millis(100))?;
        }
        Ok(())
    }

    fn fill_window(&mut self, crowd: &mut Crowd, publisher: usize) -> io::Result<()> {
        let free = self.parameters.window as u64 - (self.sent[publisher] - self.completed[publisher]);
        if free == 0 {
            return Ok(());
        }
        crowd.send(publisher, |bytes| {
            for _ in 0..free {
                self.change(publisher, bytes);
            }
        })
    }

    fn change(&mut self, publisher: usize, bytes: &mut BytesMut) {
        self.sent[publisher] += 1;
        let slot = self.sent[publisher] as usize % self.parameters.window;
        self.under_way[publisher][slot] = (0, Instant::now());
        dialect::change(self.sent[publisher], bytes);
    }

    fn turn(&mut self, crowd: &mut Crowd, timeout: Duration) -> io::Result<()> {
        crowd.turn(timeout, |connection, event| {
            if let Event::Delivered { user, sequence } = event
                && connection >= self.parameters.publishers
                && (user as usize) < self.parameters.publishers
            {
                self.count(connection, user as usize, sequence);
            }
        })?;
        match self.mistake.take() {
            Some(mistake) => Err(io::Error::other(mistake)),
            None => Ok(()),
        }
    }

    fn count(&mut self, connection: usize, publisher: usize, sequence: u64) {
        let last = &mut self.last[connection * self.parameters.publishers + publisher];
        if sequence != *last + 1 {
            self.mistake = Some(format!(
                "connection {connection} heard change {sequence} of {publisher} after {last}"
            ));
            return;
        }
        *last = sequence;
        self.delivered += 1;
        let (watchers, sent_at) = &mut self.under_way[publisher][sequence as usize % self.parameters.window];
        *watchers += 1;
        if *watchers == self.parameters.watchers {
            self.completed[publisher] += 1;
            self.latencies
                .push(u32::try_from(sent_at.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
}

fn percentile_ms(sorted_micros: &[u32], share: f64) -> f64 {
    let index = ((sorted_micros.len() as f64 * share) as usize).min(sorted_micros.len().saturating_sub(1));
    sorted_micros
        .get(index)
        .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
}
