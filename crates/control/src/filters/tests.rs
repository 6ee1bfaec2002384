//! Chains: what the parts do together.

use std::time::Duration;

use gatehouse_model::{Quality, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::measured::test_support::{after, good};

const MINUTE: Duration = Duration::from_secs(60);

fn passed(filters: &mut Filters, inputs: &[(u64, f64)]) -> Vec<f64> {
    let pass = |(second, value): &(u64, f64)| {
        filters.handle_value(good(*value), after(*second)).map(|output| output.value)
    };
    inputs.iter().filter_map(pass).collect()
}

#[test]
fn a_chain_without_filters_lets_everything_through() {
    let mut filters = Filters::new(&[]);
    assert_eq!(passed(&mut filters, &[(0, 1.0), (1, 2.0)]), [1.0, 2.0]);
    assert_eq!(filters.next_deadline(), None);
}

#[test]
fn filters_work_in_their_order() {
    let twice_and_one = [FilterRule::Multiply(2.0), FilterRule::Offset(1.0)];
    let one_and_twice = [FilterRule::Offset(1.0), FilterRule::Multiply(2.0)];
    assert_eq!(passed(&mut Filters::new(&twice_and_one), &[(0, 10.0)]), [21.0]);
    assert_eq!(passed(&mut Filters::new(&one_and_twice), &[(0, 10.0)]), [22.0]);
}

#[test]
fn a_large_change_or_a_minute_is_worth_a_number() {
    let rule = FilterRule::Or(vec![FilterRule::Throttle(MINUTE), FilterRule::Delta(Step::Absolute(1.0))]);
    let inputs = [(0, 20.0), (10, 20.1), (20, 21.5), (30, 21.6), (65, 21.7), (70, 21.8)];
    assert_eq!(passed(&mut Filters::new(&[rule]), &inputs), [20.0, 21.5, 21.7]);
}

#[test]
fn what_time_brings_goes_through_the_rest_of_the_chain() {
    let rules = [FilterRule::Offset(1.0), FilterRule::Heartbeat(MINUTE), FilterRule::Multiply(2.0)];
    let mut filters = Filters::new(&rules);
    assert_eq!(passed(&mut filters, &[(0, 1.0), (30, 4.0)]), [4.0]);
    assert_eq!(filters.next_deadline(), Some(after(60)));
    let Some(FilterEvent::Value(beat)) = filters.handle_timeout(after(60)) else { panic!("no beat") };
    assert_eq!(beat.value, 10.0);
}

#[test]
fn a_beat_that_is_swallowed_lets_the_silence_behind_it_be_told() {
    let rules =
        [FilterRule::Heartbeat(MINUTE), FilterRule::Delta(Step::Absolute(1.0)), FilterRule::Timeout(MINUTE)];
    let mut filters = Filters::new(&rules);
    filters.handle_value(good(1.0), after(0));
    assert_eq!(filters.handle_timeout(after(60)), Some(FilterEvent::Silence));
    assert_eq!(filters.next_deadline(), Some(after(120)), "the heart goes on");
}

#[test]
fn every_rule_says_what_is_wrong_with_it() {
    let sending = Sending::default();
    let wrong = [
        FilterRule::Offset(f64::NAN),
        FilterRule::Multiply(0.0),
        FilterRule::FilterOut(Vec::new()),
        FilterRule::Clamp { min: None, max: None, ignore_out_of_range: true },
        FilterRule::Clamp { min: Some(2.0), max: Some(1.0), ignore_out_of_range: false },
        FilterRule::Round(10),
        FilterRule::RoundToMultipleOf(0.0),
        FilterRule::Window { statistic: Statistic::Median, size: 0, sending },
        FilterRule::Window { statistic: Statistic::Median, size: MAX_WINDOW + 1, sending },
        FilterRule::Window { statistic: Statistic::Quantile(1.1), size: 5, sending },
        FilterRule::Window { statistic: Statistic::Max, size: 5, sending: Sending { every: 2, first_at: 3 } },
        FilterRule::ExponentialMovingAverage { alpha: 0.0, sending },
        FilterRule::Throttle(Duration::ZERO),
        FilterRule::Timeout(Duration::from_secs(90_000)),
        FilterRule::Delta(Step::Percent(-1.0)),
        FilterRule::SkipInitial(MAX_SKIPPED + 1),
        FilterRule::Or(vec![FilterRule::Throttle(MINUTE)]),
        FilterRule::Or(vec![FilterRule::Throttle(MINUTE), FilterRule::Multiply(0.0)]),
    ];
    for rule in wrong {
        assert!(rule.problem().is_some_and(|problem| !problem.is_empty()), "{rule:?}");
    }
    assert_eq!(FilterRule::Or(vec![FilterRule::Throttle(MINUTE), FilterRule::Offset(1.0)]).problem(), None);
}

/// Any rule, also those that nobody could configure.
fn any_rule() -> impl Strategy<Value = FilterRule> {
    let number = || any::<f64>();
    let time = || (0u64..100_000_000).prop_map(Duration::from_millis);
    let sending = || (0usize..600, 0usize..600).prop_map(|(every, first_at)| Sending { every, first_at });
    let statistic = prop_oneof![
        number().prop_map(Statistic::Quantile),
        Just(Statistic::Median),
        Just(Statistic::Min),
        Just(Statistic::Max),
        Just(Statistic::Mean),
    ];
    let leaf = prop_oneof![
        number().prop_map(FilterRule::Offset),
        number().prop_map(FilterRule::Multiply),
        (number(), number())
            .prop_map(|(slope, intercept)| FilterRule::CalibrateLinear(Line { slope, intercept })),
        proptest::collection::vec(number(), 0..3).prop_map(FilterRule::FilterOut),
        (proptest::option::of(number()), proptest::option::of(number()), any::<bool>())
            .prop_map(|(min, max, ignore_out_of_range)| FilterRule::Clamp { min, max, ignore_out_of_range }),
        any::<u8>().prop_map(FilterRule::Round),
        number().prop_map(FilterRule::RoundToMultipleOf),
        (statistic, 0usize..600, sending()).prop_map(|(statistic, size, sending)| FilterRule::Window {
            statistic,
            size,
            sending
        }),
        (number(), sending())
            .prop_map(|(alpha, sending)| FilterRule::ExponentialMovingAverage { alpha, sending }),
        time().prop_map(FilterRule::Throttle),
        time().prop_map(FilterRule::ThrottleAverage),
        time().prop_map(FilterRule::Heartbeat),
        time().prop_map(FilterRule::Timeout),
        time().prop_map(FilterRule::Debounce),
        number().prop_map(|step| FilterRule::Delta(Step::Absolute(step))),
        number().prop_map(|step| FilterRule::Delta(Step::Percent(step))),
        any::<u32>().prop_map(FilterRule::SkipInitial),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(FilterRule::Or))
}

fn any_measured() -> impl Strategy<Value = Measured> {
    let quality = prop_oneof![Just(Quality::Ok), Just(Quality::Clamped), Just(Quality::Suspect)];
    let number = any::<f64>().prop_filter("finite", |number| number.is_finite());
    (number, quality, any::<i64>()).prop_map(|(value, quality, at)| Measured {
        value,
        quality,
        at: Timestamp::from_millis(at),
    })
}

proptest! {
    /// No chain of any rules ever panics, gives what is no number, gives a number better than the best that came in, or
    /// stays due after time was told to it.
    #[test]
    fn a_chain_gives_honest_numbers_and_time_goes_on(
        rules in proptest::collection::vec(any_rule(), 0..6),
        steps in proptest::collection::vec((0u64..100_000, proptest::option::of(any_measured())), 0..60)
    ) {
        let mut filters = Filters::new(&rules);
        let mut now = 0;
        let mut best = None::<Quality>;
        let mut times = Vec::new();
        for (pause, input) in steps {
            now += pause;
            let now = gatehouse_model::Moment::from_start(Duration::from_millis(now));
            let out = match input {
                Some(measured) => {
                    best = Some(best.map_or(measured.quality, |best| best.min(measured.quality)));
                    times.push(measured.at);
                    filters.handle_value(measured, now)
                }
                None => {
                    let mut last = None;
                    for round in 0.. {
                        prop_assert!(round <= 4 * rules.iter().map(FilterRule::count).sum::<usize>(), "it never rests");
                        match filters.handle_timeout(now) {
                            Some(FilterEvent::Value(value)) => last = Some(value),
                            Some(FilterEvent::Silence) => {}
                            None => break,
                        }
                    }
                    prop_assert!(filters.next_deadline().is_none_or(|deadline| deadline > now));
                    last
                }
            };
            if let Some(out) = out {
                prop_assert!(out.value.is_finite());
                prop_assert!(best.is_some_and(|best| out.quality >= best));
                prop_assert!(times.contains(&out.at), "a number has the time of a reading");
            }
        }
    }
}
