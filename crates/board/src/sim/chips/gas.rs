//! Sensirion's gas sensors: SCD4x (datasheet 1.5), SCD30 (interface description 1.0), SGP30 (1.0), SGP40 (1.2).

use super::{I2cChip, Surroundings};
use crate::traits::BusFault;

/// The checksum of a word.
fn checksum(word: u16) -> u8 {
    super::sensirion::checksum(0xFF, &word.to_be_bytes())
}

/// What a chip does with a command: the words of its answer, or a refusal.
pub(super) trait Commands: Send {
    fn obey(&mut self, command: u16, arguments: &[u16], world: &Surroundings) -> Result<Vec<u16>, BusFault>;
}

/// A chip that takes commands of 16 bits and answers in words with checksums.
pub(super) struct Commanded<C> {
    commands: C,
    fresh: fn() -> C,
    world: Surroundings,
    answer: Vec<u8>,
}

impl<C: Commands> Commanded<C> {
    pub(super) fn new(fresh: fn() -> C) -> Self {
        Self { commands: fresh(), fresh, world: Surroundings::default(), answer: Vec::new() }
    }
}

impl<C: Commands> I2cChip for Commanded<C> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        let Some(([high, low], rest)) = bytes.split_first_chunk() else {
            return Err(BusFault::NoAcknowledge);
        };
        let mut arguments = Vec::new();
        for argument in rest.chunks(3) {
            let [high, low, sum] = argument else { return Err(BusFault::NoAcknowledge) };
            let word = u16::from_be_bytes([*high, *low]);
            if checksum(word) != *sum {
                return Err(BusFault::NoAcknowledge);
            }
            arguments.push(word);
        }
        let words = self.commands.obey(u16::from_be_bytes([*high, *low]), &arguments, &self.world)?;
        let bytes = words.into_iter().map(|word| {
            let [high, low] = word.to_be_bytes();
            [high, low, checksum(word)]
        });
        self.answer = bytes.flatten().collect();
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        if self.answer.is_empty() {
            return Err(BusFault::NoAcknowledge);
        }
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = self.answer.get(index).copied().unwrap_or(0xFF);
        }
        self.answer.clear();
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.world = surroundings.clone();
    }

    fn lose_power(&mut self) {
        self.commands = (self.fresh)();
        self.answer.clear();
    }
}

/// A part of a range in 65,535 steps.
fn share(part: f64) -> u16 {
    (part * 65_535.0).round().clamp(0.0, 65_535.0) as u16
}

/// SCD4x. While it measures it takes four commands only.
#[derive(Default)]
pub(super) struct Scd4x {
    measures: bool,
    /// Temperature offset, altitude, self-calibration.
    settings: [u16; 3],
}

impl Commands for Scd4x {
    fn obey(&mut self, command: u16, arguments: &[u16], world: &Surroundings) -> Result<Vec<u16>, BusFault> {
        let argument = arguments.first().copied();
        let [offset, altitude, calibration] = &mut self.settings;
        Ok(match (command, argument, self.measures) {
            (0x21B1, None, false) => {
                self.measures = true;
                Vec::new()
            }
            (0x3F86, None, _) => {
                self.measures = false;
                Vec::new()
            }
            (0xEC05, None, true) => vec![
                world.carbon_dioxide.round() as u16,
                share((world.temperature + 45.0) / 175.0),
                share(world.humidity / 100.0),
            ],
            (0xE4B8, None, _) => vec![if self.measures { 0x8006 } else { 0x8000 }],
            // The serial number of the datasheet's example.
            (0x3682, None, false) => vec![0xF896, 0x9F07, 0x3BBE],
            (0x241D, Some(value), false) => {
                *offset = value;
                Vec::new()
            }
            (0x2427, Some(value), false) => {
                *altitude = value;
                Vec::new()
            }
            (0x2416, Some(value), false) => {
                *calibration = value;
                Vec::new()
            }
            (0x2318, None, false) => vec![*offset],
            (0x2322, None, false) => vec![*altitude],
            (0x2313, None, false) => vec![*calibration],
            _ => return Err(BusFault::NoAcknowledge),
        })
    }
}

/// SCD30. Its settings outlive its power.
#[derive(Default)]
pub(super) struct Scd30 {
    measures: bool,
}

