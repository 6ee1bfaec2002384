//! What the chips of the simulated house feel: the climate of their rooms, the time of the day, lamps, soil that dries, a supply
//! that is loaded.

use std::f64::consts::TAU;

use gatehouse_model::{DeviceId, Moment, Timestamp};
use rand::RngExt;

use super::chips::Surroundings;
use super::day::{self, TimeOfDay};
use super::house::Climate;
use super::plan::PlannedChip;
use super::world::World;
use crate::traits::{Level, LineNumber};

const MILLIS_PER_HOUR: f64 = 3_600_000.0;

/// What a lamp that is really switched adds to the brightness of its room, in lx.
const LAMP_LIGHT: f64 = 180.0;

/// How far the air pressure swings around the standard one in hPa, and the hours of one swing: weather fronts.
const PRESSURE_SWING: f64 = 9.0;
const PRESSURE_HOURS: f64 = 110.0;

/// A capacitive soil probe: its voltage in water and in air, and the share of water in a pot after it was watered and
/// before it is watered again, every two days.
const SOIL_WET_VOLTS: f64 = 1.2;
const SOIL_DRY_VOLTS: f64 = 2.8;
const SOIL_WATERED: f64 = 0.72;
const SOIL_THIRSTY: f64 = 0.34;
const SOIL_HOURS: f64 = 48.0;

/// The supply: its voltage without a load, what its cable costs, and the current of each relay that is on.
const SUPPLY_VOLTS: f64 = 5.13;
const SUPPLY_OHMS: f64 = 0.09;
const RELAY_AMPERES: f64 = 0.072;

fn hours(wall: Timestamp) -> f64 {
    // Milliseconds since 1970 are far below 2^53.
    wall.as_millis() as f64 / MILLIS_PER_HOUR
}

fn soil_volts(wall: Timestamp) -> f64 {
    let since_watered = (hours(wall) / SOIL_HOURS).rem_euclid(1.0);
    let water = SOIL_WATERED + (SOIL_THIRSTY - SOIL_WATERED) * since_watered;
    SOIL_DRY_VOLTS + (SOIL_WET_VOLTS - SOIL_DRY_VOLTS) * water
}

impl World {
    /// What the chip of a device feels.
    pub(super) fn surroundings(&mut self, device: &DeviceId, now: Moment, wall: Timestamp) -> Surroundings {
        let usual = Surroundings { now, ..Surroundings::default() };
        let Some(PlannedChip { word, room }) = self.plan.chip(device).cloned() else { return usual };
        // The air is never quite still, and no supply is quite even.
        let mut noise = |width: f64| self.random.random_range(-width..width);
        let (warm, damp, high, bright, even) =
            (noise(0.02), noise(0.1), noise(0.05), noise(0.01), noise(0.002));
        let Climate { temperature, humidity } = self
            .house
            .climate(&room)
            .unwrap_or(Climate { temperature: usual.temperature, humidity: usual.humidity });
        let pressure = usual.pressure + PRESSURE_SWING * (hours(wall) / PRESSURE_HOURS * TAU).sin() + high;
        let lamps: f64 = self.plan.lamps_in(&room).map(|line| self.brightness(line)).sum();
        let TimeOfDay { light, carbon_dioxide, organic_compounds, fine_dust, current } = day::at(wall);
        let light = (light + LAMP_LIGHT * lamps) * (1.0 + bright);
        let relays = self.plan.outputs().filter(|line| self.brightness(*line) > 0.0).count();
        // A header has 28 lines.
        let current = (current + RELAY_AMPERES * relays as f64) * (1.0 + 10.0 * even);
        let voltage = match word {
            "ina219" | "ina226" | "ina260" => SUPPLY_VOLTS - SUPPLY_OHMS * current + even,
            "ads1015" | "ads1115" => soil_volts(wall) + even,
            _ => usual.voltage,
        };
        Surroundings {
            temperature: temperature + warm,
            humidity: (humidity + damp).clamp(0.0, 100.0),
            pressure,
            light,
            carbon_dioxide,
            organic_compounds,
            fine_dust,
            voltage,
            current,
            ..usual
        }
    }

    /// How far what hangs at a line is on, from 0 to 1.
    fn brightness(&self, line: LineNumber) -> f64 {
        match self.duties.get(&line) {
            Some(duty) => duty.share(),
            None => f64::from(u8::from(self.lines.level(line).is_some_and(Level::is_on))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    #[test]
    fn a_pot_dries_until_it_is_watered() {
        assert!(soil_volts(at(40)) > soil_volts(at(10)), "drier soil has a higher voltage");
        assert!(soil_volts(at(49)) < soil_volts(at(47)));
        for hour in 0..100 {
            assert!((1.5..2.4).contains(&soil_volts(at(hour))), "{}", soil_volts(at(hour)));
        }
    }
}
