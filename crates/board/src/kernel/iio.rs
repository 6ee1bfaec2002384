//! Industrial I/O: which files of a device are values.
//!
//! Names and units are those of the kernel's documentation (`Documentation/ABI/testing/sysfs-bus-iio`): a value is
//! either in `in_<channel>_input`, or (`in_<channel>_raw` + offset) × scale, where offset and scale belong to the channel
//! or to all channels of its kind.

use std::path::{Path, PathBuf};

use super::attribute;
use super::channel::{Channel, Shape};

const fn shape(
    word: &'static str,
    name: &'static str,
    unit: &'static str,
    decimals: u8,
    class: Option<&'static str>,
    range: (f64, f64),
    factor: f64,
) -> Shape {
    Shape { word, name, unit, decimals, class, range, factor }
}

/// Kinds of channels by the kernel's word, with the kernel's unit turned into the one that people use.
const SHAPES: &[(&str, Shape)] = &[
    // Thousandths of a degree.
    ("temp", shape("temperature", "Temperature", "°C", 2, Some("temperature"), (-273.15, 2_000.0), 0.001)),
    // Thousandths of a percent.
    ("humidityrelative", shape("humidity", "Humidity", "%", 1, Some("humidity"), (0.0, 100.0), 0.001)),
    // Kilopascal.
    ("pressure", shape("pressure", "Pressure", "hPa", 2, Some("pressure"), (0.0, 100_000.0), 10.0)),
    ("illuminance", shape("illuminance", "Illuminance", "lx", 1, Some("illuminance"), (0.0, 500_000.0), 1.0)),
    ("intensity", shape("intensity", "Light intensity", "", 0, None, (0.0, 1e9), 1.0)),
    ("uvindex", shape("uv-index", "UV index", "", 1, None, (0.0, 50.0), 1.0)),
    // Millivolt, milliampere, milliwatt.
    ("voltage", shape("voltage", "Voltage", "V", 4, Some("voltage"), (-1_000.0, 1_000.0), 0.001)),
    ("current", shape("current", "Current", "A", 4, Some("current"), (-1_000.0, 1_000.0), 0.001)),
    ("power", shape("power", "Power", "W", 3, Some("power"), (-1e6, 1e6), 0.001)),
    // Joule.
    ("energy", shape("energy", "Energy", "J", 1, None, (0.0, 1e12), 1.0)),
    ("resistance", shape("resistance", "Resistance", "Ω", 1, None, (0.0, 1e9), 1.0)),
    // Metres.
    ("distance", shape("distance", "Distance", "m", 3, Some("distance"), (0.0, 1_000.0), 1.0)),
    ("proximity", shape("proximity", "Proximity", "", 3, None, (0.0, 1e9), 1.0)),
    ("accel", shape("acceleration", "Acceleration", "m/s²", 3, None, (-2_000.0, 2_000.0), 1.0)),
    ("anglvel", shape("rotation", "Rotation", "rad/s", 3, None, (-1_000.0, 1_000.0), 1.0)),
    // Gauss.
    ("magn", shape("magnetic-field", "Magnetic field", "G", 4, None, (-1_000.0, 1_000.0), 1.0)),
    ("massconcentration", shape("dust", "Dust", "µg/m³", 1, None, (0.0, 10_000.0), 1.0)),
    ("ph", shape("ph", "pH", "", 2, Some("ph"), (0.0, 14.0), 1.0)),
    ("electricalconductivity", shape("conductivity", "Conductivity", "S/m", 4, None, (0.0, 100.0), 1.0)),
    // Nanofarad.
    ("capacitance", shape("capacitance", "Capacitance", "nF", 3, None, (-1e6, 1e6), 1.0)),
];

