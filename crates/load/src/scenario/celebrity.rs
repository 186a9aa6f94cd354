//! Celebrity: one user with as many watchers as there are connections changes its status, while another with a handful
//! of watchers does so at a steady rate. What do the latter's watchers notice of it?
//!
//! The bystander and its watchers have a thread of their own, which the system prefers if it may: the time that the tool
//! takes to read what the celebrity's watchers are told must not count as the server's.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Measurement, Scenario, micros, per, percentile_ms, settle, subscribe_each};
use crate::crowd::Crowd;
use crate::dialect::{Dialect, Event, Need, Status};
use crate::progress::{Patience, Progress};
use crate::report::Figure;
use crate::served::{self, Relations, ServerProcess};

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct Celebrity {
    /// Of the celebrity; each is a user with a connection.
    pub watchers: usize,
    /// Of the bystander.
    pub beside: usize,
    /// Changes of the bystander a second.
    pub changes_per_second: usize,
    /// How often the celebrity changes; each time when all were told of the one before, and a pause has passed.
    pub celebrity_changes: usize,
}

impl Default for Celebrity {
    fn default() -> Celebrity {
        Celebrity {
            watchers: 10_000,
            beside: 5,
            changes_per_second: 100,
            celebrity_changes: 10,
        }
    }
}

/// Before the celebrity's first change, and between two: the bystander alone.
const PAUSE: Duration = Duration::from_millis(500);

const CELEBRITY: u32 = 0;
const BYSTANDER: u32 = 1;

impl Celebrity {
    fn beside(&self) -> std::ops::Range<u32> {
        2..2 + self.beside as u32
    }

    fn watchers(&self) -> std::ops::Range<u32> {
        self.beside().end..self.beside().end + self.watchers as u32
    }
}

impl Scenario for Celebrity {
    fn name(&self) -> &'static str {
        "celebrity"
    }

    fn need(&self) -> Need {
        Need::Changes
    }

    fn relations(&self) -> Relations {
        let beside = self.beside().map(|watcher| (watcher, BYSTANDER));
        let watchers = self.watchers().map(|watcher| (watcher, CELEBRITY));
        Relations {
            users: self.watchers().end,
            watches: beside.chain(watchers).collect(),
        }
    }

    fn run(
        &self,
        server: &ServerProcess,
        dialect: &dyn Dialect,
        progress: &Progress,
    ) -> io::Result<Vec<Figure>> {
        let mut crowd = Crowd::new(dialect, server.address)?;
        join_watching(&mut crowd, CELEBRITY, self.watchers(), progress)?;
        let mut few = Crowd::new(dialect, server.address)?;
        join_watching(&mut few, BYSTANDER, self.beside(), progress)?;

        progress.show("measuring", 0, 0);
        let over = AtomicBool::new(false);
        let measurement = Measurement::begin(server)?;
        let (told, notices) = std::thread::scope(|scope| {
            let bystander = std::thread::Builder::new()
                .name("bystander".into())
                .spawn_scoped(scope, || {
                    served::prefer_this_thread();
                    Bystander::new(self).run(&mut few, &over)
                })?;
            let told = self.change_again_and_again(&mut crowd);
            over.store(true, Ordering::Relaxed);
            let notices = bystander
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the bystander's thread panicked")));
            Ok::<_, io::Error>((told?, notices?))
        })?;
        let (_, cpu) = measurement.end()?;

        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for notice in &notices {
            let meets = told.iter().any(|change| notice.overlaps(change));
            let delays = if meets { &mut beside } else { &mut alone };
            delays.push(micros(notice.until.duration_since(notice.from)));
        }
        if alone.is_empty() || beside.is_empty() {
            return Err(io::Error::other(
                "the bystander changed too seldom to meet the celebrity",
            ));
        }
        let mut lasted: Vec<u32> = told
            .iter()
            .map(|change| micros(change.until.duration_since(change.from)))
            .collect();
        let deliveries = told.len() * self.watchers + notices.len();
        for times in [&mut alone, &mut beside, &mut lasted] {
            times.sort_unstable();
        }
        let added = |share| percentile_ms(&beside, share) - percentile_ms(&alone, share);
        Ok(vec![
            Figure::plain("alone p50 ms", percentile_ms(&alone, 0.50)),
            Figure::plain("p99 ms", percentile_ms(&alone, 0.99)),
            Figure::plain("max ms", percentile_ms(&alone, 1.0)),
            Figure::less("beside p50 ms", percentile_ms(&beside, 0.50)),
            Figure::less("p99 ms", percentile_ms(&beside, 0.99)),
            Figure::less("max ms", percentile_ms(&beside, 1.0)),
            Figure::plain("added at p50 ms", added(0.50)),
            Figure::plain("added at p99 ms", added(0.99)),
            Figure::less("celebrity's last watcher ms", percentile_ms(&lasted, 0.50)),
            Figure::less("server µs/delivery", per(cpu, deliveries as u64)),
        ])
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

impl Celebrity {
    /// When each change left and when the last watcher knew of it.
    fn change_again_and_again(&self, crowd: &mut Crowd<'_>) -> io::Result<Vec<Span>> {
        let mut told = Vec::new();
        let mut last = vec![0; crowd.len()];
        for sequence in 1..=self.celebrity_changes as u64 {
            pass(crowd, PAUSE, CELEBRITY, &mut last, sequence)?;
            let from = Instant::now();
            crowd.send(0, |dialect, session, out| dialect.change(session, sequence, out))?;
            let mut patience = Patience::new("the celebrity's watchers");
            let mut count = 0;
            while count < self.watchers {
                let (seen, heard) = hear(crowd, Patience::TURN, CELEBRITY, &mut last, sequence)?;
                count += heard;
                patience.saw(seen)?;
            }
            told.push(Span {
                from,
                until: Instant::now(),
            });
        }
        pass(crowd, PAUSE, CELEBRITY, &mut last, 0)?;
        Ok(told)
    }
}

/// The watched user's connection is number 0, its watchers follow.
fn join_watching(
    crowd: &mut Crowd<'_>,
    watched: u32,
    watchers: std::ops::Range<u32>,
    progress: &Progress,
) -> io::Result<()> {
    crowd.join(watched..watched + 1, progress)?;
    crowd.join(watchers, progress)?;
    subscribe_each(crowd, 1..crowd.len(), progress, |_| vec![watched])?;
    settle(crowd, progress)
}

/// A time in which nothing may be told of the watched user.
fn pass(crowd: &mut Crowd<'_>, time: Duration, watched: u32, last: &mut [u64], next: u64) -> io::Result<()> {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        let (_, heard) = hear(crowd, left, watched, last, next)?;
        if heard > 0 {
            return Err(io::Error::other("a watcher was told before there was a change"));
        }
    }
    Ok(())
}

