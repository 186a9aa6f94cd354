//! In place of TLS in a build without it: a type of which there is no value.

use std::convert::Infallible;
use std::io;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

/// There is none in this build.
#[derive(Debug)]
pub struct Tls(Infallible);

impl Tls {
    pub(crate) fn wants_write(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn handshake_steps(&self) -> u32 {
        match self.0 {}
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn poll_read<S>(
        &mut self,
        _: &mut S,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub(crate) fn poll_write<S>(
        &mut self,
        _: &mut S,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    pub(crate) fn poll_flush<S>(&mut self, _: &mut S, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub(crate) fn poll_shutdown<S>(&mut self, _: &mut S, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
