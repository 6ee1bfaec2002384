//! The formulas of derived values. Temperatures in °C, relative humidity in percent over water, pressures in hPa unless
//! it is said otherwise. What a formula is not made for gives nothing.

/// 0 °C in kelvin.
const ZERO_CELSIUS: f64 = 273.15;

/// The formula of saturation vapour pressure over water holds for these temperatures (WMO-No. 8, 2018 edition, volume I,
/// annex 4.B).
pub const WATER_RANGE: (f64, f64) = (-45.0, 60.0);

/// Gas constant of water vapour in J/(kg·K).
const WATER_VAPOUR_GAS: f64 = 461.5;

/// Exponent of the standard atmosphere, and its lapse rate in K/m and temperature at sea level in K (ICAO, Doc 7488,
/// "Manual of the ICAO Standard Atmosphere", third edition).
const EXPONENT: f64 = 5.255_88;
const LAPSE: f64 = 0.0065;
const SEA_LEVEL_KELVIN: f64 = 288.15;

/// The standard atmosphere reaches up to the tropopause, in metres, and no house stands below this.
const ALTITUDES: (f64, f64) = (-500.0, 11_000.0);

/// Saturation vapour pressure over water in hPa: `6.112 exp(17.62 t / (243.12 + t))` (WMO-No. 8, annex 4.B).
pub fn saturation_pressure(celsius: f64) -> Option<f64> {
    let (low, high) = WATER_RANGE;
    (low..=high).contains(&celsius).then(|| 6.112 * (17.62 * celsius / (243.12 + celsius)).exp())
}

/// Vapour pressure in hPa.
fn vapour_pressure(celsius: f64, humidity: f64) -> Option<f64> {
    (0.0..=100.0).contains(&humidity).then_some(())?;
    Some(saturation_pressure(celsius)? * humidity / 100.0)
}

/// Dew point in °C: the temperature at which the vapour in the air saturates it (WMO-No. 8, annex 4.B, the formula above
/// solved for the temperature). Air without vapour has none.
pub fn dew_point(celsius: f64, humidity: f64) -> Option<f64> {
    let vapour = vapour_pressure(celsius, humidity)?;
    let logarithm = (vapour / 6.112).ln();
    let dew_point = 243.12 * logarithm / (17.62 - logarithm);
    (vapour > 0.0 && dew_point.is_finite()).then_some(dew_point)
}

/// Absolute humidity in g/m³, from the gas law for water vapour.
pub fn absolute_humidity(celsius: f64, humidity: f64) -> Option<f64> {
    let pascal = vapour_pressure(celsius, humidity)? * 100.0;
    Some(1000.0 * pascal / (WATER_VAPOUR_GAS * (celsius + ZERO_CELSIUS)))
}

/// Vapour pressure deficit of the air in kPa: how much more vapour it could hold (FAO Irrigation and Drainage Paper 56,
/// chapter 3, with the saturation pressure of WMO-No. 8).
pub fn vapour_pressure_deficit(celsius: f64, humidity: f64) -> Option<f64> {
    Some((saturation_pressure(celsius)? - vapour_pressure(celsius, humidity)?) / 10.0)
}

/// Heat index in °C: what warm and damp air feels like (National Weather Service, technical attachment SR 90-23 by
/// L. P. Rothfusz, with the adjustments and the simple formula for mild air of its "The Heat Index Equation"). It is
/// made for the shade, up to 50 °C.
pub fn heat_index(celsius: f64, humidity: f64) -> Option<f64> {
    if !(0.0..=100.0).contains(&humidity) || !(-45.0..=50.0).contains(&celsius) {
        return None;
    }
    let (t, h) = (celsius * 1.8 + 32.0, humidity);
    let simple = 0.5 * (t + 61.0 + (t - 68.0) * 1.2 + h * 0.094);
    let mild = f64::midpoint(simple, t);
    let index = if mild < 80.0 { mild } else { rothfusz(t, h) + adjustment(t, h) };
    Some((index - 32.0) / 1.8)
}

fn rothfusz(t: f64, h: f64) -> f64 {
    -42.379 + 2.049_015_23 * t + 10.143_331_27 * h
        - 0.224_755_41 * t * h
        - 6.837_83e-3 * t * t
        - 5.481_717e-2 * h * h
        + 1.228_74e-3 * t * t * h
        + 8.528_2e-4 * t * h * h
        - 1.99e-6 * t * t * h * h
}

fn adjustment(t: f64, h: f64) -> f64 {
    if h < 13.0 && (80.0..=112.0).contains(&t) {
        -((13.0 - h) / 4.0) * ((17.0 - (t - 95.0).abs()) / 17.0).max(0.0).sqrt()
    } else if h > 85.0 && (80.0..=87.0).contains(&t) {
        (h - 85.0) / 10.0 * ((87.0 - t) / 5.0)
    } else {
        0.0
    }
}

/// Air pressure reduced to sea level, in hPa, from that at an altitude in metres; with the temperature there if it is
/// known, else with the standard atmosphere's (ICAO Doc 7488: pressure falls with the temperature to the power 5.25588
/// in a layer of constant lapse rate).
pub fn sea_level_pressure(pressure: f64, altitude: f64, celsius: Option<f64>) -> Option<f64> {
    let (low, high) = ALTITUDES;
    if pressure <= 0.0 || !(low..=high).contains(&altitude) {
        return None;
    }
    let here = celsius.map_or(SEA_LEVEL_KELVIN - LAPSE * altitude, |celsius| celsius + ZERO_CELSIUS);
    let below = here + LAPSE * altitude;
    let reduced = pressure * (below / here).powf(EXPONENT);
    (here > 0.0 && reduced.is_finite()).then_some(reduced)
}

