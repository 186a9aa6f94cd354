//! The shell around the machine: owns the socket, the timer and the name of the task; carries the machine's wishes out
//! and hands its items to the delivery. A panic anywhere inside ends as results, not as silence.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use presence_protocol::errors::code;
use presence_protocol::frame::{self, Next as Frame};
use presence_protocol::message::decode_server;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::machine::{FarewellWish, Link, Machine, Next};
use super::wire::{IDLE_BUFFER_BYTES, SERVER_FRAME_BYTES_MAX};
use super::{Command, farewell};
use crate::api::LogLevel;
use crate::data_dir::UnsaidLogout;
use crate::delivery::queue::Item;
use crate::door::Inbox;
use crate::runtime::{Lease, Runtime};
use crate::world::{Connecting, Stream};

/// Commands carried out before the socket has its turn.
const COMMANDS_A_TURN: usize = 1_024;

/// Events in a row after which what is due has its turn before the next: a socket that always has something to read would
/// keep the timer waiting for ever, and a server that talks without answering would never be found out (R8.6).
const EVENTS_IN_A_ROW: usize = 256;

/// Bytes read at once, on the stack: an idle client has no read buffer.
const SCRATCH_BYTES: usize = 16 * 1024;

/// How a server that expects TLS answers one that does not.
const TLS_ALERT: &[u8] = &[0x15, 0x03];
/// How an HTTP server answers what is no HTTP. No frame of ours begins so: the second byte is no field's.
const HTTP: &[u8] = b"HTTP/";

type Closed = Option<Box<dyn FnOnce() + Send>>;

/// Something panicked: a bug here, or the application's code.
struct Panicked;

/// Runs a client to its end. `lease`: of the runtime it runs on, if that is ours.
pub(crate) async fn run(
    mut machine: Machine,
    mut inbox: Inbox,
    bell: Arc<Notify>,
    lease: Option<Lease<Runtime>>,
) {
    let closed = match contained(drive(&mut machine, &mut inbox, &bell))
        .await
        .and_then(|driven| driven)
    {
        Ok(closed) => closed,
        Err(Panicked) => {
            inbox.fail();
            machine.outlet.visible.set_failed();
            machine.log(LogLevel::Error, || {
                "an internal error ended this client".to_owned()
            });
            machine.end(code::PANIC);
            answer_panic(&mut machine, &mut inbox, &bell).await
        }
    };
    let outlet = Arc::clone(&machine.outlet);
    let mut last = std::mem::take(&mut machine.items);
    last.extend(closed.map(Item::Closed));
    last.push(Item::End);
    drop(machine);
    drop(inbox);
    // Before the end is seen, so that whoever sees it knows whether the runtime is ending too.
    drop(lease);
    outlet.push_all(&mut last);
}

/// Lives until it is closed.
async fn drive(machine: &mut Machine, inbox: &mut Inbox, bell: &Notify) -> Result<Closed, Panicked> {
    let mut line = Line::default();
    let mut timer = Timer::new(Instant::now());
    let mut in_a_row = 0;
    loop {
        let now = Instant::now();
        let mut more = true;
        for _ in 0..COMMANDS_A_TURN {
            let Some(command) = inbox.next() else {
                more = false;
                break;
            };
            if let Next::Closed(closed) = machine.command(command, now) {
                line.say_last(&mut machine.wire.out).await;
                return Ok(closed);
            }
        }
        if machine.outlet.take_panicked() {
            return Err(Panicked);
        }
        in_a_row += 1;
        if in_a_row > EVENTS_IN_A_ROW {
            in_a_row = 0;
            machine.timeout(now);
        }
        machine.pump(now);
        line.follow(machine);
        machine.outlet.push_all(&mut machine.items);
        timer.set(machine.deadline());

        let mut rung = pin!(bell.notified());
        let event = std::future::poll_fn(|cx| {
            if let Poll::Ready(event) = line.poll(machine, cx) {
                return Poll::Ready(event);
            }
            if more || rung.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Commands);
            }
            let timer = timer.poll(cx).map(|()| Event::Timer);
            // Else all of this was pending because the task has had its share of the thread.
            if timer.is_pending() && has_budget_remaining() {
                machine.tidy();
                inbox.tidy();
                in_a_row = 0;
            }
            timer
        })
        .await;

        let now = Instant::now();
        match event {
            Event::Commands | Event::Written => {}
            Event::Timer => machine.timeout(now),
            Event::Dialed(Ok(stream)) => {
                line.stream = Some(stream);
                machine.connected(now);
            }
            Event::Dialed(Err(error)) => machine.dial_failed(&error, now),
            Event::Reached(tried) => machine.reached(tried),
            Event::Read => line.understand(machine, now),
            Event::Ended(None) => machine.link_ended("the server closed the connection", now),
            Event::Ended(Some(error)) => machine.link_ended(&error.to_string(), now),
            Event::FarewellSaid(said) => machine.farewell_said(&said),
        }
    }
}

