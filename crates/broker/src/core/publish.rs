//! A message comes in: may it, is it kept, who gets it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatehouse_model::{Message, Moment, Qos, TopicName};

use super::Core;
use super::expiry::expiry_left;
use super::own_topics::{is_of_a_part, is_own};
use super::retained::Retained;
use super::timers::Timer;
use super::weight::message_bytes;
use crate::store::{Change, Ticket};
use crate::{Refusal, RefusalCode};

/// The refusal of a message that the sender has no right to publish.
pub(super) fn not_authorized() -> Box<Refusal> {
    Box::new(Refusal {
        code: RefusalCode::NotAuthorized,
        reason: "this user may not publish to this topic".to_owned(),
        answer: None,
    })
}

impl Core {
    /// A part of the gateway publishes. The ticket, if there is one, has to be committed before the part is told.
    ///
    /// # Errors
    /// When the guard or a limit refuses it.
    pub(crate) fn publish_local(
        &mut self,
        now: Moment,
        message: &Message,
    ) -> Result<Option<Ticket>, Box<Refusal>> {
        let mark = self.journal.mark();
        self.tally.messages_received += 1;
        self.tally.payload_bytes_received += message.payload.len() as u64;
        match self.accept(now, message, None) {
            Ok(_) => Ok(self.journal.since(mark)),
            Err(refusal) => {
                self.tally.messages_refused += 1;
                Err(refusal)
            }
        }
    }

    /// Asks the guard, then keeps and routes the message. Tells whether somebody receives it. The rights of a client
    /// have been checked before.
    pub(super) fn accept(
        &mut self,
        now: Moment,
        message: &Message,
        publisher: Option<u32>,
    ) -> Result<bool, Box<Refusal>> {
        let checked = match is_own(&message.topic) {
            true if is_of_a_part(message) => Ok(()),
            true => Err(Box::new(Refusal {
                code: RefusalCode::NotAuthorized,
                reason: "topics below $SYS are the broker's own".to_owned(),
                answer: None,
            })),
            false => {
                self.guard.check(message).map_err(Box::new).and_then(|()| self.check_retained_quota(message))
            }
        };
        match checked {
            Ok(()) => Ok(self.dispatch(now, message, publisher)),
            Err(mut refusal) => {
                if let Some(answer) = refusal.answer.take() {
                    self.dispatch(now, &answer, None);
                }
                Err(refusal)
            }
        }
    }

    fn check_retained_quota(&self, message: &Message) -> Result<(), Box<Refusal>> {
        if !message.retain || message.payload.is_empty() {
            return Ok(());
        }
        let (former_count, former_bytes) = match self.retained.get(&message.topic) {
            Some(former) => (1, message_bytes(&former.message)),
            None => (0, 0),
        };
        // The broker's own figures do not count: nobody but the broker has them in hand.
        let (count, bytes) = self.retained.others();
        let asked = message_bytes(message) + self.retained.new_level_bytes(&message.topic);
        if count - former_count >= self.settings.retained_messages
            || bytes - former_bytes + asked > self.settings.retained_bytes
        {
            return Err(Box::new(Refusal {
                code: RefusalCode::QuotaExceeded,
                reason: "the broker retains as much as it may".to_owned(),
                answer: None,
            }));
        }
        Ok(())
    }

    /// Keeps a retained message and delivers it to everybody who asked. Tells whether somebody did.
    pub(super) fn dispatch(&mut self, now: Moment, message: &Message, publisher: Option<u32>) -> bool {
        if !message.retain {
            return self.deliver(now, message, None, publisher);
        }
        if message.payload.is_empty() {
            // An empty payload clears the topic, and is delivered like any other message. [MQTT-3.3.1-6]
            self.forget_retained(&message.topic);
            return self.deliver(now, message, None, publisher);
        }
        let kept = Arc::new(compact(message));
        self.keep_retained(Retained { message: Arc::clone(&kept), received: now, number: 0 });
        if is_own(&message.topic) {
            // The broker's own figures are made anew by every run.
        } else if message.qos == Qos::AtMostOnce {
            self.journal.record_aside(|| Change::Retained { message: Arc::clone(&kept), lazily: true });
        } else {
            self.journal.record(|| Change::Retained { message: Arc::clone(&kept), lazily: false });
        }
        self.deliver(now, message, Some(kept), publisher)
    }

    /// Puts a message into its place among the retained ones, with its timer.
    pub(super) fn keep_retained(&mut self, retained: Retained) {
        let expires = expires_at(&retained);
        let topic = retained.message.topic.clone();
        // First the former timer, then the new one: they may be due at the same moment, and then they are the same.
        if let Some(former) = self.retained.insert(retained) {
            self.cancel_expiry(&former);
        }
        if let Some(expires) = expires {
            self.timers.set(expires, Timer::RetainedExpiry(topic));
        }
    }

    /// A client clears a topic. What it cleared must not come back, so that this is never lazy. It is recorded even when
    /// nothing is retained here: what has expired may have been lazy, with a former message below it on the disk.
    pub(super) fn forget_retained(&mut self, topic: &TopicName) {
        if let Some(former) = self.retained.remove(topic) {
            self.cancel_expiry(&former);
        }
        self.journal.record(|| Change::RetainedCleared { topic: topic.clone(), lazily: false });
    }

    fn cancel_expiry(&mut self, former: &Retained) {
        if let Some(at) = expires_at(former) {
            self.timers.cancel(at, Timer::RetainedExpiry(former.message.topic.clone()));
        }
    }

    /// The timer of a retained message: it has expired, unless a newer one has taken its place.
    pub(super) fn expire_retained(&mut self, now: Moment, topic: &TopicName) {
        let Some(retained) = self.retained.get(topic) else { return };
        if expiry_left(&retained.message, retained.received, now).is_err() {
            self.retained.remove(topic);
            self.journal.record_aside(|| Change::RetainedCleared { topic: topic.clone(), lazily: true });
        }
    }
}

fn expires_at(retained: &Retained) -> Option<Moment> {
    let seconds = retained.message.properties.message_expiry_seconds?;
    Some(retained.received + Duration::from_secs(u64::from(seconds)))
}

/// A copy that owns its bytes. What a client sent is a piece of a read buffer, which a few bytes that are kept for long
/// would keep whole.
pub(super) fn compact(message: &Message) -> Message {
    let mut copy = message.clone();
    copy.payload = Bytes::copy_from_slice(&message.payload);
    copy.properties.correlation_data =
        message.properties.correlation_data.as_deref().map(Bytes::copy_from_slice);
    copy
}
