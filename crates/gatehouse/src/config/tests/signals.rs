//! What is done with numbers: calibration, belief, filters, reports, derived values.

use gatehouse_board::config::{DerivedConfig, Direction, FilterRule, Quantity, Role};
use gatehouse_control::filters::{Sending, Statistic, Step};
use gatehouse_control::lookup::{Curve, Position, ThermistorCurve};
use gatehouse_control::plausible::OutOfRange;
use gatehouse_model::PropertyId;

use super::*;

fn climate(lines: &str) -> String {
    device("simulated-climate", lines)
}

fn temperature() -> PropertyId {
    PropertyId::new("temperature").unwrap()
}

fn first(lines: &str) -> gatehouse_board::config::DeviceConfig {
    let config = loaded(&climate(lines));
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    config.devices.into_iter().next().unwrap()
}

fn filters(list: &str) -> Vec<FilterRule> {
    first(&format!("filter.temperature = {list}\n")).filter[&temperature()].clone()
}

/// A filter that is wrong, the part of the list where that is, what is said, and the hint.
fn wrong(list: &str, part: &str, what: &str, hint: &str) {
    let line = format!("filter.temperature = {list}\n");
    let column = line.find(part).unwrap() + 1;
    check(&climate(&line), &[(4, column, what, hint)]);
}

#[test]
fn every_filter_can_be_written() {
    let seconds = Duration::from_secs;
    let sending = Sending::default();
    let window = |statistic, size| FilterRule::Window { statistic, size, sending };
    let cases = [
        ("[{ offset = -0.4 }]", FilterRule::Offset(-0.4)),
        ("[{ multiply = 2 }]", FilterRule::Multiply(2.0)),
        ("[{ filter_out = 85 }]", FilterRule::FilterOut(vec![85.0])),
        ("[{ filter_out = [85.0, -127] }]", FilterRule::FilterOut(vec![85.0, -127.0])),
        (
            "[{ clamp = { min = 0, max = 100, ignore_out_of_range = true } }]",
            FilterRule::Clamp { min: Some(0.0), max: Some(100.0), ignore_out_of_range: true },
        ),
        ("[{ round = 1 }]", FilterRule::Round(1)),
        ("[{ round_to_multiple_of = 0.25 }]", FilterRule::RoundToMultipleOf(0.25)),
        ("[{ median = 5 }]", window(Statistic::Median, 5)),
        ("[{ min = 5 }]", window(Statistic::Min, 5)),
        ("[{ max = 5 }]", window(Statistic::Max, 5)),
        ("[{ sliding_window_moving_average = 15 }]", window(Statistic::Mean, 15)),
        ("[{ quantile = { window = 7, quantile = 0.8 } }]", window(Statistic::Quantile(0.8), 7)),
        (
            "[{ median = { window = 7, send_every = 4, send_first_at = 3 } }]",
            FilterRule::Window {
                statistic: Statistic::Median,
                size: 7,
                sending: Sending { every: 4, first_at: 3 },
            },
        ),
        (
            "[{ exponential_moving_average = { alpha = 0.1, send_every = 15 } }]",
            FilterRule::ExponentialMovingAverage { alpha: 0.1, sending: Sending { every: 15, first_at: 1 } },
        ),
        ("[{ throttle = \"10s\" }]", FilterRule::Throttle(seconds(10))),
        ("[{ throttle_average = \"1m\" }]", FilterRule::ThrottleAverage(seconds(60))),
        ("[{ heartbeat = \"5m\" }]", FilterRule::Heartbeat(seconds(300))),
        ("[{ timeout = \"5m\" }]", FilterRule::Timeout(seconds(300))),
        ("[{ debounce = \"100ms\" }]", FilterRule::Debounce(Duration::from_millis(100))),
        ("[{ delta = 0.5 }]", FilterRule::Delta(Step::Absolute(0.5))),
        ("[{ delta = \"5%\" }]", FilterRule::Delta(Step::Percent(5.0))),
        ("[{ skip_initial = 3 }]", FilterRule::SkipInitial(3)),
        (
            "[{ or = [{ throttle = \"1m\" }, { delta = 1 }] }]",
            FilterRule::Or(vec![FilterRule::Throttle(seconds(60)), FilterRule::Delta(Step::Absolute(1.0))]),
        ),
    ];
    for (list, rule) in cases {
        assert_eq!(filters(list), [rule], "{list}");
    }
    for list in [
        "[{ calibrate_linear = [[0, 1], [10, 21]] }]",
        "[{ calibrate_linear = { points = [[0, 1], [5, 11], [10, 21]], method = \"exact\" } }]",
        "[{ calibrate_polynomial = { degree = 2, points = [[0, 0], [1, 1], [2, 4]] } }]",
    ] {
        assert_eq!(filters(list).len(), 1, "{list}");
    }
}

