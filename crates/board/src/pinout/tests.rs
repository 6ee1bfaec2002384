//! A header with a bit of everything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_model::SystemClock;

use super::*;
use crate::boards::recognise;
use crate::config::{ActiveLevel, InputConfig, OutputConfig, UltrasonicConfig};
use crate::sim::{SimulatedBoard, demo_house};
use crate::traits::{
    BusInfo, BusKind, Direction, InputLine, InputRequest, OutputLine, OutputRequest, SensorError,
    SensorSource,
};

/// Lines as a kernel lists them, and nothing that can be requested: a pinout that asks for a line fails here.
#[derive(Debug, Default)]
struct Bench {
    holders: BTreeMap<u32, &'static str>,
    buses: Vec<BusInfo>,
}

#[async_trait]
impl Board for Bench {
    fn name(&self) -> String {
        "bench".to_owned()
    }

    fn is_simulated(&self) -> bool {
        false
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        let info = |number| LineInfo {
            line: LineNumber::new(number),
            name: format!("GPIO{number}"),
            consumer: self.holders.get(&number).map(|holder| (*holder).to_owned()),
            direction: Direction::Input,
            pull: None,
            is_high: None,
        };
        Ok((0..30).map(info).collect())
    }

    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        panic!("{} was requested", request.line)
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        panic!("{} was requested", request.line)
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        panic!("{} was opened", device.id)
    }

    fn buses(&self) -> Vec<BusInfo> {
        self.buses.clone()
    }
}

fn bus(kind: BusKind, name: &str) -> BusInfo {
    BusInfo { kind, name: name.to_owned(), description: String::new(), problem: None, belongs_to: None }
}

fn device(id: &str, driver: DriverConfig) -> DeviceConfig {
    DeviceConfig::new(DeviceId::new(id).unwrap(), id, driver)
}

fn input(id: &str, line: u32) -> DeviceConfig {
    device(id, DriverConfig::Input(InputConfig::at(LineNumber::new(line))))
}

fn relay(id: &str, line: u32, active: ActiveLevel) -> DeviceConfig {
    device(id, DriverConfig::Output(OutputConfig { active, ..OutputConfig::at(LineNumber::new(line)) }))
}

