//! What waits for the store, and what is refused while the store cannot keep anything.

use bytes::BytesMut;
use gatehouse_model::{Message, Moment, Qos};

use super::sessions::{Link, Session};
use super::subscriptions::Subscriber;
use super::{Core, note};
use crate::codec::Reason;
use crate::store::{StoreError, Ticket};
use crate::{Refusal, RefusalCode};

impl Core {
    /// Everything up to `ticket` is on disk: what waited for it may leave.
    pub(crate) fn committed(&mut self, now: Moment, ticket: Ticket) {
        self.committed = ticket;
        self.ended.retain(|_, until| *until > ticket);
        if self.trouble.take().is_some() {
            self.publish_store_state(now);
        }
        for key in std::mem::take(&mut self.holding) {
            let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) else {
                continue;
            };
            link.holds = false;
            while let Some((_, bytes)) = link.held.pop_front_if(|(waits_for, _)| *waits_for <= ticket) {
                link.greeted = true;
                link.stage().extend_from_slice(&bytes);
                note(&mut self.noted, key, &mut link.noted);
            }
            if !link.held.is_empty() {
                hold(&mut self.holding, key, &mut link.holds);
            }
            self.pump(now, key);
        }
    }

    /// The store cannot commit, until [`Core::committed`] is called the next time. What needs the disk is refused
    /// meanwhile, where the client can be told; what has been taken already waits.
    pub(crate) fn store_fails(&mut self, now: Moment, error: StoreError) {
        self.trouble = Some(error);
        self.publish_store_state(now);
    }

    /// Why the store cannot commit now.
    pub(crate) fn store_trouble(&self) -> Option<&StoreError> {
        self.trouble.as_ref()
    }

    /// The reason code for what cannot be kept now.
    pub(super) fn trouble_reason(&self) -> Option<Reason> {
        self.trouble.as_ref().map(|error| match error {
            StoreError::Full(_) => Reason::QuotaExceeded,
            StoreError::Failed(_) => Reason::Implementation,
        })
    }

    /// Refuses a message of a client that would have to be kept while nothing can be kept. A message that nobody needs
    /// on the disk passes: the lights can be switched with a full disk.
    pub(super) fn refuse_what_cannot_be_kept(
        &mut self,
        message: &Message,
        publisher: u32,
    ) -> Result<(), Box<Refusal>> {
        let code = match &self.trouble {
            None => return Ok(()),
            Some(StoreError::Full(_)) => RefusalCode::QuotaExceeded,
            Some(StoreError::Failed(_)) => RefusalCode::Implementation,
        };
        if !self.has_to_be_kept(message, publisher) {
            return Ok(());
        }
        let reason = match code {
            RefusalCode::QuotaExceeded => "the gateway's disk is full, so that this message cannot be kept",
            _ => "the gateway cannot write to its disk, so that this message cannot be kept",
        };
        Err(Box::new(Refusal { code, reason: reason.to_owned(), answer: None }))
    }

    /// Whether a promise about this message would stand for something on the disk.
    fn has_to_be_kept(&mut self, message: &Message, publisher: u32) -> bool {
        if message.qos == Qos::AtMostOnce {
            return false;
        }
        let publisher_lasts = self.sessions.get(publisher).is_some_and(|session| session.lasts());
        if message.retain || (message.qos == Qos::ExactlyOnce && publisher_lasts) {
            return true;
        }
        let route = self.route(&message.topic);
        let lasts = |key| self.sessions.get(key).is_some_and(|session| session.lasts());
        route.iter().any(|target| match target.subscriber {
            Subscriber::Local(_) => false,
            Subscriber::Session(key) => target.qos != Qos::AtMostOnce && lasts(key),
            // Any member may be the one who gets it.
            Subscriber::Group(group) => self
                .groups
                .get(group)
                .is_some_and(|group| group.in_turn().any(|(_, member)| lasts(member.session))),
        })
    }

    /// Remembers that what a session has to send next waits for a commit, when it does.
    pub(super) fn note_waiting(&mut self, key: u32) {
        let waits = |session: &Session| session.outgoing.waits_for_store(self.committed);
        if self.sessions.get(key).is_some_and(waits) {
            self.note_holding(key);
        }
    }

    /// Lets every answer to a client wait for a commit from now on, when there is one to wait for.
    pub(super) fn hold_answers(&mut self, key: u32, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        if let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) {
            link.held.push_back((ticket, BytesMut::new()));
            hold(&mut self.holding, key, &mut link.holds);
        }
    }

    /// Remembers that something of a session waits for a commit.
    pub(super) fn note_holding(&mut self, key: u32) {
        if let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) {
            hold(&mut self.holding, key, &mut link.holds);
        }
    }
}

/// Puts a session on the list of those for which something waits for a commit, once.
pub(super) fn hold(holding: &mut Vec<u32>, key: u32, holds: &mut bool) {
    if !*holds {
        *holds = true;
        holding.push(key);
    }
}

impl Link {
    /// Whether the client may be sent something now that is no answer.
    pub(super) fn takes_deliveries(&self) -> bool {
        self.greeted
    }
}
