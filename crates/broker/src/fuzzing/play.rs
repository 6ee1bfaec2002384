//! Plays a schedule: each step is done to the broker and to the model, and what the broker sends is held against it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use gatehouse_model::{Moment, Properties, Qos, TopicFilter, TopicName};

use super::client::Client;
use super::heard::Heard;
use super::model::{Message, Model, SMALL_PACKET};
use super::schedule::{
    Bad, Body, CLIENTS, FILTERS, FIRST_WILL_TOPIC, Hello, House, Planned, Said, Step, TOPICS, Wish,
};
use super::world::{Event, World};
use crate::codec::{
    AckKind, Connect, Disconnect, Options, Packet, Publish, Reason, RetainHandling, Subscribe, Unsubscribe,
    Version, Wanted, Will, WireError,
};
use crate::store::Ticket;

type Check = Result<(), String>;

/// Time goes by in these, with a millisecond for each step.
const TICK: Duration = Duration::from_millis(500);

/// Rounds that the end of a schedule may take until everything is delivered.
const MOST_LAST_ROUNDS: usize = 2_000;

pub(super) struct Play {
    house: House,
    world: World,
    model: Model,
    clients: Vec<Client>,
    /// Rounds that are not kept, each with the model as it was before.
    pending: VecDeque<(Ticket, Model)>,
    before: Model,
    in_round: bool,
    messages: u32,
}

impl Play {
    pub(super) fn new(house: House) -> Self {
        let world = World::new(house);
        let model = Model::new(house, world.now);
        // One more, who looks at what is retained in the end.
        let clients = (0..=CLIENTS).map(|_| Client::default()).collect();
        let before = model.clone();
        Self { house, world, model, clients, pending: VecDeque::new(), before, in_round: false, messages: 0 }
    }

    pub(super) fn step(&mut self, planned: &Planned) -> Check {
        let soon = self.world.now + Duration::from_millis(1);
        if self.in_round && self.world.next_deadline().is_some_and(|deadline| deadline <= soon) {
            self.end_round()?;
        }
        if self.in_round {
            self.world.now = soon;
            self.model.now = soon;
        } else {
            self.pass_in_time(soon)?;
        }
        self.begin_round();
        self.act(&planned.step)?;
        let stands_alone = matches!(
            planned.step,
            Step::Pass { .. } | Step::PassToDeadline | Step::Commit { .. } | Step::Crash { .. }
        );
        match planned.round_goes_on && !stands_alone {
            true => Ok(()),
            false => self.end_round(),
        }
    }

    fn begin_round(&mut self) {
        if !self.in_round {
            self.before = self.model.clone();
            self.in_round = true;
        }
        self.model.step += 1;
    }

    fn act(&mut self, step: &Step) -> Check {
        match step {
            Step::Connect { client, hello } => self.connect(*client, hello),
            Step::Publish { client, said } => self.publish(*client, *said),
            Step::PublishAgain { client, which } => self.publish_again(*client, *which),
            Step::Release { client, which } => self.release(*client, *which),
            Step::Acknowledge { client, count } => self.acknowledge(*client, *count),
            Step::AcknowledgeWrongly { client, kind, id } => {
                // What is on its way is known when the round has ended.
                self.end_round()?;
                self.begin_round();
                self.acknowledge_wrongly(*client, *kind, *id);
            }
            Step::Subscribe { client, first, second, identifier } => {
                let wishes: Vec<Wish> = std::iter::once(*first).chain(*second).collect();
                self.subscribe(*client, &wishes, *identifier);
            }
            Step::Unsubscribe { client, filter } => self.unsubscribe(*client, *filter),
            Step::Disconnect { client, with_will, expiry } => self.disconnect(*client, *with_will, *expiry),
            Step::Cut { client } => {
                if let Some(connection) = self.clients[usize::from(*client)].connection {
                    self.clients[usize::from(*client)].lose();
                    self.world.lose(connection, None);
                    self.model.lose(connection, None);
                }
            }
            Step::Misbehave { client, how } => self.misbehave(*client, *how),
            Step::Ping { client } => {
                if let Some(connection) = self.clients[usize::from(*client)].connection {
                    self.world.send(connection, Packet::PingReq);
                    self.model.ping(connection);
                }
            }
            Step::Deaf { client, deaf } => return self.set_deaf(*client, *deaf),
            Step::Pass { halves, in_time } => return self.pass(TICK * *halves, *in_time),
            Step::PassToDeadline => {
                let Some(deadline) = self.world.next_deadline() else { return Ok(()) };
                let ticks = deadline.saturating_since(self.world.now).as_millis().div_ceil(TICK.as_millis());
                let ticks = u32::try_from(ticks).unwrap_or(u32::MAX).max(1);
                return self.pass(TICK * ticks, true);
            }
            Step::Commit { count } => {
                self.end_round()?;
                return self.commit(usize::from(*count));
            }
            Step::Crash { committed, lazy_too, halves } => {
                self.end_round()?;
                return self.crash(usize::from(*committed), *lazy_too, TICK * *halves);
            }
        }
        Ok(())
    }

