//! What is wrong with what is wired to a line, as facts: whoever shows them has the words.

use gatehouse_model::DeviceId;

use super::uses::{LineUse, UseKind};
use super::{LineHolder, devices_at};
use crate::boards::{Header, PlannedOutput, PowerOn, Recognised, at_power_on, boot_line};
use crate::bridge::safe::header_outputs;
use crate::config::{ChipPlace, DeviceConfig, DriverConfig, I2cBusName, LineNumber, Pin};
use crate::traits::LineInfo;

/// Lines that the board reads at its start to find out what is plugged on (Raspberry Pi HAT specification).
const HAT_LINES: [u32; 2] = [0, 1];

/// Lines of the serial port of the header.
const SERIAL: [u32; 2] = [14, 15];

/// Supply from which on the outputs of a chip are too high for a line, in volts: lines bear 3.3 V and a little more.
const TOO_HIGH: f64 = 4.0;

/// An output that is not at its safe level between power-on and the start of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The device.
    pub device: DeviceId,
    /// Its output.
    pub planned: PlannedOutput,
    /// What its line does.
    pub found: PowerOn,
}

/// The outputs that fire at power-on, unless the firmware was told otherwise in its `config.txt`. `held` are lines that somebody
/// else has: they are no better ones, and neither are those of other devices.
pub fn firing(
    devices: &[DeviceConfig],
    machine: &Recognised,
    firmware: &str,
    held: &[LineNumber],
) -> Vec<Firing> {
    let used = devices.iter().flat_map(|device| device.driver.pins());
    let taken: Vec<LineNumber> = used.filter_map(Pin::header_line).chain(held.iter().copied()).collect();
    let header = machine.header().unwrap_or(Header::Pins40);
    let mut firing = Vec::new();
    for device in devices {
        for planned in header_outputs(device) {
            let Some(found) = at_power_on(planned, &taken, machine.soc(), header) else { continue };
            let told = boot_line(planned).to_string();
            if found.fires && !firmware.lines().any(|line| line.trim() == told) {
                firing.push(Firing { device: device.id.clone(), planned, found });
            }
        }
    }
    firing
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// Somebody else holds the line of our device.
    Taken,
    /// A bus has the line of our device.
    OnBus,
    /// Two of our devices use the line.
    Shared,
    /// The output is not at its safe level from power-on until the gateway starts.
    FiresAtPowerOn,
    /// What is wired there gives 5 V, as its kind usually does.
    FiveVolts,
    /// The kernel writes its messages there.
    Console,
    /// The board reads the line at every start, to find out what is plugged on.
    PluggedOn,
    /// Chips on this bus can be supplied with 5 V, and then pull it up to 5 V.
    FiveVoltBus,
}

/// Something that is wrong with a line, with what it takes to say how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineWarning {
    /// What is wrong.
    pub kind: WarningKind,
    /// Whether it is only good to know.
    pub is_note: bool,
    /// The device that it is about.
    pub device: Option<DeviceId>,
    /// Who or what else is part of it: the holder, the bus, other devices.
    pub other: Option<String>,
    /// Free lines that would be right.
    pub better: Vec<LineNumber>,
    /// The line of the firmware's `config.txt` that helps.
    pub boot_line: Option<String>,
}

impl LineWarning {
    fn of(kind: WarningKind, device: Option<&DeviceConfig>) -> Self {
        Self {
            kind,
            is_note: false,
            device: device.map(|device| device.id.clone()),
            other: None,
            better: Vec::new(),
            boot_line: None,
        }
    }
}

/// What is known of a line.
pub(super) struct Facts<'a> {
    pub(super) info: &'a LineInfo,
    pub(super) used_for: Option<&'a LineUse>,
    pub(super) holder: LineHolder,
    pub(super) devices: &'a [DeviceConfig],
    pub(super) firing: &'a [Firing],
    pub(super) is_console: bool,
    pub(super) is_header: bool,
}

