//! Churn: connections whose subscription lists are full subscribe to others and unsubscribe again, over and over.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Measurement, Scenario, mebibytes, micros, per, percentile_ms, settle, some, subscribe_each};
use crate::crowd::Crowd;
use crate::dialect::{Dialect, Event, Need};
use crate::progress::{Patience, Progress};
use crate::report::Figure;
use crate::served::{Relations, ServerProcess};

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct Churn {
    /// Connections, each with one call under way.
    pub connections: usize,
    /// Subscriptions each holds at first: the limit of R5.2, so that the first call evicts the oldest, and each later one
    /// fills a list up to the limit or makes room below it.
    pub held: usize,
    /// Users of a call.
    pub users: usize,
    /// Measured time.
    pub measured: Duration,
}

impl Default for Churn {
    fn default() -> Churn {
        Churn {
            connections: 100,
            held: 200,
            users: 10,
            measured: Duration::from_secs(5),
        }
    }
}

/// Users to choose from, besides the connections' own.
pub const POOL: usize = 5_000;

impl Churn {
    /// The users of a connection's list number `round`: 0 fills it, later ones are one call each.
    fn users(&self, connection: usize, round: u64) -> Vec<u32> {
        let (first, count) = if round == 0 {
            (0, self.held)
        } else {
            (self.held + (round as usize - 1) * self.users, self.users)
        };
        let pool = self.connections as u32;
        (first..first + count)
            .map(|index| pool + ((connection * 37 + index) % POOL) as u32)
            .collect()
    }
}

impl Scenario for Churn {
    fn name(&self) -> &'static str {
        "churn"
    }

    fn need(&self) -> Need {
        Need::Churn
    }

    fn relations(&self) -> Relations {
        Relations {
            users: self.connections as u32,
            watches: Vec::new(),
        }
    }

    fn run(
        &self,
        server: &ServerProcess,
        dialect: &dyn Dialect,
        progress: &Progress,
    ) -> io::Result<Vec<Figure>> {
        let mut crowd = Crowd::new(dialect, server.address)?;
        crowd.join(0..self.connections as u32, progress)?;
        subscribe_each(&mut crowd, 0..self.connections, progress, |number| {
            self.users(number, 0)
        })?;
        settle(&mut crowd, progress)?;

        progress.show("measuring", 0, 0);
        let mut calls = vec![Call::NONE; self.connections];
        let mut latencies = Vec::new();
        let mut ready: Vec<usize> = (0..self.connections).collect();
        let mut patience = Patience::new("an answer");
        let measurement = Measurement::begin(server)?;
        while measurement.begin.elapsed() < self.measured {
            for number in ready.drain(..) {
                self.call(&mut crowd, number, &mut calls[number])?;
            }
            let seen = crowd.turn(Patience::TURN, |number, event| {
                let call = &mut calls[number];
                if event == Event::Done && call.waiting > 0 {
                    call.waiting -= 1;
                    if call.waiting == 0 {
                        latencies.push(call.sent_at.map_or(0, |sent_at| micros(sent_at.elapsed())));
                        ready.push(number);
                    }
                }
            })?;
            patience.saw(seen)?;
        }
        let (elapsed, cpu) = measurement.end()?;
        let count = some(latencies.len() as u64, "answer")?;
        latencies.sort_unstable();
        Ok(vec![
            Figure::more("calls/s", count as f64 / elapsed.as_secs_f64()),
            Figure::less("server µs/call", per(cpu, count)),
            Figure::plain("server CPU %", 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64()),
            Figure::less("p50 ms", percentile_ms(&latencies, 0.50)),
            Figure::less("p99 ms", percentile_ms(&latencies, 0.99)),
            Figure::less("RSS MiB", mebibytes(server.tree.resident_bytes()?)),
        ])
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

/// A connection's call.
#[derive(Clone)]
struct Call {
    /// Calls made so far; they alternate between subscribing and unsubscribing the same users.
    made: u64,
    waiting: usize,
    sent_at: Option<Instant>,
}

impl Call {
    const NONE: Call = Call {
        made: 0,
        waiting: 0,
        sent_at: None,
    };
}

impl Churn {
    fn call(&self, crowd: &mut Crowd<'_>, number: usize, call: &mut Call) -> io::Result<()> {
        let users = self.users(number, 1 + call.made / 2);
        let subscribes = call.made.is_multiple_of(2);
        call.made += 1;
        call.sent_at = Some(Instant::now());
        call.waiting = crowd.send(number, |dialect, session, out| {
            if subscribes {
                dialect.subscribe(session, &users, out)
            } else {
                dialect.unsubscribe(session, &users, out)
            }
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_names_users_that_the_full_list_does_not_have() {
        let churn = Churn::default();
        let held = churn.users(3, 0);
        assert_eq!(held.len(), 200);
        let call = churn.users(3, 1);
        assert_eq!(call.len(), 10);
        assert!(call.iter().all(|user| !held.contains(user) && *user >= 100));
        assert_ne!(call, churn.users(3, 2));
    }
}
