//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::floor::Gathering;
use crate::growth::Growth;
use crate::scenario::Scenario;
use crate::scenario::celebrity::Celebrity;
use crate::scenario::churn::Churn;
use crate::scenario::fan_out::FanOut;
use crate::scenario::idle::Idle;
use crate::scenario::login_storm::LoginStorm;
use crate::scenario::loss_storm::LossStorm;
use crate::scenario::query::Query;

/// What `--help` and a mistake show.
pub const USAGE: &str = "\
usage: tim-presence-load SCENARIO [options]

Puts the same load on servers, each started fresh on a free loopback port, and says what it cost them.
Which did what each figure means: docs/PERFORMANCE.md

  --servers LIST       of ours ours-tls floor-each floor-batch redis nats mosquitto ejabberd prosody, or 'all'
                       (default: ours,floor-each,floor-batch)
  --rounds N           runs of each server, interleaved (default 3; 10 for ratios worth citing)
  --base NAME          the server that the others are compared with (default: the first)
  --json FILE          write every run there, besides the tables
  --skip-missing       leave out peers that are not installed, instead of refusing to start
  --server-binary PATH our server (default: beside this program)
  --count LIBRARY      fan-out: also count system calls, allocations and bytes copied, by preloading counting.so

fan-out                P publishers change their status, W watchers each are told
  --publishers P       (default 10)
  --watchers W         of each publisher (default 200)
  --shared             the same W watchers watch every publisher (default: each has its own)
  --rate N             deliveries a second (default: saturated)
  --window N           changes of a publisher under way at once (default 32)
  --merging            changes that wait for a watcher may be merged, ours with its default outboxes: the last change of each
                       publisher must reach everybody (default: every change must, and outboxes are so large that it does)
  --seconds S          measured time (default 5)

idle                   connections that do nothing, after one burst
  --connections N      (default 10000)
  --subscriptions N    of each (default 10)
  --seconds S          how long it is watched (default 5)

login-storm            everyone logs in at once
  --connections N      (default 10000)
  --subscriptions N    of each, to others in the storm (default 0; 20 is a good second)
  --at-once N          logins under way (default: all)

loss-storm             connections are reset at once, and their watchers told
  --lost N             (default 2000)
  --watchers W         of each (default 20)

query                  a few connections ask for the status of many users
  --accounts N         users there are (default 5000)
  --online N           of them with a live connection and a custom status (default 5000)
  --users N            of a query (default 500)
  --askers N           connections that ask (default 8)
  --rate N             queries a second, all together (default: as many as are answered)
  --changes N          changes of status a second, meanwhile (default 0)
  --seconds S          measured time (default 5)

churn                  subscribe and unsubscribe with full lists
  --connections N      (default 100)
  --held N             subscriptions of each (default 200)
  --users N            of a call (default 10)
  --seconds S          measured time (default 5)

celebrity              one user with many watchers changes; what another's few watchers notice of it
  --watchers W         of the celebrity (default 10000)
  --beside W           of the other (default 5)
  --rate N             changes of the other a second (default 100)
  --changes N          of the celebrity (default 10)

growth                 series of scenarios: how cost grows with watchers, connections and changes
  --plots FOLDER       write each series there as an SVG picture
  --series LIST        of watchers connections memory changes (default: all)
  --connections-max N  leave out what needs more (default 10000)
  --seconds S          measured time of each run (default 1)";

/// The whole command line.
pub enum Command {
    /// Show [`USAGE`].
    Help,
    /// Be the floor's server on this port; the tool starts itself so.
    ServeFloor(Gathering, u16),
    /// Put load on servers.
    Measure(Box<Measurement>),
}

/// What to measure, and how.
pub struct Measurement {
    /// What to do.
    pub task: Task,
    /// Names of servers; not checked yet.
    pub servers: Vec<String>,
    /// How often.
    pub rounds: usize,
    /// The server that others are compared with; `None`: the first.
    pub base: Option<String>,
    /// Where every run is written.
    pub json: Option<PathBuf>,
    /// Go on without peers that are not installed.
    pub skip_missing: bool,
    /// Our server; `None`: beside this program.
    pub server_binary: Option<PathBuf>,
    /// The library that counts a server's calls.
    pub counting: Option<PathBuf>,
}

/// One scenario, or several in a row.
pub enum Task {
    /// One.
    Scenario(Box<dyn Scenario>),
    /// Several, that differ in one number.
    Growth(Growth),
}

/// A scenario while its options are read.
enum Draft {
    FanOut(FanOut),
    Idle(Idle),
    LoginStorm(LoginStorm),
    LossStorm(LossStorm),
    Query(Query),
    Churn(Churn),
    Celebrity(Celebrity),
    Growth(Growth),
}

impl Command {
    /// Reads the command line, without the program's name; the error is for a person.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
        read(&mut lexopt::Parser::from_args(arguments)).map_err(|error| error.to_string())
    }
}

