//! BME680 and BME688: temperature, humidity, pressure, and the resistance of a heated gas sensor.

use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::terms::{
    GND, SCL, SDA, VCC, address_wire, humidity, not_ready, pressure, temperature, wrong_chip,
};
use super::{Driver, Measured};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{
    Bus, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Recognition, Setting,
    SettingKind, Step, Supply,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static BME680: Entry = COMMON;

/// See [`Entry`].
pub(super) static BME688: Entry = Entry {
    word: "bme688",
    name: "Bosch BME688",
    properties: &[
        temperature(-40.0, 85.0, 1),
        humidity(),
        pressure(300.0, 1_100.0),
        MeasuredProperty::new("gas-resistance", "Gas resistance", "kΩ", 1, (0.1, 110_000.0), None),
    ],
    recognition: &[Recognition {
        steps: &[
            Step { select: &[ID], expect: Expect::Bytes { value: &[0x61], mask: &[0xFF] } },
            Step { select: &[VARIANT], expect: Expect::Bytes { value: &[0x01], mask: &[0xFF] } },
        ],
        certainty: 95,
        or_else: &[],
    }],
    source: "Bosch Sensortec, BME688 data sheet, BST-BME688-DS000; what differs from the BME680 as in Bosch's BME68x sensor API",
    open: Open::I2c(|port, address, opening| open(port, address, opening, Variant::Bme688)),
    ..COMMON
};

const COMMON: Entry = Entry {
    word: "bme680",
    name: "Bosch BME680",
    what: "Temperature, humidity, air pressure, and the resistance of a gas sensor: the lower, the more organic compounds.",
    bus: Bus::I2c { addresses: &[0x76, 0x77] },
    kind: Kind::Sensor,
    properties: &[
        temperature(-40.0, 85.0, 1),
        humidity(),
        pressure(300.0, 1_100.0),
        MeasuredProperty::new("gas-resistance", "Gas resistance", "kΩ", 1, (0.1, 20_000.0), None),
    ],
    settings: &[Setting {
        key: "heater",
        what: "How hot the gas sensor is made for each measurement.",
        kind: SettingKind::Number { lowest: 200.0, highest: 400.0, default: 320.0, unit: "°C" },
    }],
    recognition: &[Recognition {
        steps: &[
            Step { select: &[ID], expect: Expect::Bytes { value: &[0x61], mask: &[0xFF] } },
            Step { select: &[VARIANT], expect: Expect::Bytes { value: &[0x00], mask: &[0xFF] } },
        ],
        certainty: 95,
        or_else: &[],
    }],
    wiring: &[VCC, GND, SDA, SCL, address_wire("SDO", "it chooses the address: GND is 0x76, 3V3 is 0x77")],
    supply: Supply { lowest: 1.71, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(30), shortest: Duration::from_secs(3) },
    source: "Bosch Sensortec, BME680 data sheet, BST-BME680-DS001, rev. 1.9",
    notes: &[
        "Its heater warms it: readings more often than every 30 s show up to a degree too much.",
        "The gas sensor needs some days to settle when it is new, and half an hour after each start.",
    ],
    open: Open::I2c(|port, address, opening| open(port, address, opening, Variant::Bme680)),
};

/// What a BME688 differs in: its identity, the bit that runs its gas sensor, where the result is, and its scale.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Bme680,
    Bme688,
}

impl Variant {
    const fn id(self) -> u8 {
        match self {
            Self::Bme680 => 0,
            Self::Bme688 => 1,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bme680 => "BME680",
            Self::Bme688 => "BME688",
        }
    }

    /// Run the gas measurement with the first heater set point.
    const fn run_gas(self) -> u8 {
        match self {
            Self::Bme680 => 0x10,
            Self::Bme688 => 0x20,
        }
    }

    /// Where the gas sensor's two bytes are among the data.
    const fn gas_at(self) -> usize {
        match self {
            Self::Bme680 => 11,
            Self::Bme688 => 13,
        }
    }
}

/// Registers (section 5.2).
const RES_HEAT_0: u8 = 0x5A;
const GAS_WAIT_0: u8 = 0x64;
const CTRL_GAS_1: u8 = 0x71;
const CTRL_HUM: u8 = 0x72;
const CTRL_MEAS: u8 = 0x74;
const STATUS: u8 = 0x1D;
const DATA: u8 = 0x1F;
const ID: u8 = 0xD0;
const VARIANT: u8 = 0xF0;

/// Each quantity once, one measurement and then sleep again.
const FORCED: u8 = 0b0010_0101;

/// 150 ms of heating: 37 times 4 ms.
const HEAT_FOR: u8 = 0x40 | 37;

/// With 150 ms of heating a measurement takes less than 200 ms.
const MEASUREMENT_MS: u32 = 200;
const RETRY_MS: u32 = 20;
const TRIES: u32 = 5;

/// What a quantity reads as that was not measured.
const NOT_MEASURED: i32 = 0x80000;

