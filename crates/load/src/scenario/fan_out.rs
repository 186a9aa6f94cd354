//! Fan-out: P publishers change their status, W watchers each are told. Saturated, or at a fixed rate.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Measurement, Scenario, mebibytes, micros, per, percentile_ms, settle, some, subscribe_each};
use crate::crowd::Crowd;
use crate::dialect::{Dialect, Event, Need, Status};
use crate::progress::{Patience, Progress};
use crate::report::Figure;
use crate::served::{Relations, ServerProcess};

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct FanOut {
    /// Users whose status changes.
    pub publishers: usize,
    /// Watchers of each.
    pub watchers: usize,
    /// The same watchers for all publishers.
    pub shared: bool,
    /// `None`: as fast as the window allows.
    pub deliveries_per_second: Option<usize>,
    /// Changes of one publisher under way at once.
    pub window: usize,
    /// A watcher may be told the newest of several changes only; the last one must reach everybody.
    pub merging: bool,
    /// Measured time, after as much, at most a second, of warm-up.
    pub measured: Duration,
}

impl Default for FanOut {
    fn default() -> FanOut {
        FanOut {
            publishers: 10,
            watchers: 200,
            shared: false,
            deliveries_per_second: None,
            window: 32,
            merging: false,
            measured: Duration::from_secs(5),
        }
    }
}

const WARM_UP_MAX: Duration = Duration::from_secs(1);

impl FanOut {
    fn watching(&self) -> usize {
        self.watchers * if self.shared { 1 } else { self.publishers }
    }

    fn watched_by_each(&self) -> usize {
        if self.shared { self.publishers } else { 1 }
    }

    /// Whom watcher number `index` watches.
    fn watched_by(&self, index: usize) -> Vec<u32> {
        if self.shared {
            (0..self.publishers as u32).collect()
        } else {
            vec![(index / self.watchers) as u32]
        }
    }
}

impl Scenario for FanOut {
    fn name(&self) -> &'static str {
        "fan-out"
    }

    fn need(&self) -> Need {
        Need::Changes
    }

    fn relations(&self) -> Relations {
        let watches = (0..self.watching()).flat_map(|index| {
            let watcher = (self.publishers + index) as u32;
            self.watched_by(index)
                .into_iter()
                .map(move |watched| (watcher, watched))
        });
        Relations {
            users: (self.publishers + self.watching()) as u32,
            watches: watches.collect(),
        }
    }

    fn run(
        &self,
        server: &ServerProcess,
        dialect: &dyn Dialect,
        progress: &Progress,
    ) -> io::Result<Vec<Figure>> {
        let mut crowd = Crowd::new(dialect, server.address)?;
        let publishers = self.publishers;
        crowd.join(0..(publishers + self.watching()) as u32, progress)?;
        let watchers = publishers..crowd.len();
        subscribe_each(&mut crowd, watchers, progress, |number| {
            self.watched_by(number - publishers)
        })?;
        settle(&mut crowd, progress)?;

        progress.show("measuring", 0, 0);
        let mut flow = Flow::new(self, crowd.len());
        let warm_up = self.measured.min(WARM_UP_MAX);
        flow.pump(&mut crowd, Instant::now() + warm_up)?;
        let calls_before = server.counts()?;
        let (counted_before, merged_before) = (flow.delivered, flow.merged);
        let measurement = Measurement::begin(server)?;
        flow.latencies.clear();
        flow.pump(&mut crowd, measurement.begin + self.measured)?;
        let (elapsed, cpu) = measurement.end()?;
        let calls = server.counts()?;
        let deliveries = some(flow.delivered - counted_before, "delivery")?;
        let merged = flow.merged - merged_before;
        let resident = server.tree.resident_bytes()?;
        flow.drain(&mut crowd)?;

        flow.latencies.sort_unstable();
        let mut figures = vec![
            Figure::more("deliveries/s", deliveries as f64 / elapsed.as_secs_f64()),
            Figure::less("server µs/delivery", per(cpu, deliveries)),
            Figure::plain("server CPU %", 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64()),
            Figure::less("p50 ms", percentile_ms(&flow.latencies, 0.50)),
            Figure::less("p99 ms", percentile_ms(&flow.latencies, 0.99)),
            Figure::less("RSS MiB", mebibytes(resident)),
        ];
        if self.merging {
            let share = merged as f64 / (merged + deliveries) as f64;
            figures.push(Figure::plain("merged %", 100.0 * share));
        }
        if let (Some(before), Some(calls)) = (calls_before, calls) {
            figures.extend(calls.figures(&before, deliveries));
        }
        Ok(figures)
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn merging(&self) -> bool {
        self.merging
    }
}