    fn client(&mut self, client: u8) -> &mut Client {
        &mut self.clients[usize::from(client)]
    }

    /// The connection of a client that knows whether it found its session again.
    fn greeted(&mut self, client: u8) -> Option<u64> {
        let client = self.client(client);
        client.connection.filter(|_| client.greeted)
    }

    fn connect(&mut self, client: u8, hello: &Hello) {
        self.client(client).lose();
        if hello.clean {
            self.client(client).forget();
        }
        let will = hello.will.map(|will| {
            let said = Said {
                topic: FIRST_WILL_TOPIC + usize::from(client % CLIENTS),
                qos: will.qos,
                retain: will.retain,
                expiry: None,
                body: Body::Small,
            };
            self.message(client, said, false)
        });
        let connect = Connect {
            version: if hello.five { Version::V5 } else { Version::V3 },
            level: if hello.five { 5 } else { 4 },
            client_id: format!("c{client}").into(),
            user: None,
            password: None,
            clean_start: hello.clean,
            session_expiry: hello.expiry,
            keep_alive: hello.keep_alive,
            receive_maximum: hello.receive_maximum,
            max_packet_bytes: hello.small_packets.then_some(SMALL_PACKET as u32),
            topic_alias_maximum: hello.aliases,
            wants_problem_information: true,
            asks_enhanced_authentication: false,
            will: will.as_deref().map(|message| Will {
                topic: topic(message.topic),
                payload: message.payload.clone(),
                qos: qos(message.qos),
                retain: message.retain,
                delay_seconds: hello.will.map_or(0, |will| will.delay),
                properties: Properties::default(),
            }),
        };
        let connection = self.world.connect(connect);
        self.model.connect(connection, client, hello, will);
        let client = self.client(client);
        (client.connection, client.five) = (Some(connection), hello.five);
    }

    fn message(&mut self, publisher: u8, said: Said, five: bool) -> Rc<Message> {
        self.messages += 1;
        let number = self.messages;
        let payload = match said.body {
            Body::Small => format!("{number}"),
            Body::Big => format!("{number}{}", "-".repeat(2 * SMALL_PACKET)),
            Body::Empty => String::new(),
        };
        Rc::new(Message {
            number,
            topic: said.topic,
            payload: Bytes::from(payload),
            qos: said.qos,
            retain: said.retain,
            expiry: said.expiry.filter(|_| five),
            publisher,
            numbered: five,
        })
    }

    fn publish(&mut self, client: u8, said: Said) {
        let Some(connection) = self.client(client).connection else { return };
        let five = self.client(client).five;
        let message = self.message(client, said, five);
        let mut id = 0;
        if message.qos > 0 {
            id = self.client(client).free_id();
            self.client(client).unacknowledged.push((id, Rc::clone(&message)));
        }
        self.send_publish(connection, id, &message);
    }

    fn send_publish(&mut self, connection: u64, id: u16, message: &Rc<Message>) {
        let properties = Properties {
            message_expiry_seconds: message.expiry,
            user: message
                .numbered
                .then(|| ("n".into(), message.number.to_string().into()))
                .into_iter()
                .collect(),
            ..Properties::default()
        };
        let publish = Publish {
            topic: topic(message.topic),
            payload: message.payload.clone(),
            qos: qos(message.qos),
            retain: message.retain,
            packet_id: id,
            properties,
        };
        self.world.send(connection, Packet::Publish(publish));
        self.model.publish(connection, id, message);
    }

