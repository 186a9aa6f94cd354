//! What stands for the embedded server in a build without it: nothing can be started, so nothing else can happen.

use std::time::Duration;

use presence_protocol::errors::code;

use crate::guard::Refusal;

/// There is never one.
pub enum ServerEntry {}

/// Refuses: this build has no server.
pub fn supported() -> Result<(), Refusal> {
    Err(Refusal::new(
        code::UNSUPPORTED,
        "this build has no embedded server (feature embedded-server)",
    ))
}

impl ServerEntry {
    pub fn start(_options_json: &str) -> Result<ServerEntry, Refusal> {
        supported().and_then(|()| {
            Err(Refusal::new(
                code::UNSUPPORTED,
                "this build has no embedded server",
            ))
        })
    }

    pub fn address(&self) -> String {
        match *self {}
    }

    pub fn issue_user_sig(&self, _user_id: &str, _valid_s: u32) -> Result<String, Refusal> {
        match *self {}
    }

    pub fn stop(&self, _timeout: Duration) -> Result<(), Refusal> {
        match *self {}
    }
}
