//! Loss storm: many connections are reset at once, each with watchers. How long until the last watcher knows?

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Measurement, Scenario, mebibytes, micros, per, percentile_ms, settle, subscribe_each};
use crate::crowd::Crowd;
use crate::dialect::{Dialect, Event, Need};
use crate::progress::{Patience, Progress};
use crate::report::Figure;
use crate::served::{Relations, ServerProcess};

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct LossStorm {
    /// Connections reset. As many more stay and watch.
    pub lost: usize,
    /// Watchers of each.
    pub watchers: usize,
}

impl Default for LossStorm {
    fn default() -> LossStorm {
        LossStorm {
            lost: 2_000,
            watchers: 20,
        }
    }
}

/// How long the tool listens for notifications too many.
const AFTERMATH: Duration = Duration::from_millis(500);

impl LossStorm {
    /// Watcher number `index` watches the lost ones beginning with its own number.
    fn watched_by(&self, index: usize) -> impl Iterator<Item = u32> + use<> {
        let lost = self.lost;
        (0..self.watchers).map(move |step| ((index + step) % lost) as u32)
    }
}

impl Scenario for LossStorm {
    fn name(&self) -> &'static str {
        "loss-storm"
    }

    fn need(&self) -> Need {
        Need::Losses
    }

    fn relations(&self) -> Relations {
        let watches = (0..self.lost).flat_map(|index| {
            self.watched_by(index)
                .map(move |watched| ((self.lost + index) as u32, watched))
        });
        Relations {
            users: 2 * self.lost as u32,
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
        crowd.join(0..2 * self.lost as u32, progress)?;
        let watchers = self.lost..crowd.len();
        subscribe_each(&mut crowd, watchers, progress, |number| {
            self.watched_by(number - self.lost).collect()
        })?;
        settle(&mut crowd, progress)?;

        let mut aftermath = Aftermath::new(self);
        progress.show("resetting connections", self.lost, self.lost);
        let measurement = Measurement::begin(server)?;
        let begin = measurement.begin;
        for number in 0..self.lost {
            crowd.reset(number)?;
        }
        let reset_after = begin.elapsed();
        let expected = self.lost * self.watchers;
        let mut patience = Patience::new("the news of a loss");
        while aftermath.latencies.len() < expected && aftermath.mistake.is_none() {
            let now = Instant::now();
            let seen = crowd.turn(Patience::TURN, |number, event| {
                aftermath.hear(number, event, now.duration_since(begin));
            })?;
            patience.saw(seen)?;
        }
        let (elapsed, cpu) = measurement.end()?;
        let peak = server.tree.peak_bytes()?;
        let listen_until = Instant::now() + AFTERMATH;
        while let Some(left) = listen_until.checked_duration_since(Instant::now()) {
            crowd.turn(left, |number, event| aftermath.hear(number, event, elapsed))?;
        }
        if let Some(mistake) = aftermath.mistake {
            return Err(io::Error::other(mistake));
        }
        aftermath.latencies.sort_unstable();
        Ok(vec![
            Figure::less("ms until all told", elapsed.as_secs_f64() * 1000.0),
            Figure::plain("of it the resets", reset_after.as_secs_f64() * 1000.0),
            Figure::less("p50 ms", percentile_ms(&aftermath.latencies, 0.50)),
            Figure::less("server µs/notification", per(cpu, expected as u64)),
            Figure::less("peak MiB", mebibytes(peak)),
        ])
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

struct Aftermath<'a> {
    parameters: &'a LossStorm,
    /// Per watcher and lost user it watches.
    told: Vec<bool>,
    latencies: Vec<u32>,
    mistake: Option<String>,
}

impl<'a> Aftermath<'a> {
    fn new(parameters: &'a LossStorm) -> Aftermath<'a> {
        Aftermath {
            parameters,
            told: vec![false; parameters.lost * parameters.watchers],
            latencies: Vec::with_capacity(parameters.lost * parameters.watchers),
            mistake: None,
        }
    }

    fn hear(&mut self, number: usize, event: Event, after: Duration) {
        let (lost, watchers) = (self.parameters.lost, self.parameters.watchers);
        let Event::Told(status) = event else { return };
        if status.online {
            return;
        }
        let index = number.wrapping_sub(lost);
        let step = (status.user as usize).wrapping_add(lost).wrapping_sub(index) % lost;
        match self.told.get_mut(index.wrapping_mul(watchers).wrapping_add(step)) {
            Some(told) if step < watchers && !*told => {
                *told = true;
                self.latencies.push(micros(after));
            }
            _ => {
                self.mistake = Some(format!(
                    "connection {number} heard of the loss of {} twice or for nothing",
                    status.user
                ));
            }
        }
    }
}
