//! Bytes on their way from the hub to one connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::sync::Notify;

use crate::core::Gauge;
use crate::meter::{Meter, Metered};

/// The hub puts bytes in and never waits; the connection takes them out. What may be in it is bounded by the core,
/// which asks the gauge before it stages more.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Bytes put in and not written to the socket yet.
    unwritten: Metered,
    /// Below this the hub is told that the client reads again.
    low_water: usize,
    /// Where the connection comes from.
    pub(crate) peer: SocketAddr,
    written: AtomicU64,
    tell_when_drained: AtomicBool,
    wake: Notify,
    /// Leave to send the next batch of packets to the hub.
    credit: Notify,
}

#[derive(Debug, Default)]
struct State {
    pending: BytesMut,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(low_water: usize, meter: Meter, peer: SocketAddr) -> Self {
        let outbox = Self {
            state: Mutex::default(),
            unwritten: Metered::new(meter),
            low_water,
            peer,
            written: AtomicU64::new(0),
            tell_when_drained: AtomicBool::new(false),
            wake: Notify::new(),
            credit: Notify::new(),
        };
        outbox.grant();
        outbox
    }

    /// The hub has dealt with a batch of this connection and takes the next.
    pub(crate) fn grant(&self) {
        self.credit.notify_one();
    }

    /// Waits until the hub takes the next batch.
    pub(crate) async fn granted(&self) {
        self.credit.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts bytes in.
    pub(crate) fn push(&self, bytes: BytesMut, tell_when_drained: bool) {
        self.put(bytes, false);
        if tell_when_drained {
            self.tell_when_drained.store(true, Ordering::Release);
        }
        self.wake.notify_one();
    }

    /// Puts the last bytes in: once they are written the connection ends.
    pub(crate) fn close(&self, bytes: BytesMut) {
        self.put(bytes, true);
        self.wake.notify_one();
    }

    fn put(&self, bytes: BytesMut, closes: bool) {
        let mut state = self.state();
        state.closed |= closes;
        self.unwritten.add(bytes.len());
        if state.pending.is_empty() {
            state.pending = bytes;
        } else {
            state.pending.extend_from_slice(&bytes);
        }
    }

    /// Takes everything out.
    pub(crate) fn take(&self, bytes: &mut BytesMut) {
        *bytes = std::mem::take(&mut self.state().pending);
    }

    /// Whether the last bytes have been put in.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Bytes were written to the socket.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.unwritten.take(bytes);
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether the hub has to be told now that the client has read; true once for each time it asked.
    pub(crate) fn has_drained(&self) -> bool {
        self.tell_when_drained.load(Ordering::Acquire)
            && self.unwritten() <= self.low_water
            && self.tell_when_drained.swap(false, Ordering::AcqRel)
    }

    /// Waits until something was put in since the last time.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }
}

impl Gauge for Outbox {
    fn unwritten(&self) -> usize {
        self.unwritten.bytes()
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}
