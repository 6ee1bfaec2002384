//! Scans of a bus with chips in memory, which keeps what was asked of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use embedded_hal::i2c::Operation;

use super::*;
use crate::buses::I2cBus;
use crate::catalogue::{self, Settings};
use crate::config::{ChipConfig, KernelConfig, KernelDevice, ProbeId};
use crate::sim::chips::{Chip, ChipBus, Surroundings, make};
use crate::traits::{
    BusError, I2cBackend, InputLine, InputRequest, KernelPlaces, LineError, LineInfo, OutputLine,
    OutputRequest, SensorError, SensorSource,
};
use gatehouse_model::DeviceId;

/// A chip: what it reads as after a pointer was written, byte by byte.
pub(super) struct FakeChip {
    registers: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether a read without a question is acknowledged.
    answers_plain: bool,
    /// Whether it needs time between a question and the answer.
    is_slow: bool,
    /// Whether it has one register only, for its channels.
    is_multiplexer: bool,
    pointer: Option<Vec<u8>>,
}

/// A chip with registers of which one is known; the others read as zero.
pub(super) fn chip_with(register: u8, value: u8) -> FakeChip {
    FakeChip {
        registers: BTreeMap::from([(vec![register], vec![value])]),
        answers_plain: true,
        is_slow: false,
        is_multiplexer: false,
        pointer: None,
    }
}

/// A multiplexer with channel 2 open.
fn multiplexer() -> FakeChip {
    FakeChip { is_multiplexer: true, pointer: Some(vec![0x04]), ..chip_with(0, 0) }
}

/// A chip that answers nothing but its question, and that late, as Sensirion's do.
pub(super) fn chip_that_keeps_silent() -> FakeChip {
    let registers = BTreeMap::from([(vec![0x00], vec![0x60, 0x01])]);
    FakeChip { registers, answers_plain: false, is_slow: true, ..chip_with(0, 0) }
}

#[derive(Default)]
struct Wires {
    chips: BTreeMap<u8, FakeChip>,
    hangs: bool,
    all_answer: bool,
    transfers: usize,
    opened: Vec<u8>,
    /// Every transfer: the address, and the bytes written.
    log: Vec<(u8, Vec<u8>)>,
}

impl Wires {
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        self.transfers += 1;
        let written = operations.iter().filter_map(|operation| match operation {
            Operation::Write(bytes) => Some(bytes.to_vec()),
            Operation::Read(_) => None,
        });
        let written: Vec<u8> = written.flatten().collect();
        self.log.push((address, written.clone()));
        if self.hangs {
            return Err(BusFault::TimedOut);
        }
        if self.all_answer {
            return Ok(());
        }
        let Some(chip) = self.chips.get_mut(&address) else { return Err(BusFault::NoAcknowledge) };
        if !written.is_empty() {
            chip.pointer = Some(written);
            if chip.is_slow {
                return Err(BusFault::NoAcknowledge);
            }
        } else if !chip.answers_plain && chip.pointer.is_none() {
            return Err(BusFault::NoAcknowledge);
        }
        if chip.is_multiplexer {
            let channels = chip.pointer.as_ref().and_then(|bytes| bytes.last()).copied().unwrap_or(0);
            for operation in operations {
                if let Operation::Read(buffer) = operation {
                    buffer.fill(channels);
                }
            }
            return Ok(());
        }
        let content = chip.pointer.as_ref().and_then(|pointer| chip.registers.get(pointer));
        if chip.is_slow && content.is_none() {
            return Err(BusFault::NoAcknowledge);
        }
        let mut content = content.cloned().unwrap_or_default().into_iter();
        for operation in operations {
            if let Operation::Read(buffer) = operation {
                let is_map = buffer.len() > 200;
                // A read that goes on goes through all registers.
                let rest = if is_map { (0..=255).collect() } else { Vec::new() };
                let mut rest = rest.into_iter();
                buffer.fill_with(|| content.next().or_else(|| rest.next()).unwrap_or(0));
            }
        }
        if !chip.answers_plain {
            chip.pointer = None;
        }
        Ok(())
    }
}

struct FakeBus(Arc<Mutex<Wires>>);

impl I2cBackend for FakeBus {
    fn transfer(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusFault> {
        self.0.lock().unwrap().transfer(address, operations)
    }
}

/// A board with one bus, and a tree of the kernel's.
pub(super) struct Machine {
    wires: Arc<Mutex<Wires>>,
    root: tempfile::TempDir,
}

#[derive(Debug)]
struct FakeBoard {
    wires: Arc<Mutex<Wires>>,
    sys: PathBuf,
}

impl std::fmt::Debug for Wires {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wires").finish_non_exhaustive()
    }
}