/// Corrections of the gas sensor's ranges (section 3.4.1).
const RANGE_FACTOR: [f64; 16] =
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.99, 1.0, 0.992, 1.0, 1.0, 0.998, 0.995, 1.0, 0.99, 1.0, 1.0];
const RANGE_OHMS: [f64; 16] = [
    8_000_000.0,
    4_000_000.0,
    2_000_000.0,
    1_000_000.0,
    499500.4995,
    248262.1648,
    125_000.0,
    63004.03226,
    31281.28128,
    15_625.0,
    7812.5,
    3906.25,
    1953.125,
    976.5625,
    488.28125,
    244.140625,
];

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
    heater: f64,
    variant: Variant,
    calibration: Calibration,
    /// The latest temperature, from which the heater's current is worked out.
    ambient: f64,
}

/// Trimming values.
struct Calibration {
    t: [f64; 3],
    p: [f64; 10],
    h: [f64; 7],
    g: [f64; 3],
    heat_range: f64,
    heat_value: f64,
    range_error: f64,
}

fn open(mut port: I2cPort, address: u8, opening: &Opening<'_>, variant: Variant) -> Opened<dyn Driver> {
    let mut register = |register: u8| -> Result<u8, ReadError> {
        let mut byte = [0];
        port.write_read(address, &[register], &mut byte)?;
        Ok(byte[0])
    };
    let id = register(ID)?;
    if id != 0x61 {
        return Err(wrong_chip(variant.name(), id));
    }
    if register(VARIANT)? != variant.id() {
        let (other, word) =
            if variant == Variant::Bme680 { ("BME688", "bme688") } else { ("BME680", "bme680") };
        return Err(ReadError::Damaged(format!(
            "it is a {other}, whose gas sensor has another scale: write driver = \"{word}\""
        )));
    }
    let (value, range, error) = (register(0x00)?, register(0x02)?, register(0x04)?);
    let (mut first, mut second) = ([0; 25], [0; 16]);
    port.write_read(address, &[0x89], &mut first)?;
    port.write_read(address, &[0xE1], &mut second)?;
    let calibration = Calibration::of(&first, &second, value, range, error);
    let heater = opening.settings.number("heater");
    Ok(Box::new(Chip { port, address, pause: opening.pause, heater, variant, calibration, ambient: 25.0 }))
}

impl Calibration {
    /// `first` begins at 0x89, `second` at 0xE1.
    fn of(first: &[u8; 25], second: &[u8; 16], value: u8, range: u8, error: u8) -> Self {
        let byte = |register: usize| match register {
            0x89..=0xA1 => first[register - 0x89],
            _ => second[register - 0xE1],
        };
        let unsigned = |low: usize| f64::from(u16::from_le_bytes([byte(low), byte(low + 1)]));
        let signed = |low: usize| f64::from(i16::from_le_bytes([byte(low), byte(low + 1)]));
        let small = |register: usize| f64::from(byte(register).cast_signed());
        let twelve = |high: usize, low: u8| f64::from(u16::from(byte(high)) << 4 | u16::from(low));
        Self {
            t: [unsigned(0xE9), signed(0x8A), small(0x8C)],
            p: [
                unsigned(0x8E),
                signed(0x90),
                small(0x92),
                signed(0x94),
                signed(0x96),
                small(0x99),
                small(0x98),
                signed(0x9C),
                signed(0x9E),
                f64::from(byte(0xA0)),
            ],
            h: [
                twelve(0xE3, byte(0xE2) & 0x0F),
                twelve(0xE1, byte(0xE2) >> 4),
                small(0xE4),
                small(0xE5),
                small(0xE6),
                f64::from(byte(0xE7)),
                small(0xE8),
            ],
            g: [small(0xED), signed(0xEB), small(0xEE)],
            heat_range: f64::from(range >> 4 & 3),
            heat_value: f64::from(value.cast_signed()),
            range_error: f64::from(error.cast_signed() >> 4),
        }
    }

    /// Fine temperature, which pressure needs (section 3.3.1); 5120 steps a degree.
    fn fine(&self, raw: i32) -> f64 {
        let raw = f64::from(raw);
        let [t1, t2, t3] = self.t;
        let difference = raw / 131_072.0 - t1 / 8_192.0;
        (raw / 16_384.0 - t1 / 1_024.0) * t2 + difference * difference * t3 * 16.0
    }

    /// In Pa (section 3.3.2); nothing when the trimming values are none.
    fn pressure(&self, raw: i32, fine: f64) -> Option<f64> {
        let [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10] = self.p;
        let x = fine / 2.0 - 64_000.0;
        let offset = (x * x * p6 / 131_072.0 + x * p5 * 2.0) / 4.0 + p4 * 65_536.0;
        let scale = (1.0 + (p3 * x * x / 16_384.0 + p2 * x) / 524_288.0 / 32_768.0) * p1;
        if scale == 0.0 {
            return None;
        }
        let p = (1_048_576.0 - f64::from(raw) - offset / 4_096.0) * 6_250.0 / scale;
        let cubic = (p / 256.0).powi(3) * p10 / 131_072.0;
        Some(p + (p9 * p * p / 2_147_483_648.0 + p * p8 / 32_768.0 + cubic + p7 * 128.0) / 16.0)
    }