fn read(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let name = match parser.next()? {
        Some(Value(name)) => name.string()?,
        Some(Long("help") | Short('h')) => return Ok(Command::Help),
        Some(other) => return Err(other.unexpected()),
        None => return Err("name a scenario".into()),
    };
    let mut draft = match name.as_str() {
        "fan-out" => Draft::FanOut(FanOut::default()),
        "idle" => Draft::Idle(Idle::default()),
        "login-storm" => Draft::LoginStorm(LoginStorm::default()),
        "loss-storm" => Draft::LossStorm(LossStorm::default()),
        "query" => Draft::Query(Query::default()),
        "churn" => Draft::Churn(Churn::default()),
        "celebrity" => Draft::Celebrity(Celebrity::default()),
        "growth" => Draft::Growth(Growth::default()),
        "floor-each" => return Ok(Command::ServeFloor(Gathering::Each, parser.value()?.parse()?)),
        "floor-batch" => return Ok(Command::ServeFloor(Gathering::Batch, parser.value()?.parse()?)),
        other => return Err(format!("no scenario is called '{other}'").into()),
    };
    let mut servers = "ours,floor-each,floor-batch".to_owned();
    let (mut rounds, mut base, mut json, mut skip_missing) = (3, None, None, false);
    let (mut server_binary, mut counting) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("servers") => servers = parser.value()?.string()?,
            Long("rounds") => rounds = at_least_one(parser)?,
            Long("base") => base = Some(parser.value()?.string()?),
            Long("json") => json = Some(PathBuf::from(parser.value()?)),
            Long("skip-missing") => skip_missing = true,
            Long("count") if matches!(draft, Draft::FanOut(_)) => {
                counting = Some(PathBuf::from(parser.value()?));
            }
            Long("server-binary") => server_binary = Some(PathBuf::from(parser.value()?)),
            Long(name) => {
                let name = name.to_owned();
                draft.option(&name, parser)?;
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Measure(Box::new(Measurement {
        task: draft.finish()?,
        servers: servers.split(',').map(str::to_owned).collect(),
        rounds,
        base,
        json,
        skip_missing,
        server_binary,
        counting,
    })))
}

impl Draft {
    fn option(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
        match (self, name) {
            (Draft::FanOut(fan_out), "publishers") => fan_out.publishers = at_least_one(parser)?,
            (Draft::FanOut(fan_out), "watchers") => fan_out.watchers = at_least_one(parser)?,
            (Draft::FanOut(fan_out), "shared") => fan_out.shared = true,
            (Draft::FanOut(fan_out), "rate") => fan_out.deliveries_per_second = Some(at_least_one(parser)?),
            (Draft::FanOut(fan_out), "window") => fan_out.window = at_least_one(parser)?,
            (Draft::FanOut(fan_out), "merging") => fan_out.merging = true,
            (Draft::FanOut(fan_out), "seconds") => fan_out.measured = seconds(parser)?,
            (Draft::Idle(idle), "connections") => idle.connections = at_least_one(parser)?,
            (Draft::Idle(idle), "subscriptions") => idle.subscriptions = parser.value()?.parse()?,
            (Draft::Idle(idle), "seconds") => idle.measured = seconds(parser)?,
            (Draft::LoginStorm(storm), "connections") => storm.connections = at_least_one(parser)?,
            (Draft::LoginStorm(storm), "subscriptions") => storm.subscriptions = parser.value()?.parse()?,
            (Draft::LoginStorm(storm), "at-once") => storm.at_once = at_least_one(parser)?,
            (Draft::LossStorm(storm), "lost") => storm.lost = at_least_one(parser)?,
            (Draft::LossStorm(storm), "watchers") => storm.watchers = at_least_one(parser)?,
            (Draft::Query(query), "accounts") => query.accounts = count(parser)?,
            (Draft::Query(query), "online") => query.online = count(parser)?,
            (Draft::Query(query), "users") => query.users = count(parser)?,
            (Draft::Query(query), "askers") => query.askers = count(parser)?,
            (Draft::Query(query), "rate") => query.queries_per_second = Some(at_least_one(parser)?),
            (Draft::Query(query), "changes") => query.changes_per_second = parser.value()?.parse()?,
            (Draft::Query(query), "seconds") => query.measured = seconds(parser)?,
            (Draft::Churn(churn), "connections") => churn.connections = at_least_one(parser)?,
            (Draft::Churn(churn), "held") => churn.held = at_least_one(parser)?,
            (Draft::Churn(churn), "users") => churn.users = at_least_one(parser)?,
            (Draft::Churn(churn), "seconds") => churn.measured = seconds(parser)?,
            (Draft::Celebrity(celebrity), "watchers") => celebrity.watchers = at_least_one(parser)?,
            (Draft::Celebrity(celebrity), "beside") => celebrity.beside = at_least_one(parser)?,
            (Draft::Celebrity(celebrity), "rate") => celebrity.changes_per_second = at_least_one(parser)?,
            (Draft::Celebrity(celebrity), "changes") => celebrity.celebrity_changes = at_least_one(parser)?,
            (Draft::Growth(growth), "plots") => growth.plots = Some(PathBuf::from(parser.value()?)),
            (Draft::Growth(growth), "series") => growth.choose(&parser.value()?.string()?)?,
            (Draft::Growth(growth), "connections-max") => growth.connections_max = at_least_one(parser)?,
            (Draft::Growth(growth), "seconds") => growth.measured = seconds(parser)?,
            (_, other) => return Err(format!("this scenario has no option '--{other}'").into()),
        }
        Ok(())
    }

