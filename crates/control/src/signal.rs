//! From what a sensor says to what is published: calibration, range, belief, and when it is worth a message.

use std::time::Duration;

use gatehouse_model::{Moment, Quality, Timestamp, Value};

/// Periods without a reading after which the last value counts as stale.
pub const PERIODS_BEFORE_STALE: u32 = 3;

/// Most digits behind the point: an `f64` has no more that mean something.
pub const MAX_DECIMALS: u8 = 9;

/// What is done with the values of one property. Numbers go through all of it, other values through the report policy
/// and the watch for silence.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalRules {
    /// Factor of the calibration: the published number is `measured * scale + offset`.
    pub scale: f64,
    /// What is added, in the property's unit.
    pub offset: f64,
    /// Digits behind the point, at most [`MAX_DECIMALS`].
    pub decimals: u8,
    /// What the sensor can measure, in the property's unit. A value outside is set to the limit and marked as clamped.
    pub range: Option<(f64, f64)>,
    /// A number that the sensor gives before its first measurement (85.0 °C for a DS18B20: its datasheet, "Power-on
    /// reset value"). It is marked as suspect.
    pub power_on_value: Option<f64>,
    /// Smallest change worth a message, in the property's unit; 0 publishes every reading.
    pub delta: f64,
    /// Longest time without a message while the sensor answers.
    pub at_least_every: Option<Duration>,
    /// How often the sensor is read; nothing for one that reports changes, which cannot go stale by silence.
    pub period: Option<Duration>,
}

impl Default for SignalRules {
    fn default() -> Self {
        Self {
            scale: 1.0,
            offset: 0.0,
            decimals: 2,
            range: None,
            power_on_value: None,
            delta: 0.0,
            at_least_every: None,
            period: None,
        }
    }
}

/// A value as it is to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The value, calibrated and rounded.
    pub value: Value,
    /// How far it can be trusted.
    pub quality: Quality,
    /// When it was true.
    pub at: Timestamp,
}

/// One property on its way from the driver to the broker.
#[derive(Clone, Debug)]
pub struct Signal {
    rules: SignalRules,
    latest: Option<(Judged, Moment)>,
    published: Option<(Judged, Moment)>,
    is_stale: bool,
}

impl Signal {
    /// A property of which nothing was heard yet.
    pub fn new(rules: SignalRules) -> Self {
        Self { rules, latest: None, published: None, is_stale: false }
    }

    /// Takes a value from the driver. Gives what is to be published, if anything.
    pub fn handle_sample(
        &mut self,
        value: &Value,
        quality: Quality,
        at: Timestamp,
        now: Moment,
    ) -> Option<Judged> {
        let judged = self.judge(value, quality, at)?;
        let was_stale = std::mem::replace(&mut self.is_stale, false);
        self.latest = Some((judged.clone(), now));
        if !was_stale && !self.is_worth_a_message(&judged, now) {
            return None;
        }
        self.published = Some((judged.clone(), now));
        Some(judged)
    }

    fn judge(&self, value: &Value, quality: Quality, at: Timestamp) -> Option<Judged> {
        let Value::Number(raw) = value else {
            return Some(Judged { value: value.clone(), quality, at });
        };
        let mut worst = quality;
        if self.rules.power_on_value.is_some_and(|power_on| (raw - power_on).abs() < f64::EPSILON) {
            worst = worst.max(Quality::Suspect);
        }
        let mut number = *raw;
        if let Some((low, high)) = self.rules.range.filter(|(low, high)| low <= high)
            && !(low..=high).contains(&number)
        {
            number = number.clamp(low, high);
            worst = worst.max(Quality::Clamped);
        }
        // A calibration that leaves the numbers that exist gives no reading.
        let value = Value::number(round(number * self.rules.scale + self.rules.offset, self.rules.decimals))?;
        Some(Judged { value, quality: worst, at })
    }

    fn is_worth_a_message(&self, judged: &Judged, now: Moment) -> bool {
        let Some((published, at)) = &self.published else { return true };
        if judged.quality != published.quality {
            return true;
        }
        if self.rules.at_least_every.is_some_and(|longest| now.saturating_since(*at) >= longest) {
            return true;
        }
        match (&judged.value, &published.value) {
            (Value::Number(new), Value::Number(old)) => {
                // Rounding noise must not hide a change of exactly the delta.
                self.rules.delta <= 0.0 || (new - old).abs() >= self.rules.delta * (1.0 - 1e-9)
            }
            (new, old) => self.rules.delta <= 0.0 || new != old,
        }
    }

    /// The last value, whether it was worth a message or not; nothing before the first.
    pub fn latest(&self) -> Option<&Judged> {
        self.latest.as_ref().map(|(judged, _)| judged)
    }

