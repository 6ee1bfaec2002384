//! Waiting for many sockets at once.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// Sockets that are looked at in one turn.
const EVENTS: usize = 256;

/// A socket with something to do: its number, and whether it can be written to.
pub(crate) struct Ready {
    pub(crate) number: usize,
    pub(crate) has_room: bool,
}

/// Sockets, each with a number.
pub(crate) struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Watches a socket for what can be read.
    pub(crate) fn add(&self, socket: &impl AsFd, number: usize) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        Ok(epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?)
    }

    /// Watches a socket for room to write as well, or not any more.
    pub(crate) fn watch_room(&self, socket: &impl AsFd, number: usize, watch: bool) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        let flags =
            if watch { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
        Ok(epoll::modify(&self.epoll, socket, data, flags)?)
    }

    /// Waits until something can be done, at most `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> io::Result<Vec<Ready>> {
        let mut events = Vec::with_capacity(EVENTS);
        let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) };
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |event: epoll::Event| {
            let flags = event.flags;
            Ready { number: event.data.u64() as usize, has_room: flags.contains(epoll::EventFlags::OUT) }
        };
        Ok(events.into_iter().map(ready).collect())
    }
}
