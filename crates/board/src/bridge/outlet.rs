//! The way out: messages wait here for the outbox, so that nobody who publishes ever waits.
//!
//! An output must meet its deadlines while the broker is busy. So publishing only puts a message into a bounded queue,
//! and one task carries the queue to the outbox. While the outbox is full, a newer measurement takes the place of the
//! one of the same topic that still waits; states wait in their order, each of them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatehouse_model::Message;
use tokio::sync::{Notify, mpsc};

use super::live::{Questions, answering};

/// Most states and answers that wait in their order. It takes a broker that has not moved for minutes to fill it; beyond
/// it the newest state of each topic is kept, older ones of the same topic are merged into it and counted.
pub(super) const MAX_WAITING: usize = 2_048;

/// What may happen to a message while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A newer one of the same topic replaces it.
    Measurement,
    /// It is kept, with its place in the order.
    State,
    /// It is kept, unless there are too many.
    Answer,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Kind, Message)>,
    is_closed: bool,
    is_over_limit: bool,
    losses: Losses,
}

/// What was lost at [`MAX_WAITING`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// States that a later state of the same topic replaced before anybody saw them.
    pub(super) merged_states: u64,
    /// Answers to commands that were dropped.
    pub(super) dropped_answers: u64,
}

/// The queue before the outbox.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    queue: Mutex<Queue>,
    /// Wakes the one task that delivers.
    changed: Notify,
}

/// The receiver of messages went away.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutboxClosed;

impl Outlet {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes something of which only the newest matters.
    pub(super) fn measurement(&self, message: Message) {
        self.put(Kind::Measurement, message);
    }

    /// Publishes a state.
    pub(super) fn state(&self, message: Message) {
        self.put(Kind::State, message);
    }

    /// Publishes the answer to a command.
    pub(super) fn answer(&self, message: Message) {
        self.put(Kind::Answer, message);
    }

