//! From what an input measures to what it means: voltage dividers, thermistors, tables.
//!
//! Everything here is a plain function of one number. What cannot be (a thermistor at the supply's voltage has no
//! resistance) is an error with a sentence, never a number.

/// Most points of a table.
pub const MAX_POINTS: usize = 64;

/// 0 °C in kelvin.
const ZERO_CELSIUS: f64 = 273.15;

/// The temperature at which a thermistor has its nominal resistance, in kelvin: 25 °C.
const NOMINAL_KELVIN: f64 = 298.15;

/// What is done with numbers beyond the ends of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// The outer point stands for them, and they are marked as clamped.
    Clamped,
    /// The outer straight line goes on.
    Extrapolated,
}

/// Why a list of points is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableProblem {
    /// Fewer than two.
    #[error("a table needs two points or more")]
    TooFew,
    /// More than [`MAX_POINTS`].
    #[error("a table has at most {MAX_POINTS} points")]
    TooMany,
    /// A number is not finite.
    #[error("a point is not a finite number")]
    NotFinite,
    /// Two points have the same measured number.
    #[error("two points have the same measured number")]
    Twice,
}

/// Points joined by straight lines, for what has no formula: a pH electrode, a soil probe, a tank of any shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    points: Vec<(f64, f64)>,
}

impl Table {
    /// A table of points, each `(measured, meant)`, in any order.
    ///
    /// # Errors
    /// When the points do not define one.
    pub fn new(mut points: Vec<(f64, f64)>) -> Result<Self, TableProblem> {
        if points.len() < 2 {
            return Err(TableProblem::TooFew);
        }
        if points.len() > MAX_POINTS {
            return Err(TableProblem::TooMany);
        }
        if points.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
            return Err(TableProblem::NotFinite);
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if points.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(TableProblem::Twice);
        }
        Ok(Self { points })
    }

    /// What `x` means, and whether it was beyond the ends of the table.
    pub fn at(&self, x: f64, outside: Outside) -> (f64, bool) {
        let (first, last) = (self.points[0], self.points[self.points.len() - 1]);
        let is_outside = x < first.0 || x > last.0;
        if is_outside && outside == Outside::Clamped {
            return (if x < first.0 { first.1 } else { last.1 }, true);
        }
        let above = self.points.partition_point(|point| point.0 < x).clamp(1, self.points.len() - 1);
        let (low, high) = (self.points[above - 1], self.points[above]);
        let share = (x - low.0) / (high.0 - low.0);
        (low.1 * (1.0 - share) + high.1 * share, is_outside)
    }
}

/// Two resistors that bring a voltage down to what an input bears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Divider {
    /// Between the measured voltage and the input, in ohms (or any unit, the same for both).
    pub upper: f64,
    /// Between the input and ground.
    pub lower: f64,
}

impl Divider {
    /// The voltage before the divider, of the one behind it.
    pub fn before(self, behind: f64) -> f64 {
        behind * (self.upper + self.lower) / self.lower
    }
}

/// Where a thermistor stands in its divider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Between the input and ground; the fixed resistor goes to the supply.
    ToGround,
    /// Between the supply and the input; the fixed resistor goes to ground.
    ToSupply,
}

/// How the resistance of a thermistor depends on its temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ThermistorCurve {
    /// `1/T = 1/298.15 + ln(R/nominal)/beta`, the form in which most datasheets give it.
    Beta {
        /// Resistance at 25 °C, in ohms.
        nominal: f64,
        /// The constant B, in kelvin.
        beta: f64,
    },
    /// `1/T = a + b·ln R + c·(ln R)³` (Steinhart and Hart, "Calibration curves for thermistors", Deep-Sea Research 15,
    /// 1968), R in ohms and T in kelvin.
    SteinhartHart {
        /// The first coefficient.
        a: f64,
        /// The second.
        b: f64,
        /// The third.
        c: f64,
    },
}

impl ThermistorCurve {
    /// The temperature in °C at this resistance in ohms; nothing when the curve gives none.
    pub fn celsius(self, resistance: f64) -> Option<f64> {
        if resistance <= 0.0 {
            return None;
        }
        let reciprocal = match self {
            Self::Beta { nominal, beta } => 1.0 / NOMINAL_KELVIN + (resistance / nominal).ln() / beta,
            Self::SteinhartHart { a, b, c } => {
                let logarithm = resistance.ln();
                a + b * logarithm + c * logarithm.powi(3)
            }
        };
        let celsius = 1.0 / reciprocal - ZERO_CELSIUS;
        (reciprocal > 0.0 && celsius.is_finite()).then_some(celsius)
    }
}

