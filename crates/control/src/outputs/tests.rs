//! Outputs, stepped from deadline to deadline with a pin that does what it is told, or does not.

use std::time::Duration;

use gatehouse_model::{Action, Command, Value};
use proptest::prelude::*;

use super::*;
use crate::interlock::DEAD_TIME;
use bench::{Bench, SECOND};

mod bench;
mod covers;
mod levels;
mod model;
mod replacement;
mod restarts;
mod watches;

fn heater() -> OutputRules {
    OutputRules::new("Heater", Some(Duration::from_secs(7_200)))
}

#[test]
fn a_command_switches_and_is_answered_with_its_cause() {
    let mut bench = Bench::new(vec![heater()]);
    assert_eq!(bench.switch(0, true), Ok(()));
    assert!(bench.is_on(0));
    assert_eq!(bench.cause(), "ana on the page");
    assert_eq!(bench.command(0, Action::Toggle, None), Ok(()));
    bench.pass(SECOND);
    assert_eq!(bench.command(0, Action::Set(Value::Number(1.0)), None), Ok(()));
    assert!(bench.is_on(0));
    assert!(bench.command(0, Action::Set(Value::Number(0.5)), None).is_err());
}

#[test]
fn the_longest_on_time_ends_it_and_says_why() {
    let mut bench = Bench::new(vec![heater()]);
    bench.switch(0, true).unwrap();
    bench.pass(Duration::from_secs(7_000));
    bench.switch(0, true).unwrap();
    bench.pass(Duration::from_secs(199));
    assert!(bench.is_on(0));
    bench.pass(SECOND);
    assert!(!bench.is_on(0), "a repeated command must not prolong the longest on-time");
    assert_eq!(bench.cause(), "fail-safe: longest on-time of 2h, because of ana on the page");
}

/// A client that repeated `ON` without end once had its heater on for 98 % of the time: each single run was within the
/// longest on-time, and the next began at once.
#[test]
fn after_its_longest_on_time_it_rests_until_time_has_passed_or_somebody_had_a_look() {
    let mut bench = Bench::new(vec![OutputRules::new("Heater", Some(40 * SECOND))]);
    bench.switch(0, true).unwrap();
    bench.pass(41 * SECOND);
    assert_eq!(
        bench.switch(0, true),
        Err("Heater has reached its longest on-time and rests: try again in 9s, or send OFF first".to_owned())
    );
    bench.pass(9 * SECOND);
    assert_eq!(bench.switch(0, true), Ok(()));
    bench.pass(42 * SECOND);
    assert!(bench.command(0, Action::Toggle, None).is_err());
    bench.switch(0, false).unwrap();
    assert_eq!(bench.switch(0, true), Ok(()));
}

#[test]
fn a_relay_does_not_chatter_however_many_ask() {
    let mut bench = Bench::new(vec![heater()]);
    bench.switch(0, true).unwrap();
    bench.switch(0, false).unwrap();
    assert!(bench.switch(0, true).unwrap_err().contains("at least 500ms"));
    assert_eq!(bench.switch(0, false), Ok(()), "the way to the safe level is always free");
    bench.pass(MIN_SAFE);
    assert_eq!(bench.switch(0, true), Ok(()));
}

#[test]
fn a_command_for_a_while_ends_by_itself() {
    let mut bench = Bench::new(vec![heater()]);
    bench.command(0, Action::Set(Value::Switch(true)), Some(5 * SECOND)).unwrap();
    bench.pass(4 * SECOND);
    assert!(bench.is_on(0));
    bench.pass(SECOND);
    assert!(!bench.is_on(0));
    assert_eq!(bench.cause(), "timer of the command, because of ana on the page");
}

#[test]
fn a_compressor_rests_and_the_refusal_says_how_long() {
    let mut bench = Bench::new(vec![OutputRules { min_off: 180 * SECOND, ..heater() }]);
    bench.switch(0, true).unwrap();
    bench.switch(0, false).unwrap();
    bench.pass(40 * SECOND);
    let reason = bench.switch(0, true).unwrap_err();
    assert_eq!(reason, "Heater was switched off 40s ago and stays off for at least 3m: try again in 2m20s");
    bench.pass(140 * SECOND);
    assert_eq!(bench.switch(0, true), Ok(()));
}

