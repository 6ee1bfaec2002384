//! What is done with the numbers of a device on their way to the broker, and values that are worked out from others.

use std::time::Duration;

pub use gatehouse_control::derived::{Direction, MAX_INPUTS, Quantity, Role, STANDARD_PRESSURE};
pub use gatehouse_control::filters::{FilterRule, MAX_FILTERS};
pub use gatehouse_control::lookup::Conversion;
pub use gatehouse_control::plausible::PlausibilityRules;
use gatehouse_control::rounding::MAX_DECIMALS;
use gatehouse_model::PropertyPath;

/// How often an energy is written to the memory of the board when the configuration says nothing: what a power cut can
/// cost, against what the card bears.
pub const DEFAULT_SAVE_ENERGY_EVERY: Duration = Duration::from_secs(60);

/// `calibrate.<property>`: what the sensor's number means. A voltage becomes something else by it, so what the property
/// is called can change with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CalibrateConfig {
    /// Divider, curve, scale and offset.
    pub conversion: Conversion,
    /// The unit of the result; that of the sensor by default.
    pub unit: Option<String>,
    /// Its name for people; that of the sensor by default.
    pub name: Option<String>,
    /// What it is, in Home Assistant's words; what the sensor says by default.
    pub class: Option<String>,
    /// Digits behind the point; those of the sensor by default.
    pub decimals: Option<u8>,
}

impl CalibrateConfig {
    /// `measured * scale + offset`.
    pub fn linear(scale: f64, offset: f64) -> Self {
        Self { conversion: Conversion { scale, offset, ..Conversion::default() }, ..Self::default() }
    }

    /// What is wrong with it, in a sentence for people.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let Conversion { divider, scale, offset, .. } = &self.conversion;
        if !scale.is_finite() || !offset.is_finite() || *scale == 0.0 {
            return Some("needs a scale that is not zero, and finite numbers");
        }
        if divider.is_some_and(|divider| !(divider.upper >= 0.0 && divider.lower > 0.0)) {
            return Some("has a divider whose resistors are not greater than zero");
        }
        self.decimals.is_some_and(|digits| digits > MAX_DECIMALS).then_some("has more than 9 digits")
    }
}

/// `report.<property>`: a number is published when it differs from the last published one by `delta` or more, and at
/// least and at most so often.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReportConfig {
    /// Smallest change worth a message, in the property's unit; 0 by default: every reading.
    pub delta: f64,
    /// Longest time without a message while the sensor answers; nothing by default.
    pub at_least_every: Option<Duration>,
    /// Shortest time between two messages; nothing by default.
    pub at_most_every: Option<Duration>,
}

/// `driver = "derived"`: values that are worked out from those of other devices.
#[derive(Clone, Debug, PartialEq)]
pub struct DerivedConfig {
    /// What it is made of.
    pub inputs: Vec<(Role, PropertyPath)>,
    /// What it gives.
    pub gives: Vec<Quantity>,
    /// Where the pressure is measured, in metres above the sea; 0 by default.
    pub altitude: f64,
    /// The pressure at sea level that an altitude is worked out from, in hPa; [`STANDARD_PRESSURE`] by default.
    pub sea_level: f64,
    /// Pulses of a meter for one unit of volume; 1 by default.
    pub pulses_per_unit: f64,
    /// What the meter shows when counting begins; 0 by default.
    pub meter_start: f64,
    /// Which direction of the power is counted; what is drawn by default.
    pub direction: Direction,
    /// Longest time between two readings of the power over which energy is counted; by default three periods of the
    /// sensor, at least a minute.
    pub max_gap: Option<Duration>,
    /// What a power cut may cost of an energy; [`DEFAULT_SAVE_ENERGY_EVERY`] by default.
    pub save_every: Duration,
}

impl DerivedConfig {
    /// What is wrong with it, in a sentence for people.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.inputs.is_empty() || self.inputs.len() > MAX_INPUTS {
            return Some(format!("it needs between 1 and {MAX_INPUTS} inputs"));
        }
        if self.gives.is_empty() {
            return Some("it gives nothing".to_owned());
        }
        let twice = |quantity: &&Quantity| self.gives.iter().filter(|other| other == quantity).count() > 1;
        if let Some(quantity) = self.gives.iter().find(twice) {
            return Some(format!("it gives `{}` twice", quantity.word()));
        }
        let numbers = [self.altitude, self.sea_level, self.pulses_per_unit, self.meter_start];
        if numbers.iter().any(|number| !number.is_finite()) || self.pulses_per_unit <= 0.0 {
            return Some("its numbers must be finite, and `pulses_per_unit` greater than zero".to_owned());
        }
        None
    }

    /// These values from these inputs, with the defaults.
    pub const fn new(inputs: Vec<(Role, PropertyPath)>, gives: Vec<Quantity>) -> Self {
        Self {
            inputs,
            gives,
            altitude: 0.0,
            sea_level: STANDARD_PRESSURE,
            pulses_per_unit: 1.0,
            meter_start: 0.0,
            direction: Direction::Drawn,
            max_gap: None,
            save_every: DEFAULT_SAVE_ENERGY_EVERY,
        }
    }
}