    fn publish_again(&mut self, client: u8, which: u8) {
        let Some(connection) = self.greeted(client) else { return };
        let client = self.client(client);
        let of_two: Vec<_> = client.unacknowledged.iter().filter(|(_, message)| message.qos == 2).collect();
        let Some((id, message)) = of_two.get(usize::from(which) % of_two.len().max(1)) else { return };
        let (id, message) = (*id, Rc::clone(message));
        self.send_publish(connection, id, &message);
    }

    fn release(&mut self, client: u8, which: u8) {
        let Some(connection) = self.greeted(client) else { return };
        let all = &self.client(client).received_by_broker;
        // Now and then one that the broker does not have.
        let id = match all.get(usize::from(which) % all.len().max(1)) {
            Some(id) => *id,
            None if which > 0xF0 => self.client(client).free_id(),
            None => return,
        };
        self.world.send(connection, Packet::PubRel(id));
        self.model.release(connection, id);
    }

    fn acknowledge(&mut self, client: u8, count: u8) {
        let Some(connection) =
            self.client(client).connection.filter(|_| !self.clients[usize::from(client)].deaf)
        else {
            return;
        };
        for _ in 0..count {
            let Some((kind, id)) = self.client(client).owed.pop_front() else { return };
            self.send_acknowledgement(connection, kind, id);
        }
    }

    fn send_acknowledgement(&mut self, connection: u64, kind: AckKind, id: u16) {
        let packet = match kind {
            AckKind::Published => Packet::PubAck(id),
            AckKind::Received => Packet::PubRec { packet_id: id, accepted: true },
            AckKind::Release => return,
            AckKind::Complete => Packet::PubComp(id),
        };
        self.world.send(connection, packet);
        self.model.acknowledge(connection, kind, id);
    }

    /// An acknowledgement that belongs to nothing which the client owes one for.
    fn acknowledge_wrongly(&mut self, client: u8, kind: u8, id: u16) {
        let Some(connection) = self.client(client).connection else { return };
        let kind = [AckKind::Published, AckKind::Received, AckKind::Complete][usize::from(kind % 3)];
        let owes = self.client(client).owed.iter().any(|(_, owed)| *owed == id);
        if !owes && !self.model.is_on_its_way(connection, id) {
            if kind == AckKind::Received {
                self.client(client).wrongly_received.push(id);
            }
            self.send_acknowledgement(connection, kind, id);
        }
    }

    fn subscribe(&mut self, client: u8, wishes: &[Wish], identifier: Option<u32>) {
        let Some(connection) = self.client(client).connection else { return };
        let five = self.client(client).five;
        let plain =
            |wish: &Wish| Wish { no_local: false, retain_as_published: false, retain_handling: 0, ..*wish };
        let wishes: Vec<Wish> = wishes.iter().map(|wish| if five { *wish } else { plain(wish) }).collect();
        let identifier = identifier.filter(|_| five);
        let filters = wishes
            .iter()
            .filter_map(|wish| {
                let options = Options {
                    qos: qos(wish.qos),
                    no_local: wish.no_local,
                    retain_as_published: wish.retain_as_published,
                    retain_handling: [RetainHandling::Always, RetainHandling::WhenNew, RetainHandling::Never]
                        [usize::from(wish.retain_handling)],
                };
                Some(Ok((wanted(wish.filter)?, options)))
            })
            .collect();
        let packet_id = self.client(client).free_id();
        let subscribe = Subscribe { packet_id, identifier, filters };
        self.world.send(connection, Packet::Subscribe(Box::new(subscribe)));
        self.model.subscribe(connection, packet_id, &wishes, identifier);
    }

    fn unsubscribe(&mut self, client: u8, filter: usize) {
        let Some(connection) = self.client(client).connection else { return };
        let packet_id = self.client(client).free_id();
        let filters = wanted(filter).into_iter().map(Ok).collect();
        self.world.send(connection, Packet::Unsubscribe(Box::new(Unsubscribe { packet_id, filters })));
        self.model.unsubscribe(connection, packet_id, filter);
    }

    fn disconnect(&mut self, client: u8, with_will: bool, expiry: Option<u32>) {
        let Some(connection) = self.client(client).connection else { return };
        let five = self.client(client).five;
        let (with_will, session_expiry) = (with_will && five, expiry.filter(|_| five));
        self.client(client).lose();
        self.world.send(connection, Packet::Disconnect(Disconnect { with_will, session_expiry }));
        self.model.disconnect(connection, with_will, session_expiry);
    }

