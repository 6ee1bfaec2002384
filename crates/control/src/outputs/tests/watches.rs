//! Who must be alive, and what must come of it.

use super::*;

fn path(text: &str) -> gatehouse_model::PropertyPath {
    text.parse().unwrap()
}

fn guarded(source: Source) -> OutputRules {
    OutputRules { dead_man: Some(DeadMan { source, within: 300 * SECOND }), ..heater() }
}

#[test]
fn it_goes_safe_when_its_source_is_silent_and_stays_so_until_it_is_heard() {
    let source = Source::Topic("home/thermostat/alive".into());
    let mut bench = Bench::new(vec![guarded(source.clone())]);
    assert_eq!(
        bench.switch(0, true),
        Err("the topic home/thermostat/alive was not heard yet: Heater stays off until it is heard (dead-man)".to_owned())
    );
    bench.outputs.handle_sign_of_life(&source, bench.now);
    bench.switch(0, true).unwrap();
    for _ in 0..10 {
        bench.pass(200 * SECOND);
        bench.outputs.handle_sign_of_life(&source, bench.now);
    }
    bench.outputs.handle_sign_of_life(&Source::Client("somebody".into()), bench.now + 299 * SECOND);
    bench.pass(299 * SECOND);
    assert!(bench.is_on(0));
    bench.pass(SECOND);
    assert!(!bench.is_on(0), "somebody else is no sign of life");
    assert_eq!(
        bench.cause(),
        "fail-safe: the topic home/thermostat/alive has been silent for 5m, because of ana on the page"
    );
    assert!(bench.switch(0, true).unwrap_err().contains("has been silent for 5m"));
    bench.outputs.handle_sign_of_life(&source, bench.now);
    bench.pass(60 * SECOND);
    assert!(!bench.is_on(0), "it does not go on by itself");
    assert_eq!(bench.switch(0, true), Ok(()));
}

#[test]
fn a_sensor_is_alive_while_it_gives_values_that_can_be_trusted() {
    let mut bench = Bench::new(vec![guarded(Source::Sensor(path("kitchen/temperature")))]);
    bench.outputs.handle_reading(&path("kitchen/temperature"), 20.0, bench.now);
    bench.switch(0, true).unwrap();
    bench.pass(200 * SECOND);
    bench.outputs.handle_reading(&path("kitchen/humidity"), 50.0, bench.now);
    bench.pass(100 * SECOND);
    assert!(!bench.is_on(0));
}

/// A sensor whose cable was cut kept its heater on for as long as the dead-man allows, although it was known to be dead.
#[test]
fn a_sensor_that_failed_is_not_waited_for() {
    let sensor = path("kitchen/temperature");
    let mut bench = Bench::new(vec![guarded(Source::Sensor(sensor.clone()))]);
    let lose = |bench: &mut Bench, sensor: &_| {
        let actions = bench.outputs.handle_source_lost(sensor, bench.now);
        bench.carry_out(actions);
    };
    bench.outputs.handle_reading(&sensor, 20.0, bench.now);
    bench.switch(0, true).unwrap();
    bench.pass(SECOND);
    lose(&mut bench, &path("kitchen/humidity"));
    assert!(bench.is_on(0), "another value is not its business");
    lose(&mut bench, &sensor);
    assert!(!bench.is_on(0));
    assert_eq!(bench.cause(), "fail-safe: its sensor kitchen/temperature failed, because of ana on the page");
    bench.pass(SECOND);
    assert_eq!(
        bench.switch(0, true),
        Err("the sensor kitchen/temperature failed: Heater stays off until it is heard (dead-man)".to_owned())
    );
    bench.outputs.handle_reading(&sensor, 20.0, bench.now);
    bench.switch(0, true).unwrap();
    bench.pass(300 * SECOND);
    assert!(
        bench.cause().contains("the sensor kitchen/temperature has been silent for 5m"),
        "{}",
        bench.cause()
    );
}

