//! Idle: many logged-in connections, each with subscriptions and one change behind it, doing nothing. What does the
//! server remember for each, and does it use the processor meanwhile?

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::circle::Circle;
use super::{Measurement, Scenario, ask_each, per, settle, subscribe_each};
use crate::crowd::Crowd;
use crate::dialect::{Dialect, Event, Need};
use crate::progress::{Patience, Progress};
use crate::report::Figure;
use crate::served::{Relations, ServerProcess};

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct Idle {
    /// Logged-in users.
    pub connections: usize,
    /// Subscriptions of each.
    pub subscriptions: usize,
    /// How long the server is watched doing nothing.
    pub measured: Duration,
}

impl Default for Idle {
    fn default() -> Idle {
        Idle {
            connections: 10_000,
            subscriptions: 10,
            measured: Duration::from_secs(5),
        }
    }
}

impl Idle {
    /// A user watches the next ones.
    fn circle(&self) -> Circle {
        Circle::of_neighbours(self.connections, self.subscriptions)
    }
}

impl Scenario for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn need(&self) -> Need {
        Need::Changes
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
        // The first connections bring in what a server allocates once.
        let first = (self.connections / 100).max(1);
        crowd.join(0..first as u32, progress)?;
        settle(&mut crowd, progress)?;
        let before = server.tree.resident_bytes()?;
        crowd.join(first as u32..self.connections as u32, progress)?;
        subscribe_each(&mut crowd, 0..self.connections, progress, |number| {
            self.circle().watched_by(number).collect()
        })?;
        settle(&mut crowd, progress)?;
        self.burst(&mut crowd, progress)?;
        settle(&mut crowd, progress)?;

        progress.show("watching it idle", 0, 0);
        let measurement = Measurement::begin(server)?;
        while let Some(left) = self.measured.checked_sub(measurement.begin.elapsed()) {
            crowd.turn(left, |_, _| ())?;
        }
        let (_, idle_cpu) = measurement.end()?;
        let after = server.tree.resident_bytes()?;
        let counted = (self.connections - first).max(1) as f64;
        Ok(vec![
            Figure::less(
                "bytes/connection (RSS)",
                after.saturating_sub(before) as f64 / counted,
            ),
            Figure::less("RSS MiB", super::mebibytes(after)),
            Figure::plain(
                "idle CPU %",
                100.0 * idle_cpu.as_secs_f64() / self.measured.as_secs_f64(),
            ),
            Figure::plain(
                "idle µs/connection/s",
                per(idle_cpu, self.connections as u64) / self.measured.as_secs_f64(),
            ),
        ])
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

impl Idle {
    /// Everyone changes its status once, and everyone who watches it is told, once.
    fn burst(&self, crowd: &mut Crowd<'_>, progress: &Progress) -> io::Result<()> {
        let heard = RefCell::new(self.circle().unheard());
        let mut mistake = None;
        let mut tell = |connection: usize, event: Event| {
            let Event::Told(status) = event else { return };
            if status.sequence != 1 || status.user as usize == connection {
                return;
            }
            if !heard.borrow_mut().note(connection, status.user) {
                mistake = Some(format!(
                    "connection {connection} heard of {} for nothing",
                    status.user
                ));
            }
        };
        ask_each(
            crowd,
            0..self.connections,
            progress,
            "one burst",
            |_, dialect, session, out| dialect.change(session, 1, out),
            &mut tell,
        )?;
        let mut patience = Patience::new("the rest of the burst");
        while !heard.borrow().is_complete() {
            let seen = crowd.turn(Patience::TURN, &mut tell)?;
            patience.saw(seen)?;
        }
        match mistake {
            Some(mistake) => Err(io::Error::other(mistake)),
            None => Ok(()),
        }
    }
}