impl Commands for Scd30 {
    fn obey(&mut self, command: u16, arguments: &[u16], world: &Surroundings) -> Result<Vec<u16>, BusFault> {
        Ok(match (command, arguments) {
            // The pressure in hPa, or zero.
            (0x0010, [0 | 700..=1_400]) => {
                self.measures = true;
                Vec::new()
            }
            (0x0104, []) => {
                self.measures = false;
                Vec::new()
            }
            (0x4600, [2..=1_800]) | (0x5306, [0 | 1]) | (0x5403 | 0x5102, [_]) => Vec::new(),
            (0x0202, []) => vec![u16::from(self.measures)],
            (0x0300, []) if self.measures => {
                let values = [world.carbon_dioxide, world.temperature, world.humidity];
                let words = values.map(|value| {
                    let bits = (value as f32).to_bits();
                    [(bits >> 16) as u16, bits as u16]
                });
                words.into_iter().flatten().collect()
            }
            _ => return Err(BusFault::NoAcknowledge),
        })
    }
}

/// SGP30. Its first 15 measurements after the start are 400 ppm and 0 ppb.
#[derive(Default)]
pub(super) struct Sgp30 {
    is_started: bool,
    measurements: u32,
}

impl Commands for Sgp30 {
    fn obey(&mut self, command: u16, arguments: &[u16], world: &Surroundings) -> Result<Vec<u16>, BusFault> {
        Ok(match (command, arguments) {
            (0x2003, []) => {
                (self.is_started, self.measurements) = (true, 0);
                Vec::new()
            }
            (0x2008, []) if self.is_started => {
                self.measurements += 1;
                if self.measurements <= 15 {
                    vec![400, 0]
                } else {
                    let compounds = world.organic_compounds.clamp(0.0, 60_000.0);
                    vec![(400.0 + compounds * 2.0) as u16, compounds.round() as u16]
                }
            }
            (0x2061, [_]) => Vec::new(),
            // Product type 0, version 34.
            (0x202F, []) => vec![0x0022],
            (0x3682, []) => vec![0x0000, 0x0064, 0x8FE9],
            _ => return Err(BusFault::NoAcknowledge),
        })
    }
}

/// SGP40. More compounds lower its resistance, and with it the signal.
#[derive(Default)]
pub(super) struct Sgp40;

impl Commands for Sgp40 {
    fn obey(&mut self, command: u16, arguments: &[u16], world: &Surroundings) -> Result<Vec<u16>, BusFault> {
        Ok(match (command, arguments) {
            (0x260F, [_, _]) => vec![(31_000.0 - world.organic_compounds * 4.0).clamp(0.0, 65_535.0) as u16],
            (0x280E, []) => vec![0xD400],
            (0x3682, []) => vec![0x0000, 0x0123, 0x4567],
            // The heater off.
            (0x3615, []) => Vec::new(),
            _ => return Err(BusFault::NoAcknowledge),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_the_datasheets_examples() {
        // SGP40, "measure raw signal" with the default arguments.
        assert_eq!([checksum(0x8000), checksum(0x6666)], [0xA2, 0x93]);
    }

    /// SCD4x, read_measurement: 500 ppm, 25 °C, 37 %.
    #[test]
    fn the_measurement_of_the_scd4x_datasheet() {
        let mut chip = Commanded::new(Scd4x::default);
        let air = Surroundings {
            carbon_dioxide: 500.0,
            temperature: 25.0,
            humidity: 37.0,
            ..Surroundings::default()
        };
        chip.feel(&air);
        chip.write(&[0x21, 0xB1]).unwrap();
        chip.write(&[0xEC, 0x05]).unwrap();
        let mut answer = [0; 9];
        chip.read(&mut answer).unwrap();
        assert_eq!(answer[..3], [0x01, 0xF4, 0x33]);
        // The example rounds up: 0x6667 and 0x5eb9.
        assert!(u16::from_be_bytes([answer[3], answer[4]]).abs_diff(0x6667) <= 1);
        assert!(u16::from_be_bytes([answer[6], answer[7]]).abs_diff(0x5EB9) <= 1);
    }

    /// SCD30, read measurement: 439.09 ppm, 27.2 °C, 48.8 %.
    #[test]
    fn the_measurement_of_the_scd30_description() {
        let mut chip = Commanded::new(Scd30::default);
        let air = Surroundings {
            carbon_dioxide: f32::from_bits(0x43DB_8C2E).into(),
            temperature: f32::from_bits(0x41D9_E7FF).into(),
            humidity: f32::from_bits(0x4243_3A1B).into(),
            ..Surroundings::default()
        };
        chip.feel(&air);
        chip.write(&[0x00, 0x10, 0x00, 0x00, 0x81]).unwrap();
        chip.write(&[0x03, 0x00]).unwrap();
        let mut answer = [0; 18];
        chip.read(&mut answer).unwrap();
        let example = [
            0x43, 0xDB, 0xCB, 0x8C, 0x2E, 0x8F, 0x41, 0xD9, 0x70, 0xE7, 0xFF, 0xF5, 0x42, 0x43, 0xBF, 0x3A,
            0x1B, 0x74,
        ];
        assert_eq!(answer, example);
    }
}
