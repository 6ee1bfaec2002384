//! What the broker decides, with no input or output of its own.
//!
//! The hub tells what happened and when ([`Core::connect`], [`Core::packet`], [`Core::lost`], …). The core changes its
//! state, stages bytes for connections, and answers in four ways: [`Core::end_round`] gives what the store has to
//! keep, [`Core::drain`] gives the [`Action`]s for the edge, [`Core::next_deadline`] tells when
//! [`Core::handle_timeout`] wants to be called, and [`Core::committed`] lets go the acknowledgements that waited for
//! the store.

mod aliases;
mod announced;
mod connect;
mod deliver;
mod durability;
mod expiry;
mod figures;
mod groups;
mod inbound;
mod journal;
mod leave;
mod loads;
mod locals;
mod outgoing;
mod own_topics;
mod publish;
mod pump;
mod restore;
mod retained;
mod route;
mod send;
mod sessions;
mod shared;
mod subscribe;
mod subscriptions;
mod timers;
mod views;
mod weight;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use gatehouse_model::{Message, Moment, Randomness};

use self::groups::Groups;
use self::journal::Journal;
use self::loads::Loads;
use self::locals::Locals;
use self::outgoing::MOST_IN_FLIGHT;
use self::retained::RetainedTree;
use self::route::Routes;
use self::send::Templates;
use self::sessions::Sessions;
use self::subscriptions::SubscriptionTree;
use self::timers::{Timer, Timers};
use crate::codec::Reason;
use crate::meter::Meter;
use crate::store::{Change, StoreError, Ticket};
use crate::{PublishGuard, Settings};

pub(crate) use self::figures::Traffic;
pub(crate) use self::locals::LocalGauge;
pub(crate) use self::restore::Restored;
pub(crate) use self::sessions::{ConnectionId, Gauge};
pub(crate) use self::weight::message_bytes;

/// What the edge has to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Write these bytes.
    Write {
        connection: ConnectionId,
        bytes: BytesMut,
        /// Tell the core ([`Core::drained`]) when the client has taken most of what waits for it.
        tell_when_drained: bool,
    },
    /// Write these bytes, then close.
    Close { connection: ConnectionId, bytes: BytesMut },
    /// Hand a message to an in-process subscription.
    Deliver {
        subscription: u32,
        message: Message,
        /// It was published to be retained, so that it is the newest state of its topic.
        is_state: bool,
    },
}

/// What has been counted since the broker started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) packets_received: u64,
    pub(crate) packets_sent: u64,
    pub(crate) messages_received: u64,
    pub(crate) messages_sent: u64,
    pub(crate) messages_dropped: u64,
    pub(crate) messages_refused: u64,
    /// Bytes of the payloads of messages that were received and sent.
    pub(crate) payload_bytes_received: u64,
    pub(crate) payload_bytes_sent: u64,
    /// Clients that were let in.
    pub(crate) connections: u64,
    /// Most clients that were connected at once.
    pub(crate) most_connected: usize,
    /// Sessions whose client did not come back in time.
    pub(crate) sessions_expired: u64,
    pub(crate) protocol_errors: u64,
}

/// How full the queue or the outbox of a client or of an in-process subscription is that a publisher sends to, in
/// hundredths. Who does not read does not count, so that it slows nobody down for long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pressure(u32);

impl Pressure {
    /// Below this a publisher is not slowed down at all.
    const NOTICEABLE: Self = Self(25);

    /// The pause at full pressure. It grows with the square of the pressure, so that publishers find the speed of those
    /// who receive from them well before something has to be dropped.
    const LONGEST_PAUSE: Duration = Duration::from_millis(64);

    /// From here on publishers that were paused stay so: a queue of a part of the gateway that is half full has room for
    /// what a handful of them may send at once, and not for more.
    const HIGH: Self = Self(50);

    fn of(part: usize, whole: usize) -> Self {
        Self(u32::try_from(part.saturating_mul(100) / whole.max(1)).unwrap_or(100).min(100))
    }

    /// How long the publisher has to wait before its next batch is taken.
    pub(crate) fn pause(self) -> Option<Duration> {
        (self >= Self::NOTICEABLE).then(|| Self::LONGEST_PAUSE * (self.0 * self.0) / 10_000)
    }
}

