//! DPS310: temperature and air pressure.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::terms::{GND, SCL, SDA, SLOW, VCC, address_wire, not_ready, pressure, temperature, wrong_chip};
use super::{Driver, Measured};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{Bus, Entry, Expect, Kind, Open, Opened, Opening, Recognition, Step, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "dps310",
    name: "Infineon DPS310",
    what: "Temperature and air pressure, to a few centimetres of height.",
    bus: Bus::I2c { addresses: &[0x77, 0x76] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 85.0, 1), pressure(300.0, 1_200.0)],
    settings: &[],
    recognition: &[Recognition {
        steps: &[Step { select: &[PRODUCT], expect: Expect::Bytes { value: &[0x10], mask: &[0xFF] } }],
        certainty: 70,
        or_else: &[],
    }],
    wiring: &[
        VCC,
        GND,
        SDA,
        SCL,
        address_wire("SDO", "it chooses the address: 3V3 or open is 0x77, GND is 0x76"),
    ],
    supply: Supply { lowest: 1.7, highest: 3.6 },
    periods: SLOW,
    source: "Infineon, DPS310 datasheet, V1.2 (2020)",
    notes: &[],
    open: Open::I2c(open),
};

/// Registers.
const PRESSURE: u8 = 0x00;
const TEMPERATURE: u8 = 0x03;
const PRESSURE_CONFIGURATION: u8 = 0x06;
const TEMPERATURE_CONFIGURATION: u8 = 0x07;
const MEASURE: u8 = 0x08;
const CONFIGURATION: u8 = 0x09;
const PRODUCT: u8 = 0x0D;
const COEFFICIENTS: u8 = 0x10;
const COEFFICIENT_SOURCE: u8 = 0x28;

/// Eight samples a measurement: 14.8 ms, and results need no shift yet; with its scale.
const EIGHT_TIMES: u8 = 0x03;
const SCALE: f64 = 7_864_320.0;
const MEASUREMENT_MS: u32 = 16;
const TRIES: u32 = 5;

/// Bits of [`MEASURE`]: what is ready, and one measurement of each.
const COEFFICIENTS_READY: u8 = 0x80;
const TEMPERATURE_READY: u8 = 0x20;
const PRESSURE_READY: u8 = 0x10;
const MEASURE_PRESSURE: u8 = 0x01;
const MEASURE_TEMPERATURE: u8 = 0x02;

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
    coefficients: Coefficients,
}

/// c0, c1, c00, c10, c01, c11, c20, c21, c30, in this order.
struct Coefficients([f64; 9]);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = Chip { port, address, pause: opening.pause, coefficients: Coefficients([0.0; 9]) };
    let [product] = chip.registers(PRODUCT)?;
    if product != 0x10 {
        return Err(wrong_chip("DPS310", product));
    }
    chip.wait(COEFFICIENTS_READY)?;
    chip.coefficients = Coefficients::of(&chip.registers(COEFFICIENTS)?);
    // The coefficients were made with one of two thermometers, which must be measured with too.
    let [source] = chip.registers(COEFFICIENT_SOURCE)?;
    chip.write(TEMPERATURE_CONFIGURATION, source & 0x80 | EIGHT_TIMES)?;
    chip.write(PRESSURE_CONFIGURATION, EIGHT_TIMES)?;
    chip.write(CONFIGURATION, 0)?;
    Ok(Box::new(chip))
}

impl Coefficients {
    fn of(bytes: &[u8; 18]) -> Self {
        // They lie bit by bit behind each other: two of 12 bits, two of 20, and five of 16.
        let bits = |from: usize, length: usize| {
            let mut value = 0i64;
            for bit in from..from + length {
                value = value << 1 | i64::from(bytes[bit / 8] >> (7 - bit % 8) & 1);
            }
            let is_negative = value >> (length - 1) & 1 == 1;
            // At most 20 bits.
            (if is_negative { value - (1 << length) } else { value }) as f64
        };
        let mut from = 0;
        Self([12, 12, 20, 20, 16, 16, 16, 16, 16].map(|length| {
            from += length;
            bits(from - length, length)
        }))
    }

    /// In °C and Pa, from results that were divided by their scale.
    fn compensate(&self, temperature: f64, pressure: f64) -> (f64, f64) {
        let [c0, c1, c00, c10, c01, c11, c20, c21, c30] = self.0;
        let (t, p) = (temperature, pressure);
        let pascal = c00 + p * (c10 + p * (c20 + p * c30)) + t * c01 + t * p * (c11 + p * c21);
        (c0 * 0.5 + c1 * t, pascal)
    }
}

impl Chip {
    fn registers<const N: usize>(&mut self, first: u8) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.port.write_read(self.address, &[first], &mut bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, register: u8, value: u8) -> Result<(), ReadError> {
        Ok(self.port.write(self.address, &[register, value])?)
    }

    fn wait(&mut self, ready: u8) -> Result<(), ReadError> {
        for _ in 0..TRIES {
            self.pause.delay_ms(MEASUREMENT_MS);
            let [state] = self.registers(MEASURE)?;
            if state & ready == ready {
                return Ok(());
            }
        }
        Err(not_ready())
    }

    fn measure(&mut self, what: u8, ready: u8, register: u8) -> Result<f64, ReadError> {
        self.write(MEASURE, what)?;
        self.wait(ready)?;
        let [high, middle, low] = self.registers(register)?;
        // 24 bits in two's complement.
        Ok(f64::from(i32::from_be_bytes([high, middle, low, 0]) >> 8) / SCALE)
    }
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let temperature = self.measure(MEASURE_TEMPERATURE, TEMPERATURE_READY, TEMPERATURE)?;
        let pressure = self.measure(MEASURE_PRESSURE, PRESSURE_READY, PRESSURE)?;
        // The scale is that of its settings, which a brown-out takes away.
        let [pressure_setting, temperature_setting] = self.registers(PRESSURE_CONFIGURATION)?;
        if pressure_setting != EIGHT_TIMES || temperature_setting & !0x80 != EIGHT_TIMES {
            return Err(ReadError::Damaged("it has lost its settings: its supply was cut".to_owned()));
        }
        let (celsius, pascal) = self.coefficients.compensate(temperature, pressure);
        Ok(vec![Measured::new("temperature", celsius), Measured::new("pressure", pascal / 100.0)])
    }
}