pub(super) fn of_line(facts: &Facts<'_>) -> Vec<LineWarning> {
    let line = facts.info.line;
    let ours: Vec<&DeviceConfig> = devices_at(facts.devices, line).collect();
    let mut warnings = Vec::new();
    if let Some(first) = ours.first() {
        let is_foreign = matches!(facts.holder, LineHolder::Kernel | LineHolder::Other);
        // Hardware PWM is a driver's, and the device uses it through that driver.
        let is_means = |used: &&LineUse| used.kind == UseKind::Pwm && is_output(first);
        if let Some(used) = facts.used_for.filter(|used| !is_means(used)) {
            let other = Some(used.name.clone());
            warnings.push(LineWarning { other, ..LineWarning::of(WarningKind::OnBus, Some(first)) });
        } else if is_foreign && facts.used_for.is_none() {
            let other = facts.info.consumer.clone();
            warnings.push(LineWarning { other, ..LineWarning::of(WarningKind::Taken, Some(first)) });
        }
        if ours.len() > 1 {
            let others: Vec<&str> = ours.iter().skip(1).map(|device| device.id.as_str()).collect();
            let other = Some(others.join(", "));
            warnings.push(LineWarning { other, ..LineWarning::of(WarningKind::Shared, Some(first)) });
        }
    }
    for Firing { device, planned, found } in facts.firing.iter().filter(|firing| firing.planned.line == line)
    {
        warnings.push(LineWarning {
            device: Some(device.clone()),
            better: found.better.clone(),
            // A resistor of the board is stronger than what the firmware sets, but not than a line that it drives.
            boot_line: Some(boot_line(*planned).to_string()),
            ..LineWarning::of(WarningKind::FiresAtPowerOn, None)
        });
    }
    warnings.extend(
        ours.iter()
            .filter(|device| gives_five_volts(device, line))
            .map(|device| LineWarning::of(WarningKind::FiveVolts, Some(device))),
    );
    if !facts.is_header {
        return warnings;
    }
    if facts.is_console && SERIAL.contains(&line.number()) {
        warnings.push(LineWarning::of(WarningKind::Console, ours.first().copied()));
    }
    if HAT_LINES.contains(&line.number()) {
        let is_note = ours.is_empty();
        warnings
            .push(LineWarning { is_note, ..LineWarning::of(WarningKind::PluggedOn, ours.first().copied()) });
    }
    if let Some(used) = facts.used_for.filter(|used| used.kind == UseKind::I2c) {
        let chips = five_volt_chips(facts.devices, &used.name);
        if !chips.is_empty() {
            let other = Some(chips.join(", "));
            let note = LineWarning::of(WarningKind::FiveVoltBus, None);
            warnings.push(LineWarning { other, is_note: true, ..note });
        }
    }
    warnings
}

fn is_output(device: &DeviceConfig) -> bool {
    matches!(device.driver, DriverConfig::Output(_))
}

/// Whether what is usually wired there drives the line with 5 V: the echo of an HC-SR04, whose supply is 5 V (its datasheet).
fn gives_five_volts(device: &DeviceConfig, line: LineNumber) -> bool {
    matches!(&device.driver, DriverConfig::Ultrasonic(sensor) if sensor.echo.header_line() == Some(line))
}

/// Devices on an I²C bus whose chips can be supplied with 5 V.
fn five_volt_chips<'d>(devices: &'d [DeviceConfig], bus: &str) -> Vec<&'d str> {
    let on_bus = devices.iter().filter(|device| match &device.driver {
        DriverConfig::Chip(chip) => {
            let is_there = match &chip.place {
                ChipPlace::I2c { bus: I2cBusName::Kernel(number), .. } => format!("i2c-{number}") == bus,
                _ => false,
            };
            is_there && chip.entry.supply.highest >= TOO_HIGH
        }
        _ => false,
    });
    on_bus.map(|device| device.id.as_str()).collect()
}
