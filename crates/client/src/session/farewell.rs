//! Saying logouts later (R8.8): on a connection of its own the device says that it only comes to log out, so that its user
//! is UNLOGINED and not OFFLINE, and never shown ONLINE for it. A server too old to know that lets it in, and it leaves in
//! order. Tries until the server answers.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use presence_protocol::errors::{self, code};
use presence_protocol::frame::{self, Next, PREFACE};
use presence_protocol::message::{
    LoginRequest, Reply, Request, ServerMessage, decode_server, encode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::login::CLIENT_NAME;
use super::wire::SERVER_FRAME_BYTES_MAX;
use crate::data_dir::UnsaidLogout;
use crate::dial::Dialer;
use crate::options::Options;
use crate::world::{Stream, World};

const LOGIN_ID: u64 = 1;
const LOGOUT_ID: u64 = 2;

/// Says one of `unsaid`, and which. Where the server would rather hear one later, the next has its turn; where there is
/// no server, all wait. Never returns if there are none.
pub(crate) async fn say(
    world: Arc<dyn World>,
    dialer: Dialer,
    options: Options,
    instance: String,
    unsaid: Vec<UnsaidLogout>,
) -> UnsaidLogout {
    let mut backoff = Backoff::new(options.backoff_base, options.backoff_max);
    let patience = options.connect_timeout + options.request_timeout;
    loop {
        for logout in &unsaid {
            match timeout(patience, attempt(&dialer, &options, &instance, logout)).await {
                Ok(Ok(true)) => return logout.clone(),
                Ok(Ok(false)) => {}
                Ok(Err(_)) | Err(_) => break,
            }
        }
        sleep(backoff.next(world.random())).await;
    }
}

/// True: said, or the server does not want to hear it; false: later perhaps.
async fn attempt(
    dialer: &Dialer,
    options: &Options,
    instance: &str,
    unsaid: &UnsaidLogout,
) -> io::Result<bool> {
    let mut stream = dialer.dial().await?;
    let mut out = BytesMut::from(&PREFACE[..]);
    let login = Request::Login(LoginRequest {
        sdk_app_id: unsaid.sdk_app_id,
        user_id: unsaid.user_id.clone(),
        user_sig: unsaid.user_sig.clone(),
        platform: options.platform.clone(),
        instance: instance.to_owned(),
        session: Some(unsaid.session),
        list_generation: 0,
        known: Vec::new(),
        client: CLIENT_NAME.to_owned(),
        only_to_log_out: true,
    });
    encode_request(LOGIN_ID, &login, &mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    let mut input = BytesMut::new();
    let reply = answer(&mut *stream, &mut input, LOGIN_ID).await?;
    if reply.code != code::OK {
        // Displaced, expired, revoked: the session is over one way or another.
        return Ok(errors::find(reply.code).is_some_and(|entry| entry.flags & errors::RETRIABLE == 0));
    }
    if reply.login.is_none() {
        return Ok(true);
    }
    out.clear();
    encode_request(LOGOUT_ID, &Request::Logout, &mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    answer(&mut *stream, &mut input, LOGOUT_ID).await?;
    Ok(true)
}

/// The reply to request `id`; whatever else the server says is of no interest.
async fn answer(stream: &mut dyn Stream, input: &mut BytesMut, id: u64) -> io::Result<Reply> {
    let garbled = || io::Error::from(io::ErrorKind::InvalidData);
    loop {
        while let Next::Frame { body, consumed } =
            frame::next(input, SERVER_FRAME_BYTES_MAX).map_err(|_| garbled())?
        {
            let message = if body.is_empty() {
                ServerMessage::Unknown
            } else {
                decode_server(body).map_err(|_| garbled())?
            };
            input.advance(consumed);
            if let ServerMessage::Reply(reply) = message
                && reply.request_id == id
            {
                return Ok(reply);
            }
        }
        if stream.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