#[test]
fn a_motor_never_turns_both_ways() {
    let way = |name| OutputRules { interlock: Some("blind".to_owned()), ..OutputRules::new(name, None) };
    let mut bench = Bench::new(vec![way("Up"), way("Down")]);
    bench.switch(0, true).unwrap();
    assert_eq!(
        bench.switch(1, true),
        Err("Up is on, or may be: Down stays off (interlock blind)".to_owned())
    );
    bench.switch(0, false).unwrap();
    assert!(bench.switch(1, true).unwrap_err().contains("500ms"));
    bench.pass(DEAD_TIME);
    assert_eq!(bench.switch(1, true), Ok(()));
}

#[test]
fn a_pin_that_does_not_follow_is_a_fault_until_somebody_had_a_look() {
    let mut bench = Bench::new(vec![heater()]);
    bench.set_stuck(0, true);
    let reason = bench.switch(0, true).unwrap_err();
    assert_eq!(reason, "Heater was switched on but its pin reads off. Check the wiring.");
    // The drive to the safe level reads back well, since the pin never left it. That once cleared the fault at once,
    // and nobody ever saw it.
    assert_eq!(bench.fault(), Some(Some(reason.clone())));
    bench.set_stuck(0, false);
    assert!(bench.switch(0, true).unwrap_err().starts_with(&reason));
    assert_eq!(bench.switch(0, false), Ok(()));
    assert_eq!(bench.fault(), Some(None));
    bench.pass(SECOND);
    assert_eq!(bench.switch(0, true), Ok(()));
}

#[test]
fn a_relay_that_sticks_on_is_tried_again_and_shown_as_it_is() {
    let mut bench = Bench::new(vec![heater()]);
    bench.switch(0, true).unwrap();
    bench.set_stuck(0, true);
    assert!(bench.switch(0, false).unwrap_err().contains("its pin reads on"));
    let shown = bench.said.iter().rev().find_map(|action| match action {
        OutputAction::State { level, .. } => Some(*level),
        _ => None,
    });
    assert_eq!(shown, Some(Duty::FULL));
    bench.set_stuck(0, false);
    bench.pass(SAFE_RETRY);
    assert!(!bench.is_on(0));
}

/// The relay of one way may stick while its pin was told to open: until it is seen to be off, the other way stays off.
#[test]
fn a_relay_that_sticks_on_keeps_the_rest_of_its_group_off() {
    let way = |name| OutputRules { interlock: Some("blind".to_owned()), ..OutputRules::new(name, None) };
    let mut bench = Bench::new(vec![way("Up"), way("Down")]);
    bench.switch(0, true).unwrap();
    bench.set_stuck(0, true);
    assert!(bench.switch(0, false).is_err());
    bench.pass(DEAD_TIME);
    let reason = bench.switch(1, true).unwrap_err();
    assert!(reason.contains("Up is on") && !bench.is_on(1), "{reason}");
    bench.set_stuck(0, false);
    bench.pass(SAFE_RETRY - DEAD_TIME);
    assert!(
        bench.switch(1, true).unwrap_err().contains("a moment ago"),
        "the pause begins when it is seen to be off"
    );
    bench.pass(DEAD_TIME);
    assert_eq!(bench.switch(1, true), Ok(()));
}

/// A pin of which nothing is known may be on.
#[test]
fn an_output_that_cannot_be_read_keeps_the_rest_of_its_group_off() {
    let way = |name| OutputRules { interlock: Some("blind".to_owned()), ..OutputRules::new(name, None) };
    let mut bench = Bench::new(vec![way("Up"), way("Down")]);
    bench.set_mute(0, true);
    assert!(bench.switch(0, true).is_err());
    bench.set_mute(0, false);
    assert!(bench.switch(1, true).is_err());
    bench.pass(SAFE_RETRY + DEAD_TIME);
    assert_eq!(bench.switch(1, true), Ok(()));
}

