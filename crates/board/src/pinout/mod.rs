//! What there is to know of each line of the header: who has it and for what, what else it can be, what holds it, its
//! level, and what is wrong with what is wired there.
//!
//! Architecture invariant: nothing here requests a line. A line that is a part of a bus looks free to the kernel's line
//! interface, and asking for it would take it from the bus, so levels are known of our own lines only.

mod uses;
mod warnings;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use gatehouse_model::{DeviceId, Moment};

use crate::boards::{Header, PlannedOutput, Recognised, Soc, at_power_on, usual_power_on_pull};
use crate::config::{ActiveLevel, DeviceConfig, DriverConfig, LineNumber, OutputKind, Pin, Pull};
use crate::host::HostPlaces;
use crate::traits::{Board, LineError, LineInfo};

pub use uses::{LineUse, SeenTree, UseKind};
pub use warnings::{Firing, LineWarning, WarningKind, firing};

/// The name under which the gateway holds lines.
const OURS: &str = "gatehouse";

/// Who holds a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineHolder {
    /// Nobody whom the kernel's line interface knows.
    Nobody,
    /// A gateway: this one, or another process of it.
    Gateway,
    /// A driver of the kernel.
    Kernel,
    /// Somebody else: a program, or a driver that does not tell its device.
    Other,
}

/// One line with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinoutLine {
    /// What the kernel says.
    pub info: LineInfo,
    /// Its pin on the header.
    pub header_pin: Option<u8>,
    /// Who holds it.
    pub holder: LineHolder,
    /// The driver that has it, whether the kernel's line interface shows it or not.
    pub used_for: Option<LineUse>,
    /// What else it can be: Alt0, Alt1, …; empty where there is no such function, and without a known chip.
    pub functions: &'static [&'static str],
    /// What holds it from power-on until software takes it.
    pub power_on: Option<Pull>,
    /// Whether a resistor on the board itself pulls it up, stronger than any setting.
    pub is_pulled_up_by_board: bool,
    /// For which active levels an output here that is safe when off would be on at power-on.
    pub fires_when: Vec<ActiveLevel>,
    /// The configured device at it, and which voltage is on for it when its state says nothing but on and off.
    pub device: Option<(DeviceId, Option<ActiveLevel>)>,
    /// What is wrong there, the worst first.
    pub warnings: Vec<LineWarning>,
}

/// Where to look for what is known.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Where the kernel's files are.
    pub places: &'a HostPlaces,
    /// What this machine is.
    pub machine: &'a Recognised,
    /// Whether the lines are those of the header's chip: nothing is known of others.
    pub is_header: bool,
    /// The configured devices.
    pub devices: &'a [DeviceConfig],
    /// The firmware's `config.txt`, as far as it can be read.
    pub firmware: &'a str,
    /// What was seen of the device tree before.
    pub tree: &'a SeenTree,
    /// Now.
    pub now: Moment,
}

/// All lines of a board.
///
/// # Errors
/// When the lines cannot be listed.
pub fn pinout(board: &dyn Board, around: &Around<'_>) -> Result<Vec<PinoutLine>, LineError> {
    let infos = board.lines()?;
    let is_simulated = board.is_simulated();
    // The simulated header is that of a Pi 4.
    let soc =
        if is_simulated { Some(Soc::Bcm2711) } else { around.machine.soc() }.filter(|_| around.is_header);
    let header = if is_simulated { Some(Header::Pins40) } else { around.machine.header() };
    let uses = if around.is_header { uses::find(board, around, soc, &infos) } else { BTreeMap::new() };
    let firing = if around.is_header {
        let is_held = |info: &&LineInfo| info.consumer.is_some() || uses.contains_key(&info.line);
        let held: Vec<LineNumber> = infos.iter().filter(is_held).map(|info| info.line).collect();
        firing(around.devices, around.machine, around.firmware, &held)
    } else {
        Vec::new()
    };
    let is_console =
        around.is_header && !is_simulated && soc.is_some() && uses::is_console_on_header(around.places);
    let line = |info: LineInfo| {
        let number = info.line;
        let facts = warnings::Facts {
            info: &info,
            used_for: uses.get(&number),
            holder: holder(&info, around.places),
            devices: around.devices,
            firing: &firing,
            is_console,
            is_header: around.is_header,
        };
        let warnings = warnings::of_line(&facts);
        let holder = facts.holder;
        let power_on = around.is_header.then(|| pull_at_power_on(number, soc)).flatten();
        PinoutLine {
            header_pin: header.and_then(|header| header.pin_of(number)),
            holder,
            used_for: uses.get(&number).cloned(),
            functions: soc.map_or(&[], |soc| soc.functions(number)),
            is_pulled_up_by_board: power_on.is_some() && crate::boards::is_pulled_up_by_board(number),
            fires_when: if around.is_header { fires_when(number, soc) } else { Vec::new() },
            power_on,
            device: device_at(around.devices, number),
            warnings,
            info,
        }
    };
    Ok(infos.into_iter().map(line).collect())
}

fn pull_at_power_on(line: LineNumber, soc: Option<Soc>) -> Option<Pull> {
    match soc {
        Some(soc) => soc.power_on_pull(line).map(|known| known.pull),
        None => usual_power_on_pull(line),
    }
}

fn fires_when(line: LineNumber, soc: Option<Soc>) -> Vec<ActiveLevel> {
    let fires = |active: &ActiveLevel| {
        let planned = PlannedOutput { line, active: *active, safe_on: false };
        at_power_on(planned, &[], soc, Header::Pins40).is_some_and(|found| found.fires)
    };
    [ActiveLevel::High, ActiveLevel::Low].into_iter().filter(fires).collect()
}

/// The devices that use a line of the header.
fn devices_at(devices: &[DeviceConfig], line: LineNumber) -> impl Iterator<Item = &DeviceConfig> {
    let uses = move |device: &&DeviceConfig| {
        device.driver.pins().into_iter().filter_map(Pin::header_line).any(|used| used == line)
    };
    devices.iter().filter(uses)
}

fn device_at(devices: &[DeviceConfig], line: LineNumber) -> Option<(DeviceId, Option<ActiveLevel>)> {
    let device = devices_at(devices, line).next()?;
    let active = match &device.driver {
        DriverConfig::Input(input) => Some(input.active),
        DriverConfig::Output(output) if matches!(output.kind, OutputKind::Switch) => Some(output.active),
        _ => None,
    };
    Some((device.id.clone(), active))
}

/// Who holds a line, as far as its consumer's name tells. Drivers of the kernel give the name of their device, `onewire@4`,
/// or their own, `spi0 CS0` (`drivers/spi/spi.c`); indicators are in a list of their own.
fn holder(info: &LineInfo, places: &HostPlaces) -> LineHolder {
    let Some(consumer) = info.consumer.as_deref() else { return LineHolder::Nobody };
    if consumer.contains(OURS) {
        return LineHolder::Gateway;
    }
    let is_chip_select = consumer.starts_with("spi") && consumer.contains(" CS");
    let is_led = !consumer.contains('/') && places.sys.join("class/leds").join(consumer).exists();
    if consumer == "the kernel" || consumer.contains('@') || is_chip_select || is_led {
        return LineHolder::Kernel;
    }
    LineHolder::Other
}
