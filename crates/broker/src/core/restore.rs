//! What the last run left becomes sessions and retained messages again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Message, Moment, Origin};

use super::Core;
use super::expiry::aged;
use super::outgoing::Outgoing;
use super::retained::Retained;
use super::sessions::Session;
use super::timers::Timer;
use crate::Rights;
use crate::codec::{Options, Wanted};
use crate::store::{Change, KeptSession, KeptWill, Ticket};

/// A snapshot whose users have been looked up.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Retained messages, each with the time since it was recorded.
    pub(crate) retained: Vec<(Message, Duration)>,
    /// Sessions, with what their users may do now. Without rights there is no such user any more, and the session ends.
    pub(crate) sessions: Vec<(KeptSession, Option<Rights>)>,
    /// What people should know of the store's condition.
    pub(crate) warnings: Vec<String>,
}

impl Core {
    pub(super) fn restore(&mut self, now: Moment, restored: Restored) {
        self.notice = (!restored.warnings.is_empty()).then(|| restored.warnings.join(" "));
        for (message, age) in restored.retained {
            self.restore_retained(now, &Arc::new(message), age);
        }
        for (kept, rights) in restored.sessions {
            match rights {
                Some(rights) => self.restore_session(now, kept, rights),
                None => self.journal.record_aside(|| Change::SessionEnded(kept.client_id)),
            }
        }
    }

    fn restore_retained(&mut self, now: Moment, message: &Arc<Message>, age: Duration) {
        match aged(message, age) {
            Some(message) => self.keep_retained(Retained { message, received: now, number: 0 }),
            None => {
                let topic = message.topic.clone();
                self.journal.record_aside(|| Change::RetainedCleared { topic, lazily: true });
            }
        }
    }

    fn restore_session(&mut self, now: Moment, kept: KeptSession, rights: Rights) {
        let origin = Origin::Client { client_id: Arc::clone(&kept.client_id), user: Arc::clone(&kept.user) };
        let mut outgoing = Outgoing::new(self.meter.clone());
        let expired = outgoing.restore(kept.deliveries, kept.sent_before, self.window(), now);
        let away = kept.away.unwrap_or_default();
        let left = Duration::from_secs(u64::from(kept.expiry_seconds)).saturating_sub(away);
        let ends_at = now + left;
        let client_id = Arc::clone(&kept.client_id);
        if kept.away.is_none() {
            // It was connected until the end: its expiry counts from now, also when this run ends suddenly as well.
            let sent_before = outgoing.sent_before();
            self.journal.record_aside(|| Change::SessionLeft {
                client_id: Arc::clone(&client_id),
                expiry_seconds: kept.expiry_seconds,
                sent_before,
            });
        }
        for number in expired.dropped {
            self.journal.record_aside(|| Change::Delivered(Arc::clone(&client_id), number));
        }
        for number in expired.released {
            self.journal.record_aside(|| Change::Received(Arc::clone(&client_id), number));
        }
        let key = self.sessions.insert(Session {
            client_id,
            user: kept.user,
            rights,
            origin,
            link: None,
            subscriptions: HashSet::new(),
            outgoing,
            incoming: kept.incoming.into_iter().collect(),
            begun_by: Ticket::default(),
            covered_by: Ticket::default(),
            expiry: kept.expiry_seconds,
            ends_at: Some(ends_at),
            left: None,
            dropped: 0,
            pending_will: None,
        });
        self.timers.set(ends_at, Timer::SessionEnd(key));
        for subscription in kept.subscriptions {
            let wanted = Wanted { share: subscription.share, filter: subscription.filter };
            self.enter(key, &wanted, Options::from_byte(subscription.options), subscription.identifier);
            if let Some(session) = self.sessions.get_mut(key) {
                session.subscriptions.insert(wanted);
            }
        }
        if let Some(will) = kept.will {
            self.restore_will(now, key, will, away, left);
        }
    }

    /// The will of a connection that was lost with the last run, or that waited for its delay then.
    fn restore_will(&mut self, now: Moment, key: u32, will: KeptWill, away: Duration, left: Duration) {
        let delay = Duration::from_secs(u64::from(will.delay_seconds)).saturating_sub(away);
        let at = now + delay.min(left);
        if let Some(session) = self.sessions.get_mut(key) {
            session.pending_will = Some((at, Box::new(will.message)));
            self.timers.set(at, Timer::Will(key));
        }
    }
}
