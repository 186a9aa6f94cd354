//! From a server's address to a stream of the protocol's bytes: TCP, straight or through a proxy, then TLS, then WebSocket,
//! as the options say. A client makes every connection here and never falls back from TLS to none.

#[cfg(feature = "tls")]
mod off_thread;
mod proxy;
#[cfg(feature = "tls")]
mod trust;
#[cfg(not(feature = "tls"))]
#[path = "trust_absent.rs"]
mod trust;
#[cfg(feature = "tls")]
mod verifier;

use std::fmt;
use std::io;
use std::sync::Arc;

use presence_protocol::errors::code;
use presence_transport::Layered;
use presence_transport::websocket::{self, MaskSource};

use self::trust::Trust;
use crate::api::CallError;
use crate::options::{Options, Proxy};
use crate::world::{Connecting, Stream, World};

/// Makes one client's connections.
#[derive(Clone)]
pub(crate) struct Dialer {
    world: Arc<dyn World>,
    host: Arc<str>,
    port: u16,
    proxy: Option<Arc<Proxy>>,
    tls: Option<Arc<Trust>>,
    websocket_path: Option<Arc<str>>,
}

/// The server proved to be somebody else, or nobody that this client was told to trust. Travels inside an `io::Error`.
#[derive(Debug)]
pub(crate) struct NotTrusted(pub(crate) String);

impl fmt::Display for NotTrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotTrusted {}

impl Dialer {
    /// Reads the file of authorities, if one is named. `INVALID_OPTIONS` if it cannot be used, `UNSUPPORTED` for TLS in a
    /// build without it.
    pub(crate) fn new(world: Arc<dyn World>, options: &Options) -> Result<Dialer, CallError> {
        let tls = options
            .tls
            .then(|| Trust::new(options).map(Arc::new))
            .transpose()?;
        Ok(Dialer {
            world,
            host: options.host.as_str().into(),
            port: options.port,
            proxy: options.http_proxy.clone().map(Arc::new),
            tls,
            websocket_path: options.websocket_path.as_deref().map(Arc::from),
        })
    }

    /// A connection on which the protocol can begin.
    pub(crate) fn dial(&self) -> Connecting {
        if self.proxy.is_none() && self.tls.is_none() && self.websocket_path.is_none() {
            return self.world.connect(&self.host, self.port);
        }
        let dialer = self.clone();
        Box::pin(async move { dialer.layered().await })
    }

    async fn layered(self) -> io::Result<Box<dyn Stream>> {
        let mut stream = match &self.proxy {
            None => self.world.connect(&self.host, self.port).await?,
            Some(proxy) => {
                let mut stream = self.world.connect(&proxy.host, proxy.port).await?;
                proxy::tunnel(&mut *stream, proxy, &self.host, self.port).await?;
                stream
            }
        };
        if let Some(trust) = &self.tls {
            let tls = trust.handshake(&mut stream).await?;
            stream = Box::new(Layered::with_tls(stream, tls));
        }
        if let Some(path) = &self.websocket_path {
            let host = proxy::host_and_port(&self.host, self.port);
            let (first, second) = (self.world.random(), self.world.random());
            let random = (u128::from(first) << 64 | u128::from(second)).to_be_bytes();
            let world = Arc::clone(&self.world);
            let masks: MaskSource = Box::new(move || world.random() as u32);
            let websocket = websocket::agree(&mut stream, &host, path, random, masks).await?;
            stream = Box::new(Layered::with_websocket(stream, websocket));
        }
        Ok(stream)
    }
}

/// The code for an attempt to connect that failed.
pub(crate) fn failure_code(error: &io::Error) -> i32 {
    if error
        .get_ref()
        .is_some_and(|inner| inner.downcast_ref::<NotTrusted>().is_some())
    {
        return code::SERVER_NOT_TRUSTED;
    }
    match error.kind() {
        io::ErrorKind::TimedOut => code::CONNECT_TIMEOUT,
        io::ErrorKind::ConnectionRefused => code::CONNECTION_REFUSED,
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::NetworkDown => code::UNREACHABLE,
        _ => code::NO_CONNECTION,
    }
}
