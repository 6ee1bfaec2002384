//! A device with its chip, on any bus, and chips of a test's own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_model::Quality;

use crate::buses::{I2cBus, Pause, SerialPort, SpiPort};
use crate::catalogue::{Bus, Entry, Open, Opening, SettingValue, Settings, find};
use crate::drivers::{Driver, Measured, Said};
use crate::sim::chips::{
    ByteRegisters, Bytewise, Chip, ChipBus, ChipSelect, I2cChip, PeerPort, Surroundings, make,
};
use crate::traits::{BusFault, ReadError};

/// What a driver measured, by property.
pub(super) type Reading = BTreeMap<&'static str, f64>;

/// How the chip is connected.
enum Wire {
    I2c(ChipBus, I2cBus, u8),
    Spi(ChipSelect),
    Serial(PeerPort),
}

/// A device with its chip in a world that the test sets, read as the bridge reads it: opened again after a failure.
pub(super) struct Rig {
    pub(super) entry: &'static Entry,
    pub(super) settings: Settings,
    world: Arc<Mutex<Surroundings>>,
    wire: Wire,
    driver: Option<Box<dyn Driver>>,
}

impl Rig {
    pub(super) fn new(word: &str) -> Self {
        Self::with_settings(word, &[])
    }

    pub(super) fn with_settings(word: &str, changes: &[(&'static str, SettingValue)]) -> Self {
        let entry = find(word).unwrap();
        let mut settings = Settings::defaults(entry.settings);
        for (key, value) in changes {
            settings.set(key, value.clone());
        }
        let chip = make(word, &settings).unwrap();
        Self::with_chip(entry, settings, chip)
    }

    /// The driver of this word on a chip of the test's own.
    pub(super) fn on(word: &str, chip: impl I2cChip + 'static) -> Self {
        let entry = find(word).unwrap();
        Self::with_chip(entry, Settings::defaults(entry.settings), Chip::I2c(Box::new(chip)))
    }

    pub(super) fn with_chip(entry: &'static Entry, settings: Settings, chip: Chip) -> Self {
        let world = Arc::new(Mutex::new(Surroundings::default()));
        let feel = {
            let world = world.clone();
            move || world.lock().unwrap().clone()
        };
        let wire = match chip {
            Chip::I2c(chip) => {
                let Bus::I2c { addresses } = entry.bus else { panic!("{} is not on I²C", entry.word) };
                let bus = ChipBus::default();
                bus.add(None, addresses[0], chip, feel);
                let owner = I2cBus::start(entry.word, Box::new(bus.clone())).unwrap();
                Wire::I2c(bus, owner, addresses[0])
            }
            Chip::Spi(chip) => Wire::Spi(ChipSelect::new(chip, feel)),
            Chip::Serial(peer) => Wire::Serial(PeerPort::new(peer, feel)),
        };
        Self { entry, settings, world, wire, driver: None }
    }

    pub(super) fn feel(&self, change: impl FnOnce(&mut Surroundings)) {
        change(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn bus(&self) -> (&ChipBus, u8) {
        match &self.wire {
            Wire::I2c(bus, _, address) => (bus, *address),
            _ => panic!("{} is not on I²C", self.entry.word),
        }
    }

    fn open(&self) -> Result<Box<dyn Driver>, ReadError> {
        let opening = Opening {
            settings: &self.settings,
            pause: Pause::Skipped,
            every: self.entry.periods.default,
            interrupts: false,
        };
        match (&self.wire, &self.entry.open) {
            (Wire::I2c(_, owner, address), Open::I2c(open)) => open(owner.port(None), *address, &opening),
            (Wire::Spi(select), Open::Spi(open)) => open(SpiPort::new(Box::new(select.clone())), &opening),
            (Wire::Serial(port), Open::Serial(open)) => {
                open(SerialPort::new(Box::new(port.clone())), &opening)
            }
            _ => panic!("{} is connected in another way", self.entry.word),
        }
    }

    pub(super) fn measure(&mut self) -> Result<Vec<Measured>, ReadError> {
        let mut driver = match self.driver.take() {
            Some(driver) => driver,
            None => self.open()?,
        };
        let measured = driver.read()?;
        self.driver = Some(driver);
        Ok(measured)
    }

    /// The properties whose values stand at an end of what the chip can measure.
    pub(super) fn clamped(&mut self) -> Vec<&'static str> {
        let measured = self.measure().unwrap();
        let is_clamped = |measured: &Measured| measured.quality == Quality::Clamped;
        measured.into_iter().filter(is_clamped).map(|measured| measured.property).collect()
    }

    pub(super) fn take_events(&mut self) -> Vec<&'static str> {
        self.driver.as_mut().map(|driver| driver.take_events()).unwrap_or_default()
    }

    pub(super) fn show(&mut self, property: &'static str, text: &str) -> Result<(), ReadError> {
        let mut driver = match self.driver.take() {
            Some(driver) => driver,
            None => self.open()?,
        };
        driver.show(property, text)?;
        self.driver = Some(driver);
        Ok(())
    }

    pub(super) fn read(&mut self) -> Result<Reading, ReadError> {
        let measured = self.measure()?;
        let number = |measured: Measured| match measured.value {
            Said::Number(number) => Some((measured.property, number)),
            Said::Text(_) => None,
        };
        Ok(measured.into_iter().filter_map(number).collect())
    }
}

/// A chip that is nothing but 256 byte registers, which the test sets while the driver is at work.
#[derive(Clone)]
pub(super) struct Registers(Arc<Mutex<[u8; 256]>>);

impl Registers {
    pub(super) fn new(values: &[(u8, u8)]) -> Self {
        let registers = Self(Arc::new(Mutex::new([0; 256])));
        registers.set(values);
        registers
    }

    pub(super) fn set(&self, values: &[(u8, u8)]) {
        let mut registers = self.0.lock().unwrap();
        for (register, value) in values {
            registers[usize::from(*register)] = *value;
        }
    }

    pub(super) fn get(&self, register: u8) -> u8 {
        self.0.lock().unwrap()[usize::from(register)]
    }

    pub(super) fn chip(&self) -> Bytewise<Self> {
        Bytewise::new(self.clone())
    }
}

impl ByteRegisters for Registers {
    fn load(&mut self, register: u8) -> u8 {
        self.get(register)
    }

    fn store(&mut self, register: u8, value: u8) {
        self.set(&[(register, value)]);
    }
}

/// A chip that answers each command of two bytes with bytes that a datasheet prints.
pub(super) struct Script(pub(super) &'static [(u16, &'static [u8])], pub(super) u16);

impl I2cChip for Script {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        self.1 = u16::from_be_bytes([bytes[0], bytes[1]]);
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        let (_, answer) =
            self.0.iter().find(|(command, _)| *command == self.1).ok_or(BusFault::NoAcknowledge)?;
        buffer.copy_from_slice(&answer[..buffer.len()]);
        Ok(())
    }
}

#[track_caller]
pub(super) fn assert_near(reading: &Reading, property: &str, expected: f64, tolerance: f64) {
    let value = reading.get(property).copied().unwrap_or_else(|| panic!("{property} is not in {reading:?}"));
    assert!((value - expected).abs() <= tolerance, "{property} is {value}, not {expected}");
}
