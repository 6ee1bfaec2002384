//! VEML7700: brightness, with gain and exposure chosen by what it sees.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::terms::I2C_WIRES;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "veml7700",
    name: "Vishay VEML7700",
    what: "Brightness as the eye sees it, from some thousandths of a lux to full sun.",
    bus: Bus::I2c { addresses: &[0x10] },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new(
            "illuminance",
            "Brightness",
            "lx",
            2,
            // The correction for bright light reaches beyond the 140,926 lx of the uncorrected counts.
            (0.0, 250_000.0),
            Some("illuminance"),
        ),
        MeasuredProperty::new("white", "White channel", "", 0, (0.0, 65_535.0 * 512.0), None),
    ],
    settings: &[],
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 2.5, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(2) },
    source: "Vishay, VEML7700 datasheet 84286, rev. 1.8, and application note 84323, \"Designing the VEML7700 into an application\"",
    notes: &[
        "A scan does not ask it: at its address may be a relay board (DockerPi), where nothing may be written.",
        "Older revisions of the datasheet say 0.0036 lx a count instead of 0.0042; if it must agree with an older device, set calibrate.illuminance.scale to 0.857.",
        "The white channel is given in counts as at gain 2 and 800 ms; it sees infrared as well.",
    ],
    open: Open::I2c(open),
};

const CONFIGURATION: u8 = 0x00;
const BRIGHTNESS: u8 = 0x04;
const WHITE: u8 = 0x05;
const SHUT_DOWN: u16 = 0x0001;

/// Lux of one count at gain 2 and 800 ms, the finest.
const FINEST: f64 = 0.0042;

/// An exposure: gain (bits 12 and 11) with time (bits 9 to 6), how long it takes, and how much coarser it is than the
/// finest. From the one for bright light to the one for the dark, as the application note steps through them.
struct Exposure {
    bits: u16,
    milliseconds: u64,
    coarseness: u16,
}

const EXPOSURES: [Exposure; 4] = [
    // Gain 1/8, 25 ms; gain 1/8, 100 ms; gain 1, 100 ms; gain 2, 800 ms.
    Exposure { bits: 0b10 << 11 | 0b1100 << 6, milliseconds: 25, coarseness: 512 },
    Exposure { bits: 0b10 << 11, milliseconds: 100, coarseness: 128 },
    Exposure { bits: 0, milliseconds: 100, coarseness: 16 },
    Exposure { bits: 0b01 << 11 | 0b0011 << 6, milliseconds: 800, coarseness: 1 },
];

/// Counts below which the next finer exposure is taken: the application note has 100, this keeps three digits.
const DARK: u16 = 1_000;

/// Counts above which the next coarser one is taken.
const BRIGHT: u16 = 60_000;

struct Veml7700(I2cChip);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.word_low_first(0x07)?;
    if identity & 0xFF != 0x81 {
        return Err(chip.another("VEML7700", identity));
    }
    Ok(Box::new(Veml7700(chip)))
}

impl Veml7700 {
    fn configure(&mut self, bits: u16) -> Result<(), ReadError> {
        let [low, high] = bits.to_le_bytes();
        self.0.write(&[CONFIGURATION, low, high])
    }

    fn measure(&mut self, exposure: &Exposure) -> Result<(u16, u16), ReadError> {
        self.configure(exposure.bits | SHUT_DOWN)?;
        self.configure(exposure.bits)?;
        // It wakes up within 2.5 ms; the exposure may be a tenth longer than it should.
        self.0.wait(Duration::from_millis(exposure.milliseconds * 11 / 10 + 5));
        let counts = (self.0.word_low_first(BRIGHTNESS)?, self.0.word_low_first(WHITE)?);
        self.configure(exposure.bits | SHUT_DOWN)?;
        Ok(counts)
    }
}

/// The application note's correction for what the diode loses in bright light; it was made for gains of 1/8 and 1/4.
fn corrected(lux: f64) -> f64 {
    lux * (1.0023 + lux * (8.1488e-5 + lux * (-9.3924e-9 + lux * 6.0135e-13)))
}

impl Driver for Veml7700 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        // The coarsest sees how bright it is in a fortieth of a second; then the finest that does not end.
        let [coarsest, finer @ ..] = &EXPOSURES;
        let (mut best, mut counts) = (coarsest, self.measure(coarsest)?);
        for exposure in finer {
            let expected = u32::from(counts.0.max(1)) * u32::from(best.coarseness / exposure.coarseness);
            if counts.0 >= DARK || expected > u32::from(BRIGHT) {
                break;
            }
            let next = self.measure(exposure)?;
            if next.0.max(next.1) > BRIGHT {
                break;
            }
            (best, counts) = (exposure, next);
        }
        let coarseness = f64::from(best.coarseness);
        let lux = f64::from(counts.0) * FINEST * coarseness;
        // Gains of 1 and 2 are for less than 100 lx, where there is nothing to correct.
        let illuminance = if coarseness > 16.0 { corrected(lux) } else { lux };
        Ok(vec![
            Measured::at_the_end_if(counts.0 == u16::MAX, "illuminance", illuminance),
            Measured::at_the_end_if(counts.1 == u16::MAX, "white", f64::from(counts.1) * coarseness),
        ])
    }
}