    fn misbehave(&mut self, client: u8, how: Bad) {
        let Some(connection) = self.client(client).connection else { return };
        let reason = match how {
            Bad::Malformed => {
                let error = WireError::new(Reason::Malformed, "no packet");
                self.world.lose(connection, Some(error));
                Reason::Malformed
            }
            Bad::SecondConnect => {
                self.world.send(connection, Packet::Connect);
                Reason::Protocol
            }
            Bad::Auth => {
                self.world.send(connection, Packet::Auth);
                Reason::Protocol
            }
        };
        self.model.lose(connection, Some(reason as u8));
    }

    fn set_deaf(&mut self, client: u8, deaf: bool) -> Check {
        let Some(connection) = self.client(client).connection else { return Ok(()) };
        if self.client(client).deaf == deaf {
            return Ok(());
        }
        self.client(client).deaf = deaf;
        self.model.set_deaf(connection, deaf);
        self.world.set_deaf(connection, deaf);
        if deaf { Ok(()) } else { self.client(client).listen() }
    }

    /// Time passes. The broker is woken whenever something is due, or only at the end.
    fn pass(&mut self, time: Duration, in_time: bool) -> Check {
        self.end_round()?;
        let end = self.world.now + time;
        // Who has been silent for too long is found in the order in which it was last looked at, so that being late
        // makes a difference there which nobody has a right to.
        if in_time || self.model.is_silent_by(end) {
            return self.pass_in_time(end);
        }
        self.world.now = end;
        self.wake()
    }

    fn pass_in_time(&mut self, end: Moment) -> Check {
        let mut wakes = 0;
        while let Some(deadline) = self.world.next_deadline().filter(|deadline| *deadline <= end) {
            wakes += 1;
            if wakes > 1_000 {
                return Err("the core asks to be woken again and again".to_owned());
            }
            self.world.now = self.world.now.max(deadline);
            self.wake()?;
        }
        self.world.now = end;
        self.model.pass(end);
        match self.model.is_overdue() {
            Some(what) => Err(what),
            None => Ok(()),
        }
    }

    fn wake(&mut self) -> Check {
        self.begin_round();
        self.model.pass(self.world.now);
        self.world.wake();
        self.end_round()
    }

    /// Ends the round, and lets the clients hear what it brought.
    fn end_round(&mut self) -> Check {
        loop {
            if let Some(ticket) = self.world.end_round() {
                self.pending.push_back((ticket, self.before.clone()));
            }
            self.in_round = false;
            self.hear()?;
            if self.send_again() {
                continue;
            }
            if self.house.commits_at_once && !self.world.is_calm() {
                self.tell_committed(usize::MAX)?;
                continue;
            }
            break;
        }
        self.check()
    }

    /// The store commits some rounds.
    fn commit(&mut self, count: usize) -> Check {
        self.tell_committed(count)?;
        self.end_round()
    }

    fn tell_committed(&mut self, count: usize) -> Check {
        self.begin_round();
        let ticket = self.world.commit(count)?;
        self.forget_kept(ticket);
        Ok(())
    }

    fn forget_kept(&mut self, ticket: Option<Ticket>) {
        while self.pending.front().is_some_and(|(first, _)| Some(*first) <= ticket) {
            self.pending.pop_front();
        }
    }

    /// The last step of which everything is kept.
    fn kept(&self) -> u64 {
        self.pending.front().map_or(u64::MAX, |(_, before)| before.step)
    }

    fn hear(&mut self) -> Check {
        let mut events = self.world.events()?;
        // Connections of one client follow one another, and what the broker said on the former came first.
        events.sort_by_key(|(connection, _)| *connection);
        let kept = self.kept();
        for (connection, event) in events {
            let about = |error| format!("connection {connection}: {error}");
            let listener = self.clients.iter_mut().find(|client| client.connection == Some(connection));
            match event {
                Event::Heard(heard) => {
                    self.model.hear(connection, &heard, kept).map_err(about)?;
                    if let Some(client) = listener {
                        if matches!(heard, Heard::ConnAck { .. }) {
                            client.belongs_to(self.model.session_of(connection));
                        }
                        client.hear(heard).map_err(about)?;
                    }
                }
                Event::Closed => {
                    self.model.closed(connection).map_err(about)?;
                    if let Some(client) = listener {
                        client.lose();
                    }
                }
            }
        }
        self.model.end_round()
    }

