//! Energy from power: the area under the readings.
//!
//! Between two readings the power is taken to change evenly. Where readings are further apart than the largest gap,
//! nobody knows what was drawn, so nothing is added; the time that was not counted is.

use std::time::Duration;

use gatehouse_model::Moment;

/// Joules of a kilowatt hour.
const JOULES_PER_KWH: f64 = 3.6e6;

/// Which direction of the power is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// What is drawn: positive power.
    #[default]
    Drawn,
    /// What is fed in: negative power.
    Fed,
}

/// Sums up a power in watts to an energy in kWh.
#[derive(Clone, Copy, Debug)]
pub struct Energy {
    direction: Direction,
    max_gap: Duration,
    kwh: f64,
    unmeasured: Duration,
    last: Option<(f64, Moment)>,
    /// Since when nothing was measured, after a loss.
    lost: Option<Moment>,
}

impl Energy {
    /// Goes on from a total in kWh, with readings that may be so far apart.
    pub fn new(direction: Direction, max_gap: Duration, kwh_at_start: f64) -> Self {
        let kwh = if kwh_at_start.is_finite() { kwh_at_start } else { 0.0 };
        Self { direction, max_gap, kwh, unmeasured: Duration::ZERO, last: None, lost: None }
    }

    /// Takes a reading of the power. Readings that are not newer than the last one change nothing.
    pub fn handle_power(&mut self, watts: f64, at: Moment) {
        if !watts.is_finite() || self.last.is_some_and(|(_, last)| at <= last) {
            return;
        }
        let before = self.last.replace((watts, at));
        if let Some(lost) = self.lost.take() {
            self.unmeasured += at.saturating_since(lost);
            return;
        }
        let Some((before, since)) = before else { return };
        let gap = at.saturating_since(since);
        if gap > self.max_gap {
            self.unmeasured += gap;
            return;
        }
        let sign = if self.direction == Direction::Drawn { 1.0 } else { -1.0 };
        self.kwh += positive_area(sign * before, sign * watts) * gap.as_secs_f64() / JOULES_PER_KWH;
    }

    /// The power is not known any more: what is drawn until the next reading is not counted.
    pub fn handle_loss(&mut self) {
        if let Some((_, at)) = self.last {
            self.lost.get_or_insert(at);
        }
    }

    /// The total in kWh. It never falls.
    pub fn kwh(&self) -> f64 {
        self.kwh
    }

    /// How long the power was not known since the start, up to the last reading.
    pub fn unmeasured(&self) -> Duration {
        self.unmeasured
    }
}

/// The mean of the positive part of a straight line from `a` to `b`.
fn positive_area(a: f64, b: f64) -> f64 {
    match (a > 0.0, b > 0.0) {
        (true, true) => f64::midpoint(a, b),
        (false, false) => 0.0,
        // The line crosses zero: a triangle is left.
        (true, false) => a * a / (a - b) / 2.0,
        (false, true) => b * b / (b - a) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::test_support::after;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn total(direction: Direction, readings: &[(u64, f64)]) -> Energy {
        let mut energy = Energy::new(direction, MINUTE, 0.0);
        readings.iter().for_each(|(second, watts)| energy.handle_power(*watts, after(*second)));
        energy
    }

    #[test]
    fn a_kilowatt_for_an_hour_is_a_kilowatt_hour() {
        let readings: Vec<_> = (0..=360).map(|n| (10 * n, 1000.0)).collect();
        assert!((total(Direction::Drawn, &readings).kwh() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_was_drawn_in_a_gap_is_not_made_up() {
        let energy = total(Direction::Drawn, &[(0, 1000.0), (36, 1000.0), (3636, 1000.0), (3672, 1000.0)]);
        assert!((energy.kwh() - 0.02).abs() < 1e-12, "{}", energy.kwh());
        assert_eq!(energy.unmeasured(), Duration::from_secs(3600));
    }

    #[test]
    fn a_sensor_that_was_lost_and_came_back_at_once_is_a_gap_too() {
        let mut energy = total(Direction::Drawn, &[(0, 1000.0), (36, 1000.0)]);
        energy.handle_loss();
        energy.handle_loss();
        energy.handle_power(1000.0, after(72));
        energy.handle_power(1000.0, after(108));
        assert!((energy.kwh() - 0.02).abs() < 1e-12);
        assert_eq!(energy.unmeasured(), Duration::from_secs(36));
    }

    #[test]
    fn what_is_fed_in_is_not_drawn() {
        let readings = [(0, 1000.0), (36, -1000.0)];
        for direction in [Direction::Drawn, Direction::Fed] {
            // Half the time there is a mean of 500 W.
            assert!((total(direction, &readings).kwh() - 0.0025).abs() < 1e-12);
        }
    }

    proptest! {
        /// However the readings come: the total never falls, what is drawn less what is fed is the area, and every
        /// second is either counted or told as not measured.
        #[test]
        fn energy_is_conserved(
            steps in proptest::collection::vec((0u64..120, -3000.0f64..3000.0, any::<bool>()), 1..80)
        ) {
            let mut both = [Direction::Drawn, Direction::Fed].map(|which| Energy::new(which, MINUTE, 5.0));
            let (mut now, mut joules, mut counted) = (0, 0.0, Duration::ZERO);
            let (mut last, mut is_lost, mut first) = (None::<(u64, f64)>, false, None);
            for (pause, watts, loses) in steps {
                now += pause;
                let before = both.map(|energy| energy.kwh());
                if loses {
                    both.iter_mut().for_each(Energy::handle_loss);
                    is_lost |= last.is_some();
                    continue;
                }
                both.iter_mut().for_each(|energy| energy.handle_power(watts, after(now)));
                prop_assert!(both.iter().zip(before).all(|(energy, before)| energy.kwh() >= before));
                if let Some((at, power)) = last {
                    if now == at { continue; }
                    if !is_lost && now - at <= 60 {
                        joules += (power + watts) / 2.0 * (now - at) as f64;
                        counted += Duration::from_secs(now - at);
                    }
                } else {
                    first = Some(now);
                }
                (last, is_lost) = (Some((now, watts)), false);
            }
            prop_assert!((both[0].kwh() - both[1].kwh() - joules / JOULES_PER_KWH).abs() < 1e-9);
            if let (Some(first), Some((end, _))) = (first, last) {
                prop_assert_eq!(both[0].unmeasured() + counted, Duration::from_secs(end - first));
            }
        }
    }
}
