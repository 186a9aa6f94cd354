//! Our server, and the floor, which speaks the same.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use presence::ids::AppId;
use presence_transport::testing::Authority;
use rustls::ClientConfig;
use rustls::client::Resumption;

use super::{Launch, Place, Ready, Served};
use crate::dialect::{self, Dialect, Need};
use crate::floor::Gathering;

/// Of the configuration.
const APP_ID: u64 = 1_400_000_001;

/// Its key; the server is on loopback and lives as long as the run.
const SECRET_KEY: &str = "load-load-load-load-load-load-load-load-load-load-load-load-load";

/// Every limit off that would refuse or merge load: only its cost is measured.
const CONFIGURATION: &str = include_str!("../../configuration/ours.toml");

/// Where it listens, there.
const LISTEN: &str = "listen = [\"127.0.0.1:PORT\"]\n";

/// The option there that keeps changes from being merged.
const NO_MERGING: &str = "outbox_bytes_max";

/// `tim-presence-server`.
#[derive(Clone)]
pub struct Ours {
    /// Its program; `None`: beside this one.
    pub binary: Option<PathBuf>,
    /// With outboxes as they are by default, so that changes which wait are merged.
    pub merging: bool,
}

/// `tim-presence-server` with TLS, and clients that trust its certificate.
pub struct OursTls {
    ours: Ours,
    authority: Authority,
}

impl OursTls {
    /// With a certificate (ECDSA on P-256) of an authority of its own.
    pub fn new(ours: Ours) -> OursTls {
        let authority = Authority::new();
        OursTls { ours, authority }
    }
}

impl Served for OursTls {
    fn name(&self) -> &'static str {
        "ours-tls"
    }

    fn dialect(&self, _need: Need) -> Box<dyn Dialect> {
        // Each connection is a client's first: none may resume another's session.
        let mut client = ClientConfig::clone(&self.authority.client());
        client.resumption = Resumption::disabled();
        let tls = Some(Arc::new(client));
        Box::new(dialect::ours::Ours { tls, ..ours() })
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        let issued = self.authority.issue(&["127.0.0.1"]);
        let files = format!(
            "listen = []\nlisten_tls = [\"127.0.0.1:PORT\"]\ntls_certificate_file = {:?}\ntls_key_file = {:?}\n",
            issued.certificate_file, issued.key_file
        );
        let configuration = self.ours.configuration().replace(LISTEN, &files);
        self.ours.launch_with(place, &configuration)
    }

    fn package(&self) -> Option<&'static str> {
        None
    }
}

impl Ours {
    fn launch_with(&self, place: &Place<'_>, configuration: &str) -> io::Result<Launch> {
        let binary = match &self.binary {
            Some(binary) => binary.clone(),
            None => std::env::current_exe()?.with_file_name("tim-presence-server"),
        };
        let file = place.write("server.toml", configuration)?;
        let mut command = Command::new(binary);
        command.arg("--config").arg(file);
        Ok(Launch {
            command,
            ready: Ready::Accepts,
        })
    }

    fn configuration(&self) -> String {
        CONFIGURATION
            .lines()
            .filter(|line| !(self.merging && line.starts_with(NO_MERGING)))
            .map(|line| format!("{}\n", line.replace("SECRET_KEY", SECRET_KEY)))
            .collect()
    }
}

impl Served for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn dialect(&self, _need: Need) -> Box<dyn Dialect> {
        Box::new(ours())
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        self.launch_with(place, &self.configuration())
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
        tls: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_leaves_the_outboxes_as_they_are_by_default_and_changes_nothing_else() {
        let [apart, merging] = [false, true].map(|merging| {
            let ours = Ours {
                binary: None,
                merging,
            };
            ours.configuration()
        });
        let left_out: Vec<&str> = apart
            .lines()
            .filter(|line| !merging.lines().any(|kept| kept == *line))
            .collect();
        assert_eq!(left_out, ["outbox_bytes_max = 67108864"]);
        assert_eq!(merging.lines().count() + 1, apart.lines().count());
        assert!(apart.contains(SECRET_KEY) && apart.contains(LISTEN));
    }
}