#[async_trait]
impl Board for FakeBoard {
    fn name(&self) -> String {
        "test board".to_owned()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        Err(LineError::NoLines("test board".to_owned()))
    }

    fn request_input(&self, _: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        unreachable!("a scan requests no line")
    }

    fn request_output(&self, _: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        unreachable!("a scan requests no line")
    }

    fn open_sensor(&self, _: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        unreachable!("a scan opens no sensor")
    }

    fn open_i2c(&self, bus: u8) -> Result<Box<dyn I2cBackend>, BusError> {
        assert_ne!(bus, 3, "a bus with a problem is not opened");
        self.wires.lock().unwrap().opened.push(bus);
        Ok(Box::new(FakeBus(self.wires.clone())))
    }

    fn buses(&self) -> Vec<BusInfo> {
        let bus = |kind, name: &str, problem: Option<&str>| BusInfo {
            kind,
            name: name.to_owned(),
            description: name.to_owned(),
            problem: problem.map(str::to_owned),
            belongs_to: (name == "i2c-20").then_some("a screen's connector (HDMI)"),
        };
        vec![
            bus(BusKind::I2c, "i2c-1", None),
            bus(BusKind::I2c, "i2c-3", Some("it is switched off: switch it on")),
            bus(BusKind::I2c, "i2c-20", None),
            bus(BusKind::Spi, "spi-0.0", None),
        ]
    }

    fn kernel_places(&self) -> Option<KernelPlaces> {
        Some(KernelPlaces::below(&self.sys))
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { wires: Arc::default(), root: tempfile::tempdir().unwrap() }
    }

    pub(super) fn scanner(&self, devices: Vec<DeviceConfig>) -> Scanner {
        let board: Arc<dyn Board> =
            Arc::new(FakeBoard { wires: self.wires.clone(), sys: self.root.path().to_owned() });
        Scanner::new(board.clone(), Arc::new(Buses::new(board)), devices)
    }

    pub(super) fn put(&self, address: u8, chip: FakeChip) {
        self.wires.lock().unwrap().chips.insert(address, chip);
    }

    pub(super) fn take(&self, address: u8) {
        self.wires.lock().unwrap().chips.remove(&address);
    }

    pub(super) fn hang(&self, hangs: bool) {
        self.wires.lock().unwrap().hangs = hangs;
    }

    pub(super) fn transfers(&self) -> usize {
        self.wires.lock().unwrap().transfers
    }

    /// The buses that were opened.
    fn opened(&self) -> Vec<u8> {
        self.wires.lock().unwrap().opened.clone()
    }

    /// Transfers to an address.
    pub(super) fn asked(&self, address: u8) -> usize {
        self.wires.lock().unwrap().log.iter().filter(|(at, _)| *at == address).count()
    }

