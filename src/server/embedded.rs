//! A node in this process behind a handle.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use presence::ids::{AppId, UserId};
use presence_node::Node;
use presence_protocol::errors::code;
use presence_protocol::user_sig;

use super::options;
use crate::guard::Refusal;

/// What a server's handle stands for.
pub struct ServerEntry {
    /// `None` once it was told to stop.
    node: Mutex<Option<Node>>,
    address: SocketAddr,
    scheme: &'static str,
    app: AppId,
    secret_key: String,
}

/// This build has a server.
pub fn supported() -> Result<(), Refusal> {
    Ok(())
}

impl ServerEntry {
    /// Starts a node on threads of its own.
    pub fn start(options_json: &str) -> Result<ServerEntry, Refusal> {
        let (config, app) = options::parse(options_json)?;
        let (app_id, secret_key) = (app.id, app.secret_key.clone());
        let node = Node::start(config, vec![app]).map_err(|error| not_started(&error))?;
        let plain = node.addresses().iter().map(|address| ("tim", *address));
        let encrypted = node.tls_addresses().iter().map(|address| ("tims", *address));
        let Some((scheme, address)) = plain.chain(encrypted).next() else {
            return Err(Refusal::new(code::ADDRESS_IN_USE, "the server listens nowhere"));
        };
        Ok(ServerEntry {
            node: Mutex::new(Some(node)),
            address,
            scheme,
            app: app_id,
            secret_key,
        })
    }

    /// `tim://host:port`, or `tims://host:port` with a certificate.
    pub fn address(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// A UserSig from now on.
    pub fn issue_user_sig(&self, user_id: &str, valid_s: u32) -> Result<String, Refusal> {
        if UserId::new(user_id).is_err() {
            let text = "user_id is not 1 to 32 bytes of printable ASCII";
            return Err(Refusal::new(code::INVALID_ARGUMENT, text));
        }
        if valid_s == 0 {
            return Err(Refusal::new(code::INVALID_ARGUMENT, "valid_s is 0"));
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_s = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        Ok(user_sig::sign(
            self.app,
            &self.secret_key,
            user_id,
            now_s,
            i64::from(valid_s),
        ))
    }

    /// Ends the node. Another thread that has the handle still finds the address, and nobody listening there.
    pub fn stop(&self, timeout: Duration) -> Result<(), Refusal> {
        let node = self.node.lock().unwrap_or_else(PoisonError::into_inner).take();
        match node.map(|node| node.stop(timeout)) {
            Some(Ok(())) | None => Ok(()),
            Some(Err(presence_node::StopTimeout)) => Err(Refusal::new(
                code::TIMEOUT,
                "the server has not ended in time; it ends in the background",
            )),
        }
    }
}

fn not_started(error: &std::io::Error) -> Refusal {
    use std::io::ErrorKind;
    let code = match error.kind() {
        ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable | ErrorKind::PermissionDenied => {
            code::ADDRESS_IN_USE
        }
        _ => code::NO_MEMORY,
    };
    Refusal::new(code, format!("the server cannot start: {error}"))
}
