//! In place of TLS in a build without it.

use std::convert::Infallible;
use std::io;

use presence_protocol::errors::code;
use presence_transport::tls::Tls;

use crate::api::CallError;
use crate::options::Options;
use crate::world::Stream;

/// There is none in this build.
pub(super) struct Trust(Infallible);

impl Trust {
    /// Refused.
    pub(super) fn new(_: &Options) -> Result<Trust, CallError> {
        let text = "option \"server\": this library was built without TLS";
        Err(CallError::new(code::UNSUPPORTED, text))
    }

    #[allow(clippy::unused_async)] // as where it does something
    pub(super) async fn handshake(&self, _: &mut Box<dyn Stream>) -> io::Result<Tls> {
        match self.0 {}
    }
}