/// One turn: how many events there were, and how many watchers were told of change `next`. Any other is a mistake.
fn hear(
    crowd: &mut Crowd<'_>,
    timeout: Duration,
    watched: u32,
    last: &mut [u64],
    next: u64,
) -> io::Result<(usize, usize)> {
    let (mut heard, mut mistake) = (0, None);
    let seen = crowd.turn(timeout, |connection, event| {
        let Some(Status { sequence, .. }) = told(connection, event, watched) else {
            return;
        };
        match last.get_mut(connection) {
            Some(before) if sequence == next && *before + 1 == next => {
                *before = sequence;
                heard += 1;
            }
            before => {
                mistake = Some(format!(
                    "connection {connection} heard change {sequence} after {before:?}"
                ))
            }
        }
    })?;
    match mistake {
        Some(mistake) => Err(io::Error::other(mistake)),
        None => Ok((seen, heard)),
    }
}

/// A change of the watched user that a watcher was told.
fn told(connection: usize, event: Event, watched: u32) -> Option<Status> {
    match event {
        Event::Told(status) if connection > 0 && status.user == watched && status.sequence > 0 => {
            Some(status)
        }
        _ => None,
    }
}

/// From a change's sending until it was noticed, or until the last watcher noticed.
struct Span {
    from: Instant,
    until: Instant,
}

impl Span {
    fn overlaps(&self, other: &Span) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

/// The user whose watchers are asked how long it took.
struct Bystander<'a> {
    parameters: &'a Celebrity,
    /// When each change left; the first has number 1.
    sent_at: Vec<Instant>,
    /// Per connection: the last change it was told.
    last: Vec<u64>,
    notices: Vec<Span>,
}

impl<'a> Bystander<'a> {
    fn new(parameters: &'a Celebrity) -> Bystander<'a> {
        Bystander {
            parameters,
            sent_at: Vec::new(),
            last: vec![0; parameters.beside + 1],
            notices: Vec::new(),
        }
    }

    /// Changes at its rate until the celebrity's part is over, then waits for the rest.
    fn run(mut self, crowd: &mut Crowd<'_>, over: &AtomicBool) -> io::Result<Vec<Span>> {
        let period = Duration::from_secs_f64(1.0 / self.parameters.changes_per_second as f64);
        let mut next_at = Instant::now();
        while !over.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now >= next_at {
                self.sent_at.push(now);
                let sequence = self.sent_at.len() as u64;
                crowd.send(0, |dialect, session, out| dialect.change(session, sequence, out))?;
                // After a stall it goes on, instead of catching up in a burst.
                next_at = (next_at + period).max(now);
            }
            self.turn(crowd, next_at.saturating_duration_since(Instant::now()))?;
        }
        let mut patience = Patience::new("the bystander's watchers");
        while self.notices.len() < self.sent_at.len() * self.parameters.beside {
            let seen = self.turn(crowd, Patience::TURN)?;
            patience.saw(seen)?;
        }
        Ok(self.notices)
    }

    fn turn(&mut self, crowd: &mut Crowd<'_>, timeout: Duration) -> io::Result<usize> {
        let (sent_at, last, notices) = (&self.sent_at, &mut self.last, &mut self.notices);
        let mut mistake = None;
        let seen = crowd.turn(timeout, |connection, event| {
            let until = Instant::now();
            let Some(Status { sequence, .. }) = told(connection, event, BYSTANDER) else {
                return;
            };
            match (last.get_mut(connection), sent_at.get(sequence as usize - 1)) {
                (Some(before), Some(&from)) if *before + 1 == sequence => {
                    *before = sequence;
                    notices.push(Span { from, until });
                }
                (before, _) => {
                    mistake = Some(format!(
                        "connection {connection} heard change {sequence} after {before:?}"
                    ))
                }
            }
        })?;
        match mistake {
            Some(mistake) => Err(io::Error::other(mistake)),
            None => Ok(seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_ends_as_the_celebritys_begins_has_met_it() {
        let at = |start: Instant, from: u64, until: u64| Span {
            from: start + Duration::from_millis(from),
            until: start + Duration::from_millis(until),
        };
        let start = Instant::now();
        let celebrity = at(start, 10, 20);
        assert!(at(start, 5, 10).overlaps(&celebrity));
        assert!(at(start, 12, 13).overlaps(&celebrity));
        assert!(at(start, 20, 25).overlaps(&celebrity));
        assert!(!at(start, 5, 9).overlaps(&celebrity));
        assert!(!at(start, 21, 22).overlaps(&celebrity));
    }
}
