//! 1-Wire thermometers: what their files say, and whether it can be true.

use std::path::Path;

use gatehouse_model::Quality;

use super::{ProbeId, attribute, names};
use crate::traits::ReadError;

/// What a thermometer of these families can measure, in °C (datasheets of DS18B20, DS18S20, DS1822, DS1825, DS28EA00).
pub(super) const RANGE: (f64, f64) = (-55.0, 125.0);

/// What the register holds before the first conversion: 85 °C (DS18B20 datasheet, table 1, note).
const POWER_ON: u16 = 0x0550;

/// What the register holds when the conversion ran out of power (kernel documentation, `sysfs-driver-w1_therm`,
/// features).
const TOO_LITTLE_POWER: u16 = 0x07FF;

/// Byte 6 of the scratchpad before the first conversion, and after one that failed (same place).
const NOT_CONVERTED: u8 = 0x0C;

/// The numbers of all devices on the buses below this directory, also of those that are no thermometers.
pub(crate) fn names_on_bus(devices: &Path) -> Vec<String> {
    // Beside the devices there are the bus masters themselves.
    names(devices).into_iter().filter(|name| name.as_bytes().get(2) == Some(&b'-')).collect()
}

/// Whether a thermometer takes its power from the data line; nothing when the kernel does not say. It is asked on the bus.
pub(crate) fn is_parasite_powered(devices: &Path, probe: &ProbeId) -> Option<bool> {
    match attribute(&devices.join(probe.as_str()).join("ext_power")).ok()?.as_str() {
        "0" => Some(true),
        "1" => Some(false),
        _ => None,
    }
}

/// Reads a thermometer by its directory. Its temperature, and how far it can be trusted.
pub(super) fn read(directory: &Path, probe: &ProbeId) -> Result<(f64, Quality), ReadError> {
    match attribute(&directory.join("w1_slave")) {
        Ok(text) => parse_report(&text, probe),
        // Newer kernels have both; a bus master of another kind may have only this one.
        Err(_) => match attribute(&directory.join("temperature")) {
            Ok(text) => parse_temperature(&text),
            Err(problem) if directory.is_dir() => {
                Err(ReadError::Silent(format!("the kernel cannot read it ({problem}): check its wires")))
            }
            Err(_) => Err(absent(directory, probe)),
        },
    }
}

fn absent(directory: &Path, probe: &ProbeId) -> ReadError {
    let is_on = directory.parent().is_some_and(Path::is_dir);
    ReadError::Silent(if is_on {
        format!(
            "{probe} is not on the bus: check its wires and the pull-up resistor (4.7 kΩ from data to 3.3 V); `gatehouse scan` lists those that are"
        )
    } else {
        "1-Wire is not switched on: write dtoverlay=w1-gpio into /boot/firmware/config.txt and start the board again"
            .to_owned()
    })
}

/// The file `w1_slave`: nine bytes of the scratchpad with the verdict on their checksum, and the same with the
/// temperature.
fn parse_report(text: &str, probe: &ProbeId) -> Result<(f64, Quality), ReadError> {
    let damaged = |what: &str| Err(ReadError::Damaged(what.to_owned()));
    let mut lines = text.lines();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else {
        // The kernel answers with an empty file when the conversion or the reading failed.
        return Err(ReadError::Silent("the conversion failed: check its wires and its power".to_owned()));
    };
    if !first.trim_end().ends_with("YES") {
        return damaged("its checksum is wrong: check its wires, and the pull-up resistor");
    }
    let bytes = first.split(" :").next().unwrap_or_default().split_whitespace();
    let bytes: Option<Vec<u8>> = bytes.map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let Some([low, high, _, _, _, _, sixth, ..]) = bytes.as_deref() else {
        return damaged("the kernel shows another form than expected");
    };
    if bytes.iter().flatten().all(|byte| *byte == 0) {
        // Nine zeros have a right checksum.
        return damaged("nothing but zeros: the data line is connected to ground");
    }
    let millidegrees = second.rsplit_once("t=").and_then(|(_, number)| number.trim().parse::<i32>().ok());
    let Some(millidegrees) = millidegrees else {
        return damaged("the kernel shows no temperature");
    };
    let register = u16::from_le_bytes([*low, *high]);
    // The DS18S20 counts in byte 6, and 85 °C looks there like the first value.
    if probe.family() != 0x10 && *sixth == NOT_CONVERTED {
        if register == POWER_ON {
            return damaged("85 °C, which it gives before it has measured: its power was interrupted");
        }
        if register == TOO_LITTLE_POWER {
            return damaged(
                "it had too little power to measure: give it a supply of its own, or shorter wires",
            );
        }
    }
    let is_doubtful = probe.family() == 0x10 && millidegrees == 85_000;
    believable(millidegrees, is_doubtful)
}

