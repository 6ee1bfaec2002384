//! One property from the driver to the broker.

use gatehouse_model::ManualClock;
use proptest::prelude::*;

use super::*;
use crate::filters::{Statistic, Step};
use crate::measured::test_support::after;
use crate::plausible::PowerOn;

const AT: Timestamp = Timestamp::from_millis(0);
const PERIOD: Duration = Duration::from_secs(10);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn rules() -> SignalRules {
    SignalRules { period: Some(PERIOD), ..SignalRules::default() }
}

/// Samples at these seconds, while time is told every second; gives what was published.
fn published(rules: SignalRules, samples: &[(u64, f64)], end: u64) -> Vec<String> {
    let mut signal = Signal::new(rules);
    let mut out = Vec::new();
    let mut samples = samples.iter().peekable();
    for second in 0..=end {
        let now = after(second);
        let mut say = |heard: Heard| {
            if let Heard::News(judged) = heard {
                out.push(format!("{second}: {} {}", judged.value, judged.quality.as_str()));
            }
        };
        while let Some(heard) = signal.handle_timeout(now) {
            say(heard);
        }
        while let Some((_, number)) = samples.next_if(|(at, _)| *at == second) {
            say(signal.handle_sample(&Value::Number(*number), Quality::Ok, AT, now));
        }
    }
    out
}

#[test]
fn a_calibrated_value_is_rounded_and_kept_in_range() {
    let sensor = PlausibilityRules { range: Some((-40.0, 85.0)), ..PlausibilityRules::default() };
    let conversion = Conversion { scale: 2.0, offset: -0.4, ..Conversion::default() };
    let rules = SignalRules { sensor, conversion, decimals: 1, ..rules() };
    assert_eq!(published(rules, &[(0, 10.33), (1, 200.0)], 2), ["0: 20.3 ok", "1: 169.6 clamped"]);
}

#[test]
fn small_changes_wait_for_the_heartbeat() {
    let report = ReportRules { delta: 0.1, at_least_every: Some(seconds(300)), at_most_every: None };
    let rules = SignalRules { report, period: None, ..rules() };
    let samples = [(0, 20.0), (10, 20.05), (20, 20.1), (30, 20.12), (320, 20.12), (330, 20.12)];
    assert_eq!(published(rules, &samples, 340), ["0: 20 ok", "20: 20.1 ok", "320: 20.12 ok"]);
}

#[test]
fn what_comes_too_soon_waits_and_the_newest_is_published() {
    let report = ReportRules { at_most_every: Some(seconds(10)), ..ReportRules::default() };
    let rules = SignalRules { report, period: None, ..rules() };
    let samples = [(0, 1.0), (3, 2.0), (6, 3.0), (25, 4.0), (26, 5.0)];
    assert_eq!(published(rules, &samples, 60), ["0: 1 ok", "10: 3 ok", "25: 4 ok", "35: 5 ok"]);
}

/// A change of the delta that came too soon was forgotten when a smaller one followed it.
#[test]
fn what_waits_is_not_forgotten() {
    let report = ReportRules { delta: 1.0, at_most_every: Some(seconds(10)), at_least_every: None };
    let rules = SignalRules { report, period: None, ..rules() };
    let samples = [(0, 20.0), (3, 25.0), (6, 20.5)];
    assert_eq!(published(rules, &samples, 30), ["0: 20 ok", "10: 20.5 ok"]);
}

#[test]
fn what_is_not_a_number_any_more_is_refused() {
    let conversion = Conversion { scale: f64::MAX, ..Conversion::default() };
    let mut signal = Signal::new(SignalRules { conversion, ..rules() });
    let heard = signal.handle_sample(&Value::Number(1e10), Quality::Ok, AT, after(0));
    assert!(matches!(heard, Heard::Refused(_)), "{heard:?}");
}

#[test]
fn a_silent_sensor_goes_stale_once_and_comes_back() {
    let clock = ManualClock::new(Timestamp::from_millis(7));
    let report = ReportRules { delta: 5.0, ..ReportRules::default() };
    let mut signal = Signal::new(SignalRules { report, ..rules() });
    assert_eq!(signal.next_deadline(), None, "what was never heard cannot go stale");
    let value = Value::Number(21.0);
    signal.handle_sample(&value, Quality::Ok, gatehouse_model::Clock::now(&clock), after(0));
    assert_eq!(signal.handle_timeout(after(29)), None);
    let Some(Heard::News(stale)) = signal.handle_timeout(signal.next_deadline().unwrap()) else { panic!() };
    assert_eq!((stale.quality, stale.at), (Quality::Stale, Timestamp::from_millis(7)));
    assert_eq!(signal.next_deadline(), None);
    let Heard::News(back) = signal.handle_sample(&value, Quality::Ok, AT, after(60)) else {
        panic!("it is told although it has not changed")
    };
    assert_eq!(back.quality, Quality::Ok);
}

