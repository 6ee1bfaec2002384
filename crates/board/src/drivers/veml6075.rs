//! VEML6075: ultraviolet light and the UV index.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::terms::I2C_WIRES;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "veml6075",
    name: "Vishay VEML6075",
    what: "Ultraviolet light, UVA and UVB, and the UV index.",
    bus: Bus::I2c { addresses: &[0x10] },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("uv-index", "UV index", "", 1, (0.0, 40.0), None),
        MeasuredProperty::new("uva", "UVA", "", 0, (0.0, 65_535.0), None),
        MeasuredProperty::new("uvb", "UVB", "", 0, (0.0, 65_535.0), None),
    ],
    settings: &[],
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.7, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) },
    source: "Vishay, VEML6075 datasheet 84304, rev. 1.2, and application note 84339, \"Designing the VEML6075 into an application\"",
    notes: &[
        "A scan does not ask it: at its address may be a relay board (DockerPi), where nothing may be written.",
        "UVA and UVB are counts without what leaks in from visible and infrared light; the index is for a sensor without a window.",
        "Behind a window the index must be calibrated (calibrate.uv-index.scale): glass keeps UVB out.",
        "It has the same address as the VEML7700.",
    ],
    open: Open::I2c(open),
};

const CONFIGURATION: u8 = 0x00;
const SHUT_DOWN: u8 = 0x01;
/// 100 ms, for which the responsivities are given.
const TIME_100_MS: u8 = 0x10;

/// What of the two compensation channels (visible, infrared) is in UVA and in UVB, in the open (application
/// note), and the index of one count.
const UVA_LEAKS: (f64, f64) = (2.22, 1.33);
const UVB_LEAKS: (f64, f64) = (2.95, 1.74);
const UVA_RESPONSE: f64 = 0.001_461;
const UVB_RESPONSE: f64 = 0.002_591;

struct Veml6075(I2cChip);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.word_low_first(0x0C)?;
    if identity != 0x0026 {
        return Err(chip.another("VEML6075", identity));
    }
    Ok(Box::new(Veml6075(chip)))
}

impl Driver for Veml6075 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        self.0.write(&[CONFIGURATION, TIME_100_MS | SHUT_DOWN, 0])?;
        self.0.write(&[CONFIGURATION, TIME_100_MS, 0])?;
        // Both kinds of light and both compensations, one after the other.
        self.0.wait(Duration::from_millis(220));
        let [uva, uvb, visible, infrared] =
            [0x07, 0x09, 0x0A, 0x0B].map(|register| self.0.word_low_first(register));
        self.0.write(&[CONFIGURATION, TIME_100_MS | SHUT_DOWN, 0])?;
        let (raw_uva, raw_uvb, visible, infrared) = (uva?, uvb?, f64::from(visible?), f64::from(infrared?));
        if raw_uva == u16::MAX || raw_uvb == u16::MAX {
            return Err(ReadError::Damaged("there is more ultraviolet light than it can count".to_owned()));
        }
        let uva = (f64::from(raw_uva) - UVA_LEAKS.0 * visible - UVA_LEAKS.1 * infrared).max(0.0);
        let uvb = (f64::from(raw_uvb) - UVB_LEAKS.0 * visible - UVB_LEAKS.1 * infrared).max(0.0);
        Ok(vec![
            Measured::new("uv-index", (uva * UVA_RESPONSE + uvb * UVB_RESPONSE) / 2.0),
            Measured::new("uva", uva),
            Measured::new("uvb", uvb),
        ])
    }
}
