//! What an output does at a start, and what holds over one.

use super::*;

fn fridge() -> OutputRules {
    OutputRules { min_off: 180 * SECOND, ..OutputRules::new("Fridge", None) }
}

/// The process dies and starts again `later`, on a machine whose clock is right or not.
fn restart(bench: &Bench, rules: OutputRules, later: Duration, clock_is_right: bool) -> Bench {
    let mut after = Bench::empty();
    after.add(rules, bench.remembered(bench.ids[0], later, clock_is_right));
    after
}

#[test]
fn the_shortest_off_time_holds_over_a_restart() {
    let mut bench = Bench::new(vec![fridge()]);
    bench.switch(0, true).unwrap();
    bench.pass(60 * SECOND);
    bench.switch(0, false).unwrap();
    let mut after = restart(&bench, fridge(), 60 * SECOND, true);
    let reason = after.switch(0, true).unwrap_err();
    assert!(reason.contains("60s ago") || reason.contains("1m ago"), "{reason}");
    after.pass(121 * SECOND);
    assert_eq!(after.switch(0, true), Ok(()));
}

#[test]
fn what_the_clock_cannot_tell_is_taken_as_just_now() {
    let mut bench = Bench::new(vec![fridge()]);
    bench.switch(0, true).unwrap();
    bench.pass(60 * SECOND);
    bench.switch(0, false).unwrap();
    let mut after = restart(&bench, fridge(), 3_600 * SECOND, false);
    assert!(after.switch(0, true).unwrap_err().contains("at least 3m"));
    after.pass(180 * SECOND);
    assert_eq!(after.switch(0, true), Ok(()));
}

#[test]
fn what_was_on_when_the_process_died_goes_off_by_that_and_rests() {
    let mut bench = Bench::new(vec![fridge()]);
    bench.switch(0, true).unwrap();
    bench.pass(3_600 * SECOND);
    let mut after = restart(&bench, fridge(), 2 * SECOND, true);
    assert!(!after.is_on(0), "a command of before the start is not done again");
    assert!(after.switch(0, true).unwrap_err().contains("at least 3m"));
}

#[test]
fn last_comes_up_as_it_was_when_that_is_recent_and_the_clock_is_right() {
    let lamp = || OutputRules {
        power_on: PowerOn::Last(LAST_WITHIN),
        ..OutputRules::new("Lamp", Some(7_200 * SECOND))
    };
    let lit = || {
        let mut bench = Bench::new(vec![lamp()]);
        bench.switch(0, true).unwrap();
        bench.pass(60 * SECOND);
        bench
    };
    let after = restart(&lit(), lamp(), 60 * SECOND, true);
    assert!(after.is_on(0));
    assert_eq!(
        after.first[&after.ids[0]],
        Duty::FULL,
        "its pin is requested with the level, without a flicker"
    );
    assert!(after.cause().contains("comes up as it was"));
    assert!(!restart(&lit(), lamp(), LAST_WITHIN, true).is_on(0), "that was long ago");
    let mut waits = restart(&lit(), lamp(), 60 * SECOND, false);
    assert!(!waits.is_on(0) && waits.outputs.waits_for_clock(waits.ids[0]));
    waits.pass(20 * SECOND);
    waits.outputs.handle_clock(waits.ids[0], 140 * SECOND, waits.now);
    waits.pass(SECOND);
    assert!(waits.is_on(0), "the clock was set, and it was not long ago");
    let mut late = restart(&lit(), lamp(), 60 * SECOND, false);
    late.pass(CLOCK_WAIT + START_RETRY);
    assert!(!late.outputs.waits_for_clock(late.ids[0]));
    late.outputs.handle_clock(late.ids[0], 60 * SECOND, late.now);
    late.pass(60 * SECOND);
    assert!(!late.is_on(0), "nobody expects it any more");
}

#[test]
fn a_command_ends_the_wish_to_come_up() {
    let rules = || OutputRules { power_on: PowerOn::On, ..fridge() };
    let mut bench = Bench::new(vec![rules()]);
    assert!(bench.is_on(0), "nothing is known, so nothing stands in the way");
    bench.pass(60 * SECOND);
    let mut after = restart(&bench, rules(), SECOND, true);
    assert!(!after.is_on(0), "it rests first");
    after.switch(0, false).unwrap();
    after.pass(600 * SECOND);
    assert!(!after.is_on(0));
}