/// The files of a Pi 4.
fn pi_4(root: &Path) -> HostPlaces {
    let tree = root.join("proc/device-tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::create_dir_all(root.join("dev")).unwrap();
    std::fs::write(tree.join("model"), "Raspberry Pi 4 Model B Rev 1.4\0").unwrap();
    HostPlaces {
        dev: root.join("dev"),
        proc: root.join("proc"),
        sys: root.join("sys"),
        data: root.to_owned(),
    }
}

fn look(board: &dyn Board, places: &HostPlaces, devices: &[DeviceConfig], firmware: &str) -> Vec<PinoutLine> {
    let machine = recognise(places);
    let (tree, now) = (SeenTree::default(), Moment::from_start(Duration::ZERO));
    let around = Around { places, machine: &machine, is_header: true, devices, firmware, tree: &tree, now };
    pinout(board, &around).unwrap()
}

fn kinds(line: &PinoutLine) -> Vec<(WarningKind, bool)> {
    line.warnings.iter().map(|warning| (warning.kind, warning.is_note)).collect()
}

#[test]
fn lines_of_buses_are_known_although_the_kernel_shows_them_free() {
    let root = tempfile::tempdir().unwrap();
    let places = pi_4(root.path());
    let buses = vec![
        bus(BusKind::I2c, "i2c-1"),
        BusInfo { problem: Some("off".to_owned()), ..bus(BusKind::Spi, "spi-0.0") },
        bus(BusKind::Serial, "/dev/serial0"),
    ];
    let board = Bench { holders: BTreeMap::from([(17, "onewire@11"), (22, "gpiomon"), (24, "ACT")]), buses };
    std::fs::create_dir_all(root.path().join("sys/class/leds/ACT")).unwrap();
    let lines = look(&board, &places, &[], "");
    let used = |line: usize| {
        lines[line].used_for.as_ref().map(|used| (used.kind, used.name.as_str(), used.function.as_deref()))
    };
    assert_eq!(used(2), Some((UseKind::I2c, "i2c-1", Some("I2C1_SDA"))));
    assert_eq!(used(15), Some((UseKind::Serial, "/dev/serial0", Some("UART0_RXD"))));
    assert_eq!(used(17), Some((UseKind::OneWire, "onewire@11", None)));
    assert_eq!(used(10), None, "SPI is switched off");
    let holders: Vec<LineHolder> = [4, 17, 22, 24].iter().map(|line| lines[*line].holder).collect();
    assert_eq!(holders, [LineHolder::Nobody, LineHolder::Kernel, LineHolder::Other, LineHolder::Kernel]);
    assert_eq!(lines[2].header_pin, Some(3));
    assert!(lines[2].is_pulled_up_by_board && !lines[4].is_pulled_up_by_board);
    assert_eq!((lines[4].power_on, lines[9].power_on), (Some(Pull::Up), Some(Pull::Down)));
    assert_eq!(
        (lines[4].fires_when.as_slice(), lines[9].fires_when.as_slice()),
        (&[ActiveLevel::High][..], &[ActiveLevel::Low][..])
    );
    assert_eq!(lines[18].functions[5], "PWM0_0");
    assert!(
        lines[28].functions.is_empty() && lines[28].power_on.is_none() && lines[28].fires_when.is_empty()
    );
}

/// An overlay can have put a bus anywhere, and says so in the tree.
#[test]
fn the_device_tree_goes_before_what_is_usual() {
    let root = tempfile::tempdir().unwrap();
    let places = pi_4(root.path());
    let tree = root.path().join("proc/device-tree");
    for (path, name, bytes) in [
        ("soc/gpio@7e200000", "compatible", &b"brcm,bcm2711-gpio\0"[..]),
        ("soc/gpio@7e200000/i2c", "phandle", &[0, 0, 0, 9]),
        ("soc/gpio@7e200000/i2c", "brcm,pins", &[0, 0, 0, 4, 0, 0, 0, 5]),
        ("soc/gpio@7e200000/i2c", "brcm,function", &[0, 0, 0, 2]),
        ("soc/i2c@7e205600", "pinctrl-0", &[0, 0, 0, 9]),
        ("aliases", "i2c1", b"/soc/i2c@7e205600\0"),
    ] {
        std::fs::create_dir_all(tree.join(path)).unwrap();
        std::fs::write(tree.join(path).join(name), bytes).unwrap();
    }
    let board = Bench { buses: vec![bus(BusKind::I2c, "i2c-1")], ..Bench::default() };
    let lines = look(&board, &places, &[], "");
    let found = lines[5].used_for.clone().unwrap();
    assert_eq!(
        (found.kind, found.name.as_str(), found.function.as_deref()),
        (UseKind::I2c, "i2c-1", Some("I2C3_SCL"))
    );
    assert_eq!(lines[2].used_for, None, "the bus is elsewhere");
}

#[test]
fn what_is_in_the_way_of_our_devices_is_told() {
    let root = tempfile::tempdir().unwrap();
    let places = pi_4(root.path());
    std::fs::write(root.path().join("proc/cmdline"), "console=ttyS0,115200 console=tty1 root=/dev/x")
        .unwrap();
    let sonar = UltrasonicConfig::at(LineNumber::new(20), LineNumber::new(21));
    let echo = sonar.echo.header_line().unwrap().number();
    let devices = [
        input("door", 2),
        input("window", 22),
        input("bell", 14),
        input("twin", 14),
        input("hat", 0),
        input("ours", 26),
        device("sonar", DriverConfig::Ultrasonic(sonar)),
    ];
    let board = Bench {
        holders: BTreeMap::from([(22, "gpiomon"), (26, "gatehouse")]),
        buses: vec![bus(BusKind::I2c, "i2c-1")],
    };
    let lines = look(&board, &places, &devices, "");
    let of = |line: u32| &lines[usize::try_from(line).unwrap()];
    assert_eq!(kinds(of(2)), [(WarningKind::OnBus, false)]);
    assert_eq!(of(2).warnings[0].other.as_deref(), Some("i2c-1"));
    assert_eq!(kinds(of(22)), [(WarningKind::Taken, false)]);
    assert_eq!(of(22).warnings[0].other.as_deref(), Some("gpiomon"));
    assert_eq!(kinds(of(14)), [(WarningKind::Shared, false), (WarningKind::Console, false)]);
    assert_eq!(kinds(of(15)), [(WarningKind::Console, false)]);
    assert_eq!(
        (kinds(of(0)), kinds(of(1))),
        (vec![(WarningKind::PluggedOn, false)], vec![(WarningKind::PluggedOn, true)])
    );
    assert_eq!(kinds(of(26)), []);
    assert_eq!(kinds(of(echo)), [(WarningKind::FiveVolts, false)]);
    assert_eq!(
        of(26).device.as_ref().map(|(id, active)| (id.as_str(), *active)),
        Some(("ours", Some(ActiveLevel::Low)))
    );
    // A connector of its own, as the Pi 5 has one, is none of the header's.
    std::fs::write(root.path().join("proc/cmdline"), "console=ttyAMA10,115200").unwrap();
    assert_eq!(kinds(&look(&board, &places, &devices, "")[15]), []);
}

#[test]
fn a_relay_that_fires_is_told_until_the_firmware_is() {
    let root = tempfile::tempdir().unwrap();
    let places = pi_4(root.path());
    let devices = [relay("pump", 5, ActiveLevel::High), relay("fan", 17, ActiveLevel::High)];
    let lines = look(&Bench::default(), &places, &devices, "");
    let warning = &lines[5].warnings[0];
    assert_eq!(
        (warning.kind, warning.boot_line.as_deref()),
        (WarningKind::FiresAtPowerOn, Some("gpio=5=op,dl,pd"))
    );
    assert!(warning.better.contains(&LineNumber::new(12)), "{:?}", warning.better);
    assert_eq!(kinds(&lines[17]), []);
    // A line that somebody else has is no better one.
    let busy = Bench { holders: BTreeMap::from([(12, "gpiomon")]), ..Bench::default() };
    let warning = &look(&busy, &places, &devices, "")[5].warnings[0];
    assert!(!warning.better.contains(&LineNumber::new(12)), "{:?}", warning.better);
    assert_eq!(kinds(&look(&Bench::default(), &places, &devices, "gpio=5=op,dl,pd\n")[5]), []);
}

/// A dimmer at hardware PWM is there through the driver, and not in its way.
#[test]
fn hardware_pwm_is_no_conflict() {
    let root = tempfile::tempdir().unwrap();
    let places = pi_4(root.path());
    let tree = root.path().join("proc/device-tree/soc");
    for (path, name, bytes) in [
        ("gpio@7e200000", "compatible", &b"brcm,bcm2711-gpio\0"[..]),
        ("gpio@7e200000/pwm", "phandle", &[0, 0, 0, 3]),
        ("gpio@7e200000/pwm", "brcm,pins", &[0, 0, 0, 18]),
        ("gpio@7e200000/pwm", "brcm,function", &[0, 0, 0, 2]),
        ("pwm@7e20c000", "pinctrl-0", &[0, 0, 0, 3]),
    ] {
        std::fs::create_dir_all(tree.join(path)).unwrap();
        std::fs::write(tree.join(path).join(name), bytes).unwrap();
    }
    let lines = look(&Bench::default(), &places, &[relay("lamp", 18, ActiveLevel::High)], "");
    assert_eq!(lines[18].used_for.as_ref().and_then(|used| used.function.as_deref()), Some("PWM0_0"));
    assert_eq!(kinds(&lines[18]), []);
    let lines = look(&Bench::default(), &places, &[input("door", 18)], "");
    assert_eq!(kinds(&lines[18]), [(WarningKind::OnBus, false)]);
}

#[test]
fn of_another_chip_nothing_is_claimed() {
    let root = tempfile::tempdir().unwrap();
    let places = pi_4(root.path());
    let machine = recognise(&places);
    let devices = [relay("pump", 5, ActiveLevel::High)];
    let around = Around {
        places: &places,
        machine: &machine,
        is_header: false,
        devices: &devices,
        firmware: "",
        tree: &SeenTree::default(),
        now: Moment::from_start(Duration::ZERO),
    };
    let lines = pinout(&Bench::default(), &around).unwrap();
    assert!(
        lines
            .iter()
            .all(|line| line.warnings.is_empty() && line.functions.is_empty() && line.power_on.is_none())
    );
}

/// The demonstration shows each kind of line: ours with levels, a bus, 1-Wire, relays that fire.
#[test]
fn the_demonstration_house_has_something_to_see() {
    let root = tempfile::tempdir().unwrap();
    let places = HostPlaces::of_this_machine(root.path());
    let board = SimulatedBoard::still(&demo_house(), 5, Arc::new(SystemClock::new()));
    let lines = look(&board, &places, &demo_house(), "");
    let kind = |line: usize| lines[line].used_for.as_ref().map(|used| used.kind);
    assert_eq!((kind(2), kind(4), kind(17)), (Some(UseKind::I2c), Some(UseKind::OneWire), None));
    assert_eq!(kinds(&lines[5]), [(WarningKind::FiresAtPowerOn, false)], "the blind's relay");
    assert!(kinds(&lines[2]).contains(&(WarningKind::FiveVoltBus, true)));
}

/// Overlays are not loaded every second, and whoever looks at the page asks every two.
#[test]
fn the_device_tree_is_walked_now_and_then() {
    let root = tempfile::tempdir().unwrap();
    let places = pi_4(root.path());
    let machine = recognise(&places);
    let tree = SeenTree::default();
    let is_used = |seconds| {
        let now = Moment::from_start(Duration::from_secs(seconds));
        let around = Around {
            places: &places,
            machine: &machine,
            is_header: true,
            devices: &[],
            firmware: "",
            tree: &tree,
            now,
        };
        pinout(&Bench::default(), &around).unwrap()[17].used_for.is_some()
    };
    assert!(!is_used(0));
    for (path, name, bytes) in [
        ("soc/gpio@7e200000", "compatible", &b"brcm,bcm2711-gpio\0"[..]),
        ("soc/gpio@7e200000/w1", "phandle", &[0, 0, 0, 1]),
        ("soc/gpio@7e200000/w1", "brcm,pins", &[0, 0, 0, 17]),
        ("onewire@11", "pinctrl-0", &[0, 0, 0, 1]),
    ] {
        let node = root.path().join("proc/device-tree").join(path);
        std::fs::create_dir_all(&node).unwrap();
        std::fs::write(node.join(name), bytes).unwrap();
    }
    assert!(!is_used(29));
    assert!(is_used(30));
}
