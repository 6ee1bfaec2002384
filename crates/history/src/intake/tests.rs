//! What is recorded, what is dropped, and what silence looks like.

use super::*;
use gatehouse_model::{Cause, Origin, PropertyId, Qos, Reading, Scheme, TopicName};

use std::ops::{Deref, DerefMut};

use crate::sources::Sources;

const NOW: Timestamp = Timestamp::from_millis(1_795_252_440_000);

/// An intake with what tells it values.
struct Taking {
    intake: Intake,
    sources: Sources,
}

impl Taking {
    /// Takes the one value that a message says.
    fn take(&mut self, message: &Message, now: Timestamp) -> Verdict {
        self.all(message, now).pop().unwrap()
    }

    fn all(&mut self, message: &Message, now: Timestamp) -> Vec<Verdict> {
        let seen = self.sources.observations(message).into_iter();
        seen.map(|one| self.intake.take(one, message, Dating::right(now))).collect()
    }

    /// What waits, as times from [`NOW`] on, values, and whether it is silence.
    fn waiting(&self) -> Vec<(i64, f64, bool)> {
        let row = |sample: &Sample| (sample.at - NOW.as_millis(), sample.value, sample.is_silence());
        self.intake.waiting.iter().map(row).collect()
    }
}

impl Deref for Taking {
    type Target = Intake;
    fn deref(&self) -> &Intake {
        &self.intake
    }
}

impl DerefMut for Taking {
    fn deref_mut(&mut self) -> &mut Intake {
        &mut self.intake
    }
}

fn intake(limit: usize) -> Taking {
    let sources = Sources::new(Scheme::new("casa").unwrap(), Vec::new());
    Taking { intake: Intake::new(limit), sources }
}