#[test]
fn what_comes_up_on_rests_first_and_does_not_get_its_longest_time_twice() {
    let rules = || OutputRules {
        power_on: PowerOn::On,
        min_off: 10 * SECOND,
        ..OutputRules::new("Pump", Some(100 * SECOND))
    };
    let mut bench = Bench::new(vec![rules()]);
    bench.pass(60 * SECOND);
    let mut after = restart(&bench, rules(), SECOND, true);
    after.pass(15 * SECOND);
    assert!(after.is_on(0), "the rest is over");
    after.pass(60 * SECOND);
    assert!(!after.is_on(0), "sixty seconds of its hundred were before the restart");
}

#[test]
fn last_does_not_bring_back_what_a_limit_a_time_or_a_fault_ended() {
    let lamp = || OutputRules {
        power_on: PowerOn::Last(LAST_WITHIN),
        ..OutputRules::new("Lamp", Some(100 * SECOND))
    };
    let mut limit = Bench::new(vec![lamp()]);
    limit.switch(0, true).unwrap();
    limit.pass(101 * SECOND);
    assert!(!restart(&limit, lamp(), SECOND, true).is_on(0));
    let mut time = Bench::new(vec![lamp()]);
    time.command(0, Action::Set(Value::Switch(true)), Some(50 * SECOND)).unwrap();
    time.pass(10 * SECOND);
    assert!(!restart(&time, lamp(), SECOND, true).is_on(0));
    let mut fault = Bench::new(vec![OutputRules { power_on: PowerOn::On, ..lamp() }]);
    fault.meddle(0, Duty::OFF);
    fault.pass(CHECK_EVERY);
    let mut after = restart(&fault, OutputRules { power_on: PowerOn::On, ..lamp() }, SECOND, true);
    after.pass(400 * SECOND);
    assert!(!after.is_on(0), "nobody had a look yet");
}

/// A stop for an update drives everything safe; what was on comes back on afterwards, if that is wished.
#[test]
fn last_comes_back_after_an_orderly_stop() {
    let lamp = || OutputRules { power_on: PowerOn::Last(LAST_WITHIN), ..OutputRules::new("Lamp", None) };
    let mut bench = Bench::new(vec![lamp()]);
    bench.switch(0, true).unwrap();
    bench.pass(60 * SECOND);
    let actions = bench.outputs.stop(bench.now);
    bench.carry_out(actions);
    assert!(!bench.is_on(0));
    assert!(restart(&bench, lamp(), 5 * SECOND, true).is_on(0));
}

#[test]
fn a_rest_after_the_longest_on_time_holds_over_a_restart() {
    let rules = || OutputRules::new("Heater", Some(400 * SECOND));
    let mut bench = Bench::new(vec![rules()]);
    bench.switch(0, true).unwrap();
    bench.pass(401 * SECOND);
    let mut after = restart(&bench, rules(), 50 * SECOND, true);
    assert!(after.switch(0, true).unwrap_err().contains("rests"));
    after.pass(50 * SECOND);
    assert_eq!(after.switch(0, true), Ok(()));
}

/// What was on before a restart went off by it, and another of its group that comes up by itself went on in the same
/// instant. A member whose relay sticks was not even asked.
#[test]
fn nobody_in_a_group_comes_up_before_the_others_were_seen_to_be_off() {
    let group = || Some("water".to_owned());
    let valve = OutputRules { interlock: group(), power_on: PowerOn::On, ..OutputRules::new("Valve", None) };
    let drain = OutputRules { interlock: group(), ..OutputRules::new("Drain", None) };
    let mut bench = Bench::empty();
    bench.add(valve, None);
    bench.add(drain, None);
    assert_eq!(bench.all(), [false, false]);
    assert!(bench.switch(1, true).unwrap_err().contains("a moment ago"));
    bench.pass(START_RETRY);
    assert_eq!(bench.all(), [true, false]);
}