/// The file `temperature`, which has no scratchpad to tell a first value by.
fn parse_temperature(text: &str) -> Result<(f64, Quality), ReadError> {
    if text.is_empty() {
        return Err(ReadError::Silent("the conversion failed: check its wires and its power".to_owned()));
    }
    let millidegrees: i32 =
        text.parse().map_err(|_| ReadError::Damaged("the kernel shows no temperature".to_owned()))?;
    believable(millidegrees, millidegrees == 85_000)
}

fn believable(millidegrees: i32, is_doubtful: bool) -> Result<(f64, Quality), ReadError> {
    let celsius = f64::from(millidegrees) / 1_000.0;
    if !(RANGE.0..=RANGE.1).contains(&celsius) {
        return Err(ReadError::Damaged(format!("{celsius} °C, which it cannot measure")));
    }
    Ok((celsius, if is_doubtful { Quality::Suspect } else { Quality::Ok }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> ProbeId {
        ProbeId::new("28-0000055e2f3b").unwrap()
    }

    /// The scratchpad of 25.0625 °C is from the datasheet's table of temperatures (0191h).
    fn report(bytes: &str, verdict: &str, temperature: &str) -> String {
        format!("{bytes} : crc=57 {verdict}\n{bytes} t={temperature}\n")
    }

    #[test]
    fn a_report_gives_its_temperature() {
        let good = report("91 01 4b 46 7f ff 0f 10 57", "YES", "25062");
        assert_eq!(parse_report(&good, &probe()), Ok((25.062, Quality::Ok)));
        let cold = report("5e ff 4b 46 7f ff 02 10 57", "YES", "-10125");
        assert_eq!(parse_report(&cold, &probe()), Ok((-10.125, Quality::Ok)));
    }

    #[test]
    fn what_cannot_be_true_is_an_error() {
        for (text, words) in [
            (report("91 01 4b 46 7f ff 0f 10 57", "NO", "25062"), "checksum"),
            (report("50 05 4b 46 7f ff 0c 10 1c", "YES", "85000"), "before it has measured"),
            (report("ff 07 4b 46 7f ff 0c 10 1c", "YES", "127937"), "too little power"),
            (report("00 00 00 00 00 00 00 00 00", "YES", "0"), "zeros"),
            (report("91 01 4b 46 7f ff 0f 10 57", "YES", "-127000"), "cannot measure"),
            (report("91 01 4b 46 7f ff 0f 10 57", "YES", "warm"), "no temperature"),
            ("nonsense YES\nnonsense".to_owned(), "another form"),
            (String::new(), "conversion failed"),
        ] {
            let problem = parse_report(&text, &probe()).unwrap_err().to_string();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }

    /// A boiler can have 85 °C, and byte 6 shows that it was measured.
    #[test]
    fn a_measured_85_degrees_is_believed() {
        let hot = report("50 05 4b 46 7f ff 10 10 57", "YES", "85000");
        assert_eq!(parse_report(&hot, &probe()), Ok((85.0, Quality::Ok)));
        assert_eq!(parse_temperature("85000"), Ok((85.0, Quality::Suspect)), "here it cannot be told");
        let older = ProbeId::new("10-000802a5f4cd").unwrap();
        let of_older = report("aa 00 4b 46 ff ff 0c 10 87", "YES", "85000");
        assert_eq!(parse_report(&of_older, &older), Ok((85.0, Quality::Suspect)));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_or_leaves_the_range(text in "([0-9a-f]{2} ){0,10}(: crc=.. (YES|NO)\n)?.{0,40}t=[-0-9]{0,12}\n?") {
            let outcomes = [parse_report(&text, &probe()), parse_temperature(&text)];
            for (celsius, _) in outcomes.into_iter().flatten() {
                proptest::prop_assert!((RANGE.0..=RANGE.1).contains(&celsius));
            }
        }
    }
}
