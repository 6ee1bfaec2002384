//! From what a sensor says to what is published: belief, calibration, filters, and when it is worth a message.
//!
//! A number goes this way: what the sensor cannot have measured is refused, clamped or marked (`sensor`) → conversion →
//! what the owner does not believe (`owner`) → filters → rounding → report. Switches and words go through the report
//! and the watch for silence only.

use std::time::Duration;

use gatehouse_model::{Moment, Quality, Timestamp, Value};

use crate::filters::{FilterEvent, FilterRule, Filters};
use crate::lookup::Conversion;
use crate::measured::Measured;
use crate::plausible::{Plausibility, PlausibilityRules, Refusal};
use crate::rounding::round;

/// Periods without a reading after which the last value counts as stale.
pub const PERIODS_BEFORE_STALE: u32 = 3;

/// When a value is worth a message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReportRules {
    /// Smallest change worth a message, in the property's unit; 0 publishes every reading.
    pub delta: f64,
    /// Longest time without a message while the sensor answers.
    pub at_least_every: Option<Duration>,
    /// Shortest time between two messages. What comes sooner waits, and the newest is published.
    pub at_most_every: Option<Duration>,
}

/// What is done with the values of one property.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalRules {
    /// What can be believed of what the sensor gives, before the conversion.
    pub sensor: PlausibilityRules,
    /// What the sensor's number means.
    pub conversion: Conversion,
    /// What the owner believes, after the conversion.
    pub owner: PlausibilityRules,
    /// The filters.
    pub filters: Vec<FilterRule>,
    /// Digits behind the point, at most [`MAX_DECIMALS`](crate::rounding::MAX_DECIMALS).
    pub decimals: u8,
    /// When it is worth a message.
    pub report: ReportRules,
    /// How often the sensor is read; nothing for one that reports changes, which cannot go stale by silence.
    pub period: Option<Duration>,
}

impl Default for SignalRules {
    fn default() -> Self {
        Self {
            sensor: PlausibilityRules::default(),
            conversion: Conversion::default(),
            owner: PlausibilityRules::default(),
            filters: Vec::new(),
            decimals: 2,
            report: ReportRules::default(),
            period: None,
        }
    }
}

/// A value as it is to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The value, calibrated, filtered and rounded.
    pub value: Value,
    /// How far it can be trusted.
    pub quality: Quality,
    /// When it was true.
    pub at: Timestamp,
}

/// What became of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// It is to be published.
    News(Judged),
    /// It is what the property is now, but not worth a message.
    Known(Judged),
    /// A filter keeps it.
    Kept,
    /// It is no measurement.
    Refused(Refusal),
}

/// One property on its way from the driver to the broker.
#[derive(Debug)]
pub struct Signal {
    conversion: Conversion,
    decimals: u8,
    report: ReportRules,
    period: Option<Duration>,
    sensor: Plausibility,
    owner: Plausibility,
    filters: Filters,
    /// What the property is.
    latest: Option<Judged>,
    published: Option<(Judged, Moment)>,
    /// Since when something waits that is worth a message but came too soon.
    is_waiting: bool,
    /// When the sensor last gave a value that was not refused.
    heard: Option<Moment>,
    is_stale: bool,
}

impl Signal {
    /// A property of which nothing was heard yet.
    pub fn new(rules: SignalRules) -> Self {
        Self {
            conversion: rules.conversion,
            decimals: rules.decimals,
            report: rules.report,
            period: rules.period,
            sensor: Plausibility::new(rules.sensor),
            owner: Plausibility::new(rules.owner),
            filters: Filters::new(&rules.filters),
            latest: None,
            published: None,
            is_waiting: false,
            heard: None,
            is_stale: false,
        }
    }

    /// Takes a value from the driver. Says what became of it.
    pub fn handle_sample(&mut self, value: &Value, quality: Quality, at: Timestamp, now: Moment) -> Heard {
        let Value::Number(raw) = value else {
            self.heard = Some(now);
            return self.settle(Judged { value: value.clone(), quality, at }, now);
        };
        let believed = match self.believe(Measured { value: *raw, quality, at }, now) {
            Ok(believed) => believed,
            Err(refusal) => return Heard::Refused(refusal),
        };
        self.heard = Some(now);
        match self.filters.handle_value(believed, now).and_then(|passed| self.rounded(passed)) {
            Some(judged) => self.settle(judged, now),
            None => self.keep(now),
        }
    }

    fn believe(&mut self, raw: Measured, now: Moment) -> Result<Measured, Refusal> {
        if !raw.value.is_finite() {
            return Err(crate::lookup::NoMeaning::NotFinite(raw.value).into());
        }
        let measured = self.sensor.handle_value(raw, now)?;
        let (value, is_clamped) = self.conversion.of(measured.value)?;
        let quality = if is_clamped { measured.quality.max(Quality::Clamped) } else { measured.quality };
        self.owner.handle_value(Measured { value, quality, ..measured }, now)
    }

