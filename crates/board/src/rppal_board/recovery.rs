//! A bus of the kernel whose lines are taken for a moment when a chip holds it.
//!
//! The kernel's driver does the transfers; only `rppal`, which writes the pins' registers itself, can take both lines out of
//! their function, pulse them, and put the function back, without the kernel being asked. That is right for the moment after
//! a transfer that timed out. It is not for a bus on which the kernel itself drives chips: it could begin a transfer
//! meanwhile, which fails then and is tried again. It was never run on a real board.

use embedded_hal::delay::DelayNs as _;
use embedded_hal::i2c::Operation;
use rppal::gpio::{Gpio, IoPin, Mode};

use crate::buses::Pause;
use crate::buses::recovery::{OpenDrainLines, Recovery, recover};
use crate::traits::{BusFault, I2cBackend};

/// The bus on header pins 3 and 5 and its lines, data first. Other buses can be put on several lines by their overlays, so
/// theirs are not known.
const HEADER_BUS: u8 = 1;
const HEADER_LINES: (u8, u8) = (2, 3);

/// Half a period of 100 kHz.
const HALF_PERIOD_MICROS: u32 = 5;

/// A bus that frees itself.
pub(super) struct RecoveringI2c {
    bus: u8,
    kernel: Box<dyn I2cBackend>,
    gpio: Option<Gpio>,
}

impl RecoveringI2c {
    pub(super) fn new(bus: u8, kernel: Box<dyn I2cBackend>, gpio: Option<Gpio>) -> Self {
        Self { bus, kernel, gpio }
    }
}

impl I2cBackend for RecoveringI2c {
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        self.kernel.transfer(address, operations)
    }

    fn recover(&mut self) -> bool {
        let Some(mut lines) = self.gpio.as_ref().filter(|_| self.bus == HEADER_BUS).and_then(Taken::take)
        else {
            return false;
        };
        let outcome = recover(&mut lines);
        // Their function comes back before anybody is told.
        drop(lines);
        match outcome {
            Recovery::Freed { pulses } => {
                tracing::warn!(
                    bus = self.bus,
                    pulses,
                    "the I²C bus was held by a device and was clocked free"
                );
                true
            }
            Recovery::NotHeld => false,
            Recovery::ClockHeld | Recovery::StillHeld => {
                tracing::debug!(bus = self.bus, ?outcome, "the I²C bus could not be freed");
                false
            }
        }
    }
}

/// Both lines, for as long as this lives: `rppal` puts the function back that a pin had, when it is dropped.
struct Taken {
    data: IoPin,
    clock: IoPin,
}

impl Taken {
    /// The lines, if they belong to the bus at present and to nobody else. A line that is a plain input or output is driven by
    /// somebody who uses it as such, `i2c-gpio` for example.
    fn take(gpio: &Gpio) -> Option<Self> {
        let (data, clock) = (gpio.get(HEADER_LINES.0).ok()?, gpio.get(HEADER_LINES.1).ok()?);
        let is_plain = |mode| matches!(mode, Mode::Input | Mode::Output | Mode::Null);
        if is_plain(data.mode()) || is_plain(clock.mode()) {
            return None;
        }
        let let_go = |pin: rppal::gpio::Pin| {
            let mut pin = pin.into_io(Mode::Input);
            // From now on making it an output pulls it low, and it is never driven high.
            pin.set_low();
            pin
        };
        Some(Self { data: let_go(data), clock: let_go(clock) })
    }
}

const fn mode(is_low: bool) -> Mode {
    if is_low { Mode::Output } else { Mode::Input }
}

impl OpenDrainLines for Taken {
    fn set_clock(&mut self, is_low: bool) {
        self.clock.set_mode(mode(is_low));
    }

    fn set_data(&mut self, is_low: bool) {
        self.data.set_mode(mode(is_low));
    }

    fn is_clock_low(&mut self) -> bool {
        self.clock.is_low()
    }

    fn is_data_low(&mut self) -> bool {
        self.data.is_low()
    }

    fn wait(&mut self) {
        Pause::Real.delay_us(HALF_PERIOD_MICROS);
    }
}