#[test]
fn mistakes_in_filters_are_told_where_they_are() {
    wrong("{ median = 5 }", "{ med", "no list of filters", "[{ median = 5 }, { throttle = \"10s\" }]");
    wrong("[5]", "5", "something that is no filter", "[{ median = 5 }");
    wrong("[{ medain = 5 }]", "medain", "no filter `medain`", "did you mean `median`?");
    wrong("[{ lambda = \"x * 2\" }]", "lambda", "`lambda` is no filter", "other filters");
    wrong("[{ median = 5, throttle = \"1s\" }]", "{ median", "a filter has one key", "its own braces");
    wrong("[{ median = 0 }]", "0", "too small", "from 1 to 512");
    wrong("[{ median = \"5\" }]", "\"5\"", "`median` is a text", "median = 1");
    wrong("[{ median = { size = 5, window = 5 } }]", "size", "no setting of `median`", "");
    wrong("[{ throttle = 10 }]", "10", "`throttle` is a whole number", "throttle = \"10s\"");
    wrong("[{ throttle = \"2d\" }]", "\"2d\"", "too long", "");
    wrong("[{ delta = \"much\" }]", "\"much\"", "is no share", "delta = \"5%\"");
    wrong("[{ clamp = {} }]", "clamp", "needs `min` or `max`", "min = 0, max = 100");
    wrong("[{ multiply = 0 }]", "multiply", "other than zero", "multiply = 1.02");
    wrong("[{ or = [{ throttle = \"1m\" }] }]", "or =", "two filters or more", "");
    wrong("[{ calibrate_linear = [[1, 2]] }]", "[[1, 2]]", "2 points", "measured and true");
    wrong("[{ calibrate_linear = [[1, 2, 3]] }]", "[1, 2, 3]", "no pair of numbers", "pairs");
    wrong("[{ calibrate_polynomial = { degree = 9, points = [[0, 0], [1, 1]] } }]", "9", "too large", "");
    let many = format!("[{}]", ["{ median = 5 }"; 17].join(", "));
    wrong(&many, "[{", "more than 16 filters", "leave some out");
    // Each of them is told, not only the first.
    let two = climate("filter.temperature = [{ medain = 5 }, { roudn = 1 }]\n");
    check(&two, &[(4, 25, "`medain`", "median"), (4, 41, "`roudn`", "round")]);
    check(&climate("filter.temprature = [{ round = 1 }]\n"), &[(4, 8, "no number", "filter.temperature")]);
}

#[test]
fn a_voltage_becomes_what_it_means() {
    let battery = first(
        "calibrate.temperature = { divider = { upper = 100000, lower = 22000 }, unit = \"V\", name = \"Battery\" }\n",
    );
    let battery = &battery.calibrate[&temperature()];
    assert!((battery.conversion.of(2.2).unwrap().0 - 12.2).abs() < 1e-9);
    assert_eq!((battery.unit.as_deref(), battery.name.as_deref()), (Some("V"), Some("Battery")));

    let soil =
        first("calibrate.temperature = { table = [[2.8, 0], [1.2, 100]], unit = \"%\", decimals = 0 }\n");
    let (moisture, is_clamped) = soil.calibrate[&temperature()].conversion.of(2.0).unwrap();
    assert!((moisture - 50.0).abs() < 1e-9 && !is_clamped);
    assert_eq!(soil.calibrate[&temperature()].decimals, Some(0));

    let ntc = first(
        "calibrate.temperature = { ntc = { nominal = 10000, beta = 3950, series = 10000, supply = 3.3, to = \"supply\" } }\n",
    );
    let ntc = &ntc.calibrate[&temperature()];
    let Some(Curve::Ntc(found)) = &ntc.conversion.curve else { panic!("{ntc:?}") };
    assert_eq!(found.position, Position::ToSupply);
    assert_eq!((ntc.unit.as_deref(), ntc.class.as_deref()), (Some("°C"), Some("temperature")));

    let steinhart = first(
        "calibrate.temperature = { ntc = { a = 1.129e-3, b = 2.341e-4, c = 8.767e-8, series = 10000, supply = 3.3 } }\n",
    );
    let Some(Curve::Ntc(found)) = &steinhart.calibrate[&temperature()].conversion.curve else { panic!() };
    assert!(matches!(found.curve, ThermistorCurve::SteinhartHart { .. }));
}

#[test]
fn mistakes_in_calibration_and_belief() {
    let line = "calibrate.temperature = { table = [[1, 2], [1, 3]] }\n";
    check(&climate(line), &[(4, 35, "same measured number", "table = [[0.5, 0], [2.8, 100]]")]);
    let line = "calibrate.temperature = { divider = { upper = 0, lower = 1 } }\n";
    check(&climate(line), &[(4, 47, "`upper` must be greater than zero", "upper = 100000")]);
    let line = "calibrate.temperature = { ntc = { nominal = 10000, beta = 3950, series = 10000 } }\n";
    check(&climate(line), &[(4, 33, "`supply` is missing", "supply = 3.3")]);
    let line = "calibrate.temperature = 1.5\n";
    check(&climate(line), &[(4, 25, "must be a table", "calibrate.temperature = { offset = -0.4 }")]);
    let line = "plausible.temperature = { min = 50, max = 10 }\n";
    check(&climate(line), &[(4, 43, "`max` is not greater than `min`", "")]);
    let line = "plausible.temperature = { max_change_per_minute = -1 }\n";
    check(&climate(line), &[(4, 51, "must be greater than zero", "max_change_per_minute = 5")]);
    let line = "report.temperature = { at_least_every = \"5s\", at_most_every = \"1m\" }\n";
    check(&climate(line), &[(4, 63, "longer than `at_least_every`", "shorter time")]);
}