/// A thermistor in a divider with a fixed resistor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ntc {
    /// Its curve.
    pub curve: ThermistorCurve,
    /// The fixed resistor, in ohms.
    pub series: f64,
    /// The voltage over both, in volts.
    pub supply: f64,
    /// Which of the two is at ground.
    pub position: Position,
}

/// How near to ground or to the supply a thermistor's voltage counts as a broken wire, as a share of the supply: with a
/// resistor of the thermistor's nominal value this is beyond -55 °C and 250 °C for the usual ones.
const BROKEN_WIRE_SHARE: f64 = 0.005;

/// Why an input's voltage means nothing, in a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NoMeaning {
    /// No resistance gives this voltage.
    #[error(
        "{volts:.3} V of {supply} V is no temperature: the thermistor's wire is broken, or it has a short circuit"
    )]
    BrokenWire {
        /// What was measured.
        volts: f64,
        /// The supply.
        supply: f64,
    },
    /// The arithmetic left the numbers that exist.
    #[error("{0} gives no number with this calibration")]
    NotFinite(f64),
}

impl Ntc {
    /// The thermistor's resistance in ohms at this voltage of the input.
    ///
    /// # Errors
    /// When no resistance gives it.
    pub fn resistance(&self, volts: f64) -> Result<f64, NoMeaning> {
        let share = volts / self.supply;
        if !(BROKEN_WIRE_SHARE..=1.0 - BROKEN_WIRE_SHARE).contains(&share) {
            return Err(NoMeaning::BrokenWire { volts, supply: self.supply });
        }
        Ok(match self.position {
            Position::ToGround => self.series * share / (1.0 - share),
            Position::ToSupply => self.series * (1.0 - share) / share,
        })
    }

    /// The temperature in °C at this voltage of the input.
    ///
    /// # Errors
    /// When the voltage is that of a broken wire or a short circuit.
    pub fn celsius(&self, volts: f64) -> Result<f64, NoMeaning> {
        let resistance = self.resistance(volts)?;
        self.curve.celsius(resistance).ok_or(NoMeaning::BrokenWire { volts, supply: self.supply })
    }
}

/// A curve between what is measured and what it means.
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// A table, clamped at its ends.
    Table(Table),
    /// A thermistor: volts in, °C out.
    Ntc(Ntc),
}

/// All that is done with a measured number before it is judged: divider, curve, factor, offset, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// A divider before the input.
    pub divider: Option<Divider>,
    /// What the voltage means.
    pub curve: Option<Curve>,
    /// Factor.
    pub scale: f64,
    /// What is added, in the property's unit.
    pub offset: f64,
}

impl Default for Conversion {
    fn default() -> Self {
        Self { divider: None, curve: None, scale: 1.0, offset: 0.0 }
    }
}

