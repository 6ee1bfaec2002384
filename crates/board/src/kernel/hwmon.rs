//! Hardware monitoring: which files of a device are values.
//!
//! Names and units are those of the kernel's documentation ("Naming and data format standards for sysfs files").

use std::path::Path;

use super::attribute;
use super::channel::{Channel, Shape};

/// Kinds of values by the kernel's word, with the file's ending and the kernel's unit turned into the one that people use.
const SHAPES: &[(&str, &str, Shape)] = &[
    // Thousandths of a degree.
    (
        "temp",
        "input",
        Shape {
            word: "temperature",
            name: "Temperature",
            unit: "°C",
            decimals: 2,
            class: Some("temperature"),
            range: (-273.15, 2_000.0),
            factor: 0.001,
        },
    ),
    // Thousandths of a percent.
    (
        "humidity",
        "input",
        Shape {
            word: "humidity",
            name: "Humidity",
            unit: "%",
            decimals: 1,
            class: Some("humidity"),
            range: (0.0, 100.0),
            factor: 0.001,
        },
    ),
    // Millivolt.
    (
        "in",
        "input",
        Shape {
            word: "voltage",
            name: "Voltage",
            unit: "V",
            decimals: 3,
            class: Some("voltage"),
            range: (-1_000.0, 1_000.0),
            factor: 0.001,
        },
    ),
    // Milliampere.
    (
        "curr",
        "input",
        Shape {
            word: "current",
            name: "Current",
            unit: "A",
            decimals: 4,
            class: Some("current"),
            range: (-1_000.0, 1_000.0),
            factor: 0.001,
        },
    ),
    // Microwatt.
    ("power", "input", POWER),
    // Some chips give only the mean of a while.
    ("power", "average", POWER),
    // Microjoule.
    (
        "energy",
        "input",
        Shape {
            word: "energy",
            name: "Energy",
            unit: "J",
            decimals: 1,
            class: None,
            range: (0.0, 1e15),
            factor: 1e-6,
        },
    ),
    // Turns a minute.
    (
        "fan",
        "input",
        Shape {
            word: "fan",
            name: "Fan",
            unit: "rpm",
            decimals: 0,
            class: None,
            range: (0.0, 1e6),
            factor: 1.0,
        },
    ),
];

const POWER: Shape = Shape {
    word: "power",
    name: "Power",
    unit: "W",
    decimals: 3,
    class: Some("power"),
    range: (-1e6, 1e6),
    factor: 1e-6,
};

/// The kind of a file and the number of its value: `temp1_input` is a temperature and 1.
fn kind_of(file: &str) -> Option<(&'static Shape, u32)> {
    let (value, ending) = file.split_once('_')?;
    let digits = value.find(|letter: char| letter.is_ascii_digit())?;
    let (word, number) = value.split_at(digits);
    let (_, _, shape) = SHAPES.iter().find(|(known, end, _)| *known == word && *end == ending)?;
    Some((shape, number.parse().ok()?))
}

/// The values among a device's files.
pub(super) fn channels(directory: &Path, files: &[String]) -> Vec<Channel> {
    let mut found: Vec<(&String, &Shape, u32)> = Vec::new();
    for file in files {
        let Some((shape, number)) = kind_of(file) else { continue };
        // The mean is only for chips without a present value; `power1_average` comes before `power1_input`.
        found.retain(|(_, other, at)| (other.word, *at) != (shape.word, number));
        found.push((file, shape, number));
    }
    found.sort_by_key(|(_, shape, number)| (shape.word, *number));
    let is_single = |word: &str| found.iter().filter(|(_, shape, _)| shape.word == word).count() == 1;
    let channel = |(file, shape, number): &(&String, &Shape, u32)| {
        let stem = file.split('_').next()?;
        let label =
            attribute(&directory.join(format!("{stem}_label"))).ok().filter(|label| !label.is_empty());
        let number = if is_single(shape.word) { String::new() } else { number.to_string() };
        let fault = format!("{stem}_fault");
        Some(Channel {
            property: shape.property(&number, label.as_deref())?,
            file: directory.join(file),
            offset: None,
            scale: None,
            factor: shape.factor,
            fault: files.contains(&fault).then(|| directory.join(fault)),
        })
    };
    found.iter().filter_map(channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_words() {
        for (file, word, number) in [
            ("temp1_input", "temperature", 1),
            ("in0_input", "voltage", 0),
            ("curr12_input", "current", 12),
            ("power1_average", "power", 1),
            ("fan2_input", "fan", 2),
        ] {
            let (shape, at) = kind_of(file).unwrap();
            assert_eq!((shape.word, at), (word, number), "{file}");
        }
        for other in
            ["name", "temp1_max", "temp_input", "intrusion0_alarm", "update_interval", "temp1_input_x"]
        {
            assert!(kind_of(other).is_none(), "{other}");
        }
    }
}