#[test]
fn a_time_that_the_limits_do_not_allow_is_refused_and_not_cut() {
    let mut bench = Bench::new(vec![OutputRules { min_on: 60 * SECOND, ..heater() }]);
    let on = || Action::Set(Value::Switch(true));
    let too_long = bench.command(0, on(), Some(7_201 * SECOND)).unwrap_err();
    assert_eq!(too_long, "Heater stays on for at most 2h: ask for a shorter time than 2h1s");
    let too_short = bench.command(0, on(), Some(59 * SECOND)).unwrap_err();
    assert_eq!(too_short, "Heater stays on for at least 1m: ask for a longer time than 59s");
    assert!(!bench.is_on(0));
    bench.command(0, on(), Some(7_200 * SECOND)).unwrap();
    bench.pass(3_600 * SECOND);
    assert!(bench.command(0, on(), Some(3_601 * SECOND)).is_err(), "an hour of its two is gone");
    assert_eq!(bench.command(0, on(), Some(SECOND)), Ok(()), "it has been on for long enough already");
    bench.pass(SECOND);
    assert!(!bench.is_on(0));
}

#[test]
fn the_end_of_a_time_names_who_asked_for_it() {
    let mut bench = Bench::new(vec![heater()]);
    bench.switch(0, true).unwrap();
    let command = Command { duration: Some(5 * SECOND), ..Command::new(Action::Set(Value::Switch(true))) };
    bench.command_of("bob", 0, Aspect::Power, &command).unwrap();
    bench.pass(5 * SECOND);
    assert_eq!(bench.cause(), "timer of the command, because of bob on the page");
}

#[test]
fn a_pin_that_could_not_be_had_is_well_when_it_can() {
    let mut bench = Bench::new(vec![heater()]);
    bench.set_mute(0, true);
    assert!(bench.switch(0, true).unwrap_err().contains("GPIO 22 is in use by somebody"));
    bench.set_mute(0, false);
    assert!(bench.fault().flatten().is_some());
    bench.pass(SAFE_RETRY);
    assert_eq!(bench.fault(), Some(None));
}

/// The configuration may change while the house is in use: what is taken out of it goes safe, the rest is not touched.
#[test]
fn outputs_come_and_go_without_touching_the_others() {
    let way = |name| OutputRules { interlock: Some("blind".to_owned()), ..OutputRules::new(name, None) };
    let mut bench = Bench::new(vec![heater(), way("Up")]);
    bench.switch(0, true).unwrap();
    bench.switch(1, true).unwrap();
    bench.said.clear();
    let actions = bench.outputs.remove(bench.ids[1], bench.now);
    bench.carry_out(actions);
    assert_eq!(bench.all(), [true, false]);
    assert_eq!(bench.cause(), "fail-safe: it was taken out of the configuration, because of ana on the page");
    assert!(bench.switch(1, true).unwrap_err().contains("taken out"));
    bench.outputs.forget(bench.ids[1], bench.now);
    assert_eq!(bench.switch(1, true), Err("there is no such output".to_owned()));

    bench.add(way("Down"), None);
    assert_ne!(bench.ids[2], bench.ids[1], "a new output is nobody else");
    assert!(
        bench.switch(2, true).unwrap_err().contains("a moment ago"),
        "the motor of the group may still turn"
    );
    bench.pass(DEAD_TIME);
    assert_eq!(bench.switch(2, true), Ok(()));
    assert_eq!(bench.all(), [true, false, true]);
}

#[test]
fn the_stop_drives_everything_safe_and_refuses_what_comes_later() {
    let always_on = OutputRules { safe: Duty::FULL, ..OutputRules::new("Fan", None) };
    let mut bench = Bench::new(vec![heater(), always_on]);
    bench.switch(0, true).unwrap();
    bench.switch(1, false).unwrap();
    let actions = bench.outputs.stop(bench.now);
    bench.carry_out(actions);
    assert_eq!(bench.all(), [false, true]);
    assert!(bench.cause().starts_with("fail-safe: the gateway stops, because of ana"));
    assert!(bench.switch(0, true).unwrap_err().contains("stopping"));
}

