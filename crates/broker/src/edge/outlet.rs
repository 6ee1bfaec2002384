//! The hub's end of an in-process subscription, and what is said when its part of the gateway cannot follow.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Message, Moment};

use crate::local_queue::{LocalQueue, Pushed};

/// How long nothing has to be dropped until the trouble is over. It keeps a subscription on the edge of its limit from
/// filling the log.
const CALM: Duration = Duration::from_secs(10);

/// The way to an in-process subscription.
pub(super) struct Outlet {
    part: Arc<str>,
    queue: Arc<LocalQueue>,
    trouble: Option<Trouble>,
}

/// Messages are being dropped.
struct Trouble {
    dropped_before: u64,
    last: Moment,
}

/// A change of state that people have to know of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Began { part: Arc<str> },
    Ended { part: Arc<str>, dropped: u64 },
}

impl Notice {
    pub(super) fn log(&self) {
        match self {
            Self::Began { part } => tracing::warn!(
                %part,
                "a part of the gateway takes its messages too slowly: some are dropped, the newest states are kept"
            ),
            Self::Ended { part, dropped } => {
                tracing::warn!(%part, dropped, "a part of the gateway takes its messages in time again");
            }
        }
    }
}

impl Outlet {
    pub(super) fn new(part: Arc<str>, queue: Arc<LocalQueue>) -> Self {
        Self { part, queue, trouble: None }
    }

    /// Hands a message over, and tells when the first of a row is lost.
    pub(super) fn push(&mut self, now: Moment, message: Message, is_state: bool) -> (Pushed, Option<Notice>) {
        let dropped_before = self.queue.dropped();
        let pushed = self.queue.push(message, is_state);
        if !matches!(pushed, Pushed::Replaced | Pushed::Dropped) {
            return (pushed, None);
        }
        if let Some(trouble) = &mut self.trouble {
            trouble.last = now;
            return (pushed, None);
        }
        self.trouble = Some(Trouble { dropped_before, last: now });
        (pushed, Some(Notice::Began { part: Arc::clone(&self.part) }))
    }

    /// When it is worth asking whether the trouble is over.
    pub(super) fn calms_at(&self) -> Option<Moment> {
        self.trouble.as_ref().map(|trouble| trouble.last + CALM)
    }

    /// Tells that nothing has been lost for a while, once.
    pub(super) fn calmed(&mut self, now: Moment) -> Option<Notice> {
        let trouble = self.trouble.take_if(|trouble| trouble.last + CALM <= now)?;
        let dropped = self.queue.dropped() - trouble.dropped_before;
        Some(Notice::Ended { part: Arc::clone(&self.part), dropped })
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_queue::QueueLimits;
    use gatehouse_model::{Origin, Qos, TopicName};

    #[test]
    fn the_log_hears_of_the_begin_and_the_end_once() {
        let queue = LocalQueue::new(QueueLimits { messages: 1, bytes: 100, held_topics: 1 });
        let mut outlet = Outlet::new("history".into(), Arc::new(queue));
        let at = |seconds| Moment::from_start(Duration::from_secs(seconds));
        let topic = TopicName::new("t").unwrap();
        let message = Message::new(topic, "x", Qos::AtMostOnce, false, Origin::part("test"));
        let push = |outlet: &mut Outlet, seconds| outlet.push(at(seconds), message.clone(), false).1;
        assert_eq!(push(&mut outlet, 1), None);
        assert_eq!(push(&mut outlet, 2), Some(Notice::Began { part: "history".into() }));
        assert_eq!(push(&mut outlet, 9), None);
        assert_eq!(outlet.calms_at(), Some(at(19)));
        assert_eq!(outlet.calmed(at(18)), None);
        assert_eq!(outlet.calmed(at(19)), Some(Notice::Ended { part: "history".into(), dropped: 2 }));
        assert_eq!((outlet.calmed(at(99)), outlet.calms_at()), (None, None));
    }
}