/// The state of the broker.
pub(crate) struct Core {
    settings: Settings,
    guard: Arc<dyn PublishGuard>,
    randomness: Arc<dyn Randomness>,
    sessions: Sessions,
    subscriptions: SubscriptionTree,
    /// Who has joined which shared subscription.
    groups: Groups,
    /// In-process subscriptions.
    locals: Locals,
    /// Bytes that wait for all clients, but those that were staged in this round.
    meter: Meter,
    /// Bytes that were staged in this round.
    staged: usize,
    routes: Routes,
    retained: RetainedTree,
    timers: Timers,
    journal: Journal,
    /// Everything up to here is on disk.
    committed: Ticket,
    /// Sessions for which something waits for a commit.
    holding: Vec<u32>,
    /// The commits that the ends of sessions wait for, by client identifier.
    ended: HashMap<Arc<str>, Ticket>,
    /// Why the store cannot commit now.
    trouble: Option<StoreError>,
    /// Clients are listened to. While the disk cannot follow they are not.
    listens: bool,
    /// What the store found wrong when it was opened.
    notice: Option<String>,
    tally: Tally,
    traffic: Traffic,
    loads: Loads,
    /// When the figures were published last.
    figured: Moment,
    started: Moment,
    templates: Templates,
    /// Sessions with bytes or wishes for the edge.
    noted: Vec<u32>,
    /// How full the fullest of those is that the packets at hand were delivered to.
    pressure: Pressure,
    /// Connections that have to go at the end of the round.
    doomed: Vec<(ConnectionId, Reason, &'static str)>,
    actions: Vec<Action>,
}

impl Core {
    /// A broker that starts at `now` with what the store kept. `keeps` tells whether changes are to be recorded.
    pub(crate) fn new(
        settings: Settings,
        guard: Arc<dyn PublishGuard>,
        randomness: Arc<dyn Randomness>,
        restored: Restored,
        keeps: bool,
        now: Moment,
    ) -> Self {
        let mut core = Self {
            settings,
            guard,
            randomness,
            sessions: Sessions::default(),
            subscriptions: SubscriptionTree::default(),
            groups: Groups::default(),
            locals: Locals::default(),
            meter: Meter::default(),
            staged: 0,
            routes: Routes::default(),
            retained: RetainedTree::default(),
            timers: Timers::default(),
            journal: Journal::new(keeps),
            committed: Ticket::default(),
            holding: Vec::new(),
            ended: HashMap::new(),
            trouble: None,
            listens: true,
            notice: None,
            tally: Tally::default(),
            traffic: Traffic::default(),
            loads: Loads::default(),
            figured: now,
            started: now,
            templates: Templates::default(),
            noted: Vec::new(),
            pressure: Pressure::default(),
            doomed: Vec::new(),
            actions: Vec::new(),
        };
        core.restore(now, restored);
        if !core.settings.sys_interval.is_zero() {
            core.timers.set(now, Timer::Figures);
        }
        core
    }

    /// Whether what clients send is taken in from now on. Who is not listened to is not silent.
    pub(crate) fn listen(&mut self, listens: bool) {
        self.listens = listens;
    }

    /// Counts the bytes that wait for all clients; the edge adds those that are not written yet.
    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// What may wait to be written to one client now.
    fn outbound_limit(&self) -> usize {
        match self.is_crowded() {
            true => self.settings.outbound_bytes.min(Settings::LEAST_SHARE),
            false => self.settings.outbound_bytes,
        }
    }

    /// How many deliveries may be on their way to a client that takes any number.
    fn window(&self) -> usize {
        usize::from(self.settings.in_flight_messages).min(MOST_IN_FLIGHT)
    }

    /// What may wait in the queue of one session now.
    fn queue_limit(&self, connected: bool) -> usize {
        match (self.is_crowded(), connected) {
            (false, _) => self.settings.queued_bytes,
            (true, true) => self.settings.queued_bytes.min(Settings::LEAST_SHARE),
            (true, false) => 0,
        }
    }

    /// Whether as much waits for all clients together as may.
    fn is_crowded(&self) -> bool {
        self.meter.bytes() + self.staged > self.settings.total_waiting_bytes
    }

    /// What has been counted.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Clients connected, sessions, retained messages and subscriptions, as they are now.
    pub(crate) fn sizes(&self) -> [usize; 4] {
        [self.sessions.connected(), self.sessions.len(), self.retained.len(), self.subscription_count()]
    }

    /// When [`Core::handle_timeout`] has to be called, unless something else happens before.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.timers.next()
    }

    /// Does everything that is due by `now`. `traffic` is what the edge has counted so far.
    pub(crate) fn handle_timeout(&mut self, now: Moment, traffic: Traffic) {
        self.traffic = traffic;
        while let Some((at, timer)) = self.timers.pop(now) {
            match timer {
                Timer::KeepAlive(key) => self.check_silence(now, key),
                Timer::SessionEnd(key) => {
                    self.tally.sessions_expired += 1;
                    self.end_session(now, key);
                }
                Timer::Will(key) => self.publish_pending_will(now, key),
                Timer::RetainedExpiry(topic) => self.expire_retained(now, &topic),
                Timer::Figures => self.publish_figures(now, at),
            }
        }
        self.dismiss_doomed(now);
    }

    /// Ends a round: what the store has to keep from it, and under which ticket.
    pub(crate) fn end_round(&mut self, now: Moment) -> Option<(Ticket, Vec<Change>)> {
        self.dismiss_doomed(now);
        self.journal.end_round()
    }

    /// Appends every action since the last call.
    pub(crate) fn drain(&mut self, actions: &mut Vec<Action>) {
        for key in std::mem::take(&mut self.noted) {
            let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) else {
                continue;
            };
            link.noted = false;
            actions.push(Action::Write {
                connection: link.connection,
                bytes: std::mem::take(&mut link.staged),
                tell_when_drained: link.congested,
            });
        }
        self.staged = 0;
        self.locals.handed_over();
        actions.append(&mut self.actions);
    }
}

/// Puts a session on the list of those with something for the edge, once.
fn note(noted: &mut Vec<u32>, key: u32, is_noted: &mut bool) {
    if !*is_noted {
        *is_noted = true;
        noted.push(key);
    }
}