#[test]
fn what_a_sensor_said_before_it_failed_shows_no_effect() {
    let mut bench = Bench::new(vec![warming(true)]);
    let room = path("living-room/temperature");
    bench.outputs.handle_reading(&room, 18.0, bench.now);
    bench.switch(0, true).unwrap();
    bench.pass(60 * SECOND);
    assert_eq!(
        bench.outputs.handle_source_lost(&room, bench.now),
        Vec::new(),
        "only a dead-man goes safe by that"
    );
    bench.pass(1_740 * SECOND);
    assert!(bench.fault().flatten().is_some_and(|fault| fault.contains("gave no value")));
}

fn warming(goes_safe: bool) -> OutputRules {
    let sensor = path("living-room/temperature");
    let effect = Effect { sensor, change: 0.5, within: 1_800 * SECOND, goes_safe };
    OutputRules { effect: Some(effect), ..heater() }
}

#[test]
fn a_heater_that_warms_nothing_goes_safe_with_a_fault() {
    let mut bench = Bench::new(vec![warming(true)]);
    let room = path("living-room/temperature");
    bench.outputs.handle_reading(&room, 18.0, bench.now);
    bench.switch(0, true).unwrap();
    for reading in [17.9, 18.0, 18.1, 18.2, 18.3] {
        bench.pass(300 * SECOND);
        bench.outputs.handle_reading(&room, reading, bench.now);
        assert!(bench.is_on(0));
    }
    bench.pass(300 * SECOND);
    assert!(!bench.is_on(0));
    let fault = bench.fault().flatten().unwrap();
    assert!(fault.contains("did not rise by 0.5 (from 17.9 to 18.3)"), "{fault}");
    assert!(bench.switch(0, true).unwrap_err().contains("until a command to that level"));
    bench.switch(0, false).unwrap();
    assert_eq!(bench.fault(), Some(None));
    bench.pass(SECOND);
    assert_eq!(bench.switch(0, true), Ok(()));
}

#[test]
fn a_heater_that_warms_its_room_is_left_alone() {
    let mut bench = Bench::new(vec![warming(true)]);
    let room = path("living-room/temperature");
    bench.switch(0, true).unwrap();
    bench.outputs.handle_reading(&room, 18.0, bench.now);
    bench.pass(900 * SECOND);
    bench.outputs.handle_reading(&room, 18.5, bench.now);
    bench.pass(5_000 * SECOND);
    assert!(bench.is_on(0) && bench.fault().is_none());
}

#[test]
fn a_sensor_that_says_nothing_shows_no_effect() {
    let mut bench = Bench::new(vec![warming(true)]);
    bench.switch(0, true).unwrap();
    bench.pass(1_800 * SECOND);
    assert!(bench.fault().flatten().is_some_and(|fault| fault.contains("gave no value")));
    assert!(!bench.is_on(0));
}

#[test]
fn a_warning_is_said_and_taken_back_and_switches_nothing() {
    let mut bench = Bench::new(vec![warming(false)]);
    let room = path("living-room/temperature");
    bench.outputs.handle_reading(&room, 18.0, bench.now);
    bench.switch(0, true).unwrap();
    bench.pass(1_800 * SECOND);
    assert!(bench.warning().flatten().is_some());
    assert!(bench.is_on(0) && bench.fault().is_none());
    let actions = bench.outputs.handle_reading(&room, 19.0, bench.now);
    bench.carry_out(actions);
    assert_eq!(bench.warning(), Some(None));
    bench.switch(0, false).unwrap();
    assert_eq!(bench.warning(), None, "it is taken back once");
}

#[test]
fn a_fridge_must_make_it_colder() {
    let effect = Effect { change: -1.0, ..warming(true).effect.unwrap() };
    let mut bench = Bench::new(vec![OutputRules { effect: Some(effect), ..heater() }]);
    let room = path("living-room/temperature");
    bench.outputs.handle_reading(&room, 8.0, bench.now);
    bench.switch(0, true).unwrap();
    bench.pass(600 * SECOND);
    bench.outputs.handle_reading(&room, 9.0, bench.now);
    bench.pass(600 * SECOND);
    bench.outputs.handle_reading(&room, 8.0, bench.now);
    bench.pass(3_000 * SECOND);
    assert!(bench.is_on(0), "from nine to eight is colder by one");
}
