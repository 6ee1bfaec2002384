//! What an owner can ask for, with the limits of it.

use std::time::Duration;

use super::Filter;
use super::arithmetic::{Arithmetic, Line, Polynomial};
use super::change::{Delta, MAX_SKIPPED, SkipInitial, Step};
use super::either::Either;
use super::exponential::ExponentialAverage;
use super::limits::Limit;
use super::pacing::{
    Debounce, Heartbeat, LONGEST_FILTER_TIME, SHORTEST_FILTER_TIME, Throttle, ThrottleAverage, Timeout,
};
use super::sending::{MAX_WINDOW, Sending};
use super::window::{Statistic, Window};
use crate::lookup::Table;
use crate::rounding::MAX_DECIMALS;

/// Most filters of one property, those within an `or` included. Nobody understands a longer chain.
pub const MAX_FILTERS: usize = 16;

/// One filter as the owner asks for it.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterRule {
    /// Adds this.
    Offset(f64),
    /// Multiplies by this.
    Multiply(f64),
    /// A straight line, or one fitted to points by least squares.
    CalibrateLinear(Line),
    /// From point to point in straight lines, on beyond the outer ones.
    CalibrateExact(Table),
    /// A polynomial fitted to points by least squares.
    CalibratePolynomial(Polynomial),
    /// Lets nothing through that is one of these.
    FilterOut(Vec<f64>),
    /// Keeps numbers between two limits, and marks what was moved as clamped.
    Clamp {
        /// The lowest.
        min: Option<f64>,
        /// The highest.
        max: Option<f64>,
        /// Let nothing through that is outside, instead of moving it to the limit.
        ignore_out_of_range: bool,
    },
    /// Rounds to so many digits behind the point.
    Round(u8),
    /// Rounds to the nearest multiple of this.
    RoundToMultipleOf(f64),
    /// One number for the latest few.
    Window {
        /// Which one.
        statistic: Statistic,
        /// How many; 1 to [`MAX_WINDOW`].
        size: usize,
        /// How often.
        sending: Sending,
    },
    /// Each new number moves the average by this share of the difference.
    ExponentialMovingAverage {
        /// The share: above 0, at most 1.
        alpha: f64,
        /// How often the average is given.
        sending: Sending,
    },
    /// Lets a number through, then none for this time.
    Throttle(Duration),
    /// The mean of what came in this time.
    ThrottleAverage(Duration),
    /// The first number, then the latest one each time that this has passed.
    Heartbeat(Duration),
    /// Marks the last number as stale when none came for this time.
    Timeout(Duration),
    /// Lets a number through once none followed it for this time.
    Debounce(Duration),
    /// Lets a number through that differs by this from the last one that went through.
    Delta(Step),
    /// Skips the first few.
    SkipInitial(u32),
    /// Gives what the first of these filters gives that gives anything; each of them sees every number.
    Or(Vec<FilterRule>),
}

impl FilterRule {
    /// How many filters it stands for.
    pub fn count(&self) -> usize {
        match self {
            Self::Or(rules) => 1 + rules.iter().map(Self::count).sum::<usize>(),
            _ => 1,
        }
    }