/// What was sent, what came back, what is still on its way.
struct Flow<'a> {
    parameters: &'a FanOut,
    /// Per publisher.
    sent: Vec<u64>,
    completed: Vec<u64>,
    /// Per publisher and slot of its window: how many watchers have that change, and when it left.
    under_way: Vec<Vec<(usize, Instant)>>,
    /// Per connection and publisher it watches: the last change delivered, and its version.
    last: Vec<(u64, u64)>,
    delivered: u64,
    /// Changes that a watcher was not told because it was told a newer one.
    merged: u64,
    /// From sending a change to the last watcher, who was told it or a newer one.
    latencies: Vec<u32>,
    next_publisher: usize,
    next_change_at: Instant,
    mistake: Option<String>,
}

impl<'a> Flow<'a> {
    fn new(parameters: &'a FanOut, connections: usize) -> Flow<'a> {
        let now = Instant::now();
        Flow {
            parameters,
            sent: vec![0; parameters.publishers],
            completed: vec![0; parameters.publishers],
            under_way: vec![vec![(0, now); parameters.window]; parameters.publishers],
            last: vec![(0, 0); connections * parameters.watched_by_each()],
            delivered: 0,
            merged: 0,
            latencies: Vec::new(),
            next_publisher: 0,
            next_change_at: now,
            mistake: None,
        }
    }

    fn pump(&mut self, crowd: &mut Crowd<'_>, until: Instant) -> io::Result<()> {
        let mut patience = Patience::new("a delivery");
        while Instant::now() < until {
            let timeout = match self.parameters.deliveries_per_second {
                None => {
                    for publisher in 0..self.parameters.publishers {
                        self.fill_window(crowd, publisher)?;
                    }
                    Patience::TURN
                }
                Some(rate) => {
                    if Instant::now() >= self.next_change_at {
                        let publisher = self.next_publisher;
                        if self.free(publisher) > 0 {
                            self.change(crowd, publisher, 1)?;
                        }
                        self.next_publisher = (publisher + 1) % self.parameters.publishers;
                        self.next_change_at +=
                            Duration::from_secs_f64(self.parameters.watchers as f64 / rate as f64);
                    }
                    self.next_change_at
                        .saturating_duration_since(Instant::now())
                        .min(Patience::TURN)
                }
            };
            let seen = self.turn(crowd, timeout)?;
            patience.saw(seen)?;
        }
        Ok(())
    }

    /// Waits for all that is under way: everything sent must be delivered.
    fn drain(&mut self, crowd: &mut Crowd<'_>) -> io::Result<()> {
        let mut patience = Patience::new("the rest of the deliveries");
        while self.sent != self.completed {
            let seen = self.turn(crowd, Patience::TURN)?;
            patience.saw(seen)?;
        }
        Ok(())
    }

    fn free(&self, publisher: usize) -> usize {
        self.parameters.window - (self.sent[publisher] - self.completed[publisher]) as usize
    }

    fn fill_window(&mut self, crowd: &mut Crowd<'_>, publisher: usize) -> io::Result<()> {
        match self.free(publisher) {
            0 => Ok(()),
            free => self.change(crowd, publisher, free),
        }
    }

    fn change(&mut self, crowd: &mut Crowd<'_>, publisher: usize, count: usize) -> io::Result<()> {
        crowd.send(publisher, |dialect, session, out| {
            for _ in 0..count {
                self.sent[publisher] += 1;
                let sequence = self.sent[publisher];
                let slot = sequence as usize % self.parameters.window;
                self.under_way[publisher][slot] = (0, Instant::now());
                dialect.change(session, sequence, out);
            }
        })
    }

    fn turn(&mut self, crowd: &mut Crowd<'_>, timeout: Duration) -> io::Result<usize> {
        let publishers = self.parameters.publishers;
        let seen = crowd.turn(timeout, |connection, event| {
            if let Event::Told(status) = event
                && connection >= publishers
                && (status.user as usize) < publishers
                && status.sequence > 0
            {
                self.count(connection, status);
            }
        })?;
        match self.mistake.take() {
            Some(mistake) => Err(io::Error::other(mistake)),
            None => Ok(seen),
        }
    }

    fn count(&mut self, connection: usize, status: Status) {
        let publisher = status.user as usize;
        let watched_by_each = self.parameters.watched_by_each();
        let (sequence, version) = &mut self.last[connection * watched_by_each + publisher % watched_by_each];
        let (told, newest) = (*sequence + 1, status.sequence);
        let is_in_order = told == newest || (self.parameters.merging && told < newest);
        if !is_in_order
            || newest > self.sent[publisher]
            || (status.version <= *version && status.version != 0)
        {
            let hint = if told < newest && !self.parameters.merging {
                "; with more watchers than a slice of a fan-out has, or a reader that is too slow, changes are merged: see --merging"
            } else {
                ""
            };
            self.mistake = Some(format!(
                "connection {connection} heard change {newest} (version {}) of {publisher} after {sequence} (version {version}){hint}",
                status.version
            ));
            return;
        }
        (*sequence, *version) = (newest, status.version);
        self.delivered += 1;
        self.merged += newest - told;
        for reached in told..=newest {
            let (watchers, sent_at) =
                &mut self.under_way[publisher][reached as usize % self.parameters.window];
            *watchers += 1;
            if *watchers == self.parameters.watchers {
                self.completed[publisher] += 1;
                self.latencies.push(micros(sent_at.elapsed()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One publisher, which is connection 0, with two watchers, 1 and 2, and four changes sent.
    fn flow(parameters: &FanOut) -> Flow<'_> {
        let mut flow = Flow::new(parameters, 3);
        flow.sent[0] = 4;
        flow
    }

    fn parameters(merging: bool) -> FanOut {
        FanOut {
            publishers: 1,
            watchers: 2,
            merging,
            ..FanOut::default()
        }
    }

    fn status(sequence: u64, version: u64) -> Status {
        Status {
            user: 0,
            online: true,
            sequence,
            version,
        }
    }

    #[test]
    fn without_merging_every_change_must_come_once_and_in_order() {
        let parameters = parameters(false);
        for (heard, is_right) in [
            (&[(1, 1), (2, 2)][..], true),
            (&[(1, 1), (3, 3)], false),
            (&[(2, 2)], false),
            (&[(1, 1), (1, 2)], false),
            (&[(1, 2), (2, 2)], false),
        ] {
            let mut flow = flow(&parameters);
            for (sequence, version) in heard {
                flow.count(1, status(*sequence, *version));
            }
            assert_eq!(flow.mistake.is_none(), is_right, "{heard:?}: {:?}", flow.mistake);
        }
    }

    #[test]
    fn with_merging_the_last_change_must_reach_everybody() {
        let parameters = parameters(true);
        let mut flow = flow(&parameters);
        flow.count(1, status(1, 1));
        flow.count(1, status(4, 4));
        assert_eq!(
            (flow.completed[0], flow.delivered, flow.merged),
            (0, 2, 2),
            "the other heard nothing"
        );
        flow.count(2, status(3, 3));
        assert_eq!((flow.completed[0], flow.latencies.len()), (3, 3));
        assert_ne!(flow.sent, flow.completed, "the last is missing");
        flow.count(2, status(4, 4));
        assert_eq!(flow.sent, flow.completed);
        assert_eq!((flow.delivered, flow.merged), (4, 4));
        assert_eq!(flow.mistake, None);
    }

    #[test]
    fn with_merging_nothing_may_come_twice_go_back_or_never_have_been_sent() {
        let parameters = parameters(true);
        for wrong in [(2, 3), (3, 4), (4, 3), (5, 5)] {
            let mut flow = flow(&parameters);
            flow.count(1, status(3, 3));
            flow.count(1, status(wrong.0, wrong.1));
            assert!(flow.mistake.is_some(), "{wrong:?}");
        }
    }
}
