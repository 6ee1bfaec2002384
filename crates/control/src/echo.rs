//! An ultrasonic distance sensor of the HC-SR04 kind: the time of an echo, and what it means.

use std::time::Duration;

/// What the air has when nobody measures it, in °C.
pub const DEFAULT_AIR: f64 = 20.0;

/// What the sensor can measure, in metres: 2 cm to 400 cm (HC-SR04 user guide, "Electric Parameter").
pub const RANGE: (f64, f64) = (0.02, 4.0);

/// Speed of sound in dry air at 0 °C, in metres per second, and absolute zero in °C.
const SPEED_AT_ZERO: f64 = 331.3;
const ABSOLUTE_ZERO: f64 = -273.15;

/// Why there is no distance. Each text says what to do next.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum EchoFault {
    /// The echo began and did not end, or did not begin at all.
    #[error("no echo came back: check the wiring, the 5 V supply and the divider at the echo pin")]
    Silent,
    /// The echo took longer than the sensor's range: nothing is there, or what is there swallows sound.
    #[error("nothing reflects within {} m", RANGE.1)]
    TooFar,
    /// The echo came too soon.
    #[error("something is nearer than {} cm, which the sensor cannot tell", RANGE.0 * 100.0)]
    TooNear,
}

/// Speed of sound in air of this temperature in °C, in metres per second. It grows with the root of the absolute
/// temperature: 343.2 m/s at 20 °C.
pub fn speed_of_sound(celsius: f64) -> f64 {
    let ratio = 1.0 - celsius / ABSOLUTE_ZERO;
    SPEED_AT_ZERO * ratio.max(0.0).sqrt()
}

/// The distance in metres of what reflects, from the time that the echo line was active. Sound goes there and back.
///
/// # Errors
/// When that is outside what the sensor can measure.
pub fn distance(echo: Duration, celsius: f64) -> Result<f64, EchoFault> {
    let metres = echo.as_secs_f64() * speed_of_sound(celsius) / 2.0;
    if metres > RANGE.1 {
        Err(EchoFault::TooFar)
    } else if metres < RANGE.0 {
        Err(EchoFault::TooNear)
    } else {
        Ok(metres)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_user_guide_s_own_rule_of_thumb() {
        // Microseconds divided by 58 are centimetres, at about 20 °C.
        for centimetres in [5u64, 58, 150, 390] {
            let metres = distance(Duration::from_micros(centimetres * 58), DEFAULT_AIR).unwrap();
            let wanted = centimetres as f64 / 100.0;
            assert!((metres - wanted).abs() / wanted < 0.01, "{metres} m instead of {wanted} m");
        }
    }

    #[test]
    fn warm_air_is_faster() {
        assert!((speed_of_sound(20.0) - 343.2).abs() < 0.1);
        assert!((speed_of_sound(-20.0) - 318.9).abs() < 0.2);
        let echo = Duration::from_micros(11_600);
        assert!(distance(echo, 35.0).unwrap() > distance(echo, 0.0).unwrap() + 0.1);
    }

    #[test]
    fn what_is_out_of_range_is_no_number() {
        assert_eq!(distance(Duration::from_millis(38), DEFAULT_AIR), Err(EchoFault::TooFar));
        assert_eq!(distance(Duration::from_micros(60), DEFAULT_AIR), Err(EchoFault::TooNear));
    }

    proptest! {
        #[test]
        fn every_distance_is_in_range(nanos in 0u64..100_000_000, celsius in -400.0f64..400.0) {
            if let Ok(metres) = distance(Duration::from_nanos(nanos), celsius) {
                prop_assert!((RANGE.0..=RANGE.1).contains(&metres));
            }
        }
    }
}
