//! What the entries of many chips have in common.

use std::time::Duration;

use crate::catalogue::{MeasuredProperty, Periods, Wire};
use crate::traits::ReadError;

/// The four wires of an I²C board.
pub(super) const I2C_WIRES: &[Wire] = &[VCC, GND, SDA, SCL];
pub(super) const VCC: Wire = Wire { pin: "VCC", to: "3V3", note: "" };
pub(super) const GND: Wire = Wire { pin: "GND", to: "GND", note: "" };
pub(super) const SDA: Wire = Wire { pin: "SDA", to: "SDA", note: "" };
pub(super) const SCL: Wire = Wire { pin: "SCL", to: "SCL", note: "" };

/// The interrupt output of an expander, which only pulls down.
pub(super) const INT: Wire = Wire {
    pin: "INT",
    to: "a free line of the header",
    note: "only if inputs are to be read at once instead of every 10 ms; name the line with `interrupt`",
};

/// A wire that chooses the address.
pub(super) const fn address_wire(pin: &'static str, note: &'static str) -> Wire {
    Wire { pin, to: "GND or 3V3", note }
}

/// Every ten seconds, and not more often than once a second: more would warm the chip.
pub(super) const SLOW: Periods =
    Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) };

/// The chip has only resistors that pull up.
pub(super) fn no_pull_down() -> ReadError {
    ReadError::Cannot("this expander has no pull-down resistors: write pull = \"up\" or \"none\"".to_owned())
}

/// Temperature within the chip's range, in °C.
pub(super) const fn temperature(lowest: f64, highest: f64, decimals: u8) -> MeasuredProperty {
    MeasuredProperty::new(
        "temperature",
        "Temperature",
        "°C",
        decimals,
        (lowest, highest),
        Some("temperature"),
    )
}

/// Relative humidity in %.
pub(super) const fn humidity() -> MeasuredProperty {
    MeasuredProperty::new("humidity", "Humidity", "%", 1, (0.0, 100.0), Some("humidity"))
}

/// Air pressure within the chip's range, in hPa.
pub(super) const fn pressure(lowest: f64, highest: f64) -> MeasuredProperty {
    MeasuredProperty::new("pressure", "Pressure", "hPa", 1, (lowest, highest), Some("atmospheric_pressure"))
}

/// Another chip than the configured one sits at the address.
pub(super) fn wrong_chip(expected: &str, said: impl std::fmt::LowerHex) -> ReadError {
    ReadError::Damaged(format!(
        "the chip at this address says 0x{said:02x}, so it is no {expected}: `gatehouse scan` tells what it is"
    ))
}

/// The chip did not get ready in the time that its datasheet gives it.
pub(super) fn not_ready() -> ReadError {
    ReadError::Silent("it does not finish its measurement".to_owned())
}

/// Lines of an expander, with one of them set or not.
pub(super) fn with_bit(lines: u16, line: u8, is_set: bool) -> u16 {
    let bit = 1u16.checked_shl(line.into()).unwrap_or(0);
    if is_set { lines | bit } else { lines & !bit }
}