#[test]
fn belief_and_reports_arrive() {
    let device = first(
        "plausible.temperature = { min = -30, max = 60, max_change_per_minute = 6, frozen_after = 100, never = -127 }\n\
         report.temperature = { delta = 0.1, at_least_every = \"5m\", at_most_every = \"10s\" }\n",
    );
    let rules = &device.plausible[&temperature()];
    assert_eq!((rules.range, rules.out_of_range), (Some((-30.0, 60.0)), OutOfRange::Refused));
    assert_eq!((rules.max_change_per_second, rules.frozen_after), (Some(0.1), Some(100)));
    assert_eq!(rules.never, [-127.0]);
    assert_eq!(device.report[&temperature()].at_most_every, Some(Duration::from_secs(10)));
}

/// A room, and a device that is derived from it with these lines: they begin at line 8.
fn with_derived(lines: &str) -> String {
    let room = "[[device]]\nid = \"kitchen\"\ndriver = \"simulated-climate\"\n\n";
    format!("{room}[[device]]\nid = \"x\"\ndriver = \"derived\"\n{lines}")
}

const AIR: &str = "from = { temperature = \"kitchen/temperature\", humidity = \"kitchen/humidity\" }\n";

#[test]
fn a_derived_device_arrives() {
    let config = loaded(&with_derived(&format!("{AIR}gives = [\"dew-point\", \"vpd\"]\n")));
    let DriverConfig::Derived(derived) = &config.devices[1].driver else { panic!("{config:?}") };
    let inputs = vec![
        (Role::Temperature, "kitchen/temperature".parse().unwrap()),
        (Role::Humidity, "kitchen/humidity".parse().unwrap()),
    ];
    let expected = DerivedConfig::new(inputs, vec![Quantity::DewPoint, Quantity::VapourPressureDeficit]);
    assert_eq!(*derived, expected);
    let config = loaded(&with_derived(
        "from = { power = \"kitchen/temperature\" }\ngives = [\"energy\"]\ndirection = \"fed\"\nmax_gap = \"2m\"\n\
         report.energy = { delta = 0.01 }\n",
    ));
    let DriverConfig::Derived(derived) = &config.devices[1].driver else { panic!("{config:?}") };
    assert_eq!((derived.direction, derived.max_gap), (Direction::Fed, Some(Duration::from_secs(120))));
}

#[test]
fn mistakes_in_what_is_derived() {
    let check_lines = |lines: &str, expected: &[Expected<'_>]| check(&with_derived(lines), expected);
    check_lines("gives = [\"dew-point\"]\n", &[(5, 1, "`from` is missing", "from = { temperature")]);
    check_lines(AIR, &[(5, 1, "`gives` is missing", "gives = [\"dew-point\"]")]);
    check_lines(&format!("{AIR}gives = [\"dewpoint\"]\n"), &[(9, 10, "cannot be derived", "dew-point")]);
    check_lines(&format!("{AIR}gives = [\"vpd\", \"vpd\"]\n"), &[(9, 17, "twice", "remove one")]);
    check_lines(
        "from = { temperature = \"kitchen/temperature\" }\ngives = [\"dew-point\"]\n",
        &[(9, 10, "`dew-point` needs `humidity`", "humidity = \"kitchen/humidity\"")],
    );
    check_lines(
        "from = { temperature = \"kitchn/temperature\", humidity = \"kitchen/humdity\" }\ngives = [\"vpd\"]\n",
        &[
            (8, 24, "there is no device `kitchn`", "did you mean \"kitchen/temperature\"?"),
            (8, 57, "`kitchen` has no number `humdity`", "did you mean \"kitchen/humidity\"?"),
        ],
    );
    check_lines(
        "from = { temperature = \"temperature\" }\ngives = [\"vpd\"]\n",
        &[(8, 24, "device and a property", "temperature = \"kitchen/temperature\"")],
    );
    let unused =
        "from = { values = [\"kitchen/temperature\"], power = \"kitchen/humidity\" }\ngives = [\"max\"]\n";
    check_lines(unused, &[(8, 52, "nothing is made of `power`", "`gives`")]);
    let report = format!("{AIR}gives = [\"vpd\"]\nreport.dew-point = {{ delta = 1 }}\n");
    check_lines(&report, &[(10, 8, "no number `dew-point`", "vpd")]);
}

/// The page about signals shows what can be written, so all of it can be.
#[test]
fn the_examples_of_the_documentation_have_nothing_wrong_with_them() {
    let page = include_str!("../../../../../docs/signals.md");
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 5, "the page has examples");
    for example in examples {
        let config = loaded(example);
        assert!(config.warnings.is_empty(), "{example}\n{}", config.warnings);
        assert!(!config.devices.is_empty(), "{example}");
    }
}
