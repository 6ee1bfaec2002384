//! The wall clock that may lie, and what is done about it. It decides, and does nothing else.
//!
//! A Pi has no clock chip: from its start until its first time synchronisation it shows a time that is years or hours off.
//! What is heard until then is held by the elapsed time, which never steps, and is dated when the clock is set. A clock
//! that is set while the gateway runs is noticed by comparing both.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, Message, Moment, Origin, Timestamp};

/// Nothing was read before 2020-01-01T00:00:00Z: a clock that says so is not set yet.
pub(crate) const EARLIEST: Timestamp = Timestamp::from_millis(1_577_836_800_000);

/// Nothing is read from 2100-01-01T00:00:00Z on: a clock that says so is wrong.
pub(crate) const LATEST: Timestamp = Timestamp::from_millis(4_102_444_800_000);

/// Most messages that are held until the clock is set: three quarters of an hour at 8 a second.
pub(crate) const MAX_HELD_MESSAGES: usize = 20_000;

/// Most bytes of them.
pub(crate) const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;

/// What a held message takes besides its texts, about.
const MESSAGE_BYTES: usize = 200;

/// A difference between the two clocks that is a step. Time services correct less by letting the clock run a little
/// slower or faster (at most 0.5 ms a second), which is looked at more often than it adds up to this.
const STEP: Duration = Duration::from_secs(2);

/// After a step was noticed, messages that were dated just before it may still arrive for this long.
const ECHO: Duration = Duration::from_secs(2);

/// Tells whether somebody vouches for the wall clock: that it was synchronised, or that there is a clock chip.
#[derive(Clone)]
pub struct ClockTrust(Arc<dyn Fn() -> bool + Send + Sync>);

impl ClockTrust {
    /// Asks this until it says yes. It must not block.
    pub fn new(is_trusted: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_trusted))
    }

    /// Trusts every clock that shows a time between 2020 and 2100.
    pub fn any() -> Self {
        Self::new(|| true)
    }
}

impl fmt::Debug for ClockTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClockTrust").field(&(self.0)()).finish()
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) wall: Timestamp,
    pub(crate) moment: Moment,
}