proptest! {
    /// Whatever is asked and whenever: never on longer than the longest on-time, never two of a group together, never on
    /// within the rest.
    #[test]
    fn the_limits_hold_whatever_is_asked(
        events in proptest::collection::vec((0usize..3, 0u8..4, 0u64..40, 1u64..30), 1..80)
    ) {
        let grouped = |name| OutputRules {
            interlock: Some("group".to_owned()),
            min_off: 7 * SECOND,
            ..OutputRules::new(name, Some(20 * SECOND))
        };
        let mut bench = Bench::new(vec![grouped("A"), grouped("B"), grouped("C")]);
        let mut on_since = [None::<Moment>; 3];
        let mut off_since = [None::<Moment>; 3];
        let mut look = |bench: &Bench| -> Result<(), TestCaseError> {
            prop_assert!(bench.count_on() <= 1, "two of a group are on");
            for output in 0..3 {
                match (bench.is_on(output), on_since[output]) {
                    (true, None) => {
                        if let Some(off) = off_since[output] {
                            prop_assert!(bench.now.saturating_since(off) >= 7 * SECOND, "on within the rest");
                        }
                        on_since[output] = Some(bench.now);
                    }
                    (true, Some(since)) => {
                        prop_assert!(bench.is_stuck(output) || bench.now.saturating_since(since) < 20 * SECOND, "on for too long");
                    }
                    (false, Some(_)) => {
                        on_since[output] = None;
                        off_since[output] = Some(bench.now);
                    }
                    (false, None) => {}
                }
            }
            Ok(())
        };
        for (output, what, pause, seconds) in events {
            let (action, duration) = match what {
                0 => (Action::Set(Value::Switch(true)), None),
                1 => (Action::Set(Value::Switch(false)), None),
                2 => (Action::Toggle, None),
                _ => (Action::Set(Value::Switch(true)), Some(Duration::from_secs(seconds))),
            };
            let _ = bench.command(output, action, duration);
            look(&bench)?;
            for _ in 0..pause {
                bench.pass(SECOND);
                look(&bench)?;
            }
        }
    }

    /// Relays stick and come loose: whatever else happens, no two of a group are on.
    #[test]
    fn no_two_of_a_group_are_on_even_when_relays_stick(
        events in proptest::collection::vec((0usize..3, 0u8..5, 0u64..8), 1..120)
    ) {
        let grouped = |name| OutputRules {
            interlock: Some("group".to_owned()),
            ..OutputRules::new(name, Some(20 * SECOND))
        };
        let mut bench = Bench::new(vec![grouped("A"), grouped("B"), grouped("C")]);
        for (output, what, pause) in events {
            match what {
                0 => drop(bench.switch(output, true)),
                1 => drop(bench.switch(output, false)),
                2 => drop(bench.command(output, Action::Toggle, Some(3 * SECOND))),
                3 => bench.set_stuck(output, true),
                _ => bench.set_stuck(output, false),
            }
            for _ in 0..=pause {
                prop_assert!(bench.count_on() <= 1, "two of a group are on");
                bench.pass(SECOND);
            }
        }
        bench.unstick();
        let actions = bench.outputs.stop(bench.now);
        bench.carry_out(actions);
        prop_assert_eq!(bench.count_on(), 0);
    }
}

/// A pin that somebody else switched on was once seen within ten seconds, and left on for five more.
#[test]
fn a_pin_that_a_check_finds_on_goes_off_at_once() {
    let mut bench = Bench::new(vec![heater()]);
    bench.meddle(0, Duty::FULL);
    bench.pass(CHECK_EVERY);
    assert!(!bench.is_on(0));
    assert!(bench.fault().flatten().is_some(), "somebody has to look who did that");
}