    fn rounded(&self, measured: Measured) -> Option<Judged> {
        let value = Value::number(round(measured.value, self.decimals))?;
        Some(Judged { value, quality: measured.quality, at: measured.at })
    }

    /// A filter keeps what came; what is known is told again when it is time.
    fn keep(&mut self, now: Moment) -> Heard {
        let is_due = self.is_time_for_a_message(now) && !self.is_stale;
        match self.latest.clone().filter(|_| is_due) {
            Some(latest) => self.settle(latest, now),
            None => Heard::Kept,
        }
    }

    /// The property is this now.
    fn settle(&mut self, judged: Judged, now: Moment) -> Heard {
        let was_stale = std::mem::replace(&mut self.is_stale, false);
        self.latest = Some(judged.clone());
        if !was_stale && !self.is_waiting && !self.is_worth_a_message(&judged, now) {
            return Heard::Known(judged);
        }
        if !was_stale && self.earliest().is_some_and(|earliest| earliest > now) {
            self.is_waiting = true;
            return Heard::Known(judged);
        }
        self.publish(judged, now)
    }

    fn publish(&mut self, judged: Judged, now: Moment) -> Heard {
        self.is_waiting = false;
        self.published = Some((judged.clone(), now));
        Heard::News(judged)
    }

    fn is_time_for_a_message(&self, now: Moment) -> bool {
        let Some((_, at)) = &self.published else { return true };
        self.report.at_least_every.is_some_and(|longest| now.saturating_since(*at) >= longest)
    }

    fn is_worth_a_message(&self, judged: &Judged, now: Moment) -> bool {
        let Some((published, _)) = &self.published else { return true };
        if judged.quality != published.quality || self.is_time_for_a_message(now) {
            return true;
        }
        let delta = self.report.delta;
        match (&judged.value, &published.value) {
            (Value::Number(new), Value::Number(old)) => {
                // Rounding noise must not hide a change of exactly the delta.
                delta <= 0.0 || (new - old).abs() >= delta * (1.0 - 1e-9)
            }
            (new, old) => delta <= 0.0 || new != old,
        }
    }

    /// When the next message may leave.
    fn earliest(&self) -> Option<Moment> {
        let (_, at) = self.published.as_ref()?;
        Some(*at + self.report.at_most_every?)
    }

    /// When the last value becomes stale.
    fn stale_at(&self) -> Option<Moment> {
        if self.is_stale || self.latest.is_none() {
            return None;
        }
        Some(self.heard? + self.period?.saturating_mul(PERIODS_BEFORE_STALE))
    }

    fn waiting_until(&self) -> Option<Moment> {
        self.earliest().filter(|_| self.is_waiting)
    }

    /// The last value, whether it was worth a message or not; nothing before the first.
    pub fn latest(&self) -> Option<&Judged> {
        self.latest.as_ref()
    }

    /// When [`Signal::handle_timeout`] has something to do.
    pub fn next_deadline(&self) -> Option<Moment> {
        let deadlines = [self.stale_at(), self.waiting_until(), self.filters.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Lets time pass: filters give what they kept, what came too soon is published, and the last value is given again,
    /// marked as stale and with the time when it was true, once the sensor has been silent for too long. Call it again
    /// until it gives nothing.
    pub fn handle_timeout(&mut self, now: Moment) -> Option<Heard> {
        if self.stale_at().is_some_and(|stale| stale <= now) {
            return self.goes_stale(now);
        }
        while let Some(event) = self.filters.handle_timeout(now) {
            match event {
                FilterEvent::Silence if !self.is_stale && self.latest.is_some() => {
                    return self.goes_stale(now);
                }
                // A filter may go on to repeat the last number of a sensor that is silent; it is not told as if it
                // were new.
                FilterEvent::Value(measured) if !self.is_stale => {
                    if let Some(judged) = self.rounded(measured) {
                        return Some(self.settle(judged, now));
                    }
                }
                FilterEvent::Silence | FilterEvent::Value(_) => {}
            }
        }
        if self.waiting_until().is_some_and(|end| end <= now) {
            let latest = self.latest.clone()?;
            return Some(self.publish(latest, now));
        }
        None
    }

    /// What the value was made of is lost: the last value is given again, marked as stale, unless it is stale already.
    pub fn handle_loss(&mut self, now: Moment) -> Option<Heard> {
        if self.is_stale { None } else { self.goes_stale(now) }
    }

    fn goes_stale(&mut self, now: Moment) -> Option<Heard> {
        // Also what was never told yet, as it waits in a filter, is not told as if it were new.
        self.is_stale = true;
        let latest = self.latest.clone()?;
        Some(self.publish(Judged { quality: Quality::Stale, ..latest }, now))
    }
}

#[cfg(test)]
mod tests;