/// A lamp that was on already and was asked to be on for 5 s once came up on for good after a power cut within these.
#[test]
fn on_for_a_while_is_no_wish_for_the_next_start_even_when_it_was_on() {
    let lamp = || OutputRules { power_on: PowerOn::Last(LAST_WITHIN), ..OutputRules::new("Lamp", None) };
    let mut bench = Bench::new(vec![lamp()]);
    bench.switch(0, true).unwrap();
    bench.pass(SECOND);
    bench.command(0, Action::Set(Value::Switch(true)), Some(5 * SECOND)).unwrap();
    assert!(!restart(&bench, lamp(), SECOND, true).is_on(0));
}

/// Whoever restarted the gateway now and then (a supply that is too weak, a service that fails) got the longest on-time of a
/// heater anew each time, where nothing sets the clock: it could stay on for ever.
#[test]
fn what_comes_up_on_has_one_longest_time_over_any_number_of_restarts() {
    let rules = || OutputRules { power_on: PowerOn::On, ..OutputRules::new("Heater", Some(3_600 * SECOND)) };
    for is_orderly in [false, true] {
        let mut bench = Bench::new(vec![rules()]);
        let mut on = Duration::ZERO;
        for restart_number in 0..60 {
            for _ in 0..400 {
                bench.pass(SECOND);
                on += if bench.is_on(0) { SECOND } else { Duration::ZERO };
            }
            if is_orderly {
                let actions = bench.outputs.stop(bench.now);
                bench.carry_out(actions);
            }
            let clock_is_right = is_orderly && restart_number % 2 == 0;
            bench = restart(&bench, rules(), 5 * SECOND, clock_is_right);
        }
        // What comes up at the end of a second counts as on for all of it.
        assert!(on <= 3_610 * SECOND, "{is_orderly}: {on:?}");
        assert!(on > 1_200 * SECOND, "{is_orderly}: {on:?}");
        // Once it stays up, it rests and comes up again.
        bench.pass(901 * SECOND);
        assert!(bench.is_on(0), "{is_orderly}");
    }
}

#[test]
fn a_rest_and_a_command_give_the_longest_time_anew() {
    let rules = || OutputRules { power_on: PowerOn::On, ..OutputRules::new("Heater", Some(3_600 * SECOND)) };
    let used = || {
        let mut bench = Bench::new(vec![rules()]);
        bench.pass(3_000 * SECOND);
        let actions = bench.outputs.stop(bench.now);
        bench.carry_out(actions);
        bench
    };
    let mut soon = restart(&used(), rules(), 60 * SECOND, true);
    soon.pass(700 * SECOND);
    assert!(!soon.is_on(0), "ten minutes were left");
    let mut rested = restart(&used(), rules(), 900 * SECOND, true);
    rested.pass(3_500 * SECOND);
    assert!(rested.is_on(0), "it was off for as long as a rest");
    let mut looked = restart(&used(), rules(), 60 * SECOND, true);
    looked.pass(SECOND);
    looked.switch(0, false).unwrap();
    looked.pass(SECOND);
    looked.switch(0, true).unwrap();
    looked.pass(3_500 * SECOND);
    assert!(looked.is_on(0), "somebody had a look");
}

/// An output that was just added at the page was said to be off because the gateway starts.
#[test]
fn what_is_added_later_says_that_the_configuration_changed() {
    let mut bench = Bench::new(vec![fridge()]);
    assert_eq!(bench.cause(), "fail-safe: the gateway starts");
    bench.outputs.under_way();
    bench.add(OutputRules::new("Pump", None), None);
    assert_eq!(bench.cause(), "fail-safe: the configuration changed");
    let cover = bench.outputs.add_cover(CoverRules::new("Blind", 20 * SECOND, 10 * SECOND), None, bench.now);
    let of_cover = cover.2.iter().find_map(|action| match action {
        OutputAction::Cover { cause, .. } => Some(cause.to_string()),
        _ => None,
    });
    assert_eq!(of_cover.as_deref(), Some("fail-safe: the configuration changed"));
}