/// A client that failed: whatever still comes ends with PANIC, until it is closed.
async fn answer_panic(machine: &mut Machine, inbox: &mut Inbox, bell: &Notify) -> Closed {
    loop {
        let now = Instant::now();
        while let Some(command) = inbox.next() {
            match command {
                Command::Login { done, .. }
                | Command::Logout { done }
                | Command::Reach { done }
                | Command::Call { done, .. } => {
                    machine.refuse(done, code::PANIC);
                }
                other => {
                    if let Next::Closed(closed) = machine.command(other, now) {
                        return closed;
                    }
                }
            }
        }
        machine.end(code::PANIC);
        machine.outlet.push_all(&mut machine.items);
        bell.notified().await;
    }
}

/// What can wake a client.
enum Event {
    /// There may be commands, or the delivery has something to say.
    Commands,
    /// Something is due.
    Timer,
    /// An attempt to connect came to an end.
    Dialed(io::Result<Box<dyn Stream>>),
    /// So did an attempt to see whether the server can be reached.
    Reached(io::Result<()>),
    /// Bytes came.
    Read,
    /// All bytes are written.
    Written,
    /// The connection is gone.
    Ended(Option<io::Error>),
    /// A logout of an earlier time was said.
    FarewellSaid(UnsaidLogout),
}

/// The connection, or the attempt to make one.
#[derive(Default)]
struct Line {
    stream: Option<Box<dyn Stream>>,
    dialing: Option<Connecting>,
    reaching: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
    farewell: Option<Pin<Box<dyn Future<Output = UnsaidLogout> + Send>>>,
    input: BytesMut,
}