/// Altitude in metres at which the standard atmosphere has this pressure, with `sea_level` hPa below.
pub fn altitude(pressure: f64, sea_level: f64) -> Option<f64> {
    if pressure <= 0.0 || sea_level <= 0.0 {
        return None;
    }
    let altitude = SEA_LEVEL_KELVIN / LAPSE * (1.0 - (pressure / sea_level).powf(1.0 / EXPONENT));
    let (low, high) = ALTITUDES;
    (low..=high).contains(&altitude).then_some(altitude)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(found: Option<f64>, expected: f64, within: f64) {
        assert!(
            found.is_some_and(|found| (found - expected).abs() <= within),
            "{found:?} instead of {expected}"
        );
    }

    /// FAO Irrigation and Drainage Paper 56, example 3: 1.705 kPa at 15 °C and 3.075 kPa at 24.5 °C. Its formula is
    /// another one (Tetens), so they differ by up to three parts in a thousand.
    #[test]
    fn saturation_is_that_of_the_tables() {
        near(saturation_pressure(15.0), 17.05, 0.05);
        near(saturation_pressure(24.5), 30.75, 0.09);
        near(saturation_pressure(0.0), 6.112, 1e-9);
        assert_eq!(saturation_pressure(61.0), None);
    }

    #[test]
    fn a_room_of_20_degrees_and_half_the_humidity() {
        near(dew_point(20.0, 50.0), 9.26, 0.02);
        near(absolute_humidity(20.0, 50.0), 8.63, 0.02);
        near(vapour_pressure_deficit(25.0, 50.0), 1.58, 0.01);
    }

    #[test]
    fn dry_air_has_no_dew_point_and_nonsense_gives_nothing() {
        assert_eq!(dew_point(20.0, 0.0), None);
        assert_eq!(dew_point(20.0, 101.0), None);
        assert_eq!(absolute_humidity(200.0, 50.0), None);
        assert_eq!(heat_index(f64::NAN, 50.0), None);
        assert_eq!(altitude(0.0, 1013.25), None);
    }

    /// The chart of the National Weather Service: 90 °F and 70 % feel like 105 °F, 80 °F and 40 % like 80 °F, 110 °F and
    /// 40 % like 136 °F.
    #[test]
    fn heat_is_that_of_the_chart() {
        for (fahrenheit, humidity, felt) in [(90.0, 70.0, 105.0), (80.0, 40.0, 80.0), (110.0, 40.0, 136.0)] {
            let index = heat_index((fahrenheit - 32.0) / 1.8, humidity).map(|celsius| celsius * 1.8 + 32.0);
            near(index, felt, 1.3);
        }
    }

    /// ICAO Doc 7488: 954.61 hPa at 500 m, 898.75 hPa at 1000 m, 794.95 hPa at 2000 m.
    #[test]
    fn altitude_is_that_of_the_standard_atmosphere() {
        for (metres, hectopascal) in [(500.0, 954.61), (1000.0, 898.75), (2000.0, 794.95)] {
            near(altitude(hectopascal, 1013.25), metres, 0.6);
            near(sea_level_pressure(hectopascal, metres, None), 1013.25, 0.08);
            let celsius = 15.0 - 0.0065 * metres;
            near(sea_level_pressure(hectopascal, metres, Some(celsius)), 1013.25, 0.08);
        }
    }

    proptest! {
        #[test]
        fn a_dew_point_is_never_above_the_air_and_saturates_it(celsius in -40.0f64..55.0, humidity in 1.0f64..=100.0) {
            let dew_point = dew_point(celsius, humidity).unwrap();
            prop_assert!(dew_point <= celsius + 1e-9);
            if let Some(saturated) = saturation_pressure(dew_point) {
                prop_assert!((saturated - vapour_pressure(celsius, humidity).unwrap()).abs() < 1e-9);
            }
        }

        #[test]
        fn damper_air_holds_more_and_lacks_less(celsius in -40.0f64..55.0, humidity in 0.0f64..99.0) {
            let damper = humidity + 1.0;
            prop_assert!(absolute_humidity(celsius, damper) > absolute_humidity(celsius, humidity));
            prop_assert!(vapour_pressure_deficit(celsius, damper) < vapour_pressure_deficit(celsius, humidity));
            prop_assert!(vapour_pressure_deficit(celsius, damper).is_some_and(|deficit| deficit >= -1e-9));
        }

        #[test]
        fn pressure_and_altitude_belong_together(metres in -400.0f64..10_000.0, sea_level in 950.0f64..1050.0) {
            let here = sea_level * (1.0 - LAPSE * metres / SEA_LEVEL_KELVIN).powf(EXPONENT);
            prop_assert!((altitude(here, sea_level).unwrap() - metres).abs() < 1e-6);
            prop_assert!((sea_level_pressure(here, metres, None).unwrap() - sea_level).abs() < 1e-6);
        }

        #[test]
        fn whatever_goes_in_what_comes_out_is_a_number(a in any::<f64>(), b in any::<f64>(), c in any::<f64>()) {
            let results = [
                dew_point(a, b), absolute_humidity(a, b), vapour_pressure_deficit(a, b), heat_index(a, b),
                sea_level_pressure(a, b, Some(c)), altitude(a, b),
            ];
            prop_assert!(results.into_iter().flatten().all(f64::is_finite));
        }
    }
}