    /// When the last value becomes stale.
    pub fn next_deadline(&self) -> Option<Moment> {
        if self.is_stale {
            return None;
        }
        let (_, at) = self.latest.as_ref()?;
        Some(*at + self.rules.period?.saturating_mul(PERIODS_BEFORE_STALE))
    }

    /// Gives the last value again, marked as stale and with the time when it was true, once the sensor has been silent
    /// for too long.
    pub fn handle_timeout(&mut self, now: Moment) -> Option<Judged> {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        self.is_stale = true;
        let (latest, _) = self.latest.as_ref()?;
        Some(Judged { quality: Quality::Stale, ..latest.clone() })
    }
}

fn round(number: f64, decimals: u8) -> f64 {
    let factor = 10f64.powi(i32::from(decimals.min(MAX_DECIMALS)));
    let rounded = (number * factor).round() / factor;
    // Numbers too large to be multiplied have no digits behind the point anyway.
    if rounded.is_finite() { rounded } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: Timestamp = Timestamp::from_millis(0);

    fn after(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    /// Samples at these seconds; gives what was published, as text.
    fn check(rules: SignalRules, samples: &[(u64, f64)]) -> Vec<String> {
        let mut signal = Signal::new(rules);
        let publish = |(seconds, number): &(u64, f64)| {
            signal.handle_sample(&Value::Number(*number), Quality::Ok, AT, after(*seconds))
        };
        let said = |judged: Judged| format!("{} {}", judged.value, judged.quality.as_str());
        samples.iter().filter_map(publish).map(said).collect()
    }

    #[test]
    fn a_calibrated_value_is_rounded_and_kept_in_range() {
        let rules = SignalRules {
            scale: 2.0,
            offset: -0.4,
            decimals: 1,
            range: Some((-40.0, 85.0)),
            ..Default::default()
        };
        assert_eq!(check(rules, &[(0, 10.33), (1, 200.0)]), ["20.3 ok", "169.6 clamped"]);
    }

    #[test]
    fn a_power_on_value_is_suspect() {
        let rules = SignalRules { power_on_value: Some(85.0), ..Default::default() };
        assert_eq!(check(rules, &[(0, 85.0), (1, 21.0)]), ["85 suspect", "21 ok"]);
    }

    #[test]
    fn small_changes_wait_for_the_heartbeat() {
        let rules =
            SignalRules { delta: 0.1, at_least_every: Some(Duration::from_secs(300)), ..Default::default() };
        let samples = [(0, 20.0), (10, 20.05), (20, 20.1), (30, 20.12), (320, 20.12), (330, 20.12)];
        assert_eq!(check(rules, &samples), ["20 ok", "20.1 ok", "20.12 ok"]);
    }

    #[test]
    fn what_is_not_a_number_any_more_is_no_reading() {
        let rules = SignalRules { scale: f64::MAX, ..Default::default() };
        assert!(check(rules, &[(0, 1e10)]).is_empty());
    }

    #[test]
    fn a_silent_sensor_goes_stale_once_and_comes_back() {
        let period = Some(Duration::from_secs(10));
        let mut signal = Signal::new(SignalRules { delta: 5.0, period, ..Default::default() });
        assert_eq!(signal.next_deadline(), None, "what was never heard cannot go stale");
        let value = Value::Number(21.0);
        signal.handle_sample(&value, Quality::Ok, Timestamp::from_millis(7), after(0));
        assert_eq!(signal.handle_timeout(after(29)), None);
        let stale = signal.handle_timeout(signal.next_deadline().unwrap()).unwrap();
        assert_eq!((stale.quality, stale.at), (Quality::Stale, Timestamp::from_millis(7)));
        assert_eq!(signal.next_deadline(), None);
        let back = signal.handle_sample(&value, Quality::Ok, AT, after(60));
        assert_eq!(
            back.map(|judged| judged.quality),
            Some(Quality::Ok),
            "it is told although it has not changed"
        );
    }

    proptest! {
        #[test]
        fn a_published_number_is_finite_and_in_range(
            raw in any::<f64>(), scale in -1e6f64..1e6, offset in -1e6f64..1e6, decimals in any::<u8>()
        ) {
            let rules = SignalRules { scale, offset, decimals, range: Some((-100.0, 100.0)), ..Default::default() };
            let mut signal = Signal::new(rules);
            if let Some(judged) = signal.handle_sample(&Value::Number(raw), Quality::Ok, AT, after(0)) {
                let number = judged.value.as_number().unwrap();
                prop_assert!(number.is_finite() && number.abs() <= 100.0 * scale.abs() + offset.abs() + 1.0);
            }
        }
    }
}
