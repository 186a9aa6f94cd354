//! The network as clients and the node get it: turmoil's TCP, in streams that can be broken from outside, write short,
//! and, where a bug is planted, lose a frame.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use presence_client::world::{Connecting, Stream, World};
use presence_node::Listener;
use presence_protocol::frame::{self, Next, SERVER_FRAME_BYTES_MAX};
use presence_protocol::message::{ServerMessage, decode_server};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

use crate::random::Random;
use crate::runner::locked;
use crate::scenario::DeviceIndex;

/// How a stream is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Closed in order; this end sees the other's FIN.
    Fin,
    /// This end sees a reset.
    Rst,
}

/// Where a stream is broken from outside.
#[derive(Debug, Default)]
pub struct Switch(Mutex<SwitchState>);

#[derive(Debug, Default)]
struct SwitchState {
    broken: Option<Break>,
    wakers: Vec<Waker>,
}

impl Switch {
    /// Breaks the stream. What was broken stays as it is.
    pub fn throw(&self, how: Break) {
        let wakers = {
            let mut state = locked(&self.0);
            state.broken.get_or_insert(how);
            std::mem::take(&mut state.wakers)
        };
        for waker in wakers {
            waker.wake();
        }
    }

    fn broken(&self, cx: &Context<'_>) -> Option<Break> {
        let mut state = locked(&self.0);
        if state.broken.is_none() && !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        state.broken
    }
}

/// The newest connection of each device, at both ends.
#[derive(Debug, Default)]
pub struct Connections {
    by_device: Mutex<BTreeMap<DeviceIndex, Arc<Switch>>>,
    by_address: Mutex<BTreeMap<IpAddr, Arc<Switch>>>,
}

impl Connections {
    /// Breaks the device's end.
    pub fn break_at_device(&self, device: DeviceIndex, how: Break) {
        if let Some(switch) = locked(&self.by_device).get(&device) {
            switch.throw(how);
        }
    }

    /// Breaks the server's end of the connection that came from `address`.
    pub fn break_at_server(&self, address: IpAddr, how: Break) {
        if let Some(switch) = locked(&self.by_address).get(&address) {
            switch.throw(how);
        }
    }
}

/// One end of a connection.
pub struct SimStream {
    /// `None` once it is broken.
    inner: Option<TcpStream>,
    switch: Arc<Switch>,
    write_bytes_max: usize,
    thief: Option<FrameThief>,
}

impl SimStream {
    fn new(inner: TcpStream, switch: Arc<Switch>, write_bytes_max: usize) -> SimStream {
        SimStream {
            inner: Some(inner),
            switch,
            write_bytes_max,
            thief: None,
        }
    }

    /// The stream underneath; an error or the end once it is broken.
    fn inner(&mut self, cx: &mut Context<'_>) -> Result<&mut TcpStream, Break> {
        if let Some(how) = self.switch.broken(cx) {
            self.inner = None;
            return Err(how);
        }
        self.inner.as_mut().ok_or(Break::Rst)
    }
}

fn reset() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if let Some(thief) = &mut this.thief
                && thief.give(buffer)
            {
                return Poll::Ready(Ok(()));
            }
            let mut thief = this.thief.take();
            let read = match this.inner(cx) {
                Ok(inner) => match &mut thief {
                    Some(thief) => thief.poll_take(inner, cx).map_ok(|is_end| !is_end),
                    None => Pin::new(inner).poll_read(cx, buffer).map_ok(|()| false),
                },
                Err(Break::Fin) => Poll::Ready(Ok(false)),
                Err(Break::Rst) => Poll::Ready(Err(reset())),
            };
            this.thief = thief;
            if !ready!(read)? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.write_bytes_max);
        match self.inner(cx) {
            Ok(inner) => Pin::new(inner).poll_write(cx, bytes.get(..count).unwrap_or(bytes)),
            Err(_) => Poll::Ready(Err(reset())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.inner(cx) {
            Ok(inner) => Pin::new(inner).poll_flush(cx),
            Err(_) => Poll::Ready(Err(reset())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.inner(cx) {
            Ok(inner) => Pin::new(inner).poll_shutdown(cx),
            Err(_) => Poll::Ready(Err(reset())),
        }
    }
}

/// A planted bug: passes all frames of the server's but a few notifications, which it swallows whole.
struct FrameThief {
    random: Random,
    incoming: BytesMut,
    outgoing: BytesMut,
}

/// Of a hundred notifications, so many are swallowed.
const STOLEN_PERCENT: u64 = 10;

impl FrameThief {
    /// Moves what may pass to `buffer`; false if there is nothing.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let count = self.outgoing.len().min(buffer.remaining());
        buffer.put_slice(&self.outgoing.split_to(count));
        count > 0
    }

    /// Reads, and looks at what has come whole. True at the end of the stream.
    fn poll_take(&mut self, inner: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut scratch = [0; 4096];
        let mut read = ReadBuf::new(&mut scratch);
        ready!(Pin::new(inner).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.incoming.extend_from_slice(read.filled());
        while let Ok(Next::Frame { body, consumed }) = frame::next(&self.incoming, SERVER_FRAME_BYTES_MAX) {
            let is_push = !body.is_empty() && matches!(decode_server(body), Ok(ServerMessage::Push(_)));
            if is_push && self.random.percent(STOLEN_PERCENT) {
                self.incoming.advance(consumed);
            } else {
                self.outgoing.extend_from_slice(&self.incoming.split_to(consumed));
            }
        }
        Poll::Ready(Ok(false))
    }
}

/// The outside of one client.
pub struct DeviceWorld {
    /// Which device.
    pub device: DeviceIndex,
    /// Where its connections are noted.
    pub connections: Arc<Connections>,
    /// Bytes a write takes at most.
    pub write_bytes_max: usize,
    /// The planted bug.
    pub steals_frames: bool,
    /// Its own chance.
    pub random: Mutex<Random>,
    /// When its host's clock began.
    pub origin: tokio::time::Instant,
}

impl World for DeviceWorld {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        let host = host.to_owned();
        let (device, connections) = (self.device, Arc::clone(&self.connections));
        let write_bytes_max = self.write_bytes_max;
        let thief = self.steals_frames.then(|| FrameThief {
            random: Random::new(self.random(), "thief"),
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
        });
        Box::pin(async move {
            let inner = TcpStream::connect((host, port)).await?;
            let switch = Arc::new(Switch::default());
            locked(&connections.by_device).insert(device, Arc::clone(&switch));
            let stream = SimStream {
                thief,
                ..SimStream::new(inner, switch, write_bytes_max)
            };
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn mono_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        locked(&self.random).next_u64()
    }
}

/// Where the node's connections come from.
pub struct ServerListener {
    /// The simulated socket.
    pub inner: TcpListener,
    /// Where its connections are noted.
    pub connections: Arc<Connections>,
    /// Bytes a write takes at most.
    pub write_bytes_max: usize,
}

impl Listener for ServerListener {
    type Stream = SimStream;

    async fn accept(&mut self) -> io::Result<(SimStream, SocketAddr)> {
        let (inner, peer) = self.inner.accept().await?;
        let switch = Arc::new(Switch::default());
        locked(&self.connections.by_address).insert(peer.ip(), Arc::clone(&switch));
        Ok((SimStream::new(inner, switch, self.write_bytes_max), peer))
    }
}
