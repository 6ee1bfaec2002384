//! Derived values: what is worked out from the values of sensors, of one or of several devices.
//!
//! A derived value is as old as the oldest reading that it is made of, and as good as the worst; without one of its
//! inputs, or where a formula does not hold, there is none. Nothing is made up.

pub mod formulas;
mod integral;
mod quantity;

use std::time::Duration;

use gatehouse_model::{Moment, Quality};

pub use integral::{Direction, Energy};
pub use quantity::{ALL_QUANTITIES, ALL_ROLES, Quantity, Role};

use crate::measured::Measured;

/// Most inputs of a derived device: a room has fewer sensors.
pub const MAX_INPUTS: usize = 32;

/// Pressure at sea level of the standard atmosphere in hPa (ICAO Doc 7488).
pub const STANDARD_PRESSURE: f64 = 1013.25;

/// What is derived, and from what.
#[derive(Clone, Debug, PartialEq)]
pub struct DerivedRules {
    /// What each input is, in the order in which they are given.
    pub inputs: Vec<Role>,
    /// What is given.
    pub gives: Vec<Quantity>,
    /// Where a pressure is measured, in metres above the sea.
    pub altitude: f64,
    /// The pressure at sea level that an altitude is worked out from, in hPa.
    pub sea_level: f64,
    /// Pulses of a meter for one unit of volume.
    pub pulses_per_unit: f64,
    /// What the meter showed when its pulses began to be counted, in its unit; for energy, the total to begin with
    /// when nothing is remembered, in kWh.
    pub meter_start: f64,
    /// Which direction of the power is counted.
    pub direction: Direction,
    /// Longest time between two readings of the power over which energy is counted.
    pub max_gap: Duration,
}

/// An input at present.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Its value.
    pub measured: Measured,
    /// When it came, in elapsed time.
    pub heard: Moment,
}

/// Works values out.
#[derive(Clone, Debug)]
pub struct Derived {
    rules: DerivedRules,
    energy: Energy,
}

impl Derived {
    /// Begins with this energy in kWh, if it is known from before.
    pub fn new(rules: DerivedRules, kwh_at_start: Option<f64>) -> Self {
        let kwh = kwh_at_start.unwrap_or(rules.meter_start);
        let energy = Energy::new(rules.direction, rules.max_gap, kwh);
        Self { rules, energy }
    }

    /// Takes the inputs as they are, in the order of the rules; nothing stands for one that was never heard. Gives all
    /// values that can be worked out.
    pub fn handle_inputs(&mut self, inputs: &[Option<Input>]) -> Vec<(Quantity, Measured)> {
        let gives = self.rules.gives.clone();
        gives.into_iter().filter_map(|quantity| Some((quantity, self.one(quantity, inputs)?))).collect()
    }

    fn one(&mut self, quantity: Quantity, inputs: &[Option<Input>]) -> Option<Measured> {
        let taken = self.taken(quantity, inputs)?;
        let of = |role: Role| {
            let found = taken.iter().find(|(taken, _)| *taken == role);
            found.map(|(_, input)| input.measured.value)
        };
        let numbers = taken.iter().map(|(_, input)| input.measured.value);
        let rules = &self.rules;
        let value = match quantity {
            Quantity::DewPoint => formulas::dew_point(of(Role::Temperature)?, of(Role::Humidity)?),
            Quantity::AbsoluteHumidity => {
                formulas::absolute_humidity(of(Role::Temperature)?, of(Role::Humidity)?)
            }
            Quantity::VapourPressureDeficit => {
                formulas::vapour_pressure_deficit(of(Role::Temperature)?, of(Role::Humidity)?)
            }
            Quantity::HeatIndex => formulas::heat_index(of(Role::Temperature)?, of(Role::Humidity)?),
            Quantity::SeaLevelPressure => {
                formulas::sea_level_pressure(of(Role::Pressure)?, rules.altitude, of(Role::Temperature))
            }
            Quantity::Altitude => formulas::altitude(of(Role::Pressure)?, rules.sea_level),
            Quantity::Volume => Some(rules.meter_start + of(Role::Pulses)? / rules.pulses_per_unit),
            Quantity::Energy => self.energy(&taken),
            Quantity::Min => numbers.reduce(f64::min),
            Quantity::Max => numbers.reduce(f64::max),
            Quantity::Mean => mean(numbers),
            Quantity::Sum => Some(numbers.sum()),
            Quantity::Difference => {
                let (low, high) = (numbers.clone().reduce(f64::min)?, numbers.reduce(f64::max)?);
                Some(high - low)
            }
        };
        let value = value.filter(|value| value.is_finite())?;
        let quality = taken.iter().map(|(_, input)| input.measured.quality).max()?;
        let at = taken.iter().map(|(_, input)| input.measured.at).min()?;
        Some(Measured { value, quality, at })
    }

    /// The inputs that a quantity is made of; nothing when one is missing that it needs.
    fn taken(&self, quantity: Quantity, inputs: &[Option<Input>]) -> Option<Vec<(Role, Input)>> {
        let mut taken = Vec::new();
        for (role, input) in self.rules.inputs.iter().copied().zip(inputs) {
            let is_needed = quantity.needs().contains(&role);
            match input {
                Some(input) if is_needed || quantity.can_use().contains(&role) => taken.push((role, *input)),
                // A mean of some rooms is not the mean of all.
                None if is_needed => return None,
                // A reading that may come must not change the meaning of the value when it does.
                None if quantity.can_use().contains(&role) => return None,
                _ => {}
            }
        }
        Some(taken)
    }

    fn energy(&mut self, taken: &[(Role, Input)]) -> Option<f64> {
        let (_, input) = taken.iter().find(|(role, _)| *role == Role::Power)?;
        match input.measured.quality {
            Quality::Stale => self.energy.handle_loss(),
            // It is left out; if it was the only one for too long, that is a gap.
            Quality::Suspect => {}
            _ => self.energy.handle_power(input.measured.value, input.heard),
        }
        Some(self.energy.kwh())
    }

    /// The energy so far in kWh, to be remembered over a restart.
    pub fn kwh(&self) -> f64 {
        self.energy.kwh()
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are at most 32 inputs")]
fn mean(numbers: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let count = numbers.clone().count();
    (count > 0).then(|| numbers.sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests;
