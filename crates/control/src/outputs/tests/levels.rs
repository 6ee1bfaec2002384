//! Levels between off and on, the way to them, blinking, and how many commands may come.

use super::*;

fn lamp() -> OutputRules {
    OutputRules { scale: Scale::Percent, ..OutputRules::new("Lamp", Some(3_600 * SECOND)) }
}

use crate::duty::Scale;

#[test]
fn a_lamp_takes_percents_and_a_relay_does_not() {
    let mut bench = Bench::new(vec![lamp(), heater()]);
    bench.dim(0, 40.0, None).unwrap();
    assert_eq!(bench.level(0).ten_thousandths(), 4_000);
    assert_eq!(
        bench.dim(0, 101.0, None),
        Err("Lamp goes from 0 to 100 %: 101 is not between them".to_owned())
    );
    bench.switch(0, true).unwrap();
    assert_eq!(bench.level(0), Duty::FULL);
    assert!(bench.command(1, Action::Set(Value::Number(40.0)), None).is_err());
    assert!(bench.command(0, Action::Open, None).unwrap_err().contains("no cover"));
}

#[test]
fn a_level_goes_its_way_in_steps_and_is_told_now_and_then() {
    let mut bench = Bench::new(vec![lamp()]);
    bench.dim(0, 100.0, Some(4 * SECOND)).unwrap();
    let mut before = bench.level(0);
    assert!(before.is_on() && before.ten_thousandths() < 200, "it begins at once, and small");
    let mut states = 0;
    for second in 1..=4u16 {
        bench.pass(SECOND);
        let level = bench.level(0);
        assert!(level > before && level.ten_thousandths().abs_diff(second * 2_500) <= 150, "{level:?}");
        before = level;
        states += bench.states().len();
    }
    assert_eq!(bench.level(0), Duty::FULL);
    assert_eq!(bench.states().last(), Some(&Duty::FULL));
    assert!((3..=6).contains(&states), "{states} states in four seconds");
    bench.pass(9 * SECOND);
    assert!(bench.states().is_empty(), "nothing is said when nothing happens");
}

#[test]
fn a_lamp_on_its_way_can_be_stopped_turned_round_and_driven_safe() {
    let mut bench = Bench::new(vec![lamp()]);
    bench.dim(0, 100.0, Some(10 * SECOND)).unwrap();
    bench.pass(5 * SECOND);
    bench.command(0, Action::Stop, None).unwrap();
    let half = bench.level(0);
    bench.pass(20 * SECOND);
    assert_eq!(bench.level(0), half);
    bench.dim(0, 0.0, Some(10 * SECOND)).unwrap();
    bench.pass(5 * SECOND);
    assert!(bench.is_on(0));
    let actions = bench.outputs.stop(bench.now);
    bench.carry_out(actions);
    assert!(!bench.is_on(0), "a fail-safe takes no way");
}

#[test]
fn the_longest_on_time_counts_from_the_first_glow() {
    let mut bench = Bench::new(vec![lamp()]);
    bench.dim(0, 10.0, None).unwrap();
    for minute in 1..60 {
        bench.pass(60 * SECOND);
        bench.dim(0, f64::from(10 + minute), None).unwrap();
    }
    bench.pass(60 * SECOND);
    assert!(!bench.is_on(0), "another level must not prolong the longest on-time");
}

#[test]
fn a_servo_moves_between_its_angles_and_is_safe_at_one() {
    let scale = Scale::Degrees { least: 0.0, most: 180.0 };
    let safe = scale.level(90.0).unwrap();
    let mut bench =
        Bench::new(vec![OutputRules { scale, safe, ..OutputRules::new("Valve", Some(60 * SECOND)) }]);
    assert_eq!(bench.level(0), safe);
    bench.command(0, Action::Set(Value::Number(0.0)), None).unwrap();
    assert_eq!(bench.level(0), Duty::OFF);
    bench.command(0, Action::Set(Value::Number(1.0)), None).unwrap();
    assert_eq!(scale.number(bench.level(0)), 1.0, "for a servo one is one degree");
    assert!(bench.switch(0, true).unwrap_err().contains("takes an angle"));
    bench.pass(60 * SECOND);
    assert_eq!(bench.level(0), safe);
    assert!(bench.cause().starts_with("fail-safe: longest on-time of 1m"));
}

