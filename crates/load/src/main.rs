//! `tim-presence-load`: puts load on a presence server and measures what it costs. One thread on one core drives all
//! connections with epoll; the server is a process of its own on another core, and its CPU time and memory are read
//! from the system. Every run checks its counts: what was expected was delivered, once, in order.

mod arguments;
mod crowd;
mod dialect;
mod fan_out;
mod floor;
mod idle;
mod process;
mod report;

use arguments::{Command, Measurement, Scenario};

fn main() {
    let command = match Command::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(text) => {
            eprintln!("tim-presence-load: {text}\n\n{}", arguments::USAGE);
            std::process::exit(2);
        }
    };
    let result = match command {
        Command::Help => {
            println!("{}", arguments::USAGE);
            Ok(())
        }
        Command::ServeFloor(gathering) => floor::serve(gathering),
        Command::Measure(measurement) => measure(&measurement),
    };
    if let Err(error) = result {
        eprintln!("tim-presence-load: {error}");
        std::process::exit(1);
    }
}

fn measure(measurement: &Measurement) -> std::io::Result<()> {
    process::raise_file_limit()?;
    process::pin_self_to_last_cpu();
    let mut rows = Vec::new();
    // Interleaved: a slow moment of the machine meets every server alike.
    for round in 1..=measurement.rounds {
        for &server in &measurement.servers {
            eprintln!("round {round}/{}: {}", measurement.rounds, server.name());
            rows.push(match &measurement.scenario {
                Scenario::FanOut(parameters) => fan_out::run(server, parameters)?,
                Scenario::Idle(parameters) => idle::run(server, parameters)?,
            });
        }
    }
    report::print(&rows, measurement.json);
    Ok(())
}
