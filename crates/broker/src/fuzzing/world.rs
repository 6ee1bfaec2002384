//! The broker's core with a simulated disk, a clock that is stepped, and connections that end in an ear.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_model::{Moment, SeededRandomness, TopicFilter};

use super::disk::Disk;
use super::heard::{Ear, Heard};
use super::schedule::House;
use crate::codec::{Connect, Packet, WireError};
use crate::core::{Action, ConnectionId, Core, Gauge, Restored, Traffic};
use crate::store::Ticket;
use crate::{Identity, OpenGuard, Rights, Settings};

/// Whether a client reads.
#[derive(Debug, Default)]
struct Reader {
    deaf: AtomicBool,
}

impl Gauge for Reader {
    fn unwritten(&self) -> usize {
        // Between what lets QoS 0 be dropped and what ends the connection.
        if self.deaf.load(Ordering::Relaxed) { Settings::default().outbound_bytes * 3 / 2 } else { 0 }
    }

    fn written(&self) -> u64 {
        0
    }
}

struct Line {
    ear: Ear,
    open: bool,
    reader: Arc<Reader>,
}

/// Something that a connection heard.
#[derive(Debug)]
pub(super) enum Event {
    Heard(Heard),
    Closed,
}

/// The broker and everything around it.
pub(super) struct World {
    core: Core,
    house: House,
    pub(super) now: Moment,
    disk: Disk,
    lines: BTreeMap<ConnectionId, Line>,
    next: ConnectionId,
}

/// The settings of a house; what a schedule should not reach is far away.
pub(super) fn settings(house: House) -> Settings {
    Settings {
        sys_interval: Duration::ZERO,
        in_flight_messages: house.window,
        queued_messages: house.queue,
        receive_maximum: RECEIVE_MAXIMUM,
        ..Settings::default()
    }
}

/// Messages of QoS 2 that a client may have begun and not released.
pub(super) const RECEIVE_MAXIMUM: u16 = 4;

/// Everything, what begins with `$` included.
fn rights() -> Rights {
    let filters: Vec<_> = ["#", "$x/#"].into_iter().filter_map(|text| TopicFilter::new(text).ok()).collect();
    Rights { publish: filters.clone(), subscribe: filters }
}

fn start(house: House, restored: Restored, now: Moment) -> Core {
    let randomness = Arc::new(SeededRandomness::new(1));
    Core::new(settings(house), Arc::new(OpenGuard), randomness, restored, house.keeps, now)
}

impl World {
    pub(super) fn new(house: House) -> Self {
        let now = Moment::from_start(Duration::from_secs(1));
        Self {
            core: start(house, Restored::default(), now),
            house,
            now,
            disk: Disk::default(),
            lines: BTreeMap::new(),
            next: 1,
        }
    }

    pub(super) fn connect(&mut self, connect: Connect) -> ConnectionId {
        let connection = self.next;
        self.next += 1;
        let reader = Arc::new(Reader::default());
        let ear = Ear::new(connect.version, connect.topic_alias_maximum);
        self.lines.insert(connection, Line { ear, open: true, reader: Arc::clone(&reader) });
        let identity = Identity { user: "ana".into(), rights: rights() };
        self.core.connect(self.now, connection, connect, identity, reader);
        connection
    }

    pub(super) fn send(&mut self, connection: ConnectionId, packet: Packet) {
        self.core.packets(self.now, connection, [packet]);
    }

    pub(super) fn lose(&mut self, connection: ConnectionId, error: Option<WireError>) {
        self.core.lost(self.now, connection, error);
    }

    pub(super) fn set_deaf(&mut self, connection: ConnectionId, deaf: bool) {
        let Some(line) = self.lines.get(&connection) else { return };
        line.reader.deaf.store(deaf, Ordering::Relaxed);
        if !deaf {
            self.core.drained(self.now, connection);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.core.next_deadline()
    }

    /// Does what is due now.
    pub(super) fn wake(&mut self) {
        self.core.handle_timeout(self.now, Traffic::default());
    }

    /// Ends the round. Gives the ticket of what the store was given, when it was given anything.
    pub(super) fn end_round(&mut self) -> Option<Ticket> {
        let (ticket, changes) = self.core.end_round(self.now)?;
        self.disk.submit(self.now, ticket, changes);
        Some(ticket)
    }

    /// Commits rounds, and tells the core. Gives the last ticket of them.
    pub(super) fn commit(&mut self, count: usize) -> Result<Option<Ticket>, String> {
        let ticket = self.disk.commit(count)?;
        if let Some(ticket) = ticket {
            self.core.committed(self.now, ticket);
        }
        Ok(ticket)
    }

    /// Whether everything that was submitted is kept.
    pub(super) fn is_calm(&self) -> bool {
        self.disk.is_calm()
    }

    pub(super) fn sizes(&self) -> [usize; 4] {
        self.core.sizes()
    }

    /// The broker ends without a word when some more rounds were committed than it knows of, and starts again later.
    /// Gives the last ticket that was committed now.
    pub(super) fn crash(
        &mut self,
        committed: usize,
        lazy_too: bool,
        downtime: Duration,
    ) -> Result<Option<Ticket>, String> {
        let ticket = self.disk.commit(committed)?;
        self.now = self.now + downtime;
        let restored = self.disk.crash(lazy_too, self.now, &rights());
        self.core = start(self.house, restored, self.now);
        self.lines.clear();
        Ok(ticket)
    }

    /// What the connections heard since the last look, in the order in which it was written.
    pub(super) fn events(&mut self) -> Result<Vec<(ConnectionId, Event)>, String> {
        let mut actions = Vec::new();
        self.core.drain(&mut actions);
        let mut events = Vec::new();
        for action in actions {
            let (connection, bytes, closes) = match action {
                Action::Write { connection, bytes, .. } => (connection, bytes, false),
                Action::Close { connection, bytes } => (connection, bytes, true),
                Action::Deliver { .. } => return Err("a delivery to nobody's subscription".to_owned()),
            };
            let line = self.lines.get_mut(&connection).ok_or("a connection that nobody has")?;
            if !line.open {
                return Err(format!("connection {connection} is written to after its end"));
            }
            let heard = line.ear.hear(&bytes).map_err(|error| format!("connection {connection}: {error}"))?;
            events.extend(heard.into_iter().map(|heard| (connection, Event::Heard(heard))));
            if closes {
                line.open = false;
                events.push((connection, Event::Closed));
            }
        }
        Ok(events)
    }
}