    /// Those that wrote something.
    pub(super) fn questions(&self, address: u8) -> usize {
        let wires = self.wires.lock().unwrap();
        wires.log.iter().filter(|(at, written)| *at == address && !written.is_empty()).count()
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A chip that the kernel drives.
    fn give_to_kernel(&self, address: u8, driver: &str) {
        let directory = format!("bus/i2c/devices/1-{address:04x}");
        self.write(&format!("{directory}/name"), driver);
        symlink(format!("/sys/bus/i2c/drivers/{driver}"), self.root.path().join(directory).join("driver"))
            .unwrap();
    }
}

fn at(scan: &Scan, bus: &str, place: &str) -> Option<Thing> {
    let things = scan.buses.iter().flat_map(|bus| &bus.things).chain(&scan.kernel);
    things.into_iter().find(|thing| thing.bus == bus && thing.place == place).cloned()
}

fn lm75(id: &str, address: u8) -> DeviceConfig {
    let entry = crate::catalogue::find("lm75").unwrap();
    let place = ChipPlace::I2c { bus: I2cBusName::Kernel(1), address };
    let settings = crate::catalogue::Settings::defaults(entry.settings);
    let chip = ChipConfig { entry, place, settings, every: entry.periods.default, interrupt: None };
    DeviceConfig::new(DeviceId::new(id).unwrap(), id, DriverConfig::Chip(chip))
}

#[test]
fn a_chip_is_known_by_its_identity() {
    let machine = Machine::new();
    machine.put(0x77, chip_with(0x00, 0x50));
    machine.put(0x53, chip_with(0x00, 0xE5));
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    let chip = at(&scan, "i2c-1", "0x77").unwrap();
    assert_eq!(chip.candidates[0].name, "Bosch BMP388");
    assert_eq!((chip.candidates.len(), chip.holder), (1, Holder::Nobody));
    assert_eq!(at(&scan, "i2c-1", "0x53").unwrap().candidates[0].name, "Analog Devices ADXL345");
    assert_eq!(at(&scan, "i2c-1", "0x76"), None);
}

#[test]
fn what_cannot_be_told_is_guessed_and_says_how_unsure_it_is() {
    let machine = Machine::new();
    machine.put(0x5A, chip_with(0, 0));
    machine.put(0x0B, chip_with(0, 0));
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    let chip = at(&scan, "i2c-1", "0x5a").unwrap();
    assert!(chip.candidates.iter().any(|candidate| candidate.name == "Melexis MLX90614"), "{chip:?}");
    assert!(chip.candidates.iter().all(|candidate| candidate.certainty <= 50), "{chip:?}");
    assert_eq!(at(&scan, "i2c-1", "0x0b").unwrap().candidates, []);
}

/// A byte that is written to a PCF8574 switches its outputs: a scan must not click eight relays.
#[test]
fn an_address_of_an_expander_without_registers_is_never_written_to() {
    let machine = Machine::new();
    for address in ADDRESSES {
        machine.put(address, chip_with(0x00, 0x42));
    }
    for address in 0x50..=0x77 {
        // So many that it does not look like a broken wire.
        machine.take(address);
    }
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    let wires = machine.wires.lock().unwrap();
    for (address, written) in &wires.log {
        assert!(written.len() <= MAX_SELECT_BYTES, "0x{address:02x}: {written:?}");
        assert!(written.is_empty() || !may_switch_outputs(*address), "0x{address:02x}: {written:?}");
        assert!(ADDRESSES.contains(address));
    }
    drop(wires);
    let chip = at(&scan, "i2c-1", "0x38");
    assert!(chip.is_none() || chip.is_some_and(|chip| chip.note.is_some()));
}

/// Nobody says what a register's number does to the relays of a DockerPi, so a light sensor there is only guessed at.
#[test]
fn where_a_board_of_relays_may_be_nothing_is_asked() {
    let machine = Machine::new();
    machine.put(0x10, chip_with(0x07, 0x81));
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    assert_eq!(machine.questions(0x10), 0);
    let chip = at(&scan, "i2c-1", "0x10").unwrap();
    let names: Vec<_> = chip.candidates.iter().filter_map(|candidate| candidate.driver.as_deref()).collect();
    for possible in ["dockerpi-relay", "veml6075", "veml7700"] {
        assert!(names.contains(&possible), "{names:?}");
    }
    assert!(chip.note.is_some());
}

#[test]
fn what_is_configured_or_the_kernels_is_not_asked() {
    let machine = Machine::new();
    machine.put(0x48, chip_with(0, 0));
    machine.put(0x68, chip_with(0, 0));
    machine.give_to_kernel(0x68, "rtc-ds1307");
    let scan = machine.scanner(vec![lm75("cellar", 0x48)]).scan(Reach::Header);
    assert_eq!((machine.asked(0x48), machine.asked(0x68)), (0, 0));
    assert_eq!(at(&scan, "i2c-1", "0x48").unwrap().holder, Holder::Device { id: "cellar".to_owned() });
    let kernel = Holder::Kernel { driver: "rtc-ds1307".to_owned() };
    assert_eq!(at(&scan, "i2c-1", "0x68").unwrap().holder, kernel);
    assert_eq!(scan.unused().count(), 0);
}

/// Sensirion's chips do not acknowledge a read before they were asked, and then need time.
#[test]
fn a_chip_that_keeps_silent_is_found_by_a_question() {
    let machine = Machine::new();
    machine.put(0x52, chip_that_keeps_silent());
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    assert_eq!(at(&scan, "i2c-1", "0x52").unwrap().candidates[0].name, "ScioSense ENS160");
}

/// A question would open channels: with 0xD0, a BME280's, three buses become one, and chips of the same address collide.
#[test]
fn what_reads_like_a_multiplexer_is_never_written_to() {
    let machine = Machine::new();
    for address in 0x70..=0x77 {
        machine.put(address, multiplexer());
    }
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    for address in 0x70..=0x77 {
        assert!(may_be_multiplexer(address));
        assert_eq!(machine.questions(address), 0, "0x{address:02x}");
        let thing = at(&scan, "i2c-1", &format!("0x{address:02x}")).unwrap();
        assert_eq!(thing.candidates[0].driver.as_deref(), Some("tca9548a"), "{thing:?}");
        assert!(thing.candidates.iter().all(|candidate| candidate.certainty <= 50), "{thing:?}");
        assert!(thing.note.unwrap().contains("would take the question for its channels"));
    }
    let names = |place: &str| -> Vec<String> {
        at(&scan, "i2c-1", place).unwrap().candidates.into_iter().map(|candidate| candidate.name).collect()
    };
    assert!(names("0x76").iter().any(|name| name.contains("BME280")), "{:?}", names("0x76"));
}

/// Where nobody answers, a multiplexer that was just switched on must not get a byte either.
#[test]
fn silence_where_a_multiplexer_may_be_is_left_alone() {
    let machine = Machine::new();
    machine.put(0x76, FakeChip { answers_plain: false, ..chip_with(0x00, 0x60) });
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    assert_eq!(at(&scan, "i2c-1", "0x76"), None);
    assert_eq!((0x70..=0x77).map(|address| machine.questions(address)).sum::<usize>(), 0);
}

/// Chips of the simulated house, which are built from their datasheets and know nothing of the scan.
#[test]
fn sensors_and_multiplexers_of_the_simulated_house_are_told_apart() {
    let chips = ChipBus::default();
    for (word, address) in [("tca9548a", 0x70), ("bme280", 0x76), ("dps310", 0x77)] {
        let Some(Chip::I2c(chip)) = make(word, &Settings::default()) else { panic!("no {word}") };
        chips.add(None, address, chip, Surroundings::default);
    }
    let bus = I2cBus::start("test", Box::new(chips)).unwrap();
    let found = |address| {
        let found = identify::identify(&mut bus.port(None), address, true, Pause::Skipped).unwrap().unwrap();
        let best = found.candidates.into_iter().next().unwrap();
        (best.driver.unwrap(), best.certainty >= 90, found.note.is_some())
    };
    assert_eq!(found(0x76), ("bme280".to_owned(), true, false));
    assert_eq!(found(0x77).0, "dps310");
    assert_eq!(found(0x70), ("tca9548a".to_owned(), false, true));
    let mut channels = [0xFF];
    bus.port(None).read(0x70, &mut channels).unwrap();
    assert_eq!(channels, [0], "no channel was opened");
}

/// An AHT20 shares its address with an expander that must not be asked; an SHT4x only answers its serial number.
#[test]
fn climate_sensors_are_known_by_what_they_read_as() {
    let chips = ChipBus::default();
    for (word, address) in
        [("aht20", 0x38), ("pcf8574", 0x3A), ("sht4x", 0x44), ("sht3x", 0x45), ("ina219", 0x46)]
    {
        let settings = Settings::defaults(catalogue::find(word).unwrap().settings);
        let Some(Chip::I2c(chip)) = make(word, &settings) else { panic!("no {word}") };
        chips.add(None, address, chip, Surroundings::default);
    }
    let bus = I2cBus::start("test", Box::new(chips)).unwrap();
    let found = |address, answers| {
        let mut port = bus.port(None);
        let found = identify::identify(&mut port, address, answers, Pause::Skipped).unwrap().unwrap();
        let certain = found.candidates.iter().filter(|candidate| candidate.certainty > 50);
        certain.filter_map(|candidate| candidate.driver.clone()).collect::<Vec<_>>()
    };
    assert!(found(0x38, true).is_empty(), "it has measured nothing yet: it could be an expander");
    let mut port = bus.port(None);
    port.write(0x38, &[0xBE, 0x08, 0x00]).unwrap();
    port.write(0x38, &[0xAC, 0x33, 0x00]).unwrap();
    assert_eq!(found(0x38, true), ["aht20"]);
    assert!(found(0x3A, true).is_empty());
    assert_eq!(found(0x44, false), ["sht4x"]);
    assert_eq!(found(0x45, false), ["sht3x"]);
    assert_eq!(found(0x46, true), ["ina219"]);
}

#[test]
fn a_bus_that_fails_says_why_and_the_rest_is_looked_at() {
    let machine = Machine::new();
    machine.hang(true);
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    assert!(scan.buses[0].problem.as_ref().unwrap().contains("holds it up"), "{:?}", scan.buses[0]);
    assert!(scan.buses[1].problem.as_ref().unwrap().contains("switched off"));
    assert_eq!(scan.buses[3].name, "spi-0.0");
    machine.hang(false);
    machine.wires.lock().unwrap().all_answer = true;
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    assert!(scan.buses[0].problem.as_ref().unwrap().contains("SDA"), "{:?}", scan.buses[0].problem);
    assert!(scan.buses[0].things.is_empty());
}

#[test]
fn thermometers_and_devices_of_the_kernel_are_listed() {
    let machine = Machine::new();
    for probe in ["28-0000055e2f3b", "28-3c01d607a5bf", "00-400000000000"] {
        machine.write(&format!("bus/w1/devices/{probe}/ext_power"), "0\n");
    }
    machine.write("bus/w1/devices/w1_bus_master1/name", "w1 bus master");
    let iio = machine.write("devices/soc/i2c-1/1-0076/iio:device0/name", "bme280\n");
    fs::create_dir_all(machine.root.path().join("bus/iio/devices")).unwrap();
    symlink(iio.parent().unwrap(), machine.root.path().join("bus/iio/devices/iio:device0")).unwrap();
    machine.write("class/hwmon/hwmon0/name", "cpu_thermal\n");
    let probe = KernelConfig {
        word: "ds18b20",
        device: KernelDevice::OneWire(ProbeId::new("28-0000055e2f3b").unwrap()),
        every: std::time::Duration::from_secs(10),
    };
    let ours = DeviceConfig::new(DeviceId::new("boiler").unwrap(), "Boiler", DriverConfig::Kernel(probe));
    let scan = machine.scanner(vec![ours]).scan(Reach::Header);
    let first = at(&scan, "w1", "28-0000055e2f3b").unwrap();
    assert_eq!(first.holder, Holder::Device { id: "boiler".to_owned() });
    assert!(first.note.unwrap().contains("power from the data line"));
    let second = at(&scan, "w1", "28-3c01d607a5bf").unwrap();
    assert!(second.note.unwrap().contains("probably a copy"));
    assert!(second.configuration.unwrap().contains("probe = \"28-3c01d607a5bf\""));
    assert!(at(&scan, "w1", "00-400000000000").unwrap().note.unwrap().contains("4.7 kΩ"));
    let unused: Vec<&str> = scan.unused().map(|thing| thing.place.as_str()).collect();
    assert_eq!(unused, ["00-400000000000", "28-3c01d607a5bf", "iio:device0"], "the processor's is no news");
    assert!(at(&scan, "hwmon", "hwmon0").is_some());
}

#[test]
fn a_chip_without_an_identity_is_offered_with_its_driver() {
    let machine = Machine::new();
    machine.put(0x4B, chip_with(0, 0));
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    let thing = at(&scan, "i2c-1", "0x4b").unwrap();
    let driven = thing.candidates.iter().any(|candidate| candidate.driver.as_deref() == Some("lm75"));
    assert!(driven, "{thing:?}");
}

/// A screen shall not be asked by somebody who looks for sensors, again and again; people may want to.
#[test]
fn the_bus_of_a_screen_is_left_alone_until_somebody_wants_it() {
    let machine = Machine::new();
    machine.put(0x77, chip_with(0x00, 0x50));
    let scan = machine.scanner(Vec::new()).scan(Reach::Header);
    assert_eq!(machine.opened(), [1]);
    let aside = scan.buses.iter().find(|bus| bus.name == "i2c-20").unwrap();
    assert!(aside.problem.as_deref().unwrap().contains("gatehouse scan --all"), "{aside:?}");
    assert!(at(&scan, "i2c-20", "0x77").is_none());
    let scan = machine.scanner(Vec::new()).scan(Reach::All);
    assert!(at(&scan, "i2c-20", "0x77").is_some());
    // Who has configured a device there has wired something to it.
    let mut there = lm75("screen", 0x48);
    let DriverConfig::Chip(chip) = &mut there.driver else { panic!() };
    chip.place = ChipPlace::I2c { bus: I2cBusName::Kernel(20), address: 0x48 };
    let scan = machine.scanner(vec![there]).scan(Reach::Header);
    assert!(at(&scan, "i2c-20", "0x77").is_some());
}
