//! `tim-presence-server`: the presence server as a program. It reads arguments and the configuration file, starts a
//! [`presence_node::Node`], and answers signals; presence itself is the node's.
//!
//! Standard output is for scripts (the address, a UserSig), standard error for people and logs. Exit codes: 0 done,
//! 1 it could not run (address in use), 2 a mistake in the arguments or the configuration, 3 the store cannot be used.
#![forbid(unsafe_code)]

mod arguments;
mod config;
mod console;
mod dev;
mod friends;
mod http;
mod live;
mod logs;
mod metrics;
mod notify;
mod openapi;
mod reload;
mod rest;
mod run;
mod service;
mod sign;
mod start;
mod store;
mod v1;
mod webhook;

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use arguments::Command;

/// Why the program ends other than well.
#[derive(Debug)]
enum Failure {
    /// A mistake in the arguments: exit code 2.
    Usage(String),
    /// A mistake in the configuration: exit code 2.
    Configuration(String),
    /// The world did not let it: exit code 1.
    Runtime(String),
    /// The store cannot be used: exit code 3. Trying again does not help.
    Store(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => write!(f, "{text}\nSee tim-presence-server --help"),
            Failure::Configuration(text) | Failure::Runtime(text) | Failure::Store(text) => f.write_str(text),
        }
    }
}

impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Failure {
        Failure::Store(error.to_string())
    }
}

fn main() -> ExitCode {
    let result = arguments::parse(lexopt::Parser::from_env()).and_then(|command| match command {
        Command::Run(options) => run::run(options),
        Command::Sign(options) => sign::sign(&options).map(|user_sig| say(&user_sig)),
        Command::CheckConfig(path) => config::read(&path).and_then(|config| {
            run::refuse_the_examples_key(&config)?;
            say(&config::summary(&path, &config));
            Ok(())
        }),
        Command::Backup(options) => {
            let folder = start::data_dir(&options.folder)?;
            let summary = store::back_up(&folder, &options.file, store::wall_now())?;
            say(&format!(
                "{}: {} records, {} bytes",
                options.file.display(),
                summary.records,
                summary.bytes
            ));
            Ok(())
        }
        Command::Restore { options, replace } => {
            let folder = start::data_dir(&options.folder)?;
            let summary = store::restore(&folder, &options.file, replace)?;
            say(&format!(
                "{}: {} records restored",
                folder.display(),
                summary.records
            ));
            Ok(())
        }
        Command::Settings => {
            say(config::page::page().trim_end());
            Ok(())
        }
        Command::Help => {
            say(arguments::HELP.trim_end());
            Ok(())
        }
        Command::Version => {
            say(concat!("tim-presence-server ", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tim-presence-server: {failure}");
            match failure {
                Failure::Usage(_) | Failure::Configuration(_) => ExitCode::from(2),
                Failure::Runtime(_) => ExitCode::from(1),
                Failure::Store(_) => ExitCode::from(3),
            }
        }
    }
}

/// A line on standard output, at once. That nobody reads it is no reason to stop serving.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
