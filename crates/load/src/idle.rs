//! Idle: many logged-in connections, each with subscriptions and one change behind it, doing nothing. What does the
//! server remember for each, and does it use the processor meanwhile?

use std::io;
use std::time::{Duration, Instant};

use crate::arguments::Server;
use crate::crowd::Crowd;
use crate::dialect::{self, Event};
use crate::fan_out::now_s;
use crate::process::ServerProcess;
use crate::report::Row;

/// How much.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Logged-in users.
    pub connections: usize,
    /// Subscriptions of each.
    pub subscriptions: usize,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters {
            connections: 10_000,
            subscriptions: 10,
        }
    }
}

/// How long the server is watched doing nothing.
const QUIET: Duration = Duration::from_secs(5);

/// One run against one server.
pub fn run(server: Server, parameters: &Parameters) -> io::Result<Row> {
    let process = ServerProcess::start(server)?;
    let mut crowd = Crowd::new()?;
    // The first connection brings in what every server allocates once.
    crowd.join(process.address, 1, 1, |_| {
        dialect::log_in(u32::MAX / 512, now_s())
    })?;
    let before = process.resident_bytes()?;
    let (count, begin, cpu_before) = (parameters.connections, Instant::now(), process.cpu_time()?);
    let now_s = now_s();
    crowd.join(process.address, count, 1, |number| {
        dialect::log_in(number as u32, now_s)
    })?;
    let login_cpu = process.cpu_time()? - cpu_before;
    let login_time = begin.elapsed();

    // Everyone subscribes to its neighbours, then everyone changes its status once: the burst.
    let mut waiting = count;
    for number in 0..count {
        let watched = (1..=parameters.subscriptions).map(|step| ((number + step) % count) as u32);
        crowd.send(1 + number, |bytes| {
            bytes.extend_from_slice(&dialect::subscribe(watched))
        })?;
        settle(&mut crowd, &mut waiting, Duration::ZERO)?;
    }
    while waiting > 0 {
        settle(&mut crowd, &mut waiting, Duration::from_secs(30))?;
    }
    waiting = count * (1 + parameters.subscriptions);
    for number in 0..count {
        crowd.send(1 + number, |bytes| dialect::change(1, bytes))?;
        settle(&mut crowd, &mut waiting, Duration::ZERO)?;
    }
    while waiting > 0 {
        settle(&mut crowd, &mut waiting, Duration::from_secs(30))?;
    }

    let cpu_quiet = process.cpu_time()?;
    let quiet_until = Instant::now() + QUIET;
    while let Some(left) = quiet_until.checked_duration_since(Instant::now()) {
        crowd.turn(left, |_, _| ())?;
    }
    let idle_cpu = process.cpu_time()? - cpu_quiet;
    let after = process.resident_bytes()?;
    let mut row = Row::new(server.name());
    row.add("connections", count as f64);
    row.add(
        "bytes/connection (RSS)",
        (after.saturating_sub(before)) as f64 / count as f64,
    );
    row.add("idle CPU %", 100.0 * idle_cpu.as_secs_f64() / QUIET.as_secs_f64());
    row.add("server µs/login", login_cpu.as_secs_f64() * 1e6 / count as f64);
    row.add("logins/s", count as f64 / login_time.as_secs_f64());
    Ok(row)
}

/// Counts answers and the changes of the burst (number 1) down.
fn settle(crowd: &mut Crowd, waiting: &mut usize, timeout: Duration) -> io::Result<()> {
    crowd.turn(timeout, |connection, event| match event {
        Event::Done => *waiting -= 1,
        Event::Delivered { user, sequence: 1 } if user as usize + 1 != connection => *waiting -= 1,
        Event::Delivered { .. } | Event::Other => {}
    })?;
    Ok(())
}
