//! What each driver can be told.

use std::time::Duration;

use gatehouse_board::catalogue::{self, Entry};
use gatehouse_board::config::{
    ActiveLevel, DEFAULT_DEBOUNCE, DEFAULT_PERIOD, DriverConfig, HostConfig, InputConfig, LineNumber,
    MIN_PERIOD, OutputConfig, Pin, Pull, SimulatedClimateConfig,
};
use gatehouse_model::{DeviceId, PropertyId};

use super::chips;
use super::conflicts::Places;
use super::nearest::{listed, nearest};
use super::problems::Findings;
use super::section::{Section, Spanned};

/// The drivers that are no chips of the catalogue.
const DRIVERS: [&str; 4] = ["host", "input", "output", "simulated-climate"];

/// All drivers of this version.
fn drivers() -> Vec<&'static str> {
    let mut words: Vec<&str> = catalogue::entries().iter().map(|entry| entry.word).chain(DRIVERS).collect();
    words.sort_unstable();
    words
}

/// Highest line of the 40-pin header (BCM number).
const LAST_HEADER_LINE: i64 = 27;

/// Lines that the board reads at its start to find out what is plugged on (Raspberry Pi HAT specification).
const HAT_LINES: [u32; 2] = [0, 1];

/// Longest period of a sensor: a value that is older than a day is no reading of now.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Longest debounce: whoever waits longer wants something else.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(10);

/// Longest of an output's times.
const LONGEST_OUTPUT_TIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// Home Assistant's device classes for binary sensors
/// (<https://www.home-assistant.io/integrations/binary_sensor/#device-class>).
const INPUT_CLASSES: [&str; 28] = [
    "battery",
    "battery_charging",
    "carbon_monoxide",
    "cold",
    "connectivity",
    "door",
    "garage_door",
    "gas",
    "heat",
    "light",
    "lock",
    "moisture",
    "motion",
    "moving",
    "occupancy",
    "opening",
    "plug",
    "power",
    "presence",
    "problem",
    "running",
    "safety",
    "smoke",
    "sound",
    "tamper",
    "update",
    "vibration",
    "window",
];

/// What is switched; the page draws its symbol after it.
const OUTPUT_CLASSES: [&str; 10] =
    ["fan", "heat", "light", "lock", "outlet", "pump", "siren", "switch", "valve", "water-heater"];

/// The properties that are numbers.
#[derive(Clone, Copy)]
pub(super) enum Numbers {
    /// These, and no others.
    Known(&'static [&'static str]),
    /// Those of the catalogue.
    OfEntry(&'static Entry),
    /// It depends on the machine.
    OfThisMachine,
}

/// Which numbers a device gives, so that nobody calibrates what is not there.
pub(super) fn numbers(driver: &DriverConfig) -> Numbers {
    match driver {
        DriverConfig::Host(_) => Numbers::OfThisMachine,
        DriverConfig::SimulatedClimate(_) => Numbers::Known(&["temperature", "humidity"]),
        DriverConfig::Input(_) | DriverConfig::Output(_) => Numbers::Known(&[]),
        DriverConfig::Chip(chip) => Numbers::OfEntry(chip.entry),
    }
}