impl Line {
    /// Carries the machine's wishes out.
    fn follow(&mut self, machine: &mut Machine) {
        if std::mem::take(&mut machine.hang_up) {
            self.stream = None;
            self.dialing = None;
            self.input = BytesMut::new();
        }
        if std::mem::take(&mut machine.dial) {
            self.dialing = Some(machine.dialer.dial());
        }
        if machine.wants_to_reach() && self.reaching.is_none() {
            let connecting = machine.dialer.dial();
            let patience = machine.options.connect_timeout;
            self.reaching = Some(Box::pin(async move {
                match timeout(patience, connecting).await {
                    Ok(connected) => connected.map(drop),
                    Err(_) => Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the server did not answer in time",
                    )),
                }
            }));
        }
        match std::mem::replace(&mut machine.farewell, FarewellWish::None) {
            FarewellWish::None => {}
            FarewellWish::Stop => self.farewell = None,
            FarewellWish::Start(unsaid) => {
                let (world, options) = (Arc::clone(&machine.world), machine.options.clone());
                let dialer = machine.dialer.clone();
                let instance = machine.identity.instance.clone();
                self.farewell = Some(Box::pin(farewell::say(world, dialer, options, instance, unsaid)));
            }
        }
    }

    fn poll(&mut self, machine: &mut Machine, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(stream) = &mut self.stream {
            match poll_write(stream, &mut machine.wire.out, cx) {
                Poll::Ready(Ok(true)) => {
                    machine.wire.tidy();
                    return Poll::Ready(Event::Written);
                }
                Poll::Ready(Ok(false)) | Poll::Pending => {}
                // What came before may be the answers of calls, or say why: it is read first.
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(match poll_read(stream, &mut self.input, cx) {
                        Poll::Ready(Ok(1..)) => Event::Read,
                        Poll::Ready(_) | Poll::Pending => Event::Ended(Some(error)),
                    });
                }
            }
            match poll_read(stream, &mut self.input, cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Event::Ended(None)),
                Poll::Ready(Ok(_)) => return Poll::Ready(Event::Read),
                Poll::Ready(Err(error)) => return Poll::Ready(Event::Ended(Some(error))),
                Poll::Pending => {}
            }
        }
        if let Some(dialing) = &mut self.dialing
            && let Poll::Ready(dialed) = dialing.as_mut().poll(cx)
        {
            self.dialing = None;
            return Poll::Ready(Event::Dialed(dialed));
        }
        if let Some(reaching) = &mut self.reaching
            && let Poll::Ready(tried) = reaching.as_mut().poll(cx)
        {
            self.reaching = None;
            return Poll::Ready(Event::Reached(tried));
        }
        if let Some(farewell) = &mut self.farewell
            && let Poll::Ready(said) = farewell.as_mut().poll(cx)
        {
            self.farewell = None;
            return Poll::Ready(Event::FarewellSaid(said));
        }
        Poll::Pending
    }

    /// Takes the frames apart that have come whole. What is not a frame of this protocol ends the connection.
    fn understand(&mut self, machine: &mut Machine, now: Instant) {
        machine.heard();
        // No answer begins so: its length would be that of no answer's first byte.
        if !machine.options.tls && matches!(machine.link, Link::Greeting) && self.input.starts_with(TLS_ALERT)
        {
            machine.lose_link("the server speaks TLS on this port: use tims://", None, now);
            return;
        }
        if matches!(machine.link, Link::Greeting) && self.input.starts_with(HTTP) {
            machine.lose_link(
                "what answers speaks HTTP, as the port of the administration does",
                None,
                now,
            );
            return;
        }
        while !machine.hang_up {
            let consumed = match frame::next(&self.input, SERVER_FRAME_BYTES_MAX) {
                Ok(Frame::Incomplete) => break,
                Ok(Frame::Frame { body: [], consumed }) => {
                    machine.trace_received(None);
                    consumed
                }
                Ok(Frame::Frame { body, consumed }) => match decode_server(body) {
                    Ok(message) => {
                        machine.received(message, now);
                        consumed
                    }
                    Err(error) => {
                        machine.lose_link(
                            &format!("the server's message cannot be read: {}", error.0),
                            None,
                            now,
                        );
                        return;
                    }
                },
                Err(error) => {
                    machine.lose_link(
                        &format!("the server does not speak this protocol: {error}"),
                        None,
                        now,
                    );
                    return;
                }
            };
            self.input.advance(consumed);
        }
        if self.input.is_empty() && self.input.capacity() > IDLE_BUFFER_BYTES {
            self.input = BytesMut::new();
        }
    }

    /// Writes what is left as far as it goes at once: what was accepted before the end should not be lost for haste.
    async fn say_last(&mut self, out: &mut BytesMut) {
        let Some(stream) = &mut self.stream else { return };
        std::future::poll_fn(|cx| {
            // Neither success nor failure matters any more.
            let _ = poll_write(stream, out, cx);
            Poll::Ready(())
        })
        .await;
    }
}

/// Ready with true when something was written and nothing is left, with false when there was nothing to write.
fn poll_write(
    stream: &mut Box<dyn Stream>,
    out: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    let had_some = !out.is_empty();
    while !out.is_empty() {
        match ready!(Pin::new(&mut *stream).poll_write(cx, out))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => out.advance(written),
        }
    }
    // What TLS took and the socket did not goes out when it can: the socket wakes us for it.
    match Pin::new(stream).poll_flush(cx) {
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(had_some)),
    }
}

fn poll_read(
    stream: &mut Box<dyn Stream>,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut scratch = [MaybeUninit::uninit(); SCRATCH_BYTES];
    let mut read = ReadBuf::uninit(&mut scratch);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    input.extend_from_slice(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}

/// Sleeps until something is due. Set anew only for an earlier time: to wake for nothing once is cheaper than to move a
/// timer with each request.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    set_for: Option<Instant>,
}

impl Timer {
    fn new(now: Instant) -> Timer {
        Timer {
            sleep: Box::pin(sleep_until(now)),
            set_for: None,
        }
    }

    fn set(&mut self, due: Option<Instant>) {
        let Some(due) = due else { return };
        if self.set_for.is_none_or(|set_for| due < set_for) {
            self.sleep.as_mut().reset(due);
            self.set_for = Some(due);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.set_for.is_none() {
            return Poll::Pending;
        }
        ready!(self.sleep.as_mut().poll(cx));
        self.set_for = None;
        Poll::Ready(())
    }
}

/// Runs a future and stops a panic inside it.
async fn contained<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        },
    )
    .await
}