    fn put(&self, kind: Kind, message: Message) {
        let mut queue = self.queue();
        let is_full = queue.waiting.len() >= MAX_WAITING;
        if is_full && !queue.is_over_limit {
            tracing::warn!(
                "nobody takes the bridge's messages: {MAX_WAITING} wait, older ones are merged now"
            );
        }
        queue.is_over_limit |= is_full;
        if kind == Kind::Answer && is_full {
            queue.losses.dropped_answers += 1;
            return;
        }
        let replaces = kind == Kind::Measurement || (kind == Kind::State && is_full);
        let older =
            |(other, waiting): &&mut (Kind, Message)| *other == kind && waiting.topic == message.topic;
        // Topics of states and measurements are those of the inventory, so without a match the queue grows by at most
        // one message a topic beyond its limit.
        match queue.waiting.iter_mut().rev().find(older).filter(|_| replaces) {
            Some((_, waiting)) => {
                *waiting = message;
                queue.losses.merged_states += u64::from(kind == Kind::State);
            }
            None => queue.waiting.push_back((kind, message)),
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// Nothing more will be published; [`Outlet::deliver`] ends once everything is delivered.
    pub(super) fn close(&self) {
        self.queue().is_closed = true;
        self.changed.notify_one();
    }

    /// What was lost so far.
    pub(super) fn losses(&self) -> Losses {
        self.queue().losses
    }

    /// How many messages wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Carries messages to the outbox until the outlet is closed and empty, and answers that it does. One task does this.
    pub(super) async fn deliver(
        &self,
        outbox: mpsc::Sender<Message>,
        questions: &mut Questions,
    ) -> Result<(), OutboxClosed> {
        loop {
            let (is_empty, is_closed) = {
                let queue = self.queue();
                (queue.waiting.is_empty(), queue.is_closed)
            };
            if !is_empty {
                // The place is reserved first, so that what waits can still be replaced by something newer.
                // While a slow card holds the broker up there is no place, and this lives all the same.
                let permit = answering(questions, outbox.reserve()).await.map_err(|_| OutboxClosed)?;
                if let Some((_, message)) = self.take() {
                    permit.send(message);
                }
            } else if is_closed {
                return Ok(());
            } else {
                tokio::select! {
                    () = self.changed.notified() => {}
                    Some(question) = questions.recv() => {
                        // Whoever asked may have given up.
                        let _ = question.send(());
                    }
                    () = outbox.closed() => return Err(OutboxClosed),
                }
            }
        }
    }

    fn take(&self) -> Option<(Kind, Message)> {
        let mut queue = self.queue();
        let next = queue.waiting.pop_front();
        if queue.is_over_limit && queue.waiting.is_empty() {
            queue.is_over_limit = false;
            let Losses { merged_states, dropped_answers } = queue.losses;
            tracing::info!(merged_states, dropped_answers, "the bridge's messages are taken again");
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{Origin, Qos, TopicName};
    use std::sync::Arc;
    use tokio::sync::oneshot;

    fn nobody_asks() -> Questions {
        mpsc::channel(1).1
    }

    fn message(topic: &str, payload: &str) -> Message {
        let topic = TopicName::new(topic).unwrap();
        Message::new(topic, payload.to_owned(), Qos::AtMostOnce, true, Origin::part("bridge"))
    }

    async fn delivered(outlet: &Outlet) -> Vec<String> {
        let (outbox, mut inbox) = mpsc::channel(MAX_WAITING * 2);
        outlet.close();
        outlet.deliver(outbox, &mut nobody_asks()).await.unwrap();
        let mut messages = Vec::new();
        while let Some(message) = inbox.recv().await {
            messages.push(format!("{}={}", message.topic, String::from_utf8_lossy(&message.payload)));
        }
        messages
    }

    #[tokio::test]
    async fn the_newest_measurement_wins_and_every_state_is_kept() {
        let outlet = Outlet::default();
        outlet.measurement(message("t", "20"));
        outlet.state(message("s", "ON"));
        outlet.measurement(message("t", "21"));
        outlet.state(message("s", "OFF"));
        assert_eq!(delivered(&outlet).await, ["t=21", "s=ON", "s=OFF"]);
        assert_eq!(outlet.losses(), Losses::default());
    }

    #[tokio::test]
    async fn beyond_the_limit_the_last_state_of_each_topic_is_kept_and_the_rest_counted() {
        let outlet = Outlet::default();
        for number in 0..MAX_WAITING + 10 {
            outlet.state(message("s", &number.to_string()));
        }
        outlet.state(message("other", "ON"));
        outlet.answer(message("answer", "{}"));
        assert_eq!(outlet.losses(), Losses { merged_states: 10, dropped_answers: 1 });
        let messages = delivered(&outlet).await;
        assert_eq!(messages.len(), MAX_WAITING + 1);
        assert_eq!(messages[MAX_WAITING - 1], format!("s={}", MAX_WAITING + 9));
        assert_eq!(messages[MAX_WAITING], "other=ON");
    }

    #[tokio::test]
    async fn a_receiver_that_goes_away_is_noticed_without_a_message() {
        let outlet = Arc::new(Outlet::default());
        let (outbox, inbox) = mpsc::channel(1);
        let delivering = tokio::spawn({
            let outlet = outlet.clone();
            async move { outlet.deliver(outbox, &mut nobody_asks()).await }
        });
        drop(inbox);
        assert_eq!(delivering.await.unwrap(), Err(OutboxClosed));
    }

    /// A card that tidies up holds the broker up, and with it the outbox: the gateway is not ended for that.
    #[tokio::test]
    async fn it_answers_that_it_lives_also_while_nobody_takes_a_message() {
        let outlet = Outlet::default();
        for message in [message("s", "ON"), message("s", "OFF")] {
            outlet.state(message);
        }
        let (outbox, _inbox) = mpsc::channel(1);
        let (ask, mut questions) = mpsc::channel(1);
        let delivering = outlet.deliver(outbox, &mut questions);
        let asking = async {
            for _ in 0..2 {
                let (answer, answered) = oneshot::channel();
                ask.send(answer).await.unwrap();
                answered.await.unwrap();
            }
        };
        tokio::select! {
            _ = delivering => panic!("nobody took the second message"),
            () = asking => {}
        }
        assert_eq!(outlet.waiting(), 1);
    }
}