impl Numbers {
    /// What is wrong with settings for this property, and what to do.
    pub(super) fn problem_with(self, property: &PropertyId, key: &str) -> Option<(String, String)> {
        let known: Vec<&str> = match self {
            Self::Known(known) => known.to_vec(),
            Self::OfEntry(entry) => entry.properties.iter().map(|property| property.id).collect(),
            Self::OfThisMachine => return None,
        };
        if known.contains(&property.as_str()) {
            return None;
        }
        let hint = match known.as_slice() {
            [] => "remove it: this device gives no numbers".to_owned(),
            known => match nearest(property.as_str(), known.iter().copied()) {
                Some(meant) => format!("did you mean `{key}.{meant}`?"),
                None => format!("its numbers are {}", listed(known)),
            },
        };
        Some((format!("`{key}.{property}`: the device has no number `{property}`"), hint))
    }
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
        "input" => input(section, places, findings).map(DriverConfig::Input),
        "output" => output(section, places, findings).map(DriverConfig::Output),
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

fn period(section: &mut Section<'_>, findings: &mut Findings) -> Duration {
    section.duration_within("every", (MIN_PERIOD, LONGEST_PERIOD), "10s", findings).unwrap_or(DEFAULT_PERIOD)
}

const ACTIVE_LEVELS: [(&str, ActiveLevel); 2] = [("high", ActiveLevel::High), ("low", ActiveLevel::Low)];
const PULLS: [(&str, Pull); 3] = [("up", Pull::Up), ("down", Pull::Down), ("none", Pull::None)];
const LEVELS: [(&str, bool); 2] = [("off", false), ("on", true)];

fn input(section: &mut Section<'_>, places: &mut Places, findings: &mut Findings) -> Option<InputConfig> {
    let pin = pin(section, places, findings);
    let pull = section.choice("pull", &PULLS, findings);
    let active = section.choice("active", &ACTIVE_LEVELS, findings);
    let debounce = section.duration_within("debounce", (Duration::ZERO, LONGEST_DEBOUNCE), "20ms", findings);
    let class = class(section, "door", &INPUT_CLASSES, findings);
    let default = InputConfig::at(pin?);
    Some(InputConfig {
        pull: pull.unwrap_or(default.pull),
        active: active.unwrap_or(default.active),
        debounce: debounce.unwrap_or(DEFAULT_DEBOUNCE),
        class,
        ..default
    })
}

fn output(section: &mut Section<'_>, places: &mut Places, findings: &mut Findings) -> Option<OutputConfig> {
    let pin = pin(section, places, findings);
    let active = section.choice("active", &ACTIVE_LEVELS, findings);
    let safe_on = safe(section, findings);
    let longest = max_on(section, findings);
    let limits = (Duration::ZERO, LONGEST_OUTPUT_TIME);
    let min_on = section.duration_within("min_on", limits, "1m", findings).unwrap_or_default();
    let min_off = section.duration_within("min_off", limits, "3m", findings).unwrap_or_default();
    // Away from a safe state that is on means off, so the other shortest time is the one that must fit.
    let (key, away_at_least) = if safe_on == Some(true) { ("min_off", min_off) } else { ("min_on", min_on) };
    if let Some(Some(longest)) = longest
        && away_at_least > longest
    {
        let span = section.item(key).map_or_else(|| section.span.clone(), |found| found.span);
        let hint = "make it shorter, or `max_on` longer: both cannot hold";
        findings.push(section.error(span, format!("`{key}` is longer than `max_on`"), hint));
    }
    if safe_on == Some(true) {
        places.safe_on = section.item("safe").map(|found| found.span);
    }
    let interlock = interlock(section, places, findings);
    let class = class(section, "heat", &OUTPUT_CLASSES, findings);
    let default = OutputConfig::at(pin?);
    Some(OutputConfig {
        active: active.unwrap_or(default.active),
        safe_on: safe_on?,
        max_on: longest?,
        min_on,
        min_off,
        interlock,
        class,
        ..default
    })
}

/// `safe` is mandatory: only the owner knows what is safe.
fn safe(section: &mut Section<'_>, findings: &mut Findings) -> Option<bool> {
    if section.item("safe").is_none() {
        let hint = "say which state it takes at start, at stop and when something is wrong: safe = \"off\"";
        findings.push(section.missing("safe", hint));
        return None;
    }
    section.choice("safe", &LEVELS, findings)
}

/// `max_on` is mandatory, so that nobody forgets it. The inner nothing is the owner's `"unlimited"`.
fn max_on(section: &mut Section<'_>, findings: &mut Findings) -> Option<Option<Duration>> {
    let Some(found) = section.item("max_on") else {
        let hint = "say how long it may be on in one go: max_on = \"2h\", or \"unlimited\"";
        findings.push(section.missing("max_on", hint));
        return None;
    };
    if found.value.as_str() == Some("unlimited") {
        let what = "`max_on` is unlimited: whatever switches it on and then goes away leaves it on for ever";
        findings.push(section.warning(
            found.span,
            what,
            "if there is a longest time that makes sense, write it: max_on = \"2h\"",
        ));
        return Some(None);
    }
    let longest = section.duration("max_on", "2h", findings)?;
    if longest.value.is_zero() || longest.value > LONGEST_OUTPUT_TIME {
        let what = if longest.value.is_zero() {
            "`max_on` is zero, so it could never be used"
        } else {
            "`max_on` is longer than a year"
        };
        let hint = "write how long it may be on in one go: max_on = \"2h\", or \"unlimited\"";
        findings.push(section.error(longest.span, what, hint));
        return None;
    }
    Some(Some(longest.value))
}

/// Longest word of an interlock group, in characters.
const MAX_GROUP_CHARACTERS: usize = 32;

fn interlock(section: &mut Section<'_>, places: &mut Places, findings: &mut Findings) -> Option<String> {
    let group = section.text("interlock", "heating", findings)?;
    if group.value.trim().is_empty() || group.value.chars().count() > MAX_GROUP_CHARACTERS {
        let hint = "write one word, the same at each output of the group: interlock = \"heating\"";
        findings.push(section.error(group.span, "`interlock` is not the name of a group", hint));
        return None;
    }
    places.interlock = Some(group.clone().map(str::to_owned));
    Some(group.value.to_owned())
}

fn class(
    section: &mut Section<'_>,
    example: &str,
    known: &[&str],
    findings: &mut Findings,
) -> Option<String> {
    let class = section.text("class", example, findings)?;
    if !known.contains(&class.value) {
        let hint = match nearest(class.value, known.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("the page has symbols for {}", listed(known)),
        };
        findings.push(section.warning(class.span, format!("the class `{}` is not known", class.value), hint));
    }
    Some(class.value.to_owned())
}

/// A pin of the header, by its BCM number or as "P11" for header pin 11; or "porch:3", line 3 of the expander `porch`.
fn pin(section: &mut Section<'_>, places: &mut Places, findings: &mut Findings) -> Option<Pin> {
    let Some(found) = section.item("pin") else {
        let hint = "write the BCM number, pin = 17, or the header pin, pin = \"P11\"";
        findings.push(section.missing("pin", hint));
        return None;
    };
    if let Some(pin) = found.value.as_str().and_then(line_of_expander) {
        places.pin = Some(Spanned { value: pin.clone(), span: found.span });
        return Some(pin);
    }
    let line = match (found.value.as_integer(), found.value.as_str()) {
        (Some(number), _) => line_of_number(number),
        (None, Some(text)) => line_of_text(text),
        (None, None) => Err((
            "`pin` is neither a number nor a text".to_owned(),
            "write the BCM number, pin = 17, or the header pin, pin = \"P11\"".to_owned(),
        )),
    };
    match line {
        Ok(line) => {
            places.pin = Some(Spanned { value: line.into(), span: found.span.clone() });
            if HAT_LINES.contains(&line.number()) {
                let what =
                    format!("{line} is read at every start of the board, to find out what is plugged on");
                findings.push(section.warning(found.span, what, "choose another pin if you can"));
            }
            Some(line.into())
        }
        Err((what, hint)) => {
            findings.push(section.error(found.span, what, hint));
            None
        }
    }
}

fn line_of_expander(text: &str) -> Option<Pin> {
    let (device, line) = text.split_once(':')?;
    Some(Pin::Expander { device: DeviceId::new(device).ok()?, line: line.parse().ok()? })
}

/// What is wrong, and what to do.
type Complaint = (String, String);

fn line_of_number(number: i64) -> Result<LineNumber, Complaint> {
    match u32::try_from(number) {
        Ok(line) if number <= LAST_HEADER_LINE => Ok(LineNumber::new(line)),
        _ => {
            let hint = match u8::try_from(number).ok().and_then(LineNumber::at_header_pin) {
                Some(_) => format!(
                    "write a BCM number from 0 to {LAST_HEADER_LINE}; if you mean pin {number} of the header, write pin = \"P{number}\""
                ),
                None => format!(
                    "write a BCM number from 0 to {LAST_HEADER_LINE}, or a header pin such as \"P11\""
                ),
            };
            Err((format!("the header has no GPIO {number}"), hint))
        }
    }
}

fn line_of_text(text: &str) -> Result<LineNumber, Complaint> {
    let hint = || "write the BCM number, pin = 17, or the header pin, pin = \"P11\"".to_owned();
    let plain = text.trim().to_uppercase();
    if let Some(number) = plain.strip_prefix('P').and_then(|digits| digits.parse::<u8>().ok()) {
        return LineNumber::at_header_pin(number).ok_or_else(|| {
            let what = if (1..=40).contains(&number) {
                format!("header pin {number} is power or ground, which cannot be used")
            } else {
                format!("the header has no pin {number}: they go from 1 to 40")
            };
            (what, hint())
        });
    }
    let digits =
        plain.trim_start_matches(|character: char| character.is_ascii_alphabetic() || character == ' ');
    let meant = digits.parse::<u32>().ok().filter(|number| i64::from(*number) <= LAST_HEADER_LINE);
    let hint =
        meant.map_or_else(hint, |number| format!("write it as a number without quotes: pin = {number}"));
    Err((format!("`{text}` is no pin"), hint))
}
