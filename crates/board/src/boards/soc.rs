//! The chips that Raspberry Pi boards carry their header on: how the kernel labels their lines, what else each line can
//! be, and what holds it before any software runs.

use super::functions::{BCM283X_FUNCTIONS, BCM2711_FUNCTIONS, RP1_FUNCTIONS};
use crate::traits::{LineNumber, Pull};

/// The processor of a Raspberry Pi. On the Pi 5 family the header hangs on a chip of its own, the RP1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Soc {
    /// Pi 1, Zero, Zero W, Compute Module 1.
    Bcm2835,
    /// The first Pi 2.
    Bcm2836,
    /// Later Pi 2, Pi 3, Zero 2 W, Compute Module 3.
    Bcm2837,
    /// Pi 4, 400, Compute Module 4.
    Bcm2711,
    /// Pi 5, 500, Compute Module 5: the header is the RP1's.
    Bcm2712,
}

/// What holds a line from power-on until software takes it, and how far that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerOnPull {
    /// The pull.
    pub pull: Pull,
    /// Where that is from.
    pub source: &'static str,
    /// Whether the maker's own datasheet says so. What is not verified was seen on real boards, and says so in `source`.
    pub is_verified: bool,
}

/// A pin that can carry a hardware PWM signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PwmPin {
    /// The line.
    pub line: u32,
    /// The channel of the PWM device, as sysfs counts them.
    pub channel: u32,
    /// The number that `dtoverlay=pwm,pin=…,func=…` wants for it (Raspberry Pi's overlay README: 4 for Alt0, 2 for
    /// Alt5). The RP1's pins take the one that the overlay's Pi 5 variant finds by itself.
    pub overlay_function: Option<u8>,
}

/// Lines that are pulled up at power-on; the others of the header are pulled down. The same on all boards so far.
const PULLED_UP: std::ops::RangeInclusive<u32> = 0..=8;

/// Highest line of the header.
const LAST_HEADER_LINE: u32 = 27;

/// PWM of the processors up to the Pi 4: two channels, two pins each (BCM2835 ARM Peripherals, table 6-31: PWM0 is Alt0
/// of line 12 and Alt5 of 18, PWM1 that of 13 and 19).
const BCM_PWM: [PwmPin; 4] = [
    PwmPin { line: 12, channel: 0, overlay_function: Some(4) },
    PwmPin { line: 13, channel: 1, overlay_function: Some(4) },
    PwmPin { line: 18, channel: 0, overlay_function: Some(2) },
    PwmPin { line: 19, channel: 1, overlay_function: Some(2) },
];

/// PWM of the RP1: four channels; 14 and 15 are left out, since they are the serial console's pins as well
/// (raspberrypi/utils, `pinctrl/gpiochip_rp1.c`: `PWM0_CHAN0` to `PWM0_CHAN3`).
const RP1_PWM: [PwmPin; 4] = [
    PwmPin { line: 12, channel: 0, overlay_function: None },
    PwmPin { line: 13, channel: 1, overlay_function: None },
    PwmPin { line: 18, channel: 2, overlay_function: None },
    PwmPin { line: 19, channel: 3, overlay_function: None },
];

