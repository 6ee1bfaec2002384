//! The task that owns the core: what connections and parts of the gateway send goes in, what the core decides comes
//! out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatehouse_model::{Clock, Message, Moment};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::outbox::Outbox;
use super::outlet::Outlet;
use super::revocations::{Revocations, RevokedUsers};
use super::spares::Spares;
use crate::codec::{Connect, Encoder, Packet, Reason, WireError};
use crate::core::{Action, ConnectionId, Core, LocalGauge, Traffic};
use crate::local::{LocalRequest, Subscription};
use crate::local_queue::{LocalQueue, Pushed, QueueLimits};
use crate::statistics::Counters;
use crate::store::{Progress, Store, StoreError, Ticket};
use crate::{Identity, Refusal, Settings};

/// Batches of connections that wait for the core. A batch holds what one read gave, so that together they are bounded
/// by some megabytes; a connection that cannot put its batch in waits, and its client with it.
pub(crate) const INBOUND_BATCHES: usize = 64;

/// Batches that are taken into one round, before what they cause is sent and stored.
const BATCHES_PER_ROUND: usize = 32;

/// Requests of in-process clients that are taken into one round.
const REQUESTS_PER_ROUND: usize = 256;

/// How many times [`Settings::uncommitted_bytes`] may wait while the store fails. What waits then is bounded by the limits
/// on queues and retained messages, since what was delivered meanwhile cancels out; this is for a disk that hangs instead
/// of failing, where nothing does.
const WHILE_FAILING: usize = 12;

/// How far away a deadline may be for the timer; longer ones are looked at again then.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// What a connection tells the hub.
pub(crate) enum Inbound {
    /// A client with a good login.
    Arrived {
        connection: ConnectionId,
        connect: Box<Connect>,
        identity: Box<Identity>,
        /// How many users had been revoked before the login was checked.
        revocations: u64,
        outbox: Arc<Outbox>,
    },
    Packets {
        connection: ConnectionId,
        packets: Vec<Packet>,
    },
    /// The client has read most of what waited for it.
    Drained {
        connection: ConnectionId,
    },
    /// The connection is gone, or its client sent what is no packet.
    Lost {
        connection: ConnectionId,
        error: Option<WireError>,
    },
}

/// An in-process request that waits for its commit.
struct HeldReply {
    ticket: Ticket,
    give: Box<dyn FnOnce() + Send>,
}

impl HeldReply {
    fn new<T: Send + 'static>(ticket: Ticket, reply: oneshot::Sender<T>, answer: T) -> Self {
        // Whoever asked may have stopped waiting.
        Self { ticket, give: Box::new(move || drop(reply.send(answer))) }
    }
}

/// Owns the core and everything that its decisions go to.
pub(crate) struct Hub {
    pub(crate) core: Core,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Box<dyn Store>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) inbound: mpsc::Receiver<Inbound>,
    pub(crate) requests: mpsc::Receiver<LocalRequest>,
    pub(crate) state: HubState,
}

/// What the hub keeps besides the core.
#[derive(Default)]
pub(crate) struct HubState {
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
    locals: HashMap<u32, Outlet>,
    held: Vec<HeldReply>,
    /// Whoever asked for something that is done when the round is.
    done: Vec<oneshot::Sender<Result<(), Box<Refusal>>>>,
    revoked: RevokedUsers,
    spares: Spares,
    /// When the spare buffers are looked at.
    tidy_at: Option<Moment>,
    /// Connections whose next batch is taken later, because those whom they publish to cannot follow.
    paused: BinaryHeap<Reverse<(Moment, ConnectionId)>>,
    actions: Vec<Action>,
    submitted: Ticket,
    committed: Ticket,
}

impl HubState {
    /// A hub that has done nothing yet; `revocations` is how logins learn of revoked users, and `spares` are those of the
    /// connections.
    pub(crate) fn new(revocations: Arc<Revocations>, spares: Spares) -> Self {
        Self { spares, revoked: RevokedUsers::new(revocations), ..Self::default() }
    }
}

