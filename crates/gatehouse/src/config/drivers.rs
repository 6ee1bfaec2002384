//! What each driver can be told.

use gatehouse_board::catalogue;
use gatehouse_board::config::{DriverConfig, HostConfig, SimulatedClimateConfig};

use super::derived;
use super::kernel;
use super::nearest::{listed, nearest};
use super::places::Places;
use super::problems::Findings;
use super::section::Section;
use super::terms::period;
use super::{chips, covers, inputs, outputs, streams};

/// The drivers that are no chips of the catalogue.
const DRIVERS: [&str; 12] = [
    "counter",
    "cover",
    "derived",
    "encoder",
    "hc-sr04",
    "host",
    "input",
    "output",
    "pwm",
    "serial",
    "servo",
    "simulated-climate",
];

/// All drivers of this version.
fn drivers() -> Vec<&'static str> {
    let of_catalogue = catalogue::entries().iter().map(|entry| entry.word);
    let mut words: Vec<&str> = of_catalogue.chain(DRIVERS).chain(kernel::DRIVERS).collect();
    words.sort_unstable();
    words
}

/// Reads the driver and its settings; the places of those that can be in others' way are noted.
pub(super) fn read(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<DriverConfig> {
    let Some(word) = section.text("driver", "output", findings) else {
        if section.item("driver").is_none() {
            let hint = format!("write driver = \"output\"; it can be {}", listed(&drivers()));
            findings.push(section.missing("driver", hint));
        }
        return None;
    };
    match word.value {
        "host" => Some(DriverConfig::Host(HostConfig { every: period(section, findings) })),
        "simulated-climate" => {
            Some(DriverConfig::SimulatedClimate(SimulatedClimateConfig { every: period(section, findings) }))
        }
        "input" => inputs::input(section, places, findings).map(DriverConfig::Input),
        "counter" => inputs::counter(section, places, findings).map(DriverConfig::Counter),
        "encoder" => inputs::encoder(section, places, findings).map(DriverConfig::Encoder),
        "hc-sr04" => inputs::ultrasonic(section, places, findings).map(DriverConfig::Ultrasonic),
        "output" => outputs::switch(section, places, findings).map(DriverConfig::Output),
        "pwm" => outputs::pwm(section, places, findings).map(DriverConfig::Output),
        "servo" => outputs::servo(section, places, findings).map(DriverConfig::Output),
        "cover" => covers::read(section, places, findings).map(DriverConfig::Cover),
        "derived" => derived::read(section, places, findings).map(DriverConfig::Derived),
        "serial" => streams::read(section, places, findings).map(DriverConfig::Stream),
        other if kernel::DRIVERS.contains(&other) => {
            kernel::read(other, section, places, findings).map(DriverConfig::Kernel)
        }
        other => match catalogue::find(other) {
            Some(entry) => chips::read(entry, section, places, findings).map(DriverConfig::Chip),
            None => {
                findings.push(unknown_driver(section, other, word.span));
                None
            }
        },
    }
}

fn unknown_driver(
    section: &Section<'_>,
    word: &str,
    span: std::ops::Range<usize>,
) -> super::problems::Finding {
    let drivers = drivers();
    let drives = format!("this version drives {}", listed(&drivers));
    let hint = match nearest(word, drivers.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"? T{}", &drives[1..]),
        None => drives,
    };
    section.error(span, format!("there is no driver `{word}`"), hint)
}