impl Look {
    pub(crate) fn at(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), moment: clock.moment() }
    }

    /// How far the wall clock is ahead of the elapsed time, in milliseconds.
    fn offset(self) -> i64 {
        self.wall.as_millis().saturating_sub(millis(self.moment.since_start()))
    }

    fn is_plausible(self) -> bool {
        self.wall >= EARLIEST && self.wall < LATEST
    }

    /// What the wall clock would have shown at `earlier`, had it been right then as it is now.
    pub(crate) fn wall_at(self, earlier: Moment) -> Timestamp {
        let ago = self.moment.saturating_since(earlier);
        Timestamp::from_millis(self.wall.as_millis().saturating_sub(millis(ago)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How a message is dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dating {
    /// When it was received.
    pub(crate) received: Timestamp,
    /// What is added to the times that the gateway's own parts wrote into it, in milliseconds.
    pub(crate) shift: i64,
}

impl Dating {
    /// Of a message that was received just now, by a clock that is right.
    #[cfg(test)]
    pub(crate) const fn right(received: Timestamp) -> Self {
        Self { received, shift: 0 }
    }

    /// The time of `message`, which says `said` of it. The gateway's own parts read the same clock as this room, so their
    /// times are wrong by as much; others have clocks of their own. What is retained was dated long ago.
    pub(crate) fn time_of(self, message: &Message, said: Option<Timestamp>) -> Timestamp {
        let Some(said) = said else { return self.received };
        let is_ours = matches!(message.origin, Origin::Part { .. } | Origin::FailSafe { .. });
        if message.retain || !is_ours {
            return said;
        }
        Timestamp::from_millis(said.as_millis().saturating_add(self.shift))
    }
}

/// What a look at the clocks shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The clock is believed from now on: what is held can be dated.
    Set {
        /// Whether somebody vouches for it; else it is believed because nobody did for long.
        vouched: bool,
        /// How long that took.
        waited: Duration,
    },
    /// It shows a time that cannot be: from now on messages are held again.
    Lost,
    /// It was set by so many milliseconds.
    Stepped(i64),
}

/// A message with the clocks of its arrival.
#[derive(Debug)]
pub(crate) struct HeldMessage {
    pub(crate) message: Message,
    pub(crate) look: Look,
}

#[derive(Clone, Copy, Debug)]
enum Belief {
    /// Not believed since.
    Waiting(Moment),
    /// Believed; the offset at the last look.
    Believed(i64),
}

/// What is known of the clock, and what is held until it is set.
#[derive(Debug)]
pub(crate) struct Clocks {
    trust: ClockTrust,
    /// How long a clock that shows a possible time is held for wrong, while nobody vouches for it.
    patience: Duration,
    belief: Belief,
    /// The last step, and when it was noticed.
    step: Option<(i64, Moment)>,
    held: VecDeque<HeldMessage>,
    held_bytes: usize,
}

impl Clocks {
    pub(crate) fn new(trust: ClockTrust, patience: Duration, now: Moment) -> Self {
        Self {
            trust,
            patience,
            belief: Belief::Waiting(now),
            step: None,
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// Whether messages are held.
    pub(crate) const fn is_waiting(&self) -> bool {
        matches!(self.belief, Belief::Waiting(_))
    }

    /// Looks at both clocks, and says what is new.
    pub(crate) fn look(&mut self, look: Look) -> Option<Turn> {
        match self.belief {
            Belief::Waiting(since) => {
                let waited = look.moment.saturating_since(since);
                if !look.is_plausible() {
                    return None;
                }
                let vouched = (self.trust.0)();
                if !vouched && waited < self.patience {
                    return None;
                }
                self.belief = Belief::Believed(look.offset());
                self.step = None;
                Some(Turn::Set { vouched, waited })
            }
            Belief::Believed(_) if !look.is_plausible() => {
                self.belief = Belief::Waiting(look.moment);
                Some(Turn::Lost)
            }
            Belief::Believed(before) => {
                let step = look.offset().saturating_sub(before);
                self.belief = Belief::Believed(look.offset());
                if step.unsigned_abs() < STEP.as_millis().try_into().unwrap_or(u64::MAX) {
                    return None;
                }
                self.step = Some((step, look.moment));
                Some(Turn::Stepped(step))
            }
        }
    }

    /// How a message that arrived at `look` is dated.
    pub(crate) fn dating(&self, message: &Message, said: Option<Timestamp>, look: Look) -> Dating {
        let mut dating = Dating { received: look.wall, shift: 0 };
        let Some((step, noticed)) = self.step else { return dating };
        if look.moment.saturating_since(noticed) > ECHO {
            return dating;
        }
        // It may have been dated before the step that was noticed since: then it fits better with the step added.
        let shifted = Dating { shift: step, ..dating }.time_of(message, said);
        let plain = dating.time_of(message, said);
        let distance = |time: Timestamp| time.as_millis().abs_diff(look.wall.as_millis());
        if distance(shifted) < distance(plain) {
            dating.shift = step;
        }
        dating
    }

    /// Holds a message until the clock is set. Gives how many had to go for it: the oldest.
    pub(crate) fn hold(&mut self, message: Message, look: Look) -> u64 {
        self.held_bytes += bytes_of(&message);
        self.held.push_back(HeldMessage { message, look });
        let mut dropped = 0;
        while self.held.len() > MAX_HELD_MESSAGES || self.held_bytes > MAX_HELD_BYTES {
            let Some(oldest) = self.held.pop_front() else { break };
            self.held_bytes -= bytes_of(&oldest.message);
            dropped += 1;
        }
        dropped
    }

    /// Gives what is held, oldest first, once the clock is set.
    pub(crate) fn release(&mut self) -> VecDeque<HeldMessage> {
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }

    /// How many are held.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }
}

impl HeldMessage {
    /// How a message that arrived at `then` is dated by a clock that is right `now`.
    pub(crate) fn dating(then: Look, now: Look) -> Dating {
        let received = now.wall_at(then.moment);
        Dating { received, shift: received.as_millis().saturating_sub(then.wall.as_millis()) }
    }
}

fn bytes_of(message: &Message) -> usize {
    let user: usize = message.properties.user.iter().map(|(name, value)| name.len() + value.len()).sum();
    MESSAGE_BYTES + message.topic.as_str().len() + message.payload.len() + user
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    use gatehouse_model::{Qos, TopicName};

    /// 2026-11-21T09:14:00Z.
    const NOW: i64 = 1_795_252_440_000;
    const HOUR: i64 = 3_600_000;

    fn look(wall: i64, seconds: u64) -> Look {
        Look { wall: Timestamp::from_millis(wall), moment: Moment::from_start(Duration::from_secs(seconds)) }
    }

    fn message(origin: Origin, retain: bool) -> Message {
        Message::new(TopicName::new("home/a/b").unwrap(), "1", Qos::AtMostOnce, retain, origin)
    }

    fn client() -> Origin {
        Origin::Client { client_id: "c".into(), user: "u".into() }
    }

    fn clocks(trust: ClockTrust) -> Clocks {
        Clocks::new(trust, Duration::from_secs(300), Moment::default())
    }

    #[test]
    fn a_clock_is_believed_when_somebody_vouches_for_it_and_it_shows_a_possible_time() {
        let vouched = Arc::new(AtomicBool::new(false));
        let asked = vouched.clone();
        let mut clocks = clocks(ClockTrust::new(move || asked.load(Ordering::Relaxed)));
        assert_eq!(clocks.look(look(0, 1)), None);
        assert_eq!(
            clocks.look(look(NOW - HOUR, 2)),
            None,
            "a possible time, and nobody says that it is right"
        );
        vouched.store(true, Ordering::Relaxed);
        for impossible in [0, EARLIEST.as_millis() - 1, LATEST.as_millis(), i64::MAX, i64::MIN] {
            assert_eq!(clocks.look(look(impossible, 3)), None, "{impossible}");
        }
        let set = Turn::Set { vouched: true, waited: Duration::from_secs(4) };
        assert_eq!((clocks.look(look(NOW, 4)), clocks.is_waiting()), (Some(set), false));
        assert_eq!(clocks.look(look(NOW + 1_000, 5)), None);
        assert_eq!((clocks.look(look(4_733_510_400_000, 6)), clocks.is_waiting()), (Some(Turn::Lost), true));
        let again = Turn::Set { vouched: true, waited: Duration::from_secs(1) };
        assert_eq!(clocks.look(look(NOW + 3_000, 7)), Some(again));
    }

    /// A house without a time server is recorded too.
    #[test]
    fn patience_has_an_end_for_a_possible_time_and_not_for_an_impossible_one() {
        let mut clocks = clocks(ClockTrust::new(|| false));
        assert_eq!(clocks.look(look(NOW, 299)), None);
        assert_eq!(clocks.look(look(0, 100_000)), None);
        let set = Turn::Set { vouched: false, waited: Duration::from_secs(100_001) };
        assert_eq!(clocks.look(look(NOW, 100_001)), Some(set));
    }

    #[test]
    fn steps_are_told_and_slow_corrections_are_not() {
        let mut clocks = clocks(ClockTrust::any());
        clocks.look(look(NOW, 0));
        assert_eq!(clocks.look(look(NOW + 1_000 + 2 * HOUR, 1)), Some(Turn::Stepped(2 * HOUR)));
        assert_eq!(clocks.look(look(NOW + 2_000 + 2 * HOUR, 2)), None);
        assert_eq!(clocks.look(look(NOW + 3_000, 3)), Some(Turn::Stepped(-2 * HOUR)));
        for n in 1..100 {
            assert_eq!(clocks.look(look(NOW + 3_000 + n * 1_500, 3 + n.unsigned_abs())), None, "{n}");
        }
    }

    /// The gateway's clock showed 1970, and then 2026; a client had a clock of its own.
    #[test]
    fn what_was_held_is_dated_by_the_elapsed_time() {
        let mut clocks = clocks(ClockTrust::any());
        let said = Some(Timestamp::from_millis(9_500));
        clocks.hold(message(Origin::part("bridge"), false), look(10_000, 10));
        clocks.hold(message(client(), false), look(20_000, 20));
        clocks.hold(message(Origin::part("bridge"), true), look(30_000, 30));
        let now = look(NOW, 100);
        assert!(clocks.look(now).is_some());
        let held = clocks.release();
        let time = |n: usize, said| {
            HeldMessage::dating(held[n].look, now).time_of(&held[n].message, said).as_millis()
        };
        assert_eq!(time(0, said), NOW - 90_000 - 500, "its own time, shifted as the clock was");
        assert_eq!(time(0, None), NOW - 90_000);
        assert_eq!(time(1, None), NOW - 80_000);
        assert_eq!(time(1, Some(Timestamp::from_millis(NOW - 3))), NOW - 3, "a client's clock is its own");
        assert_eq!(time(2, Some(Timestamp::from_millis(NOW - HOUR))), NOW - HOUR, "of an earlier run");
        assert_eq!(clocks.held(), 0);
    }

    #[test]
    fn what_is_held_is_bounded_by_number_and_by_size() {
        let mut clocks = clocks(ClockTrust::new(|| false));
        let dropped: u64 = (0..MAX_HELD_MESSAGES as u64 + 5)
            .map(|n| clocks.hold(message(client(), false), look(0, n)))
            .sum();
        assert_eq!((dropped, clocks.held()), (5, MAX_HELD_MESSAGES));
        assert_eq!(clocks.release()[0].look.moment, Moment::from_start(Duration::from_secs(5)));
        let mut large = message(client(), false);
        large.payload = vec![b'x'; MAX_HELD_BYTES / 4].into();
        let dropped: u64 = (0..10).map(|n| clocks.hold(large.clone(), look(0, n))).sum();
        assert_eq!((dropped, clocks.held()), (7, 3));
    }

    /// The bridge dates a reading, the clock is set, and then the recorder gets it.
    #[test]
    fn a_message_that_was_under_way_during_a_step_is_dated_by_the_new_clock() {
        let mut clocks = clocks(ClockTrust::any());
        clocks.look(look(NOW, 0));
        let dated = Timestamp::from_millis(NOW + 990);
        let before = Some(dated);
        for step in [2 * HOUR, -2 * HOUR] {
            let mut clocks = Clocks::new(ClockTrust::any(), Duration::ZERO, Moment::default());
            clocks.look(look(NOW, 0));
            let after = look(NOW + 1_000 + step, 1);
            assert_eq!(clocks.look(after), Some(Turn::Stepped(step)));
            let ours = message(Origin::part("bridge"), false);
            let time = |said| clocks.dating(&ours, said, after).time_of(&ours, said).as_millis();
            assert_eq!(time(before), NOW + 990 + step);
            assert_eq!(time(Some(Timestamp::from_millis(NOW + 995 + step))), NOW + 995 + step);
            let theirs = message(client(), false);
            assert_eq!(clocks.dating(&theirs, before, after).time_of(&theirs, before), dated);
            let late = look(NOW + 4_000 + step, 4);
            assert_eq!(
                clocks.dating(&ours, before, late).shift,
                0,
                "a reading of three seconds ago is just old"
            );
        }
    }
}
