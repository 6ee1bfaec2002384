//! Derived values from inputs that come, go bad and go away.

use gatehouse_model::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::measured::test_support::after;

fn rules(inputs: &[Role], gives: &[Quantity]) -> DerivedRules {
    DerivedRules {
        inputs: inputs.to_vec(),
        gives: gives.to_vec(),
        altitude: 650.0,
        sea_level: STANDARD_PRESSURE,
        pulses_per_unit: 100.0,
        meter_start: 0.0,
        direction: Direction::Drawn,
        max_gap: Duration::from_secs(60),
    }
}

fn input(value: f64, quality: Quality, second: u64) -> Option<Input> {
    let at = Timestamp::from_millis(i64::try_from(second).unwrap() * 1000);
    Some(Input { measured: Measured { value, quality, at }, heard: after(second) })
}

fn said(found: &[(Quantity, Measured)]) -> Vec<String> {
    let one = |(quantity, measured): &(Quantity, Measured)| {
        format!("{} {:.2} {}", quantity.word(), measured.value, measured.quality.as_str())
    };
    found.iter().map(one).collect()
}

const AIR: [Role; 2] = [Role::Temperature, Role::Humidity];

#[test]
fn a_derived_value_is_as_old_as_its_oldest_input_and_as_good_as_its_worst() {
    let mut derived = Derived::new(rules(&AIR, &[Quantity::DewPoint]), None);
    let found = derived.handle_inputs(&[input(20.0, Quality::Ok, 30), input(50.0, Quality::Clamped, 20)]);
    assert_eq!(said(&found), ["dew-point 9.26 clamped"]);
    assert_eq!(found[0].1.at, Timestamp::from_millis(20_000));
    let found = derived.handle_inputs(&[input(20.0, Quality::Ok, 30), input(50.0, Quality::Stale, 20)]);
    assert_eq!(said(&found), ["dew-point 9.26 stale"]);
}

#[test]
fn without_an_input_there_is_no_value() {
    let mut derived = Derived::new(rules(&AIR, &[Quantity::DewPoint, Quantity::HeatIndex]), None);
    assert!(derived.handle_inputs(&[input(20.0, Quality::Ok, 1), None]).is_empty());
    assert!(derived.handle_inputs(&[None, input(50.0, Quality::Ok, 1)]).is_empty());
    let dry = derived.handle_inputs(&[input(20.0, Quality::Ok, 1), input(0.0, Quality::Ok, 1)]);
    assert_eq!(dry.len(), 1, "dry air has a heat index and no dew point: {dry:?}");
}

#[test]
fn a_pressure_waits_for_the_temperature_that_its_owner_named() {
    let both = [Role::Pressure, Role::Temperature];
    let mut derived = Derived::new(rules(&both, &[Quantity::SeaLevelPressure]), None);
    assert!(derived.handle_inputs(&[input(940.0, Quality::Ok, 1), None]).is_empty());
    let found = derived.handle_inputs(&[input(940.0, Quality::Ok, 1), input(20.0, Quality::Ok, 1)]);
    assert_eq!(said(&found), ["sea-level-pressure 1013.42 ok"]);
    let mut alone = Derived::new(rules(&both[..1], &[Quantity::SeaLevelPressure]), None);
    assert_eq!(alone.handle_inputs(&[input(940.0, Quality::Ok, 1)]).len(), 1);
}

#[test]
fn a_mean_of_some_rooms_is_not_the_mean_of_all() {
    let gives = [Quantity::Min, Quantity::Max, Quantity::Mean, Quantity::Sum, Quantity::Difference];
    let mut derived = Derived::new(rules(&[Role::Value; 3], &gives), None);
    let two = [input(20.0, Quality::Ok, 1), input(22.0, Quality::Ok, 1), None];
    assert!(derived.handle_inputs(&two).is_empty());
    let all = [two[0], two[1], input(27.0, Quality::Retried, 1)];
    let expected = [
        "min 20.00 retried",
        "max 27.00 retried",
        "mean 23.00 retried",
        "sum 69.00 retried",
        "difference 7.00 retried",
    ];
    assert_eq!(said(&derived.handle_inputs(&all)), expected);
}

#[test]
fn a_meter_shows_what_its_pulses_say() {
    let rules = DerivedRules { meter_start: 1234.5, ..rules(&[Role::Pulses], &[Quantity::Volume]) };
    let found = Derived::new(rules, None).handle_inputs(&[input(250.0, Quality::Ok, 1)]);
    assert_eq!(said(&found), ["volume 1237.00 ok"]);
}

#[test]
fn energy_goes_on_from_what_is_remembered_and_counts_no_reading_twice() {
    let mut derived = Derived::new(rules(&[Role::Power], &[Quantity::Energy]), Some(10.0));
    let mut total = |watts, quality, second| {
        derived.handle_inputs(&[input(watts, quality, second)]);
        (derived.kwh() * 1e6).round() / 1e6
    };
    assert_eq!(total(1000.0, Quality::Ok, 0), 10.0);
    assert_eq!(total(1000.0, Quality::Ok, 36), 10.01);
    assert_eq!(total(1000.0, Quality::Ok, 36), 10.01, "the same reading again");
    assert_eq!(total(900_000.0, Quality::Suspect, 45), 10.01, "a spike is left out");
    assert_eq!(total(1000.0, Quality::Ok, 72), 10.02);
    assert_eq!(total(1000.0, Quality::Stale, 100), 10.02);
    assert_eq!(total(1000.0, Quality::Ok, 108), 10.02, "what was drawn while nobody measured is not made up");
}

#[test]
fn words_stand_for_one_thing() {
    for quantity in ALL_QUANTITIES {
        assert_eq!(Quantity::from_word(quantity.word()), Some(quantity));
        assert!(!quantity.needs().is_empty() && !quantity.name().is_empty());
        assert!(gatehouse_model::PropertyId::new(quantity.word()).is_ok());
    }
    let words: std::collections::BTreeSet<_> = ALL_ROLES.map(Role::word).into_iter().collect();
    assert_eq!(words.len(), ALL_ROLES.len());
}

proptest! {
    /// Whatever the inputs are, values are finite, never better than the worst input, and never there without inputs.
    #[test]
    fn derived_values_are_honest(
        values in proptest::collection::vec(
            proptest::option::of((any::<f64>().prop_filter("finite", |n| n.is_finite()), 0usize..5)), 6),
    ) {
        let qualities = [Quality::Ok, Quality::Retried, Quality::Clamped, Quality::Suspect, Quality::Stale];
        let inputs: Vec<_> =
            values.iter().map(|value| value.and_then(|(value, quality)| input(value, qualities[quality], 5))).collect();
        let mut derived = Derived::new(rules(&ALL_ROLES, &ALL_QUANTITIES), None);
        for (quantity, measured) in derived.handle_inputs(&inputs) {
            prop_assert!(measured.value.is_finite());
            for (role, input) in ALL_ROLES.iter().zip(&inputs) {
                if quantity.needs().contains(role) {
                    prop_assert!(input.is_some_and(|input| measured.quality >= input.measured.quality));
                }
            }
        }
    }
}
