//! Peers that presence is built on: they carry messages and know no users.

use std::io;

use super::{Launch, Place, Ready, Served, program};
use crate::dialect::{self, Dialect, Need};

/// Everyone's account, in the configurations below.
const USER: &str = "load";
const PASSWORD: &str = "load";

/// `redis-server`.
pub struct Redis;

impl Served for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn dialect(&self, _need: Need) -> Box<dyn Dialect> {
        Box::new(dialect::redis::Redis { password: PASSWORD })
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        let mut command = program("redis-server", "redis-server")?;
        command.arg(place.write("redis.conf", include_str!("../../configuration/redis.conf"))?);
        Ok(Launch {
            command,
            ready: Ready::Accepts,
        })
    }

    fn package(&self) -> Option<&'static str> {
        Some("redis-server")
    }
}

/// `nats-server`.
pub struct Nats;

impl Served for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn dialect(&self, _need: Need) -> Box<dyn Dialect> {
        Box::new(dialect::nats::Nats {
            user: USER,
            password: PASSWORD,
        })
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        let mut command = program("nats-server", "nats-server")?;
        command
            .arg("--config")
            .arg(place.write("nats.conf", include_str!("../../configuration/nats.conf"))?);
        Ok(Launch {
            command,
            ready: Ready::Accepts,
        })
    }

    fn package(&self) -> Option<&'static str> {
        Some("nats-server")
    }
}

/// `mosquitto`.
pub struct Mosquitto;

impl Served for Mosquitto {
    fn name(&self) -> &'static str {
        "mosquitto"
    }

    fn dialect(&self, need: Need) -> Box<dyn Dialect> {
        Box::new(dialect::mqtt::Mqtt {
            user: USER,
            password: PASSWORD,
            last_will: need == Need::Losses,
        })
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        let hashed = program("mosquitto_passwd", "mosquitto")?
            .args(["-c", "-b"])
            .arg(place.folder.join("passwords"))
            .args([USER, PASSWORD])
            .output()?;
        if !hashed.status.success() {
            let text = String::from_utf8_lossy(&hashed.stderr).into_owned();
            return Err(io::Error::other(format!("mosquitto_passwd: {text}")));
        }
        let mut command = program("mosquitto", "mosquitto")?;
        command.arg("-c").arg(place.write(
            "mosquitto.conf",
            include_str!("../../configuration/mosquitto.conf"),
        )?);
        Ok(Launch {
            command,
            ready: Ready::Accepts,
        })
    }

    fn package(&self) -> Option<&'static str> {
        Some("mosquitto")
    }
}
