//! A look at clients and retained messages, and what people do about them: disconnect one, clear topics.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Moment, TopicFilter, TopicName};

use super::Core;
use super::expiry::expiry_left;
use super::own_topics::is_own;
use super::sessions::{ConnectionId, Session};
use crate::codec::Reason;
use crate::store::Ticket;
use crate::views::{ClientView, ConnectionView, RETAINED_PER_PAGE, RetainedPage};

impl Core {
    /// All clients, ordered by client identifier, each with the number of its connection, by which the edge knows where
    /// it comes from.
    pub(crate) fn client_views(&self, now: Moment) -> Vec<(ClientView, Option<ConnectionId>)> {
        let mut views: Vec<_> = self
            .sessions
            .keys()
            .into_iter()
            .filter_map(|key| self.sessions.get(key))
            .map(|session| (view_of(session, now), session.link.as_ref().map(|link| link.connection)))
            .collect();
        views.sort_by(|(a, _), (b, _)| a.client_id.cmp(&b.client_id));
        views
    }

    /// Closes the connection of a client, as people asked. Its session stays if it outlives connections, and its will is
    /// published. Tells whether there was a connection.
    pub(crate) fn disconnect(&mut self, now: Moment, client_id: &str) -> bool {
        let Some(key) = self.sessions.find(client_id) else { return false };
        if self.sessions.get(key).is_none_or(|session| session.link.is_none()) {
            return false;
        }
        self.close(
            now,
            key,
            Some((Reason::AdministrativeAction, "an administrator closed the connection")),
            true,
        );
        true
    }

    /// The retained messages that match `filter`, from the one that follows `after` in the order of topics.
    pub(crate) fn retained_page(
        &self,
        now: Moment,
        filter: &TopicFilter,
        after: Option<&TopicName>,
    ) -> RetainedPage {
        let mut found = Vec::new();
        self.retained.matching(filter, &mut found);
        found.retain(|one| expiry_left(&one.message, one.received, now).is_ok());
        found.sort_by(|a, b| a.message.topic.as_str().cmp(b.message.topic.as_str()));
        let start = after
            .map_or(0, |after| found.partition_point(|one| one.message.topic.as_str() <= after.as_str()));
        let rest = found.get(start..).unwrap_or_default();
        let messages: Vec<_> =
            rest.iter().take(RETAINED_PER_PAGE).map(|one| Arc::clone(&one.message)).collect();
        let is_cut = rest.len() > messages.len();
        let more_after = messages.last().filter(|_| is_cut).map(|last| last.topic.clone());
        RetainedPage { messages, more_after }
    }

    /// Clears every retained message that matches `filter`, but the broker's own figures. Nobody is sent anything, as
    /// when a message expires. Gives how many there were; the ticket has to be committed before they are gone for good.
    pub(crate) fn clear_retained(&mut self, filter: &TopicFilter) -> (usize, Option<Ticket>) {
        let mark = self.journal.mark();
        let mut found = Vec::new();
        self.retained.matching(filter, &mut found);
        found.retain(|one| !is_own(&one.message.topic));
        for one in &found {
            self.forget_retained(&one.message.topic);
        }
        (found.len(), self.journal.since(mark))
    }
}

fn view_of(session: &Session, now: Moment) -> ClientView {
    let link = session.link.as_ref();
    let heard = link.map(|link| link.last_heard).or(session.left);
    ClientView {
        client_id: Arc::clone(&session.client_id),
        user: Arc::clone(&session.user),
        connection: link.map(|link| ConnectionView {
            peer: None,
            protocol: link.protocol,
            keep_alive_seconds: link.keep_alive,
            connected_for: now.saturating_since(link.opened),
            has_will: link.will.is_some(),
        }),
        last_heard: heard.map(|heard| -> Duration { now.saturating_since(heard) }),
        session_expiry_seconds: session.expiry,
        subscriptions: session.subscriptions.len(),
        in_flight: session.outgoing.in_flight(),
        queued: session.outgoing.waiting(),
        dropped: session.dropped,
    }
}