fn after(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

fn reading(value: Value, at: Timestamp) -> Reading {
    Reading {
        device: DeviceId::new("kitchen").unwrap(),
        property: PropertyId::new("temperature").unwrap(),
        value,
        quality: Quality::Ok,
        at,
        cause: None,
    }
}

fn live(reading: &Reading) -> Message {
    let mut message = Message::of_reading(&Scheme::new("casa").unwrap(), reading, Origin::part("bridge"));
    message.retain = false;
    message
}

fn number(at: i64) -> Message {
    live(&reading(Value::Number(21.5), after(at)))
}

const TAKEN: Verdict = Verdict::Taken { state: false, dropped: 0 };

#[test]
fn numbers_switches_and_texts_are_taken_and_the_gateways_own_words_are_not() {
    let mut intake = intake(10);
    assert_eq!(intake.take(&number(0), NOW), TAKEN);
    assert_eq!(intake.take(&live(&reading(Value::Switch(true), after(1))), NOW), TAKEN);
    assert_eq!(intake.take(&live(&reading(Value::Text("open".into()), after(2))), NOW), TAKEN);
    let topic = TopicName::new("casa/status").unwrap();
    let status = Message::new(topic, "online", Qos::AtLeastOnce, false, Origin::part("x"));
    assert!(intake.all(&status, NOW).is_empty());
    // A property that says a word is no number any more: that has a series of its own.
    assert_eq!(intake.waiting(), [(0, 21.5, false), (1, 1.0, false), (2, 0.0, false), (2, 1.0, true)]);
    let batch = intake.batch(0, 0);
    let names: Vec<String> =
        batch.new_series.iter().map(|series| format!("{} {}", series.name, series.kind)).collect();
    assert_eq!(names, ["kitchen/temperature number", "kitchen/temperature text"]);
    assert_eq!((&*batch.new_texts[0], intake.text(&batch.samples[2]).as_deref()), ("open", Some("open")));
}

#[test]
fn a_state_change_is_urgent_but_its_replay_is_not() {
    let mut state = reading(Value::Switch(true), NOW);
    state.cause = Some(Cause::direct(Origin::Page { user: "ana".into() }));
    let mut message = live(&state);
    let mut intake = intake(10);
    assert_eq!(intake.take(&message, NOW), Verdict::Taken { state: true, dropped: 0 });
    message.retain = true;
    assert_eq!(intake.take(&message, NOW), TAKEN);
}

#[test]
fn a_clock_that_is_not_set_writes_nothing() {
    let mut intake = intake(10);
    let day = 86_400_000;
    let epoch = live(&reading(Value::Number(1.0), Timestamp::from_millis(0)));
    assert_eq!(intake.take(&epoch, NOW), Verdict::WrongTime);
    assert_eq!(intake.take(&number(day + 1), NOW), Verdict::WrongTime);
    assert_eq!(intake.take(&number(day), NOW), TAKEN);
    let extreme = live(&reading(Value::Number(1.0), Timestamp::from_millis(253_402_207_200_999)));
    assert_eq!(intake.take(&extreme, Timestamp::from_millis(i64::MIN)), Verdict::WrongTime);
}

#[test]
fn a_replay_without_a_time_is_not_taken_as_read_now() {
    let mut message = number(0);
    message.retain = true;
    let mut intake = intake(10);
    assert_eq!(intake.take(&message, NOW), TAKEN);
    message.properties.user.clear();
    assert_eq!(intake.take(&message, NOW), Verdict::UnknownTime);
    message.retain = false;
    assert_eq!(intake.take(&message, NOW), TAKEN);
}

#[test]
fn a_full_buffer_keeps_the_newest_also_when_a_batch_comes_back() {
    let mut intake = intake(3);
    for at in 0..3 {
        assert_eq!(intake.take(&number(at), NOW), TAKEN);
    }
    let full = |dropped| Verdict::Taken { state: false, dropped };
    // The oldest became a mark of silence, and the one behind it went.
    assert_eq!(intake.take(&number(3), NOW), full(2));
    assert_eq!(intake.waiting(), [(0, 21.5, true), (2, 21.5, false), (3, 21.5, false)]);
    intake.batch(0, 0);
    assert_eq!(intake.len(), 3);
    // Everything is with the writer: nothing can be dropped, and the one that arrives is kept all the same.
    assert_eq!(intake.take(&number(4), NOW), TAKEN);
    intake.give_back();
    assert_eq!(intake.take(&number(5), NOW), full(1));
    let times: Vec<i64> =
        intake.batch(1, 0).samples.iter().map(|sample| sample.at - NOW.as_millis()).collect();
    assert_eq!(times, [0, 3, 4, 5]);
}

/// A client that published a thousand readings a second pushed the front door's one reading out.
#[test]
fn a_full_buffer_drops_from_the_series_that_fills_it_most() {
    let mut intake = intake(1_000);
    let mut quiet = reading(Value::Switch(true), NOW);
    quiet.device = DeviceId::new("front-door").unwrap();
    intake.take(&live(&quiet), NOW);
    let mut dropped = 0;
    for at in 0..5_000 {
        match intake.take(&number(at), NOW) {
            Verdict::Taken { dropped: more, .. } => dropped += more,
            other => panic!("{other:?}"),
        }
        assert!(intake.len() <= 1_000);
    }
    assert_eq!(intake.len() + dropped, 5_002, "what went and the mark in its place, which was one of them");
    let samples = &intake.batch(0, 0).samples;
    assert_eq!(samples.iter().filter(|sample| sample.series == 0).count(), 1);
    let newest: Vec<i64> = samples.iter().skip(2).map(|sample| sample.at - NOW.as_millis()).collect();
    assert!(samples[1].is_silence() && samples[1].at == NOW.as_millis());
    assert_eq!(newest, (5_002 - samples.len() as i64..5_000).collect::<Vec<_>>()[..newest.len()]);
    assert_eq!(newest.last(), Some(&4_999));
}

#[test]
fn a_batch_is_held_before_the_buffer_is_full() {
    for (limit, batch) in [(1, 1), (10, 5), (50_000, MAX_BATCH)] {
        let mut intake = intake(limit);
        for at in 0..batch {
            assert!(!intake.holds_batch());
            intake.take(&number(at as i64), NOW);
        }
        assert!(intake.holds_batch());
    }
}

#[test]
fn names_of_series_are_handed_over_once() {
    let mut intake = intake(10);
    intake.take(&number(0), NOW);
    intake.take(&number(1), NOW);
    assert_eq!(intake.batch(0, 0).new_series.len(), 1);
    intake.written();
    intake.take(&number(2), NOW);
    assert!(intake.batch(1, 0).new_series.is_empty());
}

#[test]
fn the_number_of_series_is_bounded() {
    let mut intake = intake(1);
    let mut reading = reading(Value::Number(1.0), NOW);
    for n in 0..MAX_SERIES {
        reading.device = DeviceId::new(&format!("d{n}")).unwrap();
        assert_ne!(intake.take(&live(&reading), NOW), Verdict::TooManySeries);
    }
    reading.device = DeviceId::new("one-more").unwrap();
    assert_eq!(intake.take(&live(&reading), NOW), Verdict::TooManySeries);
}
