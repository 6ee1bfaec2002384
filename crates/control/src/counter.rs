//! A pulse counter: a total that only grows, from the edges of one line.

use std::time::Duration;

use gatehouse_model::Moment;

use crate::Debounce;

/// Counts pulses: changes from inactive to active.
#[derive(Clone, Debug)]
pub struct PulseCounter {
    debounce: Debounce,
    is_debounced: bool,
    total: u64,
    uncertain: u64,
}

impl PulseCounter {
    /// A counter that stands at `total`, of a line that is `active` and must be quiet for `debounce` before a change
    /// counts. Zero lets every edge count.
    pub fn new(total: u64, active: bool, debounce: Duration) -> Self {
        let is_debounced = !debounce.is_zero();
        Self { debounce: Debounce::new(active, debounce), is_debounced, total, uncertain: 0 }
    }

    /// All pulses so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Edges that were lost before they could be judged: the total may be too low by up to half as many pulses.
    pub fn uncertain(&self) -> u64 {
        self.uncertain
    }

    /// Takes an edge, before which `missed` others were lost, and gives the pulses that it completes the count of. Without
    /// debouncing, edges alternate, so that the number of lost ones tells how many pulses were among them.
    pub fn handle_edge(&mut self, active: bool, at: Moment, missed: u32) -> u64 {
        if self.is_debounced {
            self.uncertain += u64::from(missed);
            let before = self.debounce.handle_timeout(at);
            let change = self.debounce.handle_edge(active, at);
            return self.count(before.is_some_and(is_pulse)) + self.count(change.is_some_and(is_pulse));
        }
        let edges = u64::from(missed) + 1;
        // Going back from this edge, every second one is a pulse; the last one is when the line is active now.
        let mut pulses = if active { edges.div_ceil(2) } else { edges / 2 };
        let alternates = (self.debounce.level() == active) == edges.is_multiple_of(2);
        if !alternates {
            // The edges do not lead from the last level to this one. One that no kernel reports must have been lost; what
            // is certain is counted.
            self.uncertain += 1;
            pulses = if active && missed == 0 { 0 } else { pulses };
        }
        self.debounce.handle_edge(active, at);
        self.total = self.total.saturating_add(pulses);
        pulses
    }

    /// When it has to be asked again.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.debounce.next_deadline()
    }

    /// Gives the pulse that became certain.
    pub fn handle_timeout(&mut self, now: Moment) -> u64 {
        let change = self.debounce.handle_timeout(now);
        self.count(change.is_some_and(is_pulse))
    }

    fn count(&mut self, is_pulse: bool) -> u64 {
        self.total = self.total.saturating_add(u64::from(is_pulse));
        u64::from(is_pulse)
    }
}

const fn is_pulse((active, _): (bool, Moment)) -> bool {
    active
}

/// What the pulses of a meter mean, and how fast that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metered {
    /// Pulses themselves; the rate in hertz.
    Pulses,
    /// Cubic metres; the rate in cubic metres an hour.
    CubicMetres,
    /// Litres; the rate in litres a minute.
    Litres,
    /// Kilowatt-hours; the rate is a power in watts.
    KilowattHours,
    /// Millimetres of rain; the rate in millimetres an hour.
    Millimetres,
}

impl Metered {
    /// All of them with their word in the configuration.
    pub const ALL: [(&str, Self); 5] = [
        ("pulses", Self::Pulses),
        ("m³", Self::CubicMetres),
        ("L", Self::Litres),
        ("kWh", Self::KilowattHours),
        ("mm", Self::Millimetres),
    ];

