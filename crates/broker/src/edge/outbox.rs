//! Bytes on their way from the hub to one connection.

use std::collections::VecDeque;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::sync::Notify;

use super::spares::Spares;
use crate::core::Gauge;
use crate::meter::{Meter, Metered};

/// What is put in goes to the end of a piece up to this size, so that few bytes make no piece of their own. To let a
/// piece grow further would copy what is in it again and again.
const PIECE: usize = 16 * 1_024;

/// The hub puts bytes in and never waits; the connection takes them out. What may be in it is bounded by the core,
/// which asks the gauge before it stages more.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Bytes put in and not written to the socket yet.
    unwritten: Metered,
    spares: Spares,
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
    /// Pieces, none of them empty.
    pending: VecDeque<BytesMut>,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(low_water: usize, meter: Meter, spares: Spares, peer: SocketAddr) -> Self {
        let outbox = Self {
            state: Mutex::default(),
            unwritten: Metered::new(meter),
            spares,
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
        match state.pending.back_mut() {
            Some(last) if last.len() + bytes.len() <= PIECE.max(last.capacity()) => {
                last.extend_from_slice(&bytes);
                self.spares.give(bytes);
            }
            _ if bytes.is_empty() => {}
            _ => state.pending.push_back(self.spares.fit(bytes)),
        }
    }

    /// Takes the next piece out, in exchange for one that has been written. Nothing is taken when nothing is there.
    pub(crate) fn take(&self, output: &mut Cursor<BytesMut>) {
        let mut state = self.state();
        let taken = Cursor::new(state.pending.pop_front().unwrap_or_default());
        if state.pending.is_empty() {
            // An idle client holds nothing.
            state.pending = VecDeque::new();
        }
        drop(state);
        self.spares.give(std::mem::replace(output, taken).into_inner());
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

    fn spare(&self) -> BytesMut {
        self.spares.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> BytesMut {
        BytesMut::from(&*vec![7; length])
    }

    /// Takes pieces until nothing is left.
    fn pieces(outbox: &Outbox) -> Vec<usize> {
        let mut output = Cursor::default();
        std::iter::from_fn(|| {
            outbox.take(&mut output);
            let length = output.get_ref().len();
            outbox.wrote(length);
            (length > 0).then_some(length)
        })
        .collect()
    }

    #[test]
    fn few_bytes_share_a_piece_and_many_are_not_copied_again() {
        let meter = Meter::default();
        let peer = ([127, 0, 0, 1], 1).into();
        let outbox = Outbox::new(0, meter.clone(), Spares::default(), peer);
        assert!(pieces(&outbox).is_empty());
        for length in [4, 0, 100, PIECE - 104, 1, PIECE, 2, 3 * PIECE] {
            outbox.push(bytes(length), false);
        }
        assert_eq!((outbox.unwritten(), meter.bytes()), (5 * PIECE + 3, 5 * PIECE + 3));
        assert_eq!(pieces(&outbox), [PIECE, 1, PIECE, 2, 3 * PIECE]);
        assert_eq!((outbox.unwritten(), meter.bytes()), (0, 0));
        assert_eq!(outbox.written(), 5 * PIECE as u64 + 3);
        assert_eq!(outbox.state().pending.capacity(), 0, "an idle client holds nothing");
        outbox.push(BytesMut::new(), false);
        assert!(pieces(&outbox).is_empty());
        outbox.close(bytes(3));
        assert!(outbox.is_closed());
        assert_eq!(pieces(&outbox), [3]);
    }
}
