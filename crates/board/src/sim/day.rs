//! What goes up and down with the day in a simulated room, beside its climate. The day is that of UTC.

use std::f64::consts::PI;

use gatehouse_model::Timestamp;

const MILLIS_PER_HOUR: f64 = 3_600_000.0;
const MILLIS_PER_DAY: i64 = 24 * 3_600_000;

/// When it dawns and when it is dark.
const DAY: (f64, f64) = (6.5, 20.0);

/// Lux of a window at noon, and of the lamps in the evening.
const NOON: f64 = 650.0;
const LAMPS: f64 = 140.0;

/// When people are at home and awake, in the evening.
const EVENING: (f64, f64) = (17.5, 23.0);

/// A room at some time of the day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TimeOfDay {
    /// In lx.
    pub(super) light: f64,
    /// In ppm.
    pub(super) carbon_dioxide: f64,
    /// In ppb.
    pub(super) organic_compounds: f64,
    /// In µg/m³.
    pub(super) fine_dust: f64,
    /// In A.
    pub(super) current: f64,
}

/// Half a sine between two hours, and nothing outside of them.
fn arc(hour: f64, (from, to): (f64, f64)) -> f64 {
    if (from..=to).contains(&hour) { ((hour - from) / (to - from) * PI).sin() } else { 0.0 }
}

/// The room at this time.
pub(super) fn at(wall: Timestamp) -> TimeOfDay {
    let hour = wall.as_millis().rem_euclid(MILLIS_PER_DAY) as f64 / MILLIS_PER_HOUR;
    let (sun, evening) = (arc(hour, DAY), arc(hour, EVENING));
    // Lamps are on or off; a quarter of an hour makes the switch a slope that no filter takes for a fault.
    let lamps = (evening * 12.0).min(1.0);
    // People breathe out through the night, and the air is fresh again by noon.
    let night = ((hour - 6.5) / 24.0 * 2.0 * PI).cos().max(0.0);
    TimeOfDay {
        light: 0.4 + NOON * sun * sun + LAMPS * lamps,
        carbon_dioxide: 440.0 + 420.0 * night + 480.0 * evening,
        organic_compounds: 60.0 + 40.0 * night + 260.0 * evening,
        fine_dust: 4.0 + 9.0 * evening,
        current: 0.18 + 0.25 * sun + 0.9 * lamps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_minute(minute: i64) -> TimeOfDay {
        at(Timestamp::from_millis(minute * 60_000))
    }

    #[test]
    fn noon_is_bright_and_the_night_is_dark() {
        let [noon, night] = [13 * 60, 2 * 60].map(at_minute);
        assert!(noon.light > 500.0 && night.light < 1.0, "{noon:?} {night:?}");
    }

    #[test]
    fn an_evening_with_people_is_felt() {
        let [evening, noon] = [20 * 60 + 15, 13 * 60].map(at_minute);
        assert!(evening.carbon_dioxide > noon.carbon_dioxide + 300.0);
        assert!(evening.current > noon.current);
    }

    /// A jump would look like a sick sensor.
    #[test]
    fn nothing_jumps_within_a_minute() {
        for minute in 0..2 * 24 * 60 {
            let (a, b) = (at_minute(minute), at_minute(minute + 1));
            assert!((a.light - b.light).abs() < 25.0, "{minute}: {a:?} {b:?}");
            assert!((a.carbon_dioxide - b.carbon_dioxide).abs() < 10.0, "{minute}: {a:?} {b:?}");
            assert!((a.current - b.current).abs() < 0.15, "{minute}: {a:?} {b:?}");
        }
    }
}