    /// The unit of the total, empty for pulses.
    pub const fn total_unit(self) -> &'static str {
        match self {
            Self::Pulses => "",
            Self::CubicMetres => "m³",
            Self::Litres => "L",
            Self::KilowattHours => "kWh",
            Self::Millimetres => "mm",
        }
    }

    /// The unit of the rate.
    pub const fn rate_unit(self) -> &'static str {
        match self {
            Self::Pulses => "Hz",
            Self::CubicMetres => "m³/h",
            Self::Litres => "L/min",
            Self::KilowattHours => "W",
            Self::Millimetres => "mm/h",
        }
    }

    /// What one unit of the total in a second is in the unit of the rate.
    const fn rate_of_one_a_second(self) -> f64 {
        match self {
            Self::Pulses => 1.0,
            Self::Litres => 60.0,
            Self::CubicMetres | Self::Millimetres => 3_600.0,
            // One kilowatt-hour in a second is 3600 kilowatts.
            Self::KilowattHours => 3_600_000.0,
        }
    }

    /// The total of so many pulses, when each is `per_pulse`.
    #[expect(clippy::cast_precision_loss, reason = "2^52 pulses are 143 years at a million a second")]
    pub fn total(self, pulses: u64, per_pulse: f64) -> f64 {
        // What is written as 0.001 is meant as a thousandth, which has no exact binary form: dividing by the whole number
        // keeps 1.297 from becoming 1.2970000000000002.
        let whole = (1.0 / per_pulse).round();
        if per_pulse < 1.0 && (per_pulse * whole - 1.0).abs() < 1e-12 {
            pulses as f64 / whole
        } else {
            pulses as f64 * per_pulse
        }
    }

    /// The pulses that a total stands for; nothing when it is negative or beyond all counting.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked before"
    )]
    pub fn pulses(self, total: f64, per_pulse: f64) -> Option<u64> {
        let pulses = (total / per_pulse).round();
        (0.0..9.0e15).contains(&pulses).then_some(pulses as u64)
    }

    /// The rate of so many pulses a second, when each is `per_pulse`.
    pub fn rate(self, hertz: f64, per_pulse: f64) -> f64 {
        hertz * per_pulse * self.rate_of_one_a_second()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_reed_contact_that_bounces_counts_once() {
        let mut counter = PulseCounter::new(10, false, Duration::from_millis(5));
        for (active, millis) in
            [(true, 100), (false, 101), (true, 102), (false, 400), (true, 401), (false, 402)]
        {
            counter.handle_edge(active, at(millis), 0);
        }
        assert_eq!(counter.handle_timeout(counter.next_deadline().unwrap()), 0);
        assert_eq!(counter.total(), 11);
    }

    #[test]
    fn a_line_that_is_active_at_the_start_is_no_pulse() {
        let mut counter = PulseCounter::new(0, true, Duration::ZERO);
        assert_eq!(counter.handle_edge(false, at(1), 0), 0);
        assert_eq!(counter.handle_edge(true, at(2), 0), 1);
    }

    #[test]
    fn lost_edges_of_a_contact_that_bounces_are_told() {
        let mut counter = PulseCounter::new(0, false, Duration::from_millis(5));
        counter.handle_edge(true, at(1), 9);
        assert_eq!(counter.handle_timeout(at(50)), 1);
        assert_eq!((counter.total(), counter.uncertain()), (1, 9));
    }

    #[test]
    fn meters_in_their_own_units() {
        // A water meter with a pulse for a litre, counted in m³.
        assert_eq!(Metered::CubicMetres.total(1_297, 0.001), 1.297);
        assert!((Metered::CubicMetres.rate(0.1, 0.001) - 0.36).abs() < 1e-12);
        // An electricity meter with 1000 pulses a kWh: 36 s for a pulse is 100 W.
        assert!((Metered::KilowattHours.rate(1.0 / 36.0, 0.001) - 100.0).abs() < 1e-9);
        // A flow sensor with 450 pulses a litre (YF-S201 data sheet: F = 7.5 * Q, with Q in litres a minute).
        assert!((Metered::Litres.rate(7.5, 1.0 / 450.0) - 1.0).abs() < 1e-12);
        assert_eq!(Metered::CubicMetres.pulses(1_234.567, 0.001), Some(1_234_567));
        assert_eq!(Metered::CubicMetres.pulses(-1.0, 0.001), None);
        assert_eq!(Metered::CubicMetres.pulses(f64::NAN, 0.001), None);
        assert_eq!(Metered::Litres.pulses(1.0e300, 1e-9), None);
    }

    proptest! {
        /// However many edges are lost in between, an electronic pulse train is counted to the pulse.
        #[test]
        fn lost_edges_are_made_up_for_exactly(
            edges in 1usize..400,
            active in any::<bool>(),
            taken in proptest::collection::vec(any::<bool>(), 400),
        ) {
            let mut counter = PulseCounter::new(0, active, Duration::ZERO);
            let (mut level, mut pulses, mut missed) = (active, 0, 0);
            for (number, is_taken) in taken.into_iter().enumerate().take(edges) {
                level = !level;
                pulses += u64::from(level);
                if is_taken || number + 1 == edges {
                    counter.handle_edge(level, at(number as u64), missed);
                    missed = 0;
                } else {
                    missed += 1;
                }
            }
            prop_assert_eq!((counter.total(), counter.uncertain()), (pulses, 0));
        }

        /// With any edges at all the total never falls, and what it says is what it adds.
        #[test]
        fn the_total_is_the_sum_of_what_was_told(
            edges in proptest::collection::vec((any::<bool>(), 0u64..20, 0u32..5), 0..100),
            debounce in 0u64..10,
        ) {
            let mut counter = PulseCounter::new(5, false, Duration::from_millis(debounce));
            let (mut now, mut told) = (0, 5);
            for (active, pause, missed) in edges {
                now += pause;
                told += counter.handle_edge(active, at(now), missed);
                prop_assert_eq!(counter.total(), told);
            }
            told += counter.handle_timeout(at(now + 100));
            prop_assert_eq!(counter.total(), told);
        }

        /// A total that is set is read back as it was set.
        #[test]
        fn totals_are_read_back(pulses in 0u64..10_000_000_000, divisor in 1u32..100_000) {
            let per_pulse = 1.0 / f64::from(divisor);
            let total = Metered::Litres.total(pulses, per_pulse);
            prop_assert_eq!(Metered::Litres.pulses(total, per_pulse), Some(pulses));
        }
    }
}