/// Gases, whose concentration the kernel gives in percent and people in millionths.
const GASES: &[(&str, Shape)] = &[
    ("co2", shape("co2", "Carbon dioxide", "ppm", 0, Some("carbon_dioxide"), (0.0, 1e6), 10_000.0)),
    (
        "voc",
        shape(
            "voc",
            "Volatile organic compounds",
            "ppm",
            3,
            Some("volatile_organic_compounds_parts"),
            (0.0, 1e6),
            10_000.0,
        ),
    ),
    ("ethanol", shape("ethanol", "Ethanol", "ppm", 3, None, (0.0, 1e6), 10_000.0)),
    ("h2", shape("hydrogen", "Hydrogen", "ppm", 3, None, (0.0, 1e6), 10_000.0)),
    ("o2", shape("oxygen", "Oxygen", "%", 2, None, (0.0, 100.0), 1.0)),
];

/// The kind of a channel and what tells it from others of the kind: `voltage0-voltage1` is voltage and `0-1`.
fn kind_of(channel: &str) -> Option<(&'static Shape, String)> {
    if let Some(gas) = channel.strip_prefix("concentration") {
        let gas = gas.trim_start_matches(|letter: char| letter.is_ascii_digit()).strip_prefix('_')?;
        return GASES.iter().find(|(word, _)| *word == gas).map(|(_, shape)| (shape, String::new()));
    }
    let letters = channel.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(channel.len());
    let (word, rest) = channel.split_at(letters);
    let (_, shape) = SHAPES.iter().find(|(known, _)| *known == word)?;
    // Of a difference the second word says nothing new; what is left must be able to stand in an id.
    let rest = rest.replace(word, "").replace('_', "-");
    Some((shape, rest.trim_matches('-').to_ascii_lowercase()))
}

/// The values among a device's files, which are sorted.
pub(super) fn channels(directory: &Path, files: &[String]) -> Vec<Channel> {
    let has = |name: &str| files.binary_search_by(|file| file.as_str().cmp(name)).is_ok();
    let path = |name: String| -> Option<PathBuf> { has(&name).then(|| directory.join(name)) };
    let channel = |file: &String| {
        let channel = file.strip_prefix("in_")?;
        let (channel, is_raw) = match (channel.strip_suffix("_input"), channel.strip_suffix("_raw")) {
            (Some(channel), _) => (channel, false),
            // What the kernel calculates is better than what is left to us.
            (None, Some(channel)) if !has(&format!("in_{channel}_input")) => (channel, true),
            _ => return None,
        };
        let (shape, number) = kind_of(channel)?;
        let label = attribute(&directory.join(format!("in_{channel}_label"))).ok();
        let label = label.filter(|label| !label.is_empty());
        let letters = channel.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(channel.len());
        let (kind, rest) = channel.split_at(letters);
        // The scale of a channel, of all differences of a kind, or of the kind.
        let of_difference =
            if rest.contains('-') { format!("in_{kind}-{kind}") } else { format!("in_{kind}") };
        let belonging = |what: &str| {
            path(format!("in_{channel}_{what}"))
                .or_else(|| path(format!("{of_difference}_{what}")))
                .or_else(|| path(format!("in_{kind}_{what}")))
        };
        Some(Channel {
            property: shape.property(&number, label.as_deref())?,
            file: directory.join(file),
            offset: is_raw.then(|| belonging("offset")).flatten(),
            scale: is_raw.then(|| belonging("scale")).flatten(),
            factor: shape.factor,
            fault: None,
        })
    };
    files.iter().filter_map(channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_told_by_their_words() {
        for (channel, word, rest) in [
            ("temp", "temperature", ""),
            ("temp1", "temperature", "1"),
            ("humidityrelative", "humidity", ""),
            ("voltage0", "voltage", "0"),
            ("voltage0-voltage1", "voltage", "0-1"),
            ("accel_x", "acceleration", "x"),
            ("temp_ambient", "temperature", "ambient"),
            ("concentration_co2", "co2", ""),
            ("massconcentration_pm2p5", "dust", "pm2p5"),
        ] {
            let (shape, number) = kind_of(channel).unwrap();
            assert_eq!((shape.word, number.as_str()), (word, rest), "{channel}");
        }
        for unknown in ["", "timestamp", "wobble0", "concentration", "concentration_x"] {
            assert!(kind_of(unknown).is_none(), "{unknown}");
        }
    }
}
