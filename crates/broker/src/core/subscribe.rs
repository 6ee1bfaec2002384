//! Clients and parts of the gateway ask for topics, and stop asking.

use std::sync::Arc;

use gatehouse_model::{Moment, Qos, TopicFilter};

use super::Core;
use super::sessions::Wish;
use super::subscriptions::{Entry, Subscriber};
use crate::codec::{Asked, Options, Reason, RetainHandling, Subscribe, Unsubscribe};
use crate::store::{Change, KeptSubscription};

/// UNSUBACK code for a filter that was not subscribed to (MQTT 5.0 section 3.11.3).
const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;

impl Core {
    pub(super) fn subscribe(&mut self, now: Moment, key: u32, subscribe: &Subscribe) {
        let mark = self.journal.mark();
        let codes: Vec<u8> = subscribe
            .filters
            .iter()
            .map(|asked| match self.subscribe_one(key, asked, subscribe.identifier) {
                Ok(granted) => granted.level(),
                Err(reason) => reason as u8,
            })
            .collect();
        let ticket = self.journal.since(mark);
        self.answer(key, ticket, |link, out| link.encoder.suback(subscribe.packet_id, &codes, out));
        self.pump(now, key);
    }

    fn subscribe_one(&mut self, key: u32, asked: &Asked, identifier: Option<u32>) -> Result<Qos, Reason> {
        let (filter, options) = asked.as_ref().map_err(|reason| *reason)?;
        let options: Options = *options;
        let Some(session) = self.sessions.get_mut(key) else { return Err(Reason::Implementation) };
        if !session.rights.may_subscribe(filter) {
            return Err(Reason::NotAuthorized);
        }
        let is_new = !session.subscriptions.contains_key(filter);
        if is_new && session.subscriptions.len() >= self.settings.subscriptions_per_session {
            return Err(Reason::QuotaExceeded);
        }
        let asked = if is_new { self.subscriptions.new_bytes(filter) } else { 0 };
        if asked > 0 && self.subscriptions.bytes() + asked > self.settings.subscription_bytes {
            return Err(Reason::QuotaExceeded);
        }
        let entry = Entry { subscriber: Subscriber::Session(key), options, identifier };
        session.subscriptions.insert(filter.clone(), entry);
        self.subscriptions.insert(filter, entry);
        self.routes.forget();
        if session.lasts() {
            let client_id = &session.client_id;
            self.journal.record(|| Change::Subscribed {
                client_id: Arc::clone(client_id),
                subscription: KeptSubscription {
                    share: None,
                    filter: filter.clone(),
                    options: options.to_byte(),
                    identifier,
                },
            });
        }
        let replays = match options.retain_handling {
            RetainHandling::Always => true,
            RetainHandling::WhenNew => is_new,
            RetainHandling::Never => false,
        };
        if let Some(link) = session.link.as_mut().filter(|_| replays) {
            // A client that asks again before its first answer came gets one answer, by its newest options.
            link.replay.forget(filter);
            let up_to = self.retained.last_number();
            link.replay.waiting.push_back(Wish { filter: filter.clone(), entry, up_to });
        }
        Ok(options.qos)
    }

    pub(super) fn unsubscribe(&mut self, key: u32, unsubscribe: &Unsubscribe) {
        let mark = self.journal.mark();
        let codes: Vec<u8> =
            unsubscribe.filters.iter().map(|filter| self.unsubscribe_one(key, filter.as_ref())).collect();
        let ticket = self.journal.since(mark);
        self.answer(key, ticket, |link, out| link.encoder.unsuback(unsubscribe.packet_id, &codes, out));
    }

    fn unsubscribe_one(&mut self, key: u32, filter: Result<&TopicFilter, &Reason>) -> u8 {
        let filter = match filter {
            Ok(filter) => filter,
            Err(reason) => return *reason as u8,
        };
        let Some(session) = self.sessions.get_mut(key) else { return Reason::Implementation as u8 };
        if session.subscriptions.remove(filter).is_none() {
            return NO_SUBSCRIPTION_EXISTED;
        }
        self.subscriptions.remove(filter, Subscriber::Session(key));
        self.routes.forget();
        if let Some(link) = session.link.as_mut() {
            link.replay.forget(filter);
        }
        if session.lasts() {
            let client_id = &session.client_id;
            self.journal.record(|| Change::Unsubscribed {
                client_id: Arc::clone(client_id),
                share: None,
                filter: filter.clone(),
            });
        }
        Reason::Success as u8
    }
}
