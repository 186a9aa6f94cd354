//! Query: a few connections ask for the status of many users each, over and over; meanwhile, if asked, statuses change.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Measurement, Scenario, ask_each, mebibytes, micros, per, percentile_ms, settle, some};
use crate::crowd::Crowd;
use crate::dialect::{Dialect, Event, Need};
use crate::progress::{Patience, Progress};
use crate::report::Figure;
use crate::served::{Relations, ServerProcess};

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct Query {
    /// Users there are.
    pub accounts: u32,
    /// How many of them are online, each with a custom status.
    pub online: u32,
    /// Different users of a query, at random from all.
    pub users: u32,
    /// Connections that ask, one query after the other.
    pub askers: u32,
    /// Queries a second of all of them together. `None`: as many as are answered.
    pub queries_per_second: Option<usize>,
    /// Changes a second, of users that are online, meanwhile.
    pub changes_per_second: usize,
    /// Measured time.
    pub measured: Duration,
}

impl Default for Query {
    fn default() -> Query {
        Query {
            accounts: 5_000,
            online: 5_000,
            users: 500,
            askers: 8,
            queries_per_second: None,
            changes_per_second: 0,
            measured: Duration::from_secs(5),
        }
    }
}

/// Accounts made by one request each of the set-up: a few messages.
const CREATED_AT_ONCE: u32 = 1_000;

impl Query {
    fn online(&self) -> u32 {
        self.online.min(self.accounts)
    }
}