#[test]
fn a_disconnected_sensor_goes_stale_although_it_answers() {
    let sensor = PlausibilityRules { never: vec![-127.0], ..PlausibilityRules::default() };
    let samples = [(0, 21.0), (10, -127.0), (20, -127.0), (30, -127.0), (40, 22.0)];
    let found = published(SignalRules { sensor, ..rules() }, &samples, 45);
    assert_eq!(found, ["0: 21 ok", "30: 21 stale", "40: 22 ok"]);
}

#[test]
fn a_power_on_value_does_not_reach_the_median() {
    let power_on = Some(PowerOn { value: 85.0, neighbourhood: 3.0 });
    let sensor = PlausibilityRules { power_on, ..PlausibilityRules::default() };
    let sending = crate::filters::Sending::default();
    let filters = vec![FilterRule::Window { statistic: Statistic::Median, size: 3, sending }];
    let samples = [(0, 21.0), (10, 21.1), (20, 85.0), (30, 21.2)];
    let found = published(SignalRules { sensor, filters, decimals: 1, ..rules() }, &samples, 32);
    assert_eq!(found, ["0: 21 ok", "10: 21.1 ok", "20: 21.1 ok", "30: 21.2 ok"]);
}

/// A throttle of an hour on a sensor that is read every ten seconds made it stale.
#[test]
fn a_sensor_is_not_silent_because_a_filter_keeps_what_it_says() {
    let filters = vec![FilterRule::Throttle(seconds(3600))];
    let samples: Vec<_> = (0..100).map(|n| (10 * n, 20.0 + n as f64)).collect();
    assert_eq!(published(SignalRules { filters, ..rules() }, &samples, 1000), ["0: 20 ok"]);
}

#[test]
fn what_is_known_is_told_again_in_time_although_a_filter_keeps_the_rest() {
    let filters = vec![FilterRule::Delta(Step::Absolute(5.0))];
    let report = ReportRules { at_least_every: Some(seconds(30)), ..ReportRules::default() };
    let samples: Vec<_> = (0..8).map(|n| (10 * n, 20.0 + 0.1 * n as f64)).collect();
    let found = published(SignalRules { filters, report, ..rules() }, &samples, 75);
    assert_eq!(found, ["0: 20 ok", "30: 20 ok", "60: 20 ok"]);
}

/// A heartbeat went on for ever with the last number of a sensor that had been unplugged.
#[test]
fn a_heart_does_not_beat_for_a_silent_sensor() {
    let filters = vec![FilterRule::Heartbeat(seconds(7))];
    let found = published(SignalRules { filters, ..rules() }, &[(0, 20.0)], 100);
    assert_eq!(found, ["0: 20 ok", "7: 20 ok", "14: 20 ok", "21: 20 ok", "28: 20 ok", "30: 20 stale"]);
}

#[test]
fn an_impatient_filter_makes_it_stale_sooner() {
    let filters = vec![FilterRule::Timeout(seconds(12))];
    let found = published(SignalRules { filters, ..rules() }, &[(0, 20.0), (40, 21.0)], 45);
    assert_eq!(found, ["0: 20 ok", "12: 20 stale", "40: 21 ok"]);
}

proptest! {
    #[test]
    fn a_published_number_is_finite_and_in_range(
        raw in any::<f64>(), scale in -1e6f64..1e6, offset in -1e6f64..1e6, decimals in any::<u8>()
    ) {
        let sensor = PlausibilityRules { range: Some((-100.0, 100.0)), ..PlausibilityRules::default() };
        let conversion = Conversion { scale, offset, ..Conversion::default() };
        let mut signal = Signal::new(SignalRules { sensor, conversion, decimals, ..rules() });
        if let Heard::News(judged) = signal.handle_sample(&Value::Number(raw), Quality::Ok, AT, after(0)) {
            let number = judged.value.as_number().unwrap();
            prop_assert!(number.is_finite() && number.abs() <= 100.0 * scale.abs() + offset.abs() + 1.0);
        }
    }

    /// Whatever a sensor does, messages are never closer than the owner wants (but for a stale mark and what follows
    /// it), and after time was told no deadline lies behind.
    #[test]
    fn messages_keep_their_distance(
        steps in proptest::collection::vec((0u64..25, proptest::option::of(-50.0f64..50.0)), 1..80),
        delta in 0.0f64..10.0
    ) {
        let report = ReportRules { delta, at_least_every: Some(seconds(40)), at_most_every: Some(seconds(8)) };
        let mut signal = Signal::new(SignalRules { report, ..rules() });
        let (mut now, mut last) = (0, None::<(u64, Quality)>);
        for (pause, sample) in steps {
            now += pause;
            let mut news = Vec::new();
            while let Some(heard) = signal.handle_timeout(after(now)) { news.push(heard); }
            prop_assert!(signal.next_deadline().is_none_or(|deadline| deadline > after(now)));
            if let Some(number) = sample {
                news.push(signal.handle_sample(&Value::Number(number), Quality::Ok, AT, after(now)));
            }
            for heard in news {
                let Heard::News(judged) = heard else { continue };
                if let Some((at, quality)) = last
                    && judged.quality != Quality::Stale && quality != Quality::Stale {
                    prop_assert!(now - at >= 8, "{} after {}", now, at);
                }
                last = Some((now, judged.quality));
            }
        }
    }
}
