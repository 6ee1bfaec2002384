//! Outputs that were taken out of the configuration and still hung when the daemon ended. The next one takes them up with
//! the devices that it serves, and out again: from there on they are driven to their safe level again and again, like those
//! that are taken out while it runs.

use std::collections::BTreeSet;

use gatehouse_board::BoardOptions;
use gatehouse_board::config::{DeviceConfig, DriverConfig, Pin, PowerOn};

use crate::config;
use crate::running_copy::with_roots;

/// The devices to take up before those of the configuration are served alone; nothing when there is nothing that can be
/// driven safe. `left` is what the last daemon kept of its own.
pub(crate) fn taken_up(
    left: &str,
    board: &BoardOptions,
    devices: &[DeviceConfig],
) -> Option<Vec<DeviceConfig>> {
    let salvaged = config::salvage(left)?;
    // Lines of another chip are none of this daemon's.
    if salvaged.board != *board {
        return None;
    }
    let used: BTreeSet<&Pin> = devices.iter().flat_map(|device| device.driver.pins()).collect();
    let is_free = |device: &&DeviceConfig| device.driver.pins().iter().all(|pin| !used.contains(pin));
    let outputs: Vec<DeviceConfig> = salvaged.devices.iter().filter(is_free).filter_map(bare).collect();
    if outputs.is_empty() {
        return None;
    }
    let ids = outputs.iter().map(|device| device.id.clone()).collect();
    let is_root = |device: &&DeviceConfig| {
        let is_known = devices.iter().any(|known| known.id == device.id && known.driver == device.driver);
        !is_known && !outputs.iter().any(|output| output.id == device.id)
    };
    let wanted = with_roots(&salvaged.devices, &ids);
    let roots = salvaged.devices.iter().filter(|device| wanted.contains(&device.id)).filter(is_root);
    let old: Vec<DeviceConfig> = roots.cloned().chain(outputs.iter().cloned()).collect();
    let stays = |device: &&DeviceConfig| old.iter().all(|old| old.id != device.id);
    Some(devices.iter().filter(stays).chain(&old).cloned().collect())
}

/// An output with nothing but its pins and its safe level, which does nothing by itself; nothing for other devices.
fn bare(device: &DeviceConfig) -> Option<DeviceConfig> {
    let mut bare = device.clone();
    match &mut bare.driver {
        DriverConfig::Output(output) => {
            output.power_on = PowerOn::Safe;
            (output.interlock, output.dead_man, output.effect) = (None, None, None);
        }
        DriverConfig::Cover(cover) => cover.interlock = None,
        _ => return None,
    }
    Some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(id: &str, pin: &str) -> String {
        format!(
            "[[device]]\nid = \"{id}\"\ndriver = \"output\"\npin = {pin}\nsafe = \"off\"\nmax_on = \"1h\"\n"
        )
    }

    fn porch(address: &str) -> String {
        format!("[[device]]\nid = \"porch\"\ndriver = \"mcp23017\"\nbus = \"i2c-1\"\naddress = {address}\n")
    }

    fn taken_up_by(now: &str, left: &str) -> Option<Vec<String>> {
        let now = config::salvage(now).unwrap();
        let devices = taken_up(left, &now.board, &now.devices)?;
        let pins = |device: &DeviceConfig| {
            let pins = device.driver.pins();
            pins.first().map_or(device.id.to_string(), |pin| format!("{} at {pin}", device.id))
        };
        Some(devices.iter().map(pins).collect())
    }

    #[test]
    fn what_hung_is_taken_up_unless_its_pin_is_somebody_elses() {
        let left = format!("{}{}", output("heater", "5"), output("pump", "6"));
        let now = format!("{}{}", output("lamp", "6"), output("fan", "12"));
        let expected = [
            "lamp at GPIO 6, header pin 31",
            "fan at GPIO 12, header pin 32",
            "heater at GPIO 5, header pin 29",
        ];
        assert_eq!(taken_up_by(&now, &left).unwrap(), expected);
        assert_eq!(taken_up_by(&format!("{left}{now}"), &left), None, "all of it is served");
        assert_eq!(taken_up_by(&now, ""), None);
        let elsewhere = format!("[board]\nchip = \"gpiochip9\"\n\n{now}");
        assert_eq!(taken_up_by(&elsewhere, &left), None, "its lines are of another chip");
        // The id may belong to another pin by now.
        let moved = output("heater", "13");
        assert_eq!(taken_up_by(&moved, &output("heater", "5")).unwrap(), ["heater at GPIO 5, header pin 29"]);
    }

    #[test]
    fn what_hung_comes_with_its_expander_and_does_nothing_by_itself() {
        let lively = "power_on = \"on\"\ninterlock = \"water\"\n";
        let left = format!("{}{}{lively}", porch("0x20"), output("heater", "\"porch:3\""));
        assert_eq!(taken_up_by("", &left).unwrap(), ["porch", "heater at line 3 of `porch`"]);
        let now = format!("{}{}", porch("0x20"), output("lamp", "\"porch:4\""));
        let expected = ["porch", "lamp at line 4 of `porch`", "heater at line 3 of `porch`"];
        assert_eq!(taken_up_by(&now, &left).unwrap(), expected);
        let none = config::salvage("").unwrap();
        let devices = taken_up(&left, &none.board, &none.devices).unwrap();
        let DriverConfig::Output(heater) = &devices[1].driver else { panic!() };
        assert_eq!((heater.power_on, heater.interlock.as_deref()), (PowerOn::Safe, None));
    }
}