impl Conversion {
    /// What a measured number means, and whether it was beyond the ends of the table.
    ///
    /// # Errors
    /// When it means nothing.
    pub fn of(&self, measured: f64) -> Result<(f64, bool), NoMeaning> {
        let volts = self.divider.map_or(measured, |divider| divider.before(measured));
        let (meant, is_clamped) = match &self.curve {
            None => (volts, false),
            Some(Curve::Table(table)) => table.at(volts, Outside::Clamped),
            Some(Curve::Ntc(ntc)) => (ntc.celsius(volts)?, false),
        };
        let value = meant * self.scale + self.offset;
        if value.is_finite() { Ok((value, is_clamped)) } else { Err(NoMeaning::NotFinite(measured)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN_K: ThermistorCurve = ThermistorCurve::Beta { nominal: 10_000.0, beta: 3_950.0 };

    fn ntc(position: Position) -> Ntc {
        Ntc { curve: TEN_K, series: 10_000.0, supply: 3.3, position }
    }

    #[test]
    fn a_car_battery_behind_a_divider() {
        let divider = Divider { upper: 100_000.0, lower: 22_000.0 };
        assert!((divider.before(2.2) - 12.2).abs() < 1e-9);
    }

    #[test]
    fn a_thermistor_has_its_nominal_resistance_at_25_degrees_on_either_side() {
        for position in [Position::ToGround, Position::ToSupply] {
            assert!((ntc(position).celsius(1.65).unwrap() - 25.0).abs() < 1e-9);
        }
        // Warmer means less resistance: less voltage at ground, more at the supply.
        assert!(ntc(Position::ToGround).celsius(1.0).unwrap() > 25.0);
        assert!(ntc(Position::ToSupply).celsius(1.0).unwrap() < 25.0);
    }

    #[test]
    fn steinhart_and_harts_equation_goes_through_the_three_points_it_was_made_of() {
        let points = [(25_000.0_f64, 5.0), (10_000.0, 25.0), (4_000.0, 45.0)];
        // Solved here from the points, so that the test does not share a constant with anybody.
        let logarithm = points.map(|(ohms, _)| ohms.ln());
        let reciprocal = points.map(|(_, celsius)| 1.0 / (celsius + ZERO_CELSIUS));
        let g2 = (reciprocal[1] - reciprocal[0]) / (logarithm[1] - logarithm[0]);
        let g3 = (reciprocal[2] - reciprocal[0]) / (logarithm[2] - logarithm[0]);
        let c = (g3 - g2) / (logarithm[2] - logarithm[1]) / (logarithm[0] + logarithm[1] + logarithm[2]);
        let b = g2 - c * (logarithm[0].powi(2) + logarithm[0] * logarithm[1] + logarithm[1].powi(2));
        let a = reciprocal[0] - (b + logarithm[0].powi(2) * c) * logarithm[0];
        let curve = ThermistorCurve::SteinhartHart { a, b, c };
        for (ohms, celsius) in points {
            assert!((curve.celsius(ohms).unwrap() - celsius).abs() < 1e-6);
        }
    }

    #[test]
    fn a_broken_wire_is_no_temperature() {
        for volts in [-0.1, 0.0, 0.01, 3.299, 3.3, 3.4, f64::NAN] {
            assert!(
                matches!(ntc(Position::ToGround).celsius(volts), Err(NoMeaning::BrokenWire { .. })),
                "{volts}"
            );
        }
        let sentence = ntc(Position::ToGround).celsius(3.3).unwrap_err().to_string();
        assert!(sentence.contains("wire is broken"), "{sentence}");
    }

    #[test]
    fn a_table_is_clamped_or_goes_on_at_its_ends() {
        let table = Table::new(vec![(3.0, 0.0), (1.0, 100.0), (2.0, 40.0)]).unwrap();
        assert_eq!(table.at(1.5, Outside::Clamped), (70.0, false));
        assert_eq!(table.at(2.0, Outside::Clamped), (40.0, false));
        assert_eq!(table.at(3.5, Outside::Clamped), (0.0, true));
        assert_eq!(table.at(0.0, Outside::Clamped), (100.0, true));
        assert_eq!(table.at(3.5, Outside::Extrapolated), (-20.0, true));
        assert_eq!(table.at(0.0, Outside::Extrapolated), (160.0, true));
    }

    #[test]
    fn points_that_are_no_table_are_refused() {
        assert_eq!(Table::new(vec![(1.0, 1.0)]), Err(TableProblem::TooFew));
        assert_eq!(Table::new(vec![(1.0, 1.0), (1.0, 2.0)]), Err(TableProblem::Twice));
        assert_eq!(Table::new(vec![(1.0, 1.0), (f64::NAN, 2.0)]), Err(TableProblem::NotFinite));
        assert_eq!(Table::new(vec![(0.0, 0.0); MAX_POINTS + 1]), Err(TableProblem::TooMany));
    }

    proptest! {
        #[test]
        fn resistance_and_voltage_belong_together(ohms in 200.0f64..1e6, to_supply in any::<bool>()) {
            let ntc = ntc(if to_supply { Position::ToSupply } else { Position::ToGround });
            let lower = if to_supply { ntc.series } else { ohms };
            let volts = ntc.supply * lower / (ohms + ntc.series);
            let found = ntc.resistance(volts).unwrap();
            prop_assert!((found - ohms).abs() < ohms * 1e-9);
        }

        #[test]
        fn a_table_goes_through_its_points_and_stays_between_them(
            xs in proptest::collection::btree_set(-1000i32..1000, 2..20), x in -1500.0f64..1500.0, seed in any::<u32>()
        ) {
            let meant = |x: i32| f64::from((x.wrapping_mul(7919) ^ seed as i32) % 100);
            let points: Vec<_> = xs.iter().map(|x| (f64::from(*x), meant(*x))).collect();
            let table = Table::new(points.clone()).unwrap();
            for (x, y) in &points {
                prop_assert!((table.at(*x, Outside::Clamped).0 - y).abs() < 1e-9);
            }
            let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
            let high = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
            let (y, is_clamped) = table.at(x, Outside::Clamped);
            prop_assert!(y >= low - 1e-9 && y <= high + 1e-9);
            prop_assert_eq!(is_clamped, x < points[0].0 || x > points[points.len() - 1].0);
        }

        #[test]
        fn a_conversion_gives_a_number_or_a_sentence(measured in any::<f64>(), scale in any::<f64>()) {
            let conversion = Conversion {
                divider: Some(Divider { upper: 100.0, lower: 22.0 }),
                curve: Some(Curve::Ntc(ntc(Position::ToGround))),
                scale,
                offset: 0.0,
            };
            if let Ok((value, _)) = conversion.of(measured) {
                prop_assert!(value.is_finite());
            }
        }
    }
}
