//! The queue between the hub and one in-process subscription: bounded, and at its limit the newest states survive.
//!
//! Architecture invariant: messages of one topic come out in the order in which they went in. While states are held
//! aside the queue proper is full, so that nothing can overtake them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use gatehouse_model::{Message, TopicName};

use crate::core::{LocalGauge, message_bytes};

/// Messages that are taken out in one go before other tasks get their turn. A subscriber of a busy house finds its
/// queue never empty, and would otherwise keep its thread to itself.
const MESSAGES_PER_TURN: u32 = 128;

/// What a queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueLimits {
    /// Messages in the queue proper.
    pub(crate) messages: usize,
    /// Bytes in the queue proper, and again in the states that are held aside.
    pub(crate) bytes: usize,
    /// Topics whose newest state is held aside.
    pub(crate) held_topics: usize,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It will be taken out.
    Taken,
    /// It will be taken out when there is room, and an older state of its topic will not.
    Replaced,
    /// There is no room.
    Dropped,
    /// The subscription is gone.
    Abandoned,
}

/// Shared by the hub, which puts in and never waits, and the subscription, which takes out.
#[derive(Debug)]
pub(crate) struct LocalQueue {
    limits: QueueLimits,
    /// Whether messages keep the flag with which they were published.
    as_published: bool,
    state: Mutex<State>,
    waker: AtomicWaker,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    taken: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    live: VecDeque<Message>,
    live_bytes: usize,
    /// The newest state of topics that found the queue full, and the topics in the order in which they did.
    held: HashMap<TopicName, Message>,
    held_order: VecDeque<TopicName>,
    held_bytes: usize,
    closed: bool,
    abandoned: bool,
    this_turn: u32,
}

impl State {
    fn has_room(&self, size: usize, limits: QueueLimits) -> bool {
        self.live.is_empty()
            || self.live.len() < limits.messages && self.live_bytes.saturating_add(size) <= limits.bytes
    }

    fn append(&mut self, message: Message) {
        self.live_bytes += message_bytes(&message);
        self.live.push_back(message);
    }

    /// Keeps a state for later, in the place of the one that its topic had there.
    fn hold(&mut self, message: Message, limits: QueueLimits) -> Pushed {
        let size = message_bytes(&message);
        let former = self.held.get(&message.topic).map(message_bytes);
        let bytes = self.held_bytes - former.unwrap_or(0) + size;
        if former.is_none() && (self.held.len() >= limits.held_topics || bytes > limits.bytes) {
            return Pushed::Dropped;
        }
        if bytes > limits.bytes {
            // A new state that has no room leaves no former one behind, which would be taken for the truth.
            self.held_bytes -= former.unwrap_or(0);
            self.held.remove(&message.topic);
            self.held_order.retain(|topic| *topic != message.topic);
            return Pushed::Dropped;
        }
        self.held_bytes = bytes;
        if former.is_none() {
            self.held_order.push_back(message.topic.clone());
        }
        match self.held.insert(message.topic.clone(), message) {
            Some(_) => Pushed::Replaced,
            None => Pushed::Taken,
        }
    }

    /// Moves states that were held aside to where there is room now.
    fn refill(&mut self, limits: QueueLimits) {
        while let Some(size) =
            self.held_order.front().and_then(|topic| self.held.get(topic)).map(message_bytes)
            && self.has_room(size, limits)
        {
            let Some(message) = self.held_order.pop_front().and_then(|topic| self.held.remove(&topic)) else {
                return;
            };
            self.held_bytes -= size;
            self.append(message);
        }
        if self.held.is_empty() && self.held.capacity() > 0 {
            (self.held, self.held_order) = Default::default();
        }
    }
}