impl Soc {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bcm2835, Self::Bcm2836, Self::Bcm2837, Self::Bcm2711, Self::Bcm2712];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bcm2835 => "BCM2835",
            Self::Bcm2836 => "BCM2836",
            Self::Bcm2837 => "BCM2837",
            Self::Bcm2711 => "BCM2711",
            Self::Bcm2712 => "BCM2712",
        }
    }

    /// How the kernel labels the chip of the header's lines. Chips are found by it and never by their number, which
    /// changes from kernel to kernel.
    pub const fn chip_label(self) -> &'static str {
        match self {
            Self::Bcm2835 | Self::Bcm2836 | Self::Bcm2837 => "pinctrl-bcm2835",
            Self::Bcm2711 => "pinctrl-bcm2711",
            Self::Bcm2712 => "pinctrl-rp1",
        }
    }

    /// What else a line of the header can be: the name of its function for Alt0, Alt1, …; empty where there is none
    /// (raspberrypi/utils, `pinctrl/gpiochip_bcm2835.c` and `gpiochip_rp1.c`). No entries beyond the header.
    pub fn functions(self, line: LineNumber) -> &'static [&'static str] {
        let Ok(index) = usize::try_from(line.number()) else { return &[] };
        let of = |found: Option<&'static [&'static str]>| found.unwrap_or(&[]);
        match self {
            Self::Bcm2835 | Self::Bcm2836 | Self::Bcm2837 => {
                of(BCM283X_FUNCTIONS.get(index).map(<[_; 6]>::as_slice))
            }
            Self::Bcm2711 => of(BCM2711_FUNCTIONS.get(index).map(<[_; 6]>::as_slice)),
            Self::Bcm2712 => of(RP1_FUNCTIONS.get(index).map(<[_; 9]>::as_slice)),
        }
    }

    /// What holds a line of the header from power-on until software takes it; nothing beyond the header.
    pub const fn power_on_pull(self, line: LineNumber) -> Option<PowerOnPull> {
        if line.number() > LAST_HEADER_LINE {
            return None;
        }
        let pull = if line.number() <= *PULLED_UP.end() { Pull::Up } else { Pull::Down };
        let (source, is_verified) = match self {
            Self::Bcm2835 | Self::Bcm2836 | Self::Bcm2837 => {
                ("BCM2835 ARM Peripherals, table 6-31, column Pull", true)
            }
            Self::Bcm2711 => {
                ("BCM2711 ARM Peripherals, section 5.3, by way of others: its table was not read", false)
            }
            Self::Bcm2712 => {
                ("listings of `pinctrl` on Pi 5 boards with nothing set up; no datasheet was read", false)
            }
        };
        Some(PowerOnPull { pull, source, is_verified })
    }

    /// The header's pins that can carry hardware PWM.
    pub const fn pwm_pins(self) -> &'static [PwmPin] {
        match self {
            Self::Bcm2835 | Self::Bcm2836 | Self::Bcm2837 | Self::Bcm2711 => &BCM_PWM,
            Self::Bcm2712 => &RP1_PWM,
        }
    }

    /// The end of the name of the platform device that makes the header's PWM signals: its address in the device tree.
    /// Pi 5 boards have a second one, which runs the fan.
    pub const fn pwm_device(self) -> &'static str {
        match self {
            Self::Bcm2835 | Self::Bcm2836 | Self::Bcm2837 | Self::Bcm2711 => "20c000.pwm",
            Self::Bcm2712 => "98000.pwm",
        }
    }
}

/// What holds a line at power-on on every Raspberry Pi: they all agree on the header, and a test holds that.
pub const fn usual_power_on_pull(line: LineNumber) -> Option<Pull> {
    match Soc::Bcm2835.power_on_pull(line) {
        Some(known) => Some(known.pull),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_boards_agree_on_the_pulls_of_the_header() {
        for number in 0..40 {
            let line = LineNumber::new(number);
            for soc in Soc::ALL {
                let pull = soc.power_on_pull(line).map(|known| known.pull);
                assert_eq!(pull, usual_power_on_pull(line), "{} {line}", soc.name());
            }
        }
        assert_eq!(usual_power_on_pull(LineNumber::new(8)), Some(Pull::Up));
        assert_eq!(usual_power_on_pull(LineNumber::new(9)), Some(Pull::Down));
        assert_eq!(usual_power_on_pull(LineNumber::new(28)), None);
    }

    /// The tables were taken from elsewhere; what everybody knows of the header has to be in them.
    #[test]
    fn the_functions_that_everybody_knows_are_where_they_are() {
        let named = |soc: Soc, line, word: &str| {
            soc.functions(LineNumber::new(line)).iter().any(|function| function.contains(word))
        };
        for soc in Soc::ALL {
            assert!(named(soc, 2, "SDA1") || named(soc, 2, "I2C1_SDA"), "{}", soc.name());
            assert!(named(soc, 3, "SCL1") || named(soc, 3, "I2C1_SCL"));
            assert!(named(soc, 10, "SPI0_MOSI") && named(soc, 9, "SPI0_MISO") && named(soc, 11, "SPI0_SCLK"));
            assert!(named(soc, 14, "TXD") && named(soc, 15, "RXD"));
            for pin in soc.pwm_pins() {
                assert!(named(soc, pin.line, "PWM0") || named(soc, pin.line, "PWM1"), "{pin:?}");
            }
            assert!(soc.functions(LineNumber::new(28)).is_empty());
        }
    }
}
