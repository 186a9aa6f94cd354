//! Logs on standard error, as text or JSON lines.
//!
//! Field names, the same everywhere: `app`, `user`, `connection`, `peer`, `address`, `code`, `reason`, `setting`, `was`,
//! `is`, `error`. Never a secret at any level; what users write at debug and trace only.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;

/// The least severe records to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something is broken here.
    Error,
    /// Something deserves a look.
    Warn,
    /// What an operator wants to know.
    Info,
    /// Every connection and login; shows what clients say of themselves.
    Debug,
    /// Everything.
    Trace,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// The least severe records to write.
    pub level: Level,
    /// How a record is written.
    pub format: Format,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            level: Level::Info,
            format: Format::Text,
        }
    }
}

impl Level {
    /// What a setting of this type takes.
    pub const TAKES: &'static str = "error, warn, info, debug or trace";
    const ALL: [Level; 5] = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];

    /// Its name in files and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }

    fn filter(self) -> LevelFilter {
        match self {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}

impl Format {
    /// What a setting of this type takes.
    pub const TAKES: &'static str = "text or json";
    const ALL: [Format; 2] = [Format::Text, Format::Json];

    /// Its name in files and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

/// No level or format has this name.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownName;

impl FromStr for Level {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Level, UnknownName> {
        Level::ALL
            .into_iter()
            .find(|level| level.name() == name)
            .ok_or(UnknownName)
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Format, UnknownName> {
        Format::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or(UnknownName)
    }
}

/// Sends the logs of the whole process to standard error. Once, before the node starts.
pub fn start(config: LogConfig) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(config.level.filter())
        .with_writer(std::io::stderr);
    match config.format {
        Format::Text => builder.with_target(false).init(),
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init(),
    }
}
