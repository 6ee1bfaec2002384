//! Buffers of busy connections between two uses. Each round stages some ten KiB for each busy client; to let that grow
//! anew every time costs more than the broker's own work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use gatehouse_model::Moment;

/// Buffers below this are as cheap to make as to keep.
const SMALLEST: usize = 4 * 1_024;

/// Buffers above this are made for a single burst. They are not kept.
const LARGEST: usize = 64 * 1_024;

/// What the buffers that are kept have room for together.
const MOST_ROOM: usize = 4 * 1_024 * 1_024;

/// What was not needed for so long is given back.
const REST: Duration = Duration::from_secs(1);

/// Cheap to clone; all clones share the same buffers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    buffers: Vec<BytesMut>,
    /// What they have room for together.
    room: usize,
    /// The fewest that were here since it was looked at last: so many were not needed.
    fewest: usize,
    /// A buffer was asked for since it was looked at last.
    is_used: bool,
    /// When it is looked at next. Nothing is kept before it is used.
    due: Option<Moment>,
}

impl Spares {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer, with room if there is one that was used before.
    pub(crate) fn take(&self) -> BytesMut {
        let mut shelf = self.shelf();
        shelf.is_used = true;
        let buffer = shelf.buffers.pop().unwrap_or_default();
        shelf.room -= buffer.capacity();
        shelf.fewest = shelf.fewest.min(shelf.buffers.len());
        buffer
    }

    /// Takes a buffer back, whatever is in it.
    pub(crate) fn give(&self, mut buffer: BytesMut) {
        if !(SMALLEST..=LARGEST).contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        let mut shelf = self.shelf();
        if shelf.room + buffer.capacity() <= MOST_ROOM && (shelf.is_used || shelf.due.is_some()) {
            shelf.room += buffer.capacity();
            shelf.buffers.push(buffer);
        }
    }

    /// The bytes in a buffer of a size that suits them, for a client that may not read for days: what it holds is counted
    /// by the byte. A buffer that is much larger stays here.
    pub(crate) fn fit(&self, bytes: BytesMut) -> BytesMut {
        if bytes.capacity() < SMALLEST || bytes.capacity() <= bytes.len() * 4 {
            return bytes;
        }
        let fitting = BytesMut::from(&*bytes);
        self.give(bytes);
        fitting
    }

    /// Frees what was not needed for a while. Tells when to be called again; has to be called after buffers were taken.
    pub(crate) fn tidy(&self, now: Moment) -> Option<Moment> {
        let mut shelf = self.shelf();
        if shelf.due.map_or(shelf.is_used, |due| due <= now) {
            if shelf.is_used {
                let unneeded = shelf.fewest;
                let freed: usize = shelf.buffers.drain(..unneeded).map(|buffer| buffer.capacity()).sum();
                shelf.room -= freed;
                shelf.due = Some(now + REST);
            } else {
                *shelf = Shelf::default();
            }
            shelf.is_used = false;
            shelf.fewest = shelf.buffers.len();
        }
        shelf.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    fn kept(spares: &Spares) -> usize {
        spares.shelf().buffers.len()
    }

    #[test]
    fn a_buffer_comes_back_empty_and_with_its_room() {
        let spares = Spares::default();
        let mut buffer = spares.take();
        assert_eq!(buffer.capacity(), 0);
        buffer.extend_from_slice(&[7; 10_000]);
        let room = buffer.capacity();
        spares.give(buffer);
        let buffer = spares.take();
        assert_eq!((buffer.len(), buffer.capacity()), (0, room));
        assert_eq!(kept(&spares), 0);
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let spares = Spares::default();
        let _ = spares.take();
        spares.give(BytesMut::with_capacity(SMALLEST - 1));
        spares.give(BytesMut::with_capacity(LARGEST + 1));
        assert_eq!(kept(&spares), 0);
        for _ in 0..2 * MOST_ROOM / LARGEST {
            spares.give(BytesMut::with_capacity(LARGEST));
        }
        assert_eq!(kept(&spares), MOST_ROOM / LARGEST);
        let _ = spares.take();
        assert_eq!(spares.shelf().room, MOST_ROOM - LARGEST);
    }

    #[test]
    fn what_is_not_needed_is_freed_and_at_rest_nothing_is_kept() {
        let spares = Spares::default();
        spares.give(BytesMut::with_capacity(SMALLEST));
        assert_eq!((kept(&spares), spares.tidy(at(1))), (0, None), "not used yet");
        let buffers: Vec<_> = (0..5).map(|_| spares.take()).collect();
        assert_eq!(spares.tidy(at(1)), Some(at(2)));
        for _ in buffers {
            spares.give(BytesMut::with_capacity(SMALLEST));
        }
        // Two are needed in the next second, and the other three have not been here all of this one.
        let two = [spares.take(), spares.take()];
        two.into_iter().for_each(|buffer| spares.give(buffer));
        assert_eq!((spares.tidy(at(2)), kept(&spares)), (Some(at(3)), 5));
        let two = [spares.take(), spares.take()];
        two.into_iter().for_each(|buffer| spares.give(buffer));
        assert_eq!((spares.tidy(at(3)), kept(&spares)), (Some(at(4)), 2));
        assert_eq!((spares.tidy(at(4)), kept(&spares)), (None, 0));
        spares.give(BytesMut::with_capacity(SMALLEST));
        assert_eq!(kept(&spares), 0, "a client took its bytes late");
    }

    #[test]
    fn a_few_bytes_that_wait_long_hold_no_large_buffer() {
        let spares = Spares::default();
        let mut buffer = spares.take();
        buffer.extend_from_slice(&[7; LARGEST]);
        buffer.truncate(4);
        let fitting = spares.fit(buffer);
        assert_eq!((&*fitting, kept(&spares)), (&[7; 4][..], 1));
        assert!(fitting.capacity() < 100);
        let mut buffer = spares.take();
        buffer.extend_from_slice(&[7; LARGEST / 4]);
        assert_eq!(spares.fit(buffer).capacity(), LARGEST);
    }
}