    /// In %.
    fn humidity(&self, raw: i32, celsius: f64) -> f64 {
        let [h1, h2, h3, h4, h5, h6, h7] = self.h;
        let x = f64::from(raw) - (h1 * 16.0 + h3 / 2.0 * celsius);
        let slope = h2 / 262_144.0 * (1.0 + h4 / 16_384.0 * celsius + h5 / 1_048_576.0 * celsius * celsius);
        let y = x * slope;
        (y + (h6 / 16_384.0 + h7 / 2_097_152.0 * celsius) * y * y).clamp(0.0, 100.0)
    }

    /// In Ω (section 3.4.1); nothing when the values cannot be.
    fn gas(&self, raw: u16, range: u8) -> Option<f64> {
        let range = usize::from(range & 0x0F);
        let x = (1_340.0 + 5.0 * self.range_error) * RANGE_FACTOR[range];
        let ohms = x * RANGE_OHMS[range] / (f64::from(raw) - 512.0 + x);
        (ohms.is_finite() && ohms > 0.0).then_some(ohms)
    }

    /// In Ω, of a BME688.
    fn gas_of_bme688(raw: u16, range: u8) -> Option<f64> {
        let scale = f64::from(262_144_u32 >> (range & 0x0F));
        let ohms = 1e6 * scale / (4_096.0 + 3.0 * (f64::from(raw) - 512.0));
        (ohms.is_finite() && ohms > 0.0).then_some(ohms)
    }

    /// The heater's set point for a temperature, at this ambient one.
    fn heat(&self, target: f64, ambient: f64) -> u8 {
        let [g1, g2, g3] = self.g;
        let slope = (g1 / 16.0 + 49.0) * (1.0 + (g2 / 32_768.0 * 0.0005 + 0.00235) * target);
        let x = slope + g3 / 1_024.0 * ambient;
        let set_point = 3.4 * (x * (4.0 / (4.0 + self.heat_range)) / (1.0 + self.heat_value * 0.002) - 25.0);
        // A set point has eight bits; what trimming values of nonsense give stays within them.
        set_point.clamp(0.0, 255.0) as u8
    }
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let heat = self.calibration.heat(self.heater, self.ambient);
        let settings = [
            (RES_HEAT_0, heat),
            (GAS_WAIT_0, HEAT_FOR),
            (CTRL_GAS_1, self.variant.run_gas()),
            (CTRL_HUM, 1),
            (CTRL_MEAS, FORCED),
        ];
        for (register, value) in settings {
            self.port.write(self.address, &[register, value])?;
        }
        self.wait()?;
        let mut data = [0; 15];
        self.port.write_read(self.address, &[DATA], &mut data)?;
        let twenty = |at: usize| {
            i32::from(data[at]) << 12 | i32::from(data[at + 1]) << 4 | i32::from(data[at + 2]) >> 4
        };
        let (raw_pressure, raw_temperature) = (twenty(0), twenty(3));
        if raw_temperature == NOT_MEASURED || raw_pressure == NOT_MEASURED {
            return Err(ReadError::Damaged("it has not measured yet".to_owned()));
        }
        let calibration = &self.calibration;
        let fine = calibration.fine(raw_temperature);
        let celsius = fine / 5_120.0;
        let pressure = calibration.pressure(raw_pressure, fine);
        let pressure = pressure.ok_or_else(|| ReadError::Damaged("it has no calibration".to_owned()))?;
        let raw_humidity = i32::from(u16::from_be_bytes([data[6], data[7]]));
        let mut measured = vec![
            Measured::new("temperature", celsius),
            Measured::new("humidity", calibration.humidity(raw_humidity, celsius)),
            Measured::new("pressure", pressure / 100.0),
        ];
        let at = self.variant.gas_at();
        let [high, low] = [data[at], data[at + 1]];
        let raw = u16::from(high) << 2 | u16::from(low >> 6);
        let ohms = match self.variant {
            Variant::Bme680 => calibration.gas(raw, low),
            Variant::Bme688 => Calibration::gas_of_bme688(raw, low),
        };
        // Bit 5: the gas was measured; bit 4: the heater had reached its temperature (sections 5.3.5.5 and 5.3.5.6).
        if low & 0x30 == 0x30
            && let Some(ohms) = ohms
        {
            measured.push(Measured::new("gas-resistance", ohms / 1_000.0));
        }
        self.ambient = celsius.clamp(-40.0, 85.0);
        Ok(measured)
    }
}

impl Chip {
    /// Until there are new data: bit 7 of the status (section 5.3.5.1).
    fn wait(&mut self) -> Result<(), ReadError> {
        self.pause.delay_ms(MEASUREMENT_MS);
        for _ in 0..TRIES {
            let mut status = [0];
            self.port.write_read(self.address, &[STATUS], &mut status)?;
            if status[0] & 0x80 != 0 {
                return Ok(());
            }
            self.pause.delay_ms(RETRY_MS);
        }
        Err(not_ready())
    }
}
