//! Shared subscriptions: one member of a group receives each message (MQTT 5.0 section 4.8.2).

use std::sync::Arc;

use gatehouse_model::{Message, Moment, Qos, TopicName};

use super::Core;
use super::groups::{Groups, Member};
use super::outgoing::{Delivery, Outgoing};
use super::route::{Audience, Target};
use super::sessions::Session;
use super::subscriptions::{Entry, Subscriber};
use super::weight::message_bytes;
use crate::Settings;
use crate::codec::{Options, Wanted};

/// How well a member could take a message; the greatest is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Readiness {
    /// It is away, and nothing is kept for it: QoS 0.
    Absent,
    /// It has no room.
    Full,
    /// Away, with a session that takes it until the client is back.
    Away,
    /// Connected, and others wait before it.
    Busy,
    /// Connected, and can be sent it at once.
    Ready,
}

impl Core {
    /// Makes a subscription of a session known to whoever delivers, or changes it.
    pub(super) fn enter(&mut self, key: u32, wanted: &Wanted, options: Options, identifier: Option<u32>) {
        let subscriber = if wanted.share.is_none() {
            Some(Subscriber::Session(key))
        } else {
            self.groups.join(wanted, Member { session: key, options, identifier }).map(Subscriber::Group)
        };
        if let Some(subscriber) = subscriber {
            self.subscriptions.insert(&wanted.filter, Entry { subscriber, options, identifier });
        }
        self.routes.forget();
    }

    /// Takes a subscription of a session away from whoever delivers.
    pub(super) fn take_out(&mut self, key: u32, wanted: &Wanted) {
        let subscriber = match wanted.share {
            None => Some(Subscriber::Session(key)),
            Some(_) => self.groups.leave(wanted, key).map(Subscriber::Group),
        };
        if let Some(subscriber) = subscriber {
            self.subscriptions.remove(&wanted.filter, subscriber);
        }
        self.routes.forget();
    }

    /// What all subscriptions take, and what this one would take more.
    pub(super) fn subscription_bytes(&self, wanted: &Wanted) -> (usize, usize) {
        let all = self.subscriptions.bytes() + self.groups.bytes();
        let is_known_group = self.groups.find(wanted).is_some();
        let member = if wanted.share.is_some() { Groups::new_bytes(wanted) } else { 0 };
        let filter = if is_known_group { 0 } else { self.subscriptions.new_bytes(&wanted.filter) };
        (all, member + filter)
    }

    /// How many subscriptions there are, each member of a group counted.
    pub(super) fn subscription_count(&self) -> usize {
        self.subscriptions.len() - self.groups.len() + self.groups.members()
    }

    /// Gives a message to one member of a group: the next in turn who can be sent it at once, else the next who is
    /// connected, else the next whose session lasts. Tells whether anybody in the group may receive it at all.
    pub(super) fn deliver_shared(
        &mut self,
        now: Moment,
        group: u32,
        message: &Message,
        kept: &mut Option<Arc<Message>>,
        is_one_of_many: bool,
    ) -> bool {
        let Some((target, readiness)) =
            self.choose(group, &message.topic, message.qos, message_bytes(message))
        else {
            return false;
        };
        let Some(wanted) = self.groups.get(group).map(|group| Arc::clone(&group.wanted)) else {
            return false;
        };
        if readiness != Readiness::Absent {
            // Should it have no room, the message is dropped and counted there.
            self.deliver_to_session(now, &target, message, kept, Some(wanted), is_one_of_many);
        }
        true
    }

    /// Who of a group is next to take a message on `topic`, as a target, and how well.
    fn choose(
        &mut self,
        group: u32,
        topic: &TopicName,
        qos: Qos,
        size: usize,
    ) -> Option<(Target, Readiness)> {
        let members = self.groups.get(group)?;
        let mut best: Option<(Readiness, usize, Member)> = None;
        for (place, member) in members.in_turn() {
            let Some(session) = self.sessions.get(member.session) else { continue };
            if !session.rights.may_receive(topic) {
                continue;
            }
            let readiness = self.readiness(session, member.options.qos.min(qos), size);
            if best.is_none_or(|(known, ..)| readiness > known) {
                best = Some((readiness, place, *member));
            }
            if readiness == Readiness::Ready {
                break;
            }
        }
        let (readiness, place, member) = best?;
        if let Some(group) = self.groups.get_mut(group) {
            group.served(place);
        }
        let target = Target {
            subscriber: Subscriber::Session(member.session),
            qos: member.options.qos,
            retain_as_published: member.options.retain_as_published,
            identifiers: member.identifier.map(|identifier| [identifier].into()),
            audience: Audience::Everybody,
        };
        Some((target, readiness))
    }

    fn readiness(&self, session: &Session, qos: Qos, size: usize) -> Readiness {
        let has_backlog = |backlog| backlog > self.outbound_limit();
        match (&session.link, qos) {
            (Some(link), Qos::AtMostOnce) if has_backlog(link.backlog()) => Readiness::Full,
            (Some(_), Qos::AtMostOnce) => Readiness::Ready,
            (None, Qos::AtMostOnce) => Readiness::Absent,
            (Some(link), _) if session.outgoing.has_room(link.window) && !has_backlog(link.backlog()) => {
                Readiness::Ready
            }
            (link, _) => {
                let is_over_share =
                    self.is_crowded() && session.outgoing.held_bytes() > Settings::LEAST_SHARE;
                let bytes = self.queue_limit(link.is_some() && !is_over_share);
                match (session.outgoing.takes(size, self.settings.queued_messages, bytes), link) {
                    (false, _) => Readiness::Full,
                    (true, Some(_)) => Readiness::Busy,
                    (true, None) => Readiness::Away,
                }
            }
        }
    }

    /// A session of a group has ended: what it was given and has not begun to receive, or has received with QoS 1 and
    /// not acknowledged, goes to others of the group. A QoS 2 message that was sent may have arrived, and is given to
    /// nobody else. [MQTT-4.8.2-5]
    pub(super) fn pass_on(&mut self, now: Moment, outgoing: &mut Outgoing) {
        for delivery in outgoing.take_shared() {
            let Some(wanted) = delivery.share.as_deref() else { continue };
            let Some(group) = self.groups.find(wanted) else { continue };
            let Ok(expiry) = delivery.expiry_left(now) else { continue };
            let Delivery { message, received, .. } = delivery;
            let size = message_bytes(&message);
            let chosen = self.choose(group, &message.topic, message.qos, size);
            match chosen {
                None | Some((_, Readiness::Absent)) => {}
                Some((target, _)) if target.qos.min(message.qos) == Qos::AtMostOnce => {
                    let mut message = Message::clone(&message);
                    message.properties.message_expiry_seconds = expiry;
                    self.deliver_to_session(now, &target, &message, &mut None, None, false);
                }
                Some((target, _)) => {
                    let share = self.groups.get(group).map(|group| Arc::clone(&group.wanted));
                    self.deliver_kept(now, &target, message, received, share, false);
                }
            }
        }
    }
}
