//! Pins of the header that are taken by a bus, once a device is connected there.

use gatehouse_board::config::{ChipPlace, I2cBusName};

/// Lines of the header's I²C bus. Other buses are where their overlay has them.
const I2C_1: [u32; 2] = [2, 3];

/// Lines of SPI 0: both chip selects are the bus's, also when one is used (`spi0-2cs`, which Raspberry Pi OS loads).
const SPI_0: [u32; 5] = [7, 8, 9, 10, 11];

/// Lines of the header's serial port.
const SERIAL: [u32; 2] = [14, 15];

/// The device files of that port. Adapters at USB have others, and are no matter of the header.
const SERIAL_PORTS: [&str; 3] = ["/dev/serial0", "/dev/ttyAMA0", "/dev/ttyS0"];

/// The line that 1-Wire has unless its overlay names another (`w1-gpio`, `gpiopin`).
pub(super) const ONE_WIRE: u32 = 4;

/// The lines of the header that a chip's bus takes, and what that bus is called; none for one that is elsewhere.
pub(super) fn lines_of(place: &ChipPlace) -> (&'static [u32], String) {
    match place {
        ChipPlace::I2c { bus: bus @ I2cBusName::Kernel(1), .. } => (&I2C_1, bus.to_string()),
        ChipPlace::Spi(spi) if spi.bus == 0 => (&SPI_0, "SPI 0".to_owned()),
        ChipPlace::Serial(path) if SERIAL_PORTS.contains(&path.as_str()) => (&SERIAL, path.clone()),
        ChipPlace::I2c { .. } | ChipPlace::Spi(_) | ChipPlace::Serial(_) => (&[], String::new()),
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_board::boards::Soc;
    use gatehouse_board::config::LineNumber;

    use super::*;

    /// The maker's tables say the same of every board.
    #[test]
    fn the_lines_are_those_of_the_boards() {
        let expected: [(&[u32], &[&str]); 3] = [
            (&I2C_1, &["SDA1", "SCL1", "I2C1_SDA", "I2C1_SCL"]),
            (&SPI_0, &["SPI0_CE", "SPI0_MISO", "SPI0_MOSI", "SPI0_SCLK"]),
            (&SERIAL, &["TXD0", "RXD0", "UART0_TXD", "UART0_RXD"]),
        ];
        for soc in Soc::ALL {
            for (lines, words) in expected {
                for line in lines {
                    let functions = soc.functions(LineNumber::new(*line));
                    let is_there =
                        functions.iter().any(|name| words.iter().any(|word| name.starts_with(word)));
                    assert!(is_there, "{} {line}: {functions:?}", soc.name());
                }
            }
        }
    }
}
