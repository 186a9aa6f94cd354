//! Login storm: many connections at once, each logs in and, if asked, subscribes to others in the storm. It is over when
//! everyone is logged in and knows that each it subscribed to is online.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::circle::{Circle, Heard};
use super::{Measurement, Scenario, mebibytes, micros, per, percentile_ms};
use crate::crowd::Crowd;
use crate::dialect::{Dialect, Event, Need};
use crate::progress::{Patience, Progress};
use crate::report::Figure;
use crate::served::{Relations, ServerProcess};

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct LoginStorm {
    /// Users who log in.
    pub connections: usize,
    /// Subscriptions of each to others in the storm.
    pub subscriptions: usize,
    /// Logins under way at once. As many as connections: all at once.
    pub at_once: usize,
}

impl Default for LoginStorm {
    fn default() -> LoginStorm {
        LoginStorm {
            connections: 10_000,
            subscriptions: 0,
            at_once: usize::MAX,
        }
    }
}

impl LoginStorm {
    /// A user watches users far from it, so that some are there already and some are not.
    fn circle(&self) -> Circle {
        Circle::of_distant(self.connections, self.subscriptions)
    }
}

impl Scenario for LoginStorm {
    fn name(&self) -> &'static str {
        "login-storm"
    }

    fn need(&self) -> Need {
        if self.subscriptions == 0 {
            Need::Logins
        } else {
            Need::LoginsSeen
        }
    }

    fn relations(&self) -> Relations {
        self.circle().relations()
    }

    fn run(
        &self,
        server: &ServerProcess,
        dialect: &dyn Dialect,
        progress: &Progress,
    ) -> io::Result<Vec<Figure>> {
        let mut crowd = Crowd::new(dialect, server.address)?;
        let mut storm = Storm::new(self);
        progress.show("signing", self.connections, self.connections);
        (0..self.connections as u32).for_each(|user| crowd.prepare(user));
        let mut patience = Patience::new("a login or a status");
        let measurement = Measurement::begin(server)?;
        let mut logged_in_after = Duration::ZERO;
        while !storm.is_over() {
            let mut opened = 0;
            while crowd.len() - storm.logged_in < self.at_once && crowd.open()?.is_some() {
                storm.opened_at.push(Instant::now());
                opened += 1;
                if opened == OPENED_PER_TURN {
                    break;
                }
            }
            let timeout = if opened == 0 {
                Patience::TURN
            } else {
                Duration::ZERO
            };
            let logged_in_before = storm.logged_in;
            let seen = crowd.turn(timeout, |number, event| storm.hear(number, event))?;
            if timeout > Duration::ZERO {
                patience.saw(seen)?;
            }
            if storm.logged_in > logged_in_before && storm.logged_in == self.connections {
                logged_in_after = measurement.begin.elapsed();
            }
            for number in std::mem::take(&mut storm.fresh) {
                if self.subscriptions > 0 {
                    let users: Vec<u32> = self.circle().watched_by(number).collect();
                    storm.unanswered += crowd.send(number, |dialect, session, out| {
                        let mut answers = dialect.announce(session, out);
                        answers += dialect.subscribe(session, &users, out);
                        if !dialect.subscription_tells_status() {
                            answers += dialect.query(session, &users, out);
                        }
                        answers
                    })?;
                }
            }
            progress.show("logging in", storm.logged_in, self.connections);
        }
        let (elapsed, cpu) = measurement.end()?;
        let peak = server.tree.peak_bytes()?;
        storm.latencies.sort_unstable();
        Ok(vec![
            Figure::less("seconds until all logged in", logged_in_after.as_secs_f64()),
            Figure::less("seconds until all know", elapsed.as_secs_f64()),
            Figure::less("server µs/login", per(cpu, self.connections as u64)),
            Figure::less("p50 ms", percentile_ms(&storm.latencies, 0.50)),
            Figure::less("p99 ms", percentile_ms(&storm.latencies, 0.99)),
            Figure::less("peak MiB", mebibytes(peak)),
        ])
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

/// Connections opened between two looks at what came back.
const OPENED_PER_TURN: usize = 64;

struct Storm<'a> {
    parameters: &'a LoginStorm,
    opened_at: Vec<Instant>,
    /// Logged in since the last turn: they subscribe next.
    fresh: Vec<usize>,
    logged_in: usize,
    unanswered: usize,
    /// Who knows that whom it watches is online.
    heard: Heard,
    latencies: Vec<u32>,
}

impl<'a> Storm<'a> {
    fn new(parameters: &'a LoginStorm) -> Storm<'a> {
        Storm {
            parameters,
            opened_at: Vec::with_capacity(parameters.connections),
            fresh: Vec::new(),
            logged_in: 0,
            unanswered: 0,
            heard: parameters.circle().unheard(),
            latencies: Vec::with_capacity(parameters.connections),
        }
    }

    fn is_over(&self) -> bool {
        self.logged_in == self.parameters.connections && self.unanswered == 0 && self.heard.is_complete()
    }

    fn hear(&mut self, number: usize, event: Event) {
        match event {
            Event::LoggedIn => {
                self.logged_in += 1;
                self.fresh.push(number);
                self.latencies.push(micros(self.opened_at[number].elapsed()));
            }
            Event::Done => self.unanswered = self.unanswered.saturating_sub(1),
            // Told and asked for, it may hear of the same user twice.
            Event::Told(status) | Event::Answered(status) if status.online => {
                self.heard.note(number, status.user);
            }
            Event::Told(_) | Event::Answered(_) => {}
        }
    }
}
