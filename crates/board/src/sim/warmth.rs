//! A hand around a thermometer of the simulated house.

use std::time::Duration;

use gatehouse_model::Moment;

/// How long a hand holds a probe, how fast that warms it, and how fast it cools down afterwards.
const HELD: Duration = Duration::from_secs(40);
const WARMS_SECONDS: f64 = 8.0;
const COOLS_SECONDS: f64 = 30.0;

/// Most degrees that a probe can be warmed or cooled by: a lighter, or ice.
pub const MOST_WARMTH: f64 = 40.0;

/// A hand around a probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Warmth {
    pub(super) since: Moment,
    pub(super) degrees: f64,
}

impl Warmth {
    /// By how much the probe is warmer at a moment.
    pub(super) fn at(self, now: Moment) -> f64 {
        let after = now.saturating_since(self.since);
        let held = after.min(HELD).as_secs_f64();
        let cooling = after.saturating_sub(HELD).as_secs_f64();
        self.degrees * (1.0 - (-held / WARMS_SECONDS).exp()) * (-cooling / COOLS_SECONDS).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_warms_a_probe_and_lets_go_of_it() {
        let warmth = Warmth { since: Moment::from_start(Duration::ZERO), degrees: 8.0 };
        let at = |seconds| warmth.at(Moment::from_start(Duration::ZERO) + Duration::from_secs(seconds));
        assert!(at(0).abs() < 0.01 && at(10) > 4.0 && at(40) > 7.5, "{} {} {}", at(0), at(10), at(40));
        assert!(at(100) < 1.5 && at(600).abs() < 0.01);
    }
}
