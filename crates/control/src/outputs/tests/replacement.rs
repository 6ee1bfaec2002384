//! Outputs that are held while one release takes the place of another.

use std::collections::BTreeSet;

use super::*;

fn lamp() -> OutputRules {
    OutputRules { holds_over_upgrade: true, ..OutputRules::new("Lamp", Some(7_200 * SECOND)) }
}

/// A lamp that has been on for a minute.
fn lit(rules: OutputRules) -> Bench {
    let mut bench = Bench::new(vec![rules]);
    bench.switch(0, true).unwrap();
    bench.pass(60 * SECOND);
    bench
}

/// The gateway is replaced: what it gives away is held, and the next one is told of it `later`.
fn replace(bench: &mut Bench, later: Duration) -> Resumption {
    let [holdable] = bench.outputs.holdable(bench.now)[..] else { panic!("one output can be held") };
    let held = BTreeSet::from([holdable.output]);
    let actions = bench.outputs.stop_but(&held, bench.now);
    assert!(!actions.iter().any(|action| matches!(action, OutputAction::Drive { .. })), "{actions:?}");
    bench.carry_out(actions);
    let (memory, _) = bench.kept[&holdable.output];
    Resumption { memory, age: later, away: holdable.away, level: holdable.level, timer: holdable.timer }
}

fn resumed(rules: OutputRules, resumption: &Resumption) -> Bench {
    assert!(resumption.goes_on(&rules), "{resumption:?}");
    let mut after = Bench::empty();
    let (id, actions) = after.outputs.resume(rules, resumption, after.now);
    after.ids.push(id);
    after.carry_out(actions);
    after
}

#[test]
fn what_is_held_goes_on_with_its_own_times() {
    let mut before = lit(lamp());
    let [Holdable { at_most, timer, level, .. }] = before.outputs.holdable(before.now)[..] else { panic!() };
    assert_eq!((at_most, timer, level), (Some(7_140 * SECOND), None, Duty::FULL));
    let mut after = resumed(lamp(), &replace(&mut before, 5 * SECOND));
    assert!(after.is_on(0));
    assert_eq!(after.first[&after.ids[0]], Duty::FULL, "its pin is driven to the level that it has");
    assert!(after.cause().contains("held over the upgrade"), "{}", after.cause());
    after.pass(7_134 * SECOND);
    assert!(after.is_on(0), "a second before its longest on-time is over");
    after.pass(2 * SECOND);
    assert!(!after.is_on(0), "the time before the upgrade counts, and that of the upgrade");
    assert!(after.switch(0, true).unwrap_err().contains("rests"));
}

