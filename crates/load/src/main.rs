//! `tim-presence-load`: puts load on presence servers and measures what it costs them. One thread on one core drives all
//! connections with epoll; the server is a process of its own on another core, and its CPU time and memory are read
//! from the system. Every run checks its counts: what was expected was delivered, once, in order.

mod arguments;
mod crowd;
mod dialect;
mod floor;
mod growth;
mod plot;
mod progress;
mod report;
mod scenario;
mod served;
mod statistics;

use std::io::{self, Write as _};
use std::process::ExitCode;

use arguments::{Command, Measurement, Task};
use progress::Progress;
use report::{LeftOut, Machine, Report, Run};
use scenario::Scenario;
use served::{Served, ServerProcess};

fn main() -> ExitCode {
    let result = match Command::parse(std::env::args_os().skip(1)) {
        Err(text) => {
            eprintln!("tim-presence-load: {text}\nSee tim-presence-load --help");
            return ExitCode::from(2);
        }
        Ok(Command::Help) => {
            // Whoever reads only its beginning has closed the pipe.
            let printed = writeln!(io::stdout(), "{}", arguments::USAGE);
            return match printed {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
                Ok(()) | Err(_) => ExitCode::SUCCESS,
            };
        }
        Ok(Command::ServeFloor(gathering, port)) => floor::serve(gathering, port),
        Ok(Command::Measure(measurement)) => measure(&measurement),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tim-presence-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(measurement: &Measurement) -> io::Result<()> {
    served::raise_file_limit()?;
    served::pin_self_to_last_cpu();
    let (json, tables, failed) = match &measurement.task {
        Task::Scenario(scenario) => {
            let report = run(measurement, scenario.as_ref(), "")?;
            (report.json(), report.tables(), report.failed())
        }
        Task::Growth(growth) => {
            let grown = growth.run(|scenario, heading| run(measurement, scenario, heading))?;
            (grown.json(), grown.tables(), grown.failed())
        }
    };
    if let Some(path) = &measurement.json {
        std::fs::write(path, json)?;
    }
    println!("{tables}");
    if failed.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "without a result: {}",
            failed.join(", ")
        )))
    }
}

/// All rounds of one scenario, with all servers. `heading` stands before what progress shows.
fn run(measurement: &Measurement, scenario: &dyn Scenario, heading: &str) -> io::Result<Report> {
    let mut left_out = Vec::new();
    let mut servers = choose(measurement, scenario, &mut left_out)?;
    let base = match &measurement.base {
        None => servers.first(),
        Some(name) => servers.iter().find(|server| server.name() == name),
    };
    let base = base
        .ok_or_else(|| io::Error::other("no server is left to compare with"))?
        .name();
    let relations = scenario.relations();
    let mut runs = Vec::new();
    // Interleaved: a slow moment of the machine meets every server alike.
    for round in 1..=measurement.rounds {
        servers.retain(|served| {
            let (name, load_average) = (served.name(), report::load_average());
            let progress = Progress::new(format!("{heading}round {round}/{}, {name}", measurement.rounds));
            progress.show("starting", 0, 0);
            let dialect = served.dialect(scenario.need());
            let result = ServerProcess::start(served.as_ref(), &relations, measurement.counting.as_deref())
                .and_then(|server| scenario.run(&server, dialect.as_ref(), &progress));
            match result {
                Ok(figures) => {
                    progress.done(&first_figures(&figures));
                    runs.push(Run {
                        round,
                        server: name,
                        load_average,
                        figures,
                    });
                    true
                }
                Err(error) => {
                    progress.done(&format!("failed: {error}"));
                    left_out.push(LeftOut {
                        server: name,
                        reason: format!("it failed in round {round}: {error}"),
                        failed: true,
                    });
                    false
                }
            }
        });
    }
    Ok(Report {
        scenario: scenario.name(),
        parameters: scenario.parameters(),
        machine: Machine::this(),
        base,
        runs,
        left_out,
    })
}

/// The servers asked for, without those that have no equivalent of the scenario or, if allowed, are not installed.
fn choose(
    measurement: &Measurement,
    scenario: &dyn Scenario,
    left_out: &mut Vec<LeftOut>,
) -> io::Result<Vec<Box<dyn Served>>> {
    let mut all = served::all(measurement.server_binary.clone(), scenario.merging());
    let mut chosen: Vec<Box<dyn Served>> = Vec::new();
    for name in &measurement.servers {
        match all.iter().position(|served| served.name() == name) {
            Some(index) => chosen.push(all.remove(index)),
            None if name == "all" => chosen.append(&mut all),
            None => {
                return Err(io::Error::other(format!(
                    "no server is called '{name}', or it is named twice"
                )));
            }
        }
    }
    let need = scenario.need();
    chosen.retain(|served| match served.dialect(need).lacks(need) {
        None => true,
        Some(reason) => {
            left_out.push(LeftOut {
                server: served.name(),
                reason: reason.to_owned(),
                failed: false,
            });
            false
        }
    });
    let missing: Vec<&str> = chosen
        .iter()
        .filter(|served| !served.is_installed())
        .filter_map(|served| served.package())
        .collect();
    if !missing.is_empty() && !measurement.skip_missing {
        return Err(io::Error::other(format!(
            "some peers are not installed. On Debian: apt-get install {} (scripts/bench-peers.sh does that), or leave \
             them out with --skip-missing",
            missing.join(" ")
        )));
    }
    chosen.retain(|served| {
        let installed = served.is_installed();
        if !installed {
            left_out.push(LeftOut {
                server: served.name(),
                reason: "it is not installed".into(),
                failed: false,
            });
        }
        installed
    });
    Ok(chosen)
}

/// What a person wants to see at once.
fn first_figures(figures: &[report::Figure]) -> String {
    let texts: Vec<String> = figures
        .iter()
        .take(3)
        .map(|figure| format!("{} {:.2}", figure.name, figure.value))
        .collect();
    texts.join(", ")
}