impl Scenario for Query {
    fn name(&self) -> &'static str {
        "query"
    }

    fn need(&self) -> Need {
        Need::Queries
    }

    fn relations(&self) -> Relations {
        Relations {
            users: self.accounts + self.askers,
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
        let online = self.online() as usize;
        crowd.join(0..online as u32, progress)?;
        // Users beyond the accounts ask.
        crowd.join(self.accounts..self.accounts + self.askers, progress)?;
        ask_each(
            &mut crowd,
            0..online,
            progress,
            "setting statuses",
            |_, dialect, session, out| dialect.record(session, 1, out),
            |_, _| (),
        )?;
        self.create(&mut crowd, progress)?;
        settle(&mut crowd, progress)?;

        progress.show("measuring", 0, 0);
        let mut asking = Asking::new(self);
        let measurement = Measurement::begin(server)?;
        asking.pump(&mut crowd, measurement.begin + self.measured)?;
        let (elapsed, cpu) = measurement.end()?;
        let (queries, changes) = (some(asking.latencies.len() as u64, "answer")?, asking.changes);
        asking.latencies.sort_unstable();
        Ok(vec![
            Figure::more("queries/s", queries as f64 / elapsed.as_secs_f64()),
            Figure::less("server µs/query, changes included", per(cpu, queries)),
            Figure::plain("server CPU %", 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64()),
            Figure::less("p50 ms", percentile_ms(&asking.latencies, 0.50)),
            Figure::less("p99 ms", percentile_ms(&asking.latencies, 0.99)),
            Figure::plain("changes/s", changes as f64 / elapsed.as_secs_f64()),
            Figure::less("RSS MiB", mebibytes(server.tree.resident_bytes()?)),
        ])
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

impl Query {
    /// The accounts that are not online.
    fn create(&self, crowd: &mut Crowd<'_>, progress: &Progress) -> io::Result<()> {
        let mut first = self.online();
        let asker = first as usize;
        while first < self.accounts {
            let last = self.accounts.min(first + CREATED_AT_ONCE);
            let mut waiting = crowd.send(asker, |dialect, session, out| {
                dialect.create(session, first..last, out)
            })?;
            let mut patience = Patience::new("accounts to be made");
            while waiting > 0 {
                let seen = crowd.turn(Patience::TURN, |number, event| {
                    waiting -= usize::from(number == asker && event == Event::Done);
                })?;
                patience.saw(seen)?;
            }
            first = last;
            progress.show("making accounts", first as usize, self.accounts as usize);
        }
        Ok(())
    }
}

struct Asking<'a> {
    parameters: &'a Query,
    /// When each asker's query left, and how many users have been answered.
    under_way: Vec<(Instant, u32)>,
    /// Askers that may ask again.
    ready: Vec<usize>,
    latencies: Vec<u32>,
    changes: u64,
    next_change_at: Instant,
    next_query_at: Instant,
    mistake: Option<String>,
    random: u64,
}

impl<'a> Asking<'a> {
    fn new(parameters: &'a Query) -> Asking<'a> {
        let now = Instant::now();
        Asking {
            parameters,
            under_way: vec![(now, 0); parameters.askers as usize],
            ready: (0..parameters.askers as usize).collect(),
            latencies: Vec::new(),
            changes: 0,
            next_change_at: now,
            next_query_at: now,
            mistake: None,
            random: SEED,
        }
    }

    fn pump(&mut self, crowd: &mut Crowd<'_>, until: Instant) -> io::Result<()> {
        let mut patience = Patience::new("an answer");
        while Instant::now() < until {
            self.ask(crowd)?;
            self.change(crowd)?;
            let timeout = self
                .next_due()
                .saturating_duration_since(Instant::now())
                .min(Patience::TURN);
            let seen = crowd.turn(timeout, |number, event| self.hear(number, event))?;
            patience.saw(seen)?;
            if let Some(mistake) = self.mistake.take() {
                return Err(io::Error::other(mistake));
            }
        }
        Ok(())
    }

    /// When there is something to do again, whatever comes.
    fn next_due(&self) -> Instant {
        let far = Instant::now() + Patience::TURN;
        let query = match self.parameters.queries_per_second {
            Some(_) if !self.ready.is_empty() => self.next_query_at,
            _ => far,
        };
        let change = if self.parameters.changes_per_second > 0 {
            self.next_change_at
        } else {
            far
        };
        query.min(change)
    }

    /// The queries that are due.
    fn ask(&mut self, crowd: &mut Crowd<'_>) -> io::Result<()> {
        while !self.ready.is_empty() {
            if let Some(rate) = self.parameters.queries_per_second {
                if Instant::now() < self.next_query_at {
                    break;
                }
                self.next_query_at += Duration::from_secs_f64(1.0 / rate as f64);
            }
            let Some(asker) = self.ready.pop() else { break };
            let users = self.users();
            self.under_way[asker] = (Instant::now(), 0);
            let number = self.parameters.online() as usize + asker;
            crowd.send(number, |dialect, session, out| {
                dialect.query(session, &users, out)
            })?;
        }
        Ok(())
    }

    /// The changes that are due.
    fn change(&mut self, crowd: &mut Crowd<'_>) -> io::Result<()> {
        let rate = self.parameters.changes_per_second;
        if rate == 0 {
            return Ok(());
        }
        let now = Instant::now();
        while self.next_change_at <= now {
            let online = u64::from(self.parameters.online());
            let sequence = 2 + self.changes / online;
            let user = (self.changes % online) as usize;
            crowd.send(user, |dialect, session, out| {
                dialect.record(session, sequence, out)
            })?;
            self.changes += 1;
            self.next_change_at += Duration::from_secs_f64(1.0 / rate as f64);
        }
        Ok(())
    }

    fn hear(&mut self, number: usize, event: Event) {
        let Some((sent_at, answered)) = number
            .checked_sub(self.parameters.online() as usize)
            .and_then(|asker| self.under_way.get_mut(asker))
        else {
            return; // an answer to a change
        };
        match event {
            Event::Answered(status) if status.user < self.parameters.accounts => *answered += 1,
            Event::Done if *answered == self.parameters.users => {
                self.latencies.push(micros(sent_at.elapsed()));
                self.ready.push(number - self.parameters.online() as usize);
            }
            Event::Done => {
                self.mistake = Some(format!(
                    "a query of {} users told the status of {answered}",
                    self.parameters.users
                ));
            }
            Event::Answered(_) | Event::Told(_) | Event::LoggedIn => {}
        }
    }

    /// Different users at random: a random walk through all accounts, `a·n + b` with a prime that no count divides.
    fn users(&mut self) -> Vec<u32> {
        let accounts = u64::from(self.parameters.accounts);
        let start = self.next_random() % accounts;
        let step = STEPS[(self.next_random() % STEPS.len() as u64) as usize];
        (0..u64::from(self.parameters.users))
            .map(|index| ((start + index * step) % accounts) as u32)
            .collect()
    }

    fn next_random(&mut self) -> u64 {
        // Knuth's MMIX generator; its high bits are good.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }
}

const SEED: u64 = 42;

/// Primes, far apart.
const STEPS: [u64; 5] = [104_729, 350_377, 611_953, 832_801, 999_983];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_query_names_different_users() {
        for accounts in [600, 5_000, 1_000_000] {
            let parameters = Query {
                accounts,
                ..Query::default()
            };
            let mut asking = Asking::new(&parameters);
            for _ in 0..100 {
                let users = asking.users();
                assert!(users.iter().all(|user| *user < accounts));
                assert_eq!(users.iter().collect::<HashSet<_>>().len(), 500);
            }
        }
    }
}
