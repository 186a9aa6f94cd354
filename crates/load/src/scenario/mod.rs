//! What the load does to a server. Each scenario checks what it counts: expected is delivered, once, in order.

use std::io;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::dialect::{Dialect, Event, Need, Session};
use crate::progress::{Patience, Progress};
use crate::report::Figure;
use crate::served::{ProcessTree, Relations, ServerProcess};

pub mod celebrity;
pub mod churn;
mod circle;
pub mod fan_out;
pub mod idle;
pub mod login_storm;
pub mod loss_storm;
pub mod query;

/// A scenario with its parameters.
pub trait Scenario {
    /// As on the command line.
    fn name(&self) -> &'static str;

    /// What a server must be able to do for it.
    fn need(&self) -> Need;

    /// Who will log in and who watches whom, for servers that must know beforehand.
    fn relations(&self) -> Relations;

    /// One run against a fresh server. Every run gives the same figures in the same order.
    fn run(
        &self,
        server: &ServerProcess,
        dialect: &dyn Dialect,
        progress: &Progress,
    ) -> io::Result<Vec<Figure>>;

    /// The parameters, for the report.
    fn parameters(&self) -> serde_json::Value;

    /// Whether a server may merge changes that wait for one receiver. Unless asked for it may not, and is configured so.
    fn merging(&self) -> bool {
        false
    }
}

/// Lets each of these connections ask something and waits for all answers, without letting them pile up. Every event
/// goes to `on_event` too.
fn ask_each(
    crowd: &mut Crowd<'_>,
    numbers: std::ops::Range<usize>,
    progress: &Progress,
    phase: &'static str,
    mut ask: impl FnMut(usize, &dyn Dialect, &mut Session, &mut bytes::BytesMut) -> usize,
    mut on_event: impl FnMut(usize, Event),
) -> io::Result<()> {
    let total = numbers.len();
    let (mut waiting, mut asked) = (0usize, 0);
    let mut numbers = numbers;
    let mut patience = Patience::new("an answer");
    loop {
        while waiting < UNANSWERED_MAX
            && let Some(number) = numbers.next()
        {
            waiting += crowd.send(number, |dialect, session, out| ask(number, dialect, session, out))?;
            asked += 1;
            if asked % TURN_EVERY == 0 {
                break;
            }
        }
        if waiting == 0 && asked == total {
            return Ok(());
        }
        let timeout = if waiting < UNANSWERED_MAX && asked < total {
            Duration::ZERO
        } else {
            Patience::TURN
        };
        let seen = crowd.turn(timeout, |number, event| {
            if event == Event::Done {
                waiting = waiting.saturating_sub(1);
            }
            on_event(number, event);
        })?;
        if timeout > Duration::ZERO {
            patience.saw(seen)?;
        }
        progress.show(phase, asked, total);
    }
}

/// Lets each of these connections subscribe to the users that are its own, and waits until all have.
fn subscribe_each(
    crowd: &mut Crowd<'_>,
    numbers: std::ops::Range<usize>,
    progress: &Progress,
    users_of: impl Fn(usize) -> Vec<u32>,
) -> io::Result<()> {
    ask_each(
        crowd,
        numbers,
        progress,
        "subscribing",
        |number, dialect, session, out| dialect.subscribe(session, &users_of(number), out),
        |_, _| (),
    )
}

/// Answers that may be outstanding while a scenario is set up.
const UNANSWERED_MAX: usize = 2_000;

/// Questions between two looks at what came back.
const TURN_EVERY: usize = 16;

/// Waits until nothing has come for a moment: what a server still does for the set-up is no part of what is measured.
fn settle(crowd: &mut Crowd<'_>, progress: &Progress) -> io::Result<()> {
    progress.show("waiting for quiet", 0, 0);
    let begin = Instant::now();
    while crowd.turn(QUIET, |_, _| ())? > 0 {
        if begin.elapsed() > SETTLE_LIMIT {
            return Err(io::Error::other("the server does not come to rest"));
        }
    }
    Ok(())
}

const QUIET: Duration = Duration::from_millis(300);

const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// A measurement under way: since when, and what the server had used up by then.
struct Measurement<'a> {
    tree: &'a ProcessTree,
    cpu_before: Duration,
    begin: Instant,
}

impl<'a> Measurement<'a> {
    fn begin(server: &'a ServerProcess) -> io::Result<Measurement<'a>> {
        Ok(Measurement {
            tree: &server.tree,
            cpu_before: server.tree.cpu_time()?,
            begin: Instant::now(),
        })
    }

    /// How long it took, and the server's processor time in it.
    fn end(self) -> io::Result<(Duration, Duration)> {
        let elapsed = self.begin.elapsed();
        Ok((elapsed, self.tree.cpu_time()?.saturating_sub(self.cpu_before)))
    }
}

/// The value below which this share of the sorted times lies, in milliseconds.
fn percentile_ms(sorted_micros: &[u32], share: f64) -> f64 {
    let index = ((sorted_micros.len() as f64 * share) as usize).min(sorted_micros.len().saturating_sub(1));
    sorted_micros
        .get(index)
        .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

fn per(cost: Duration, count: u64) -> f64 {
    cost.as_secs_f64() * 1e6 / count as f64
}

/// A rate of nothing is no figure: the measured time was shorter than what it should have counted.
fn some(count: u64, counted: &str) -> io::Result<u64> {
    if count > 0 {
        Ok(count)
    } else {
        Err(io::Error::other(format!(
            "no {counted} in the measured time: too slow for it; take more --seconds, or fewer at once"
        )))
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
