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

use arguments::{Arguments, Scenario};

fn main() {
    let arguments = match Arguments::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("tim-presence-load: {text}\n\n{}", arguments::USAGE);
            std::process::exit(2);
        }
    };
    if let Err(error) = run(&arguments) {
        eprintln!("tim-presence-load: {error}");
        std::process::exit(1);
    }
}

fn run(arguments: &Arguments) -> std::io::Result<()> {
    process::raise_file_limit()?;
    if let Scenario::Floor(gathering) = arguments.scenario {
        return floor::serve(gathering);
    }
    process::pin_self_to_last_cpu();
    let mut rows = Vec::new();
    // Interleaved: a slow moment of the machine meets every server alike.
    for round in 1..=arguments.rounds {
        for &server in &arguments.servers {
            eprintln!(
                "round {round}/{}: {} {}",
                arguments.rounds,
                arguments.scenario.name(),
                server.name()
            );
            rows.push(match &arguments.scenario {
                Scenario::Floor(_) => unreachable!("served above"),
                Scenario::FanOut(parameters) => fan_out::run(server, parameters)?,
                Scenario::Idle(parameters) => idle::run(server, parameters)?,
            });
        }
    }
    report::print(&rows, arguments.json);
    Ok(())
}