    /// Clients that found their sessions again send what was not acknowledged. [MQTT-4.4.0-1]
    fn send_again(&mut self) -> bool {
        let mut any = false;
        for client in 0..self.clients.len() {
            let Some(connection) = self.clients[client].connection else { continue };
            if !std::mem::take(&mut self.clients[client].sends_again) {
                continue;
            }
            any = true;
            for (id, message) in self.clients[client].unacknowledged.clone() {
                self.begin_round();
                self.send_publish(connection, id, &message);
            }
            for id in self.clients[client].received_by_broker.clone() {
                self.begin_round();
                self.world.send(connection, Packet::PubRel(id));
                self.model.release(connection, id);
            }
        }
        any
    }

    fn check(&mut self) -> Check {
        let [connected, sessions, _, subscriptions] = self.world.sizes();
        if [connected, sessions, subscriptions] != self.model.sizes() {
            return Err(format!(
                "connected clients, sessions and subscriptions are {:?} and not {:?}",
                [connected, sessions, subscriptions],
                self.model.sizes()
            ));
        }
        match self.world.is_calm() {
            true => self.model.nothing_is_owed(),
            false => Ok(()),
        }
    }

    fn crash(&mut self, committed: usize, lazy_too: bool, downtime: Duration) -> Check {
        let ticket = self.world.crash(committed, lazy_too, downtime)?;
        self.forget_kept(ticket);
        if let Some((_, before)) = self.pending.pop_front() {
            let step = self.model.step;
            self.model = before;
            self.model.step = step;
        }
        self.pending.clear();
        if !self.house.keeps {
            self.model = Model::new(self.house, self.world.now);
        }
        for client in &mut self.clients {
            client.lose();
        }
        self.model.forget_lazy(lazy_too);
        // What the start itself changes is kept later, like everything else.
        self.in_round = false;
        self.begin_round();
        self.model.restart(self.world.now);
        self.wake()
    }

    /// Everybody comes back and acknowledges, until all is delivered; then somebody looks at what is retained.
    pub(super) fn finish(&mut self) -> Check {
        self.end_round()?;
        for client in 0..CLIENTS {
            self.begin_round();
            self.set_deaf(client, false)?;
            self.end_round()?;
        }
        self.commit(usize::MAX)?;
        let hello = Hello {
            five: true,
            clean: false,
            expiry: 3_600,
            receive_maximum: 65_535,
            small_packets: false,
            aliases: 0,
            keep_alive: 0,
            will: None,
        };
        for client in self.model.away() {
            self.begin_round();
            self.connect(client, &hello);
            self.end_round()?;
            self.commit(usize::MAX)?;
        }
        for _ in 0..MOST_LAST_ROUNDS {
            let owes = |client: &Client| !client.owed.is_empty() && client.connection.is_some();
            if self.world.is_calm() && !self.clients.iter().any(owes) {
                break;
            }
            for client in 0..CLIENTS {
                self.begin_round();
                self.acknowledge(client, u8::MAX);
                self.end_round()?;
            }
            self.commit(usize::MAX)?;
        }
        self.model.is_done()?;
        self.begin_round();
        self.connect(CLIENTS, &Hello { clean: true, expiry: 0, ..hello });
        self.end_round()?;
        self.commit(usize::MAX)?;
        let wish = |text| Wish {
            filter: FILTERS.iter().position(|filter| *filter == text).unwrap_or_default(),
            qos: 0,
            no_local: false,
            retain_as_published: true,
            retain_handling: 0,
        };
        self.begin_round();
        self.subscribe(CLIENTS, &[wish("#"), wish("$x/#")], None);
        self.end_round()?;
        self.commit(usize::MAX)
    }
}

fn topic(topic: usize) -> TopicName {
    match TopicName::new(TOPICS[topic]) {
        Ok(topic) => topic,
        Err(error) => panic!("{} is a topic: {error}", TOPICS[topic]),
    }
}

fn wanted(filter: usize) -> Option<Wanted> {
    TopicFilter::new(FILTERS[filter]).ok().map(Wanted::from)
}

fn qos(level: u8) -> Qos {
    Qos::from_level(level).unwrap_or_default()
}