    /// What is wrong with it, in a sentence for people; nothing when it can be used.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Offset(number) if !number.is_finite() => {
                Some("the offset is not a finite number".to_owned())
            }
            Self::Multiply(factor) if !factor.is_finite() || *factor == 0.0 => {
                Some("the factor must be a finite number other than zero".to_owned())
            }
            Self::FilterOut(numbers) if numbers.is_empty() => {
                Some("there is nothing to filter out".to_owned())
            }
            Self::Clamp { min: None, max: None, .. } => Some("it needs `min` or `max`".to_owned()),
            Self::Clamp { min: Some(min), max: Some(max), .. } if min > max => {
                Some("`min` is greater than `max`".to_owned())
            }
            Self::Round(digits) if *digits > MAX_DECIMALS => {
                Some(format!("there are at most {MAX_DECIMALS} digits behind the point"))
            }
            Self::RoundToMultipleOf(step) if !(step.is_finite() && *step > 0.0) => {
                Some("it needs a number greater than zero".to_owned())
            }
            Self::Window { statistic, size, sending } => {
                window_problem(*size, *sending).or_else(|| match statistic {
                    Statistic::Quantile(share) if !(0.0..=1.0).contains(share) => {
                        Some("`quantile` must be between 0 and 1".to_owned())
                    }
                    _ => None,
                })
            }
            Self::ExponentialMovingAverage { alpha, sending } => {
                if *alpha > 0.0 && *alpha <= 1.0 {
                    window_problem(1, *sending)
                } else {
                    Some("`alpha` must be greater than 0 and at most 1".to_owned())
                }
            }
            Self::Throttle(time)
            | Self::ThrottleAverage(time)
            | Self::Heartbeat(time)
            | Self::Timeout(time)
            | Self::Debounce(time) => {
                let fits = (SHORTEST_FILTER_TIME..=LONGEST_FILTER_TIME).contains(time);
                (!fits).then(|| "the time must be between 100ms and 1d".to_owned())
            }
            Self::Delta(step) => step.problem(),
            Self::SkipInitial(count) if *count > MAX_SKIPPED => {
                Some(format!("at most {MAX_SKIPPED} readings can be skipped"))
            }
            Self::Or(rules) if rules.len() < 2 => {
                Some("it needs two filters or more to choose from".to_owned())
            }
            Self::Or(rules) => rules.iter().find_map(Self::problem),
            _ => None,
        }
    }

    pub(super) fn build(&self) -> Box<dyn Filter> {
        match self {
            Self::Offset(number) => Box::new(Arithmetic::Line(Line { slope: 1.0, intercept: *number })),
            Self::Multiply(factor) => Box::new(Arithmetic::Line(Line { slope: *factor, intercept: 0.0 })),
            Self::CalibrateLinear(line) => Box::new(Arithmetic::Line(*line)),
            Self::CalibrateExact(table) => Box::new(Arithmetic::Table(table.clone())),
            Self::CalibratePolynomial(polynomial) => Box::new(Arithmetic::Polynomial(polynomial.clone())),
            Self::FilterOut(numbers) => Box::new(Limit::FilterOut(numbers.clone())),
            Self::Clamp { min, max, ignore_out_of_range } => Box::new(Limit::Clamp {
                min: min.unwrap_or(f64::NEG_INFINITY),
                max: max.unwrap_or(f64::INFINITY),
                ignore_out_of_range: *ignore_out_of_range,
            }),
            Self::Round(digits) => Box::new(Limit::Round(*digits)),
            Self::RoundToMultipleOf(step) => Box::new(Limit::RoundToMultipleOf(*step)),
            Self::Window { statistic, size, sending } => Box::new(Window::new(*statistic, *size, *sending)),
            Self::ExponentialMovingAverage { alpha, sending } => {
                Box::new(ExponentialAverage::new(*alpha, *sending))
            }
            Self::Throttle(time) => Box::new(Throttle::new(*time)),
            Self::ThrottleAverage(time) => Box::new(ThrottleAverage::new(*time)),
            Self::Heartbeat(time) => Box::new(Heartbeat::new(*time)),
            Self::Timeout(time) => Box::new(Timeout::new(*time)),
            Self::Debounce(time) => Box::new(Debounce::new(*time)),
            Self::Delta(step) => Box::new(Delta::new(*step)),
            Self::SkipInitial(count) => Box::new(SkipInitial::new(*count)),
            Self::Or(rules) => Box::new(Either::new(rules)),
        }
    }
}

fn window_problem(size: usize, sending: Sending) -> Option<String> {
    if !(1..=MAX_WINDOW).contains(&size) || !(1..=MAX_WINDOW).contains(&sending.every) {
        return Some(format!("it can count 1 to {MAX_WINDOW} readings"));
    }
    let is_first_in_time = (1..=sending.every).contains(&sending.first_at);
    (!is_first_in_time).then(|| "`send_first_at` must be between 1 and `send_every`".to_owned())
}