impl LocalQueue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self {
            limits: QueueLimits { messages: limits.messages.max(1), ..limits },
            as_published: false,
            state: Mutex::default(),
            waker: AtomicWaker::new(),
            waiting: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// The same queue, whose messages say whether they were published to be retained.
    pub(crate) fn keeping_flags(self) -> Self {
        Self { as_published: true, ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_fill(&self, state: &State) {
        self.waiting.store(state.live.len(), Ordering::Relaxed);
        self.waiting_bytes.store(state.live_bytes, Ordering::Relaxed);
    }

    /// Puts a message in. `is_state` tells that it is the newest state of its topic (it was published to be retained):
    /// such a message is not lost when the queue is full, but takes the place of an older state.
    pub(crate) fn push(&self, mut message: Message, is_state: bool) -> Pushed {
        message.retain = is_state && self.as_published;
        let mut state = self.state();
        if state.abandoned {
            return Pushed::Abandoned;
        }
        let pushed = if state.held.is_empty() && state.has_room(message_bytes(&message), self.limits) {
            state.append(message);
            Pushed::Taken
        } else if is_state {
            state.hold(message, self.limits)
        } else {
            Pushed::Dropped
        };
        self.note_fill(&state);
        drop(state);
        if matches!(pushed, Pushed::Replaced | Pushed::Dropped) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.waker.wake();
        pushed
    }

    /// The next message, or nothing when the queue is closed and empty.
    pub(crate) fn poll_pop(&self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        // Registered before the look, so that what is put in meanwhile wakes this task.
        self.waker.register(context.waker());
        let mut state = self.state();
        if state.this_turn >= MESSAGES_PER_TURN {
            state.this_turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(message) = state.live.pop_front() else {
            state.this_turn = 0;
            return if state.closed { Poll::Ready(None) } else { Poll::Pending };
        };
        state.this_turn += 1;
        state.live_bytes -= message_bytes(&message);
        state.refill(self.limits);
        self.note_fill(&state);
        drop(state);
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(message))
    }

    /// Nothing will be put in any more.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.waker.wake();
    }

    /// Nobody will take anything out any more.
    pub(crate) fn abandon(&self) {
        *self.state() = State { abandoned: true, ..State::default() };
    }

    /// How many messages were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl LocalGauge for LocalQueue {
    fn waiting(&self) -> (usize, usize) {
        (self.waiting.load(Ordering::Relaxed), self.waiting_bytes.load(Ordering::Relaxed))
    }

    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use gatehouse_model::{Origin, Qos};
    use proptest::prelude::*;
    use std::future::poll_fn;

    const LIMITS: QueueLimits = QueueLimits { messages: 3, bytes: 10_000, held_topics: 2 };

    fn message(topic: &str, payload: &str) -> Message {
        let topic = TopicName::new(topic).unwrap();
        Message::new(topic, payload.to_owned(), Qos::AtMostOnce, false, Origin::part("test"))
    }

    fn pop(queue: &LocalQueue) -> Option<(String, String)> {
        // Once more when the first look gave the turn away.
        let popped = (0..2).find_map(|_| poll_fn(|context| queue.poll_pop(context)).now_or_never());
        popped.flatten().map(|message| {
            (message.topic.as_str().to_owned(), String::from_utf8(message.payload.to_vec()).unwrap())
        })
    }

    /// Three clients flooded the topic of a battery, and the page showed a switch as on for good that had long been
    /// switched off: the one message that said so was among those that were dropped.
    #[test]
    fn a_flood_does_not_lose_the_newest_state_of_any_topic() {
        let queue = LocalQueue::new(LIMITS);
        for number in 0..5 {
            queue.push(message("battery", &number.to_string()), false);
        }
        assert_eq!(queue.dropped(), 2);
        assert_eq!(queue.push(message("switch", "ON"), true), Pushed::Taken);
        assert_eq!(queue.push(message("switch", "OFF"), true), Pushed::Replaced);
        assert_eq!(queue.push(message("lamp", "ON"), true), Pushed::Taken);
        assert_eq!(queue.push(message("third", "ON"), true), Pushed::Dropped);
        assert_eq!(queue.push(message("switch", "pressed"), false), Pushed::Dropped);
        assert_eq!(queue.dropped(), 5);
        let mut seen = Vec::new();
        while let Some(one) = pop(&queue) {
            seen.push(one);
        }
        let expected =
            [("battery", "0"), ("battery", "1"), ("battery", "2"), ("switch", "OFF"), ("lamp", "ON")];
        assert_eq!(seen, expected.map(|(topic, payload)| (topic.to_owned(), payload.to_owned())));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = LocalQueue::new(QueueLimits { messages: 100, bytes: 210, held_topics: 100 });
        assert_eq!(queue.push(message("a", &"x".repeat(50)), false), Pushed::Taken, "one always fits");
        assert_eq!(queue.push(message("b", "12345"), true), Pushed::Taken);
        assert_eq!(queue.push(message("c", "12345"), true), Pushed::Dropped);
        assert_eq!(queue.push(message("b", &"x".repeat(50)), true), Pushed::Dropped);
        assert!(pop(&queue).is_some() && pop(&queue).is_none());
        assert_eq!(queue.waiting(), (0, 0));
    }

    #[test]
    fn a_busy_queue_gives_other_tasks_their_turn() {
        let queue = LocalQueue::new(QueueLimits { messages: 1_000, bytes: 1_000_000, ..LIMITS });
        for _ in 0..=MESSAGES_PER_TURN {
            queue.push(message("t", "x"), false);
        }
        let next = || poll_fn(|context| queue.poll_pop(context)).now_or_never();
        assert!((0..MESSAGES_PER_TURN).all(|_| next().is_some()));
        assert!(next().is_none() && next().is_some());
    }

    #[test]
    fn ends() {
        let queue = LocalQueue::new(LIMITS);
        queue.push(message("t", "x"), false);
        queue.close();
        assert!(pop(&queue).is_some());
        assert_eq!(poll_fn(|context| queue.poll_pop(context)).now_or_never(), Some(None));
        queue.abandon();
        assert_eq!(queue.push(message("t", "x"), true), Pushed::Abandoned);
    }

    proptest! {
        /// Whatever comes in and goes out: messages of a topic keep their order, and the last state of each is seen.
        #[test]
        fn states_arrive_in_order(steps in proptest::collection::vec((0usize..4, 0u8..3), 0..200)) {
            let queue = LocalQueue::new(QueueLimits { messages: 3, bytes: 100_000, held_topics: 4 });
            let topics = ["a", "b", "c", "d"];
            let mut last_state: HashMap<&str, usize> = HashMap::new();
            let mut seen: HashMap<String, Vec<usize>> = HashMap::new();
            let mut take = |queue: &LocalQueue| {
                pop(queue).map(|(topic, payload)| seen.entry(topic).or_default().push(payload.parse().unwrap()))
            };
            for (number, (topic, kind)) in steps.into_iter().enumerate() {
                if kind == 2 {
                    take(&queue);
                    continue;
                }
                queue.push(message(topics[topic], &number.to_string()), kind == 1);
                if kind == 1 {
                    last_state.insert(topics[topic], number);
                }
            }
            while take(&queue).is_some() {}
            for (topic, numbers) in &seen {
                prop_assert!(numbers.is_sorted(), "{topic}: {numbers:?}");
            }
            for (topic, number) in last_state {
                prop_assert!(seen[topic].contains(&number));
            }
        }
    }
}
