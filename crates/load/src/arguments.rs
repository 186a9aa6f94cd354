//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use crate::fan_out;
use crate::floor::Gathering;
use crate::idle;

/// What `--help` and a mistake show.
pub const USAGE: &str = "\
usage: tim-presence-load fan-out [options]    P publishers change their status, W watchers each are told
       tim-presence-load idle    [options]    connections that do nothing, after one burst

  --servers LIST      ours,floor-each,floor-batch (default: all for fan-out, ours for idle)
  --rounds N          runs of each server, interleaved (default 3)
  --json              print JSON instead of a table

fan-out:
  --publishers P      (default 10)
  --watchers W        for each publisher (default 200)
  --shared            the same W watchers watch every publisher (default: each publisher has its own)
  --rate N            deliveries per second (default: saturated)
  --window N          changes of a publisher under way at once when saturated (default 32)
  --seconds S         measured time (default 5)

idle:
  --connections N     (default 10000)
  --subscriptions N   of each connection (default 10)";

/// The whole command line.
pub enum Command {
    /// Show [`USAGE`].
    Help,
    /// Be the floor's server; the tool starts itself so.
    ServeFloor(Gathering),
    /// Put load on servers.
    Measure(Measurement),
}

/// What to measure.
pub struct Measurement {
    /// What to do.
    pub scenario: Scenario,
    /// To whom.
    pub servers: Vec<Server>,
    /// How often.
    pub rounds: usize,
    /// JSON instead of a table.
    pub json: bool,
}

/// A scenario with its parameters.
pub enum Scenario {
    /// See [`fan_out`].
    FanOut(fan_out::Parameters),
    /// See [`idle`].
    Idle(idle::Parameters),
}

/// What load is put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// `tim-presence-server`.
    Ours,
    /// A bare loop that writes the same bytes to the same sockets.
    Floor(Gathering),
}

impl Server {
    /// As on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Server::Ours => "ours",
            Server::Floor(Gathering::Each) => "floor-each",
            Server::Floor(Gathering::Batch) => "floor-batch",
        }
    }

    fn from_name(name: &str) -> Result<Server, String> {
        [
            Server::Ours,
            Server::Floor(Gathering::Each),
            Server::Floor(Gathering::Batch),
        ]
        .into_iter()
        .find(|server| server.name() == name)
        .ok_or_else(|| format!("no server is called '{name}'"))
    }
}

impl Command {
    /// Reads the command line; the error is for a person.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
        read(&mut lexopt::Parser::from_iter(arguments)).map_err(|error| error.to_string())
    }
}

fn read(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    use lexopt::prelude::*;
    let name = match parser.next()? {
        Some(Value(name)) => name.string()?,
        Some(Long("help") | Short('h')) => return Ok(Command::Help),
        Some(other) => return Err(other.unexpected()),
        None => return Err("name a scenario".into()),
    };
    let mut scenario = match name.as_str() {
        "fan-out" => Scenario::FanOut(fan_out::Parameters::default()),
        "idle" => Scenario::Idle(idle::Parameters::default()),
        "floor-each" => return Ok(Command::ServeFloor(Gathering::Each)),
        "floor-batch" => return Ok(Command::ServeFloor(Gathering::Batch)),
        other => return Err(format!("no scenario is called '{other}'").into()),
    };
    let mut servers = match scenario {
        Scenario::FanOut(_) => {
            vec![
                Server::Ours,
                Server::Floor(Gathering::Each),
                Server::Floor(Gathering::Batch),
            ]
        }
        Scenario::Idle(_) => vec![Server::Ours],
    };
    let mut rounds = 3;
    let mut json = false;
    while let Some(argument) = parser.next()? {
        match (argument, &mut scenario) {
            (Long("servers"), _) => {
                let list = parser.value()?.string()?;
                servers = list.split(',').map(Server::from_name).collect::<Result<_, _>>()?;
            }
            (Long("rounds"), _) => rounds = at_least_one(parser.value()?.parse()?)?,
            (Long("json"), _) => json = true,
            (Long("publishers"), Scenario::FanOut(p)) => {
                p.publishers = at_least_one(parser.value()?.parse()?)?
            }
            (Long("watchers"), Scenario::FanOut(p)) => p.watchers = at_least_one(parser.value()?.parse()?)?,
            (Long("shared"), Scenario::FanOut(p)) => p.shared = true,
            (Long("rate"), Scenario::FanOut(p)) => {
                p.deliveries_per_second = Some(at_least_one(parser.value()?.parse()?)?)
            }
            (Long("window"), Scenario::FanOut(p)) => p.window = at_least_one(parser.value()?.parse()?)?,
            (Long("seconds"), Scenario::FanOut(p)) => {
                p.measured = Duration::from_secs(at_least_one(parser.value()?.parse()?)? as u64);
            }
            (Long("connections"), Scenario::Idle(p)) => {
                p.connections = at_least_one(parser.value()?.parse()?)?
            }
            (Long("subscriptions"), Scenario::Idle(p)) => p.subscriptions = parser.value()?.parse()?,
            (other, _) => return Err(other.unexpected()),
        }
    }
    Ok(Command::Measure(Measurement {
        scenario,
        servers,
        rounds,
        json,
    }))
}

fn at_least_one(number: usize) -> Result<usize, lexopt::Error> {
    if number == 0 {
        Err("0 is too few".into())
    } else {
        Ok(number)
    }
}
