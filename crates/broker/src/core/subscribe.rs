//! Clients and parts of the gateway ask for topics, and stop asking.

use std::sync::Arc;

use gatehouse_model::{Moment, Qos};

use super::Core;
use super::sessions::Wish;
use super::subscriptions::{Entry, Subscriber};
use crate::codec::{Asked, Options, Reason, RetainHandling, Subscribe, Unsubscribe, Wanted};
use crate::store::{Change, KeptSubscription};

/// UNSUBACK code for a filter that was not subscribed to (MQTT 5.0 section 3.11.3).
const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;

/// What a client is told that asks for more at once than it could be answered.
const ANSWER_TOO_LARGE: &str = "the answer would be larger than the packets that the client takes";

impl Core {
    pub(super) fn subscribe(&mut self, now: Moment, key: u32, subscribe: &Subscribe) {
        if let Err((reason, what)) = self.check_subscribe(key, subscribe) {
            return self.reject(now, key, reason, what);
        }
        if !self.answer_fits(key, subscribe.filters.len()) {
            return self.reject(now, key, Reason::PacketTooLarge, ANSWER_TOO_LARGE);
        }
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
        let (wanted, options) = asked.as_ref().map_err(|reason| *reason)?;
        let trouble = self.trouble_reason();
        let options: Options = *options;
        self.check_filter(wanted).map_err(|(reason, _)| reason)?;
        // [MQTT-3.2.2-10]: a filter is taken with whatever QoS, and gets what there is.
        let options = Options { qos: options.qos.min(self.settings.maximum_qos), ..options };
        let Some(session) = self.sessions.get_mut(key) else { return Err(Reason::Implementation) };
        if !session.rights.may_subscribe(&wanted.filter) {
            return Err(Reason::NotAuthorized);
        }
        if let Some(trouble) = trouble
            && session.lasts()
        {
            return Err(trouble);
        }
        let is_new = !session.subscriptions.contains(wanted);
        if is_new && session.subscriptions.len() >= self.settings.subscriptions_per_session {
            return Err(Reason::QuotaExceeded);
        }
        if is_new {
            let (all, asked) = self.subscription_bytes(wanted);
            if all + asked > self.settings.subscription_bytes {
                return Err(Reason::QuotaExceeded);
            }
        }
        self.enter(key, wanted, options, identifier);
        let Some(session) = self.sessions.get_mut(key) else { return Err(Reason::Implementation) };
        session.subscriptions.insert(wanted.clone());
        if session.lasts() {
            let client_id = &session.client_id;
            self.journal.record_for(&mut session.covered_by, || Change::Subscribed {
                client_id: Arc::clone(client_id),
                subscription: KeptSubscription {
                    share: wanted.share.clone(),
                    filter: wanted.filter.clone(),
                    options: options.to_byte(),
                    identifier,
                },
            });
        }
        let replays = match options.retain_handling {
            // Retained messages are for each who asks, and a shared subscription is nobody's own (section 4.8.2).
            _ if wanted.share.is_some() => false,
            RetainHandling::Always => true,
            RetainHandling::WhenNew => is_new,
            RetainHandling::Never => false,
        };
        if let Some(link) = session.link.as_mut().filter(|_| replays) {
            // A client that asks again before its first answer came gets one answer, by its newest options.
            link.replay.forget(&wanted.filter);
            let up_to = self.retained.last_number();
            let entry = Entry { subscriber: Subscriber::Session(key), options, identifier };
            link.replay.waiting.push_back(Wish { filter: wanted.filter.clone(), entry, up_to });
        }
        Ok(options.qos)
    }

    /// Whether the client takes an answer with so many codes.
    fn answer_fits(&self, key: u32, codes: usize) -> bool {
        let link = self.sessions.get(key).and_then(|session| session.link.as_ref());
        link.is_none_or(|link| link.encoder.fits_codes(codes))
    }

    pub(super) fn unsubscribe(&mut self, now: Moment, key: u32, unsubscribe: &Unsubscribe) {
        if !self.answer_fits(key, unsubscribe.filters.len()) {
            return self.reject(now, key, Reason::PacketTooLarge, ANSWER_TOO_LARGE);
        }
        let mark = self.journal.mark();
        let codes: Vec<u8> =
            unsubscribe.filters.iter().map(|filter| self.unsubscribe_one(key, filter.as_ref())).collect();
        let ticket = self.journal.since(mark);
        self.answer(key, ticket, |link, out| link.encoder.unsuback(unsubscribe.packet_id, &codes, out));
    }

    fn unsubscribe_one(&mut self, key: u32, wanted: Result<&Wanted, &Reason>) -> u8 {
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(reason) => return *reason as u8,
        };
        let Some(session) = self.sessions.get_mut(key) else { return Reason::Implementation as u8 };
        if !session.subscriptions.remove(wanted) {
            return NO_SUBSCRIPTION_EXISTED;
        }
        if let Some(link) = session.link.as_mut().filter(|_| wanted.share.is_none()) {
            link.replay.forget(&wanted.filter);
        }
        self.take_out(key, wanted);
        let Some(session) = self.sessions.get_mut(key) else { return Reason::Implementation as u8 };
        if session.lasts() {
            let client_id = &session.client_id;
            self.journal.record_for(&mut session.covered_by, || Change::Unsubscribed {
                client_id: Arc::clone(client_id),
                share: wanted.share.clone(),
                filter: wanted.filter.clone(),
            });
        }
        Reason::Success as u8
    }
}