#[test]
fn it_blinks_for_its_time_and_ends_safe() {
    let mut bench = Bench::new(vec![heater()]);
    let blink =
        |on: u64, off: u64| Action::Blink { on: Duration::from_millis(on), off: Duration::from_millis(off) };
    assert!(bench.command(0, blink(500, 500), None).unwrap_err().contains("for a time only"));
    assert!(
        bench.command(0, blink(100, 500), Some(5 * SECOND)).unwrap_err().contains("no faster than 250ms")
    );
    assert!(bench.command(0, blink(250, 400), Some(5 * SECOND)).unwrap_err().contains("500ms off"));
    let long = bench.command(0, blink(500, 500), Some(3_600 * SECOND)).unwrap_err();
    assert!(long.contains("at most 1000 times"), "{long}");
    bench.command(0, blink(500, 1_000), Some(15 * SECOND)).unwrap();
    let mut changes = 0;
    for _ in 0..150 {
        let was = bench.is_on(0);
        bench.pass(SECOND / 10);
        changes += usize::from(bench.is_on(0) != was);
    }
    assert_eq!(changes, 19, "ten times on, and the tenth ends with the time");
    assert!(!bench.is_on(0));
    bench.pass(60 * SECOND);
    assert!(!bench.is_on(0));
}

/// A heater that blinks would otherwise never reach its longest on-time, since each time on is short.
#[test]
fn blinking_counts_as_one_time_away_from_the_safe_level() {
    let mut bench = Bench::new(vec![OutputRules::new("Pump", Some(20 * SECOND))]);
    let blink = || Action::Blink { on: SECOND, off: SECOND };
    bench.command(0, blink(), Some(20 * SECOND)).unwrap();
    bench.pass(9 * SECOND + SECOND / 2);
    let again = bench.command(0, blink(), Some(15 * SECOND)).unwrap_err();
    assert!(again.contains("at most 20s"), "{again}");
}

#[test]
fn commands_of_everybody_together_are_limited_and_the_way_to_safety_is_free() {
    let mut bench = Bench::new(vec![lamp()]);
    for number in 0..COMMAND_BURST {
        bench.dim(0, f64::from(number + 1), None).unwrap();
    }
    let reason = bench.dim(0, 50.0, None).unwrap_err();
    assert!(reason.contains("too many commands") && reason.contains("250ms"), "{reason}");
    assert_eq!(bench.switch(0, false), Ok(()));
    bench.pass(2 * COMMAND_REFILL + MIN_SAFE);
    assert_eq!(bench.switch(0, true), Ok(()));
}

/// A relay that somebody else switched on once stayed on until the next command.
#[test]
fn a_pin_that_changes_under_us_is_noticed_and_driven_back() {
    let mut bench = Bench::new(vec![heater()]);
    bench.meddle(0, Duty::FULL);
    bench.pass(CHECK_EVERY);
    assert!(bench.fault().flatten().is_some_and(|fault| fault.contains("reads on")));
    bench.pass(SAFE_RETRY);
    assert!(!bench.is_on(0));
    assert!(bench.switch(0, true).is_err(), "until somebody had a look");
}

#[test]
fn one_check_that_fails_is_everyday_and_three_are_a_fault() {
    let mut bench = Bench::new(vec![heater()]);
    bench.switch(0, true).unwrap();
    bench.set_mute(0, true);
    bench.pass(CHECK_EVERY);
    bench.set_mute(0, false);
    bench.pass(CHECK_RETRY);
    assert_eq!((bench.fault(), bench.is_on(0)), (None, true));
    bench.pass(60 * SECOND);
    assert!(bench.is_on(0));
    bench.set_mute(0, true);
    bench.pass(CHECK_EVERY + 2 * CHECK_RETRY);
    assert!(bench.fault().flatten().is_some_and(|fault| fault.contains("cannot be read")));
    bench.set_mute(0, false);
    bench.pass(SAFE_RETRY);
    assert!(!bench.is_on(0), "what cannot be read may not stay on");
}

#[test]
fn a_newer_command_answers_for_the_one_that_it_overtakes() {
    let mut bench = Bench::new(vec![lamp()]);
    let command = |number| Command::new(Action::Set(Value::Number(number)));
    let cause = || Cause::direct(Origin::Page { user: "ana".into() });
    let (id, now) = (bench.ids[0], bench.now);
    let first = bench.outputs.handle_command(id, Aspect::Level, &command(10.0), cause(), Ask(1), now);
    let second = bench.outputs.handle_command(id, Aspect::Level, &command(20.0), cause(), Ask(2), now);
    let refused = second.iter().find_map(|action| match action {
        OutputAction::Answer { ask: Ask(1), result } => result.reason.clone(),
        _ => None,
    });
    assert!(refused.is_some_and(|reason| reason.contains("another command")));
    let ticket = |actions: &[OutputAction]| {
        actions.iter().find_map(|action| match action {
            OutputAction::Drive { ticket, .. } => Some(*ticket),
            _ => None,
        })
    };
    let late = bench.outputs.handle_read_back(id, ticket(&first).unwrap(), Ok(Duty::OFF), now);
    assert!(late.is_empty(), "what an older drive found out is no fault of the newer one");
    let done = bench.outputs.handle_read_back(id, ticket(&second).unwrap(), Ok(Duty::from_share(0.2)), now);
    assert!(
        done.iter().any(|action| matches!(action, OutputAction::Answer { ask: Ask(2), result } if result.ok))
    );
}
