//! Sockets that give up on peers.
//!
//! * A peer that is silent for the idle time is closed. WebSocket peers answer pings, so only dead ones are silent.
//! * A peer that takes nothing of what is to be written for the stall time is closed. That, together with bounded buffers above,
//!   is what keeps a slow reader from being buffered without end.
//! * While writing is stalled nothing is read: a peer that sends requests without reading the answers is not given more work.
//! * A connection's [`ConnectionControl`] closes it from elsewhere, and keeps count of what was produced for the peer and what it
//!   took, for messages wait in a buffer that counts messages, not bytes.

use crate::RpcLimits;
use crate::observe::ObservedConnection;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, Sleep, sleep};

/// Closes a connection, and knows how much waits to be taken by its peer.
#[derive(Debug, Default)]
pub(crate) struct ConnectionControl {
    close: Mutex<Option<oneshot::Sender<()>>>,
    produced_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl ConnectionControl {
    /// Closes the connection; what is not written yet is lost.
    pub(crate) fn close(&self) {
        let sender = self.close.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let _ = sender.send(());
        }
    }

    /// Notes a message for the peer.
    pub(crate) fn produced(&self, bytes: usize) {
        self.produced_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of messages that the peer has not taken yet.
    pub(crate) fn unsent_bytes(&self) -> u64 {
        let written = self.written_bytes.load(Ordering::Relaxed);
        self.produced_bytes.load(Ordering::Relaxed).saturating_sub(written)
    }
}

/// A socket that gives up on its peer, see above. It counts as a connection for as long as it lives, which for a WebSocket is
/// longer than the HTTP connection that it began as.
pub(crate) struct GuardedStream {
    socket: TcpStream,
    _permit: OwnedSemaphorePermit,
    _observed: ObservedConnection,
    close: oneshot::Receiver<()>,
    control: Arc<ConnectionControl>,
    is_controlled: bool,
    idle_timeout: Duration,
    last_read: Instant,
    idle: Pin<Box<Sleep>>,
    stall_timeout: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    is_given_up: bool,
    reader: Option<Waker>,
}

impl GuardedStream {
    /// Guards a socket.
    pub(crate) fn new(
        socket: TcpStream,
        permit: OwnedSemaphorePermit,
        observed: ObservedConnection,
        limits: &RpcLimits,
    ) -> (Self, Arc<ConnectionControl>) {
        let (sender, close) = oneshot::channel();
        let control = Arc::new(ConnectionControl { close: Mutex::new(Some(sender)), ..ConnectionControl::default() });
        let stream = Self {
            socket,
            _permit: permit,
            _observed: observed,
            close,
            control: Arc::clone(&control),
            is_controlled: true,
            idle_timeout: limits.idle_timeout,
            last_read: Instant::now(),
            idle: Box::pin(sleep(limits.idle_timeout)),
            stall_timeout: limits.write_stall_timeout,
            stall: None,
            is_given_up: false,
            reader: None,
        };
        (stream, control)
    }

    /// Whether the connection was told to close.
    fn poll_close(&mut self, context: &mut Context<'_>) -> bool {
        if !self.is_controlled {
            return false;
        }
        match Pin::new(&mut self.close).poll(context) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                self.is_controlled = false;
                false
            }
            Poll::Pending => false,
        }
    }

    /// Fails when the peer has been silent for too long. Reading only notes the time; the timer catches up when it fires.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        while self.idle.as_mut().poll(context).is_ready() {
            let deadline = self.last_read + self.idle_timeout;
            if deadline <= Instant::now() {
                return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the peer was silent for too long")));
            }
            self.idle.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Keeps account of whether writing is stalled.
    fn after_write(&mut self, context: &mut Context<'_>, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if let Poll::Ready(result) = &written {
            let bytes = result.as_ref().map_or(0, |count| *count as u64);
            self.control.written_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.stall = None;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            return written;
        }
        let limit = self.stall_timeout;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        if stall.as_mut().poll(context).is_ready() {
            // Whoever reads has to hear of it, too, or would wait for a peer that is given up.
            self.is_given_up = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the peer does not take what is sent")));
        }
        Poll::Pending
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.is_given_up || self.poll_close(context) {
            return Poll::Ready(Err(Error::new(
                ErrorKind::ConnectionAborted,
                "the connection was closed by this node",
            )));
        }
        if self.stall.is_some() {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        match Pin::new(&mut self.socket).poll_read(context, buffer) {
            Poll::Pending => self.poll_idle(context),
            ready => {
                self.last_read = Instant::now();
                ready
            }
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.after_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.after_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
