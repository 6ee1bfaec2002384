//! What the configuration wants of the machine.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gatehouse_board::config::{ChipPlace, DeviceConfig, DriverConfig, I2cBusName, KernelDevice, Pin};

use crate::config::{Config, Problems};

/// The bus of the header, by the kernel's number.
const HEADER_I2C: u8 = 1;

/// Names of the serial port on the header, on the different boards.
const HEADER_SERIAL: [&str; 4] = ["/dev/serial0", "/dev/ttyAMA0", "/dev/ttyS0", "/dev/ttyAMA10"];

/// What the gateway needs, as far as the checks look at it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The configuration's file.
    pub(crate) file: PathBuf,
    /// How many mistakes it has.
    pub(crate) mistakes: usize,
    /// Where the gateway listens, with the section that says so.
    pub(crate) ports: Vec<(&'static str, SocketAddr)>,
    /// The sections of them that nobody wrote: the gateway does without such a port when it cannot have it, or takes another.
    pub(crate) unasked: Vec<&'static str>,
    /// Devices on the header's I²C bus.
    pub(crate) i2c: Vec<String>,
    /// Devices on SPI.
    pub(crate) spi: Vec<String>,
    /// Devices at the header's serial port.
    pub(crate) serial: Vec<String>,
    /// Devices on 1-Wire.
    pub(crate) one_wire: Vec<String>,
    /// Lines of the header, with the device that wants each.
    pub(crate) lines: Vec<(u32, String)>,
    /// Where the data is.
    pub(crate) data: PathBuf,
    /// Where the gateway works in its place, when it runs from memory.
    pub(crate) in_memory: Option<PathBuf>,
}

impl Wanted {
    /// What this configuration wants, or what is known although it has mistakes.
    pub(crate) fn of(file: &Path, data: &Path, config: &Result<Config, Problems>) -> Self {
        let wanted = Self { file: file.to_owned(), data: data.to_owned(), ..Self::default() };
        match config {
            Ok(config) => wanted.with_addresses(config).with_devices(&config.devices),
            Err(problems) => Self { mistakes: problems.errors(), ..wanted },
        }
    }

    fn with_addresses(self, config: &Config) -> Self {
        let secure = [("[mqtts]", config.mqtts_address()), ("[https]", config.https_address())];
        let unasked = secure.into_iter().filter(|(_, address)| address.is_some_and(|(_, asked)| !asked));
        let unasked = unasked.map(|(section, _)| section);
        let unasked = unasked.chain((!config.mqtt_asked).then_some("[mqtt]")).collect();
        let [mqtts, https] = secure.map(|(section, address)| Some((section, address?.0)));
        let ports = [Some(("[mqtt]", config.mqtt)), Some(("[http]", config.http)), mqtts, https];
        // Port 0 is whichever is free.
        let ports = ports.into_iter().flatten().filter(|(_, address)| address.port() != 0).collect();
        Self { ports, unasked, ..self }
    }

    fn with_devices(mut self, devices: &[DeviceConfig]) -> Self {
        for device in devices {
            let id = || device.id.to_string();
            let pins = device.driver.pins().into_iter().filter_map(Pin::header_line);
            self.lines.extend(pins.map(|line| (line.number(), id())));
            match &device.driver {
                DriverConfig::Chip(chip) => match &chip.place {
                    ChipPlace::I2c { bus: I2cBusName::Kernel(HEADER_I2C), .. } => self.i2c.push(id()),
                    ChipPlace::I2c { .. } => {}
                    ChipPlace::Spi(_) => self.spi.push(id()),
                    ChipPlace::Serial(path) => self.wants_serial(path, id()),
                },
                DriverConfig::Kernel(kernel) if matches!(kernel.device, KernelDevice::OneWire(_)) => {
                    self.one_wire.push(id());
                }
                DriverConfig::Stream(stream) => self.wants_serial(&stream.port.path, id()),
                _ => {}
            }
        }
        self
    }

    fn wants_serial(&mut self, path: &str, id: String) {
        if HEADER_SERIAL.contains(&path) {
            self.serial.push(id);
        }
    }

    /// Where the gateway notes what it does.
    pub(crate) fn notes(&self) -> &Path {
        self.in_memory.as_deref().unwrap_or(&self.data)
    }

    /// Lines that devices use.
    pub(crate) fn taken_lines(&self) -> BTreeSet<u32> {
        self.lines.iter().map(|(line, _)| *line).collect()
    }
}