#[test]
fn the_time_of_a_command_goes_on_too() {
    let mut before = Bench::new(vec![lamp()]);
    let command = Command::parse(br#"{"value":"ON","for":"60s"}"#).unwrap();
    before.command_of("ana", 0, Aspect::Power, &command).unwrap();
    before.pass(20 * SECOND);
    let resumption = replace(&mut before, 10 * SECOND);
    assert_eq!(resumption.timer, Some(40 * SECOND));
    let mut after = resumed(lamp(), &resumption);
    after.pass(29 * SECOND);
    assert!(after.is_on(0));
    after.pass(2 * SECOND);
    assert!(!after.is_on(0));
}

#[test]
fn shortest_times_hold_over_it() {
    let rules = || OutputRules { min_on: 100 * SECOND, ..lamp() };
    let mut after = resumed(rules(), &replace(&mut lit(rules()), 10 * SECOND));
    assert!(after.switch(0, false).unwrap_err().contains("at least"), "it has been on for 70 s of 100");
    after.pass(31 * SECOND);
    assert!(after.switch(0, false).is_ok());
    let mut before = lit(OutputRules { safe: Duty::FULL, min_off: 100 * SECOND, ..lamp() });
    assert_eq!(before.outputs.holdable(before.now), [], "on is its safe level");
    before.switch(0, false).unwrap();
    before.pass(60 * SECOND);
    let rules = OutputRules { safe: Duty::FULL, min_off: 100 * SECOND, ..lamp() };
    assert!(!resumed(rules, &replace(&mut before, 10 * SECOND)).is_on(0));
}

#[test]
fn what_time_has_ended_meanwhile_does_not_go_on() {
    let mut before = lit(lamp());
    let resumption = replace(&mut before, 10 * SECOND);
    assert!(resumption.goes_on(&lamp()));
    let late = Resumption { age: 7_140 * SECOND, ..resumption };
    assert!(!late.goes_on(&lamp()) && late.has_had_its_time(&lamp()), "its longest on-time is over");
    assert!(!Resumption { timer: Some(10 * SECOND), ..resumption }.goes_on(&lamp()), "the command's time is");
    assert!(!Resumption { level: Duty::OFF, ..resumption }.goes_on(&lamp()), "its holder has ended it");
    let shorter = OutputRules { max_on: Some(65 * SECOND), ..lamp() };
    assert!(!resumption.goes_on(&shorter), "the configuration was changed");
    let other = OutputRules { holds_over_upgrade: false, ..lamp() };
    assert!(!resumption.goes_on(&other));
    assert!(!resumption.goes_on(&OutputRules { safe: Duty::FULL, ..lamp() }));
}

#[test]
fn only_what_is_well_and_still_is_given_away() {
    let not_wanted = lit(OutputRules { holds_over_upgrade: false, ..lamp() });
    assert_eq!(not_wanted.outputs.holdable(not_wanted.now), []);
    let off = Bench::new(vec![lamp()]);
    assert_eq!(off.outputs.holdable(off.now), [], "it is safe already");
    let grouped = lit(OutputRules { interlock: Some("water".to_owned()), ..lamp() });
    assert_eq!(grouped.outputs.holdable(grouped.now), [], "another of its group may go on");
    let mut blinking = Bench::new(vec![lamp()]);
    let command = Command::parse(br#"{"value":"BLINK","on":"1s","off":"1s","for":"30s"}"#).unwrap();
    blinking.command_of("ana", 0, Aspect::Power, &command).unwrap();
    assert!(blinking.is_on(0));
    assert_eq!(blinking.outputs.holdable(blinking.now), []);
    let mut due = lit(lamp());
    due.now = due.now + 7_140 * SECOND;
    assert_eq!(due.outputs.holdable(due.now), [], "its time is over at this moment");
}

/// A room that is warm does not get warmer: a heater whose effect has shown once went off with a fault after each upgrade.
#[test]
fn an_effect_need_not_show_a_second_time() {
    let sensor: gatehouse_model::PropertyPath = "room/temperature".parse().unwrap();
    let effect = Effect { sensor, change: 1.0, within: 1_800 * SECOND, goes_safe: true };
    let rules = || OutputRules { effect: Some(effect.clone()), ..lamp() };
    let resumption = replace(&mut lit(rules()), 10 * SECOND);
    let mut late = resumed(rules(), &Resumption { away: 1_800 * SECOND, ..resumption });
    late.pass(3_000 * SECOND);
    assert!(late.is_on(0), "it has shown, or this would not be on");
    let mut early = resumed(rules(), &resumption);
    early.pass(1_801 * SECOND);
    assert!(!early.is_on(0), "it has not shown yet");
}

/// It comes up by itself, so each hour of it is kept: an upgrade began that anew, and a power cut hours later lost them.
#[test]
fn how_much_of_its_time_it_has_had_is_kept_after_it_too() {
    let rules = || OutputRules { power_on: PowerOn::On, ..lamp() };
    let mut before = Bench::new(vec![rules()]);
    before.pass(60 * SECOND);
    let mut after = resumed(rules(), &replace(&mut before, 5 * SECOND));
    after.pass(3_600 * SECOND);
    let (memory, _) = after.kept[&after.ids[0]];
    assert!(memory.away_for >= Some(3_000 * SECOND), "{memory:?}");
}

/// Its holder ended it: a thermostat that says ON again and again must wait as long as ever.
#[test]
fn what_was_ended_by_its_longest_on_time_while_it_was_held_rests() {
    let mut bench = Bench::new(vec![lamp()]);
    bench.outputs.rest(bench.ids[0], bench.now);
    assert!(bench.switch(0, true).unwrap_err().contains("rests"));
}

/// Whoever stops for good holds nothing.
#[test]
fn a_stop_without_a_holder_drives_it_safe() {
    let mut bench = lit(lamp());
    let actions = bench.outputs.stop(bench.now);
    bench.carry_out(actions);
    assert!(!bench.is_on(0));
}
