//! Our server, and the floor, which speaks the same.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use presence::ids::AppId;

use super::{Launch, Place, Ready, Served};
use crate::dialect::{self, Dialect, Need};
use crate::floor::Gathering;

/// Of the configuration.
const APP_ID: u64 = 1_400_000_001;

/// Its key; the server is on loopback and lives as long as the run.
const SECRET_KEY: &str = "load-load-load-load-load-load-load-load-load-load-load-load-load";

/// Every limit off that would refuse or merge load: only its cost is measured.
const CONFIGURATION: &str = include_str!("../../configuration/ours.toml");

/// `tim-presence-server`.
pub struct Ours {
    /// Its program; `None`: beside this one.
    pub binary: Option<PathBuf>,
}

impl Served for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn dialect(&self, _need: Need) -> Box<dyn Dialect> {
        Box::new(ours())
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        let binary = match &self.binary {
            Some(binary) => binary.clone(),
            None => std::env::current_exe()?.with_file_name("tim-presence-server"),
        };
        let file = place.write("server.toml", &CONFIGURATION.replace("SECRET_KEY", SECRET_KEY))?;
        let mut command = Command::new(binary);
        command.arg("--config").arg(file);
        Ok(Launch {
            command,
            ready: Ready::Accepts,
        })
    }

    fn package(&self) -> Option<&'static str> {
        None
    }
}

/// The floor: this program, started again.
pub struct Floor(Gathering);

/// One write a message.
pub const FLOOR_EACH: Floor = Floor(Gathering::Each);
/// One write a socket and turn.
pub const FLOOR_BATCH: Floor = Floor(Gathering::Batch);

impl Served for Floor {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn dialect(&self, _need: Need) -> Box<dyn Dialect> {
        Box::new(ours())
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(self.name()).arg(place.port.to_string());
        Ok(Launch {
            command,
            ready: Ready::Accepts,
        })
    }

    fn package(&self) -> Option<&'static str> {
        None
    }
}

fn ours() -> dialect::ours::Ours {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    dialect::ours::Ours {
        app: AppId::new(APP_ID).expect("above 0"),
        secret_key: SECRET_KEY,
        now_s: now.as_secs() as i64,
    }
}