impl Hub {
    /// Works until `shutdown`, then tells every client and returns.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let mut batches = Vec::with_capacity(BATCHES_PER_ROUND);
        let mut requests = Vec::with_capacity(REQUESTS_PER_ROUND);
        let timer = tokio::time::sleep(Duration::ZERO);
        // Deadlines are told by the clock that was handed in; the timer only waits for them.
        let (epoch, started) = (timer.deadline(), self.clock.moment());
        tokio::pin!(timer);
        loop {
            let deadline = self.next_deadline();
            if let Some(deadline) = deadline {
                let latest = self.clock.moment() + LONGEST_SLEEP;
                let at = epoch + deadline.min(latest).saturating_since(started);
                if timer.deadline() != at || timer.is_elapsed() {
                    timer.as_mut().reset(at);
                }
            }
            let waits_for_store = self.state.committed < self.state.submitted;
            // Clients are as fast as the disk, unless it fails: then nothing that needs it is taken from them anyway.
            let most_uncommitted = match self.core.store_trouble() {
                None => self.settings.uncommitted_bytes,
                Some(_) => self.settings.uncommitted_bytes.saturating_mul(WHILE_FAILING),
            };
            let disk_follows = self.store.uncommitted_bytes() <= most_uncommitted;
            self.core.listen(disk_follows);
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = self.inbound.recv_many(&mut batches, BATCHES_PER_ROUND), if disk_follows => {
                    let now = self.clock.moment();
                    for batch in batches.drain(..) {
                        self.take_in(now, batch);
                    }
                }
                _ = self.requests.recv_many(&mut requests, REQUESTS_PER_ROUND), if !self.requests.is_closed() => {
                    let now = self.clock.moment();
                    for request in requests.drain(..) {
                        self.serve_local(now, request);
                    }
                }
                progress = self.store.progress(self.state.committed), if waits_for_store => {
                    self.store_progressed(progress)?;
                }
                () = timer.as_mut(), if deadline.is_some() => {}
            }
            let now = self.clock.moment();
            if self.core.next_deadline().is_some_and(|deadline| deadline <= now) {
                self.core.handle_timeout(now, self.traffic());
            }
            self.end_pauses(now);
            self.end_round(now);
        }
        self.core.shut_down(self.clock.moment());
        self.end_round(self.clock.moment());
        self.finish_store().await
    }

    fn take_in(&mut self, now: Moment, batch: Inbound) {
        match batch {
            Inbound::Arrived { connection, connect, identity, revocations, outbox } => {
                let gauge = Arc::clone(&outbox);
                self.state.outboxes.insert(connection, outbox);
                if self.state.revoked.overtook(revocations, &identity.user) {
                    let text = "what the user may do has changed; log in again";
                    return self.core.refuse(connection, Encoder::of(&connect), Reason::NotAuthorized, text);
                }
                self.core.connect(now, connection, *connect, *identity, gauge);
            }
            Inbound::Packets { connection, packets } => {
                match self.core.packets(now, connection, packets).pause() {
                    Some(pause) => self.state.paused.push(Reverse((now + pause, connection))),
                    None => self.grant(connection),
                }
            }
            Inbound::Drained { connection } => self.core.drained(now, connection),
            Inbound::Lost { connection, error } => self.core.lost(now, connection, error),
        }
    }

    /// Lets a connection send its next batch.
    fn grant(&self, connection: ConnectionId) {
        if let Some(outbox) = self.state.outboxes.get(&connection) {
            outbox.grant();
        }
    }

    /// Lets those send again whose pause is over.
    fn end_pauses(&mut self, now: Moment) {
        while let Some(Reverse((until, connection))) = self.state.paused.peek().copied() {
            if until > now {
                return;
            }
            self.state.paused.pop();
            // What they would send now would only be dropped: they wait on while a part of the gateway catches up.
            if let Some(pause) = self.core.local_pause(now) {
                self.state.paused.push(Reverse((now + pause, connection)));
                continue;
            }
            self.grant(connection);
        }
    }

    /// When something is due in the core or here.
    fn next_deadline(&self) -> Option<Moment> {
        let pause = self.state.paused.peek().map(|Reverse((until, _))| *until);
        let calm = self.state.locals.values().filter_map(Outlet::calms_at).min();
        self.core.next_deadline().into_iter().chain(pause).chain(calm).chain(self.state.tidy_at).min()
    }

    fn serve_local(&mut self, now: Moment, request: LocalRequest) {
        match request {
            LocalRequest::Publish { message, reply } => match self.core.publish_local(now, &message) {
                Ok(Some(ticket)) if self.core.store_trouble().is_none() => {
                    self.state.held.push(HeldReply::new(ticket, reply, Ok(())));
                }
                // Whoever asked may have stopped waiting; the message is published all the same.
                Ok(_) => drop(reply.send(Ok(()))),
                Err(refusal) => drop(reply.send(Err(refusal))),
            },
            LocalRequest::Revoke { user, reply } => {
                let ticket = self.core.revoke(now, &user);
                self.state.revoked.note(user);
                // While the disk fails nobody waits for it: the next revocation has to come through.
                match ticket.filter(|_| self.core.store_trouble().is_none()) {
                    Some(ticket) => self.state.held.push(HeldReply::new(ticket, reply, Ok(()))),
                    None => self.state.done.push(reply),
                }
            }
            LocalRequest::Rights { user, rights, reply } => {
                self.core.set_rights(&user, &rights.0);
                self.state.revoked.note(user);
                self.state.done.push(reply);
            }
            LocalRequest::Clients { reply } => {
                let views = self.core.client_views(now).into_iter().map(|(mut view, number)| {
                    let outbox = number.and_then(|number| self.state.outboxes.get(&number));
                    if let Some(connection) = &mut view.connection {
                        connection.peer = outbox.map(|outbox| outbox.peer);
                    }
                    view
                });
                drop(reply.send(views.collect()));
            }
            LocalRequest::Disconnect { client_id, reply } => {
                let _ = reply.send(self.core.disconnect(now, &client_id));
            }
            LocalRequest::Retained { filter, after, reply } => {
                drop(reply.send(self.core.retained_page(now, &filter, after.as_ref())));
            }
            LocalRequest::ClearRetained { filter, reply } => {
                let (count, ticket) = self.core.clear_retained(&filter);
                match ticket.filter(|_| self.core.store_trouble().is_none()) {
                    Some(ticket) => self.state.held.push(HeldReply::new(ticket, reply, count)),
                    None => {
                        let _ = reply.send(count);
                    }
                }
            }
            LocalRequest::Subscribe { filters, part, as_published, reply } => {
                let (number, mut retained) = self.core.subscribe_local(now, &filters);
                let queue = LocalQueue::new(QueueLimits {
                    messages: self.settings.local_queue_messages,
                    bytes: self.settings.local_queue_bytes,
                    held_topics: self.settings.local_held_topics,
                });
                let queue = if as_published { queue.keeping_flags() } else { queue };
                if as_published {
                    retained.clear();
                }
                let queue = Arc::new(queue);
                self.core.watch_local(number, Arc::clone(&queue) as Arc<dyn LocalGauge>);
                self.state.locals.insert(number, Outlet::new(part, Arc::clone(&queue)));
                if reply.send(Subscription::new(retained, queue)).is_err() {
                    self.drop_local(number);
                }
            }
        }
    }

    fn drop_local(&mut self, number: u32) {
        self.state.locals.remove(&number);
        self.core.unsubscribe_local(number);
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            sockets: self.counters.connections_accepted.load(Ordering::Relaxed),
            received: self.counters.bytes_received.load(Ordering::Relaxed),
            sent: self.counters.bytes_sent.load(Ordering::Relaxed),
        }
    }

    /// Hands changes to the store and actions to whom they concern.
    fn end_round(&mut self, now: Moment) {
        if let Some((ticket, changes)) = self.core.end_round(now) {
            self.state.submitted = ticket;
            self.store.submit(ticket, changes);
        }
        let mut actions = std::mem::take(&mut self.state.actions);
        self.core.drain(&mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Write { connection, bytes, tell_when_drained } => {
                    if let Some(outbox) = self.state.outboxes.get(&connection) {
                        outbox.push(bytes, tell_when_drained);
                    }
                }
                Action::Close { connection, bytes } => {
                    if let Some(outbox) = self.state.outboxes.remove(&connection) {
                        outbox.close(bytes);
                    }
                }
                Action::Deliver { subscription, message, is_state } => {
                    self.deliver_local(now, subscription, message, is_state);
                }
            }
        }
        self.state.actions = actions;
        self.state.tidy_at = self.state.spares.tidy(now);
        for notice in self.state.locals.values_mut().filter_map(|outlet| outlet.calmed(now)) {
            notice.log();
        }
        self.publish_counters();
        for reply in self.state.done.drain(..) {
            drop(reply.send(Ok(())));
        }
    }

    fn deliver_local(&mut self, now: Moment, subscription: u32, message: Message, is_state: bool) {
        let Some(outlet) = self.state.locals.get_mut(&subscription) else { return };
        let (pushed, notice) = outlet.push(now, message, is_state);
        if let Some(notice) = notice {
            notice.log();
        }
        match pushed {
            Pushed::Taken => self.core.count_local_sent(),
            Pushed::Replaced | Pushed::Dropped => self.core.count_local_dropped(),
            Pushed::Abandoned => self.drop_local(subscription),
        }
    }

    fn store_progressed(&mut self, progress: Progress) -> Result<(), StoreError> {
        match progress {
            Progress::Committed(ticket) => self.commit(ticket),
            Progress::Failing(error) => self.store_fails(error),
            Progress::Gone(error) => return Err(error),
        }
        Ok(())
    }

    /// Nothing can be kept now. What clients wait for goes on waiting; the gateway's own parts do not, since the house
    /// has to go on, and what they published is kept as soon as it can be.
    fn store_fails(&mut self, error: StoreError) {
        tracing::error!(
            "{error}: what has to be kept is not acknowledged until the disk can be written to again"
        );
        Counters::set(&self.counters.store_failing, 1);
        self.core.store_fails(self.clock.moment(), error);
        for HeldReply { give, .. } in self.state.held.drain(..) {
            give();
        }
    }

    /// The store has committed everything up to `ticket`.
    fn commit(&mut self, ticket: Ticket) {
        self.state.committed = ticket;
        if self.core.store_trouble().is_some() {
            tracing::info!("the broker's store works again: everything that waited is kept");
            Counters::set(&self.counters.store_failing, 0);
        }
        self.core.committed(self.clock.moment(), ticket);
        let (done, held) = std::mem::take(&mut self.state.held)
            .into_iter()
            .partition(|held: &HeldReply| held.ticket <= ticket);
        self.state.held = held;
        for HeldReply { give, .. } in done {
            give();
        }
    }

    /// At the end: what was submitted is committed before the broker is gone, what was lazy included.
    async fn finish_store(&mut self) -> Result<(), StoreError> {
        self.store.close().await?;
        self.commit(self.state.submitted);
        Ok(())
    }

    fn publish_counters(&self) {
        let tally = self.core.tally();
        let [connected, sessions, retained, subscriptions] = self.core.sizes();
        let counters = &self.counters;
        Counters::set(&counters.clients_connected, connected as u64);
        Counters::set(&counters.sessions, sessions as u64);
        Counters::set(&counters.retained_messages, retained as u64);
        Counters::set(&counters.subscriptions, subscriptions as u64);
        Counters::set(&counters.messages_received, tally.messages_received);
        Counters::set(&counters.messages_sent, tally.messages_sent);
        Counters::set(&counters.messages_dropped, tally.messages_dropped);
        Counters::set(&counters.messages_refused, tally.messages_refused);
        Counters::set(&counters.protocol_errors, tally.protocol_errors);
    }
}