    /// What no single option can say.
    fn finish(self) -> Result<Task, lexopt::Error> {
        let others = |connections: usize, subscriptions: usize| {
            if subscriptions < connections {
                Ok(())
            } else {
                Err("each can subscribe to no more than all the others")
            }
        };
        let scenario: Box<dyn Scenario> = match self {
            Draft::FanOut(fan_out) => Box::new(fan_out),
            Draft::Idle(idle) => {
                others(idle.connections, idle.subscriptions)?;
                Box::new(idle)
            }
            Draft::LoginStorm(storm) => {
                others(storm.connections, storm.subscriptions)?;
                Box::new(storm)
            }
            Draft::LossStorm(storm) => {
                others(storm.lost + 1, storm.watchers)?;
                Box::new(storm)
            }
            Draft::Query(query) if query.users > query.accounts => {
                return Err("a query names different users: no more than there are accounts".into());
            }
            Draft::Query(query) => Box::new(query),
            Draft::Churn(churn) if churn.held + churn.users > crate::scenario::churn::POOL => {
                return Err(
                    format!("there are {} users to choose from", crate::scenario::churn::POOL).into(),
                );
            }
            Draft::Churn(churn) => Box::new(churn),
            Draft::Celebrity(celebrity) => Box::new(celebrity),
            Draft::Growth(growth) => return Ok(Task::Growth(growth)),
        };
        Ok(Task::Scenario(scenario))
    }
}

fn at_least_one(parser: &mut lexopt::Parser) -> Result<usize, lexopt::Error> {
    match parser.value()?.parse()? {
        0 => Err("0 is too few".into()),
        number => Ok(number),
    }
}

/// Numbers of users are written with seven digits.
fn count(parser: &mut lexopt::Parser) -> Result<u32, lexopt::Error> {
    match at_least_one(parser)? {
        number @ ..=9_000_000 => Ok(number as u32),
        _ => Err("9000000 is the most".into()),
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, lexopt::Error> {
    let seconds: f64 = parser.value()?.parse()?;
    if seconds > 0.0 && seconds < 3600.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("a time is above 0 and below an hour".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.split_whitespace().map(OsString::from))
    }

    fn measurement(line: &str) -> Measurement {
        match parse(line) {
            Ok(Command::Measure(measurement)) => *measurement,
            _ => panic!("not a measurement: {line}"),
        }
    }

    fn scenario(line: &str) -> Box<dyn Scenario> {
        match measurement(line).task {
            Task::Scenario(scenario) => scenario,
            Task::Growth(_) => panic!("not one scenario: {line}"),
        }
    }

    #[test]
    fn options_reach_their_scenario() {
        let line = "fan-out --servers redis,ours --rounds 10 --publishers 3 --watchers 4 --shared --rate 100 --seconds 0.5 --count c.so";
        let measurement = measurement(line);
        assert_eq!(measurement.servers, ["redis", "ours"]);
        assert_eq!(measurement.rounds, 10);
        assert_eq!(measurement.counting, Some(PathBuf::from("c.so")));
        let parameters = scenario(line).parameters();
        assert_eq!(parameters["publishers"], 3);
        assert_eq!(parameters["watchers"], 4);
        assert_eq!(parameters["shared"], true);
        assert_eq!(parameters["deliveries_per_second"], 100);
        assert_eq!(parameters["merging"], false);
        assert!(scenario("fan-out --merging").merging());
        assert_eq!(parameters["measured"]["nanos"], 500_000_000);
    }

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        for name in [
            "fan-out",
            "idle",
            "login-storm",
            "loss-storm",
            "query",
            "churn",
            "celebrity",
        ] {
            assert_eq!(scenario(name).name(), name);
            assert!(USAGE.contains(&format!("\n{name} ")), "{name} is in the usage");
        }
    }

    #[test]
    fn growth_knows_its_series() {
        let line = "growth --series watchers,memory --connections-max 500 --seconds 0.1 --plots there";
        let Task::Growth(growth) = measurement(line).task else {
            panic!("not growth");
        };
        assert_eq!(growth.connections_max, 500);
        assert_eq!(growth.measured, Duration::from_millis(100));
        assert_eq!(growth.plots, Some(PathBuf::from("there")));
        assert_eq!(
            growth
                .series()
                .iter()
                .map(|series| series.name)
                .collect::<Vec<_>>(),
            ["watchers", "memory"]
        );
    }

    #[test]
    fn mistakes_are_refused() {
        for line in [
            "",
            "dance",
            "idle --rate 5",
            "idle --count counting.so",
            "idle --merging",
            "idle --connections 10 --subscriptions 10",
            "fan-out --rounds 0",
            "fan-out --seconds 0",
            "fan-out --seconds nan",
            "query --users 501 --accounts 500",
            "query --accounts 10000000",
            "churn --held 5000",
            "floor-each",
            "growth --series watchers,dancers",
            "celebrity --beside 0",
            "fan-out extra",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
